"""Numbers over time → the few that describe them; shared by the feature families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from ..spectra import FRAMES_PER_S


def quantiles(values: npt.ArrayLike, at: Sequence[float]) -> list[float]:
    """Quantiles as plain floats."""
    return [float(q) for q in np.quantile(np.asarray(values, dtype=np.float64), at)]


def smooth(values: npt.NDArray[Any], *, seconds: float) -> npt.NDArray[Any]:
    """Running mean over `seconds` along the last axis, edges repeated; same shape."""
    size = max(1, min(round(seconds * FRAMES_PER_S), values.shape[-1]))
    return np.asarray(scipy.ndimage.uniform_filter1d(values, size, axis=-1, mode="nearest"))


def slope_per_minute(values: npt.NDArray[Any], *, limit: float = 60.0) -> float:
    """Least-squares slope over frames, per minute, held within ±`limit`."""
    time = np.arange(len(values)) / FRAMES_PER_S / 60
    time = time - time.mean()
    slope = float(time @ values) / max(float(time @ time), 1e-9)
    return float(np.clip(slope, -limit, limit))
