"""Spectra → a clip as the families describe it: a stretch of frames, and sums over them.

Conventions: rows have one column per frame; sums over them are in double precision.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..spectra import FRAMES_PER_S, HOP, N_FFT, Array, Spectra

SEGMENT_FRAMES = 22
POINT_FRAMES = round(0.5 * FRAMES_PER_S)
EDGE_FRAMES = N_FFT // HOP - 1  # that reach over the edge of a sound


class Moments(NamedTuple):
    """Mean and deviation of every row, ``(rows,)`` or over groups of frames ``(rows, groups)``."""

    mean: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]


def starts(n_frames: int, step: int) -> npt.NDArray[np.intp]:
    """First frames of groups of `step`; a rest of half of one or less belongs to the group before."""
    return np.arange(0, max(n_frames - step // 2, 1), step)


def grouped(rows: Array, step: int) -> Moments:
    """The moments of groups of `step` frames."""
    first = starts(rows.shape[1], step)
    counts = np.diff(np.append(first, rows.shape[1]))
    doubled = rows.astype(np.float64)
    mean, square = (np.add.reduceat(some, first, axis=1) / counts for some in (doubled, doubled**2))
    return Moments(mean, np.sqrt(np.maximum(square - mean**2, 0)))


def moments(rows: Array) -> Moments:
    """The moments over all frames."""
    mean, std = grouped(rows, rows.shape[1])
    return Moments(mean[:, 0], std[:, 0])


def points(rows: Array) -> Array:
    """Means over half a second each, ``(rows, points)``."""
    return grouped(rows, POINT_FRAMES).mean.astype(np.float32)


class Clip:
    """Some spectra, and how their level runs.

    Attributes
    ----------
    power, pitch, salience : ``(n_frames,)`` the sum of the mel bands, and as in `Spectra`.
    """

    def __init__(self, spectra: Spectra) -> None:
        self.spectra = spectra
        self.n_frames, self.duration_s = spectra.n_frames, spectra.duration_s
        self.power, self.pitch, self.salience = (
            spectra.power,
            spectra.pitch[0],
            spectra.salience[0],
        )

    @cached_property
    def level_db(self) -> Array:
        """Level of every frame under the loudest, ``(n_frames,)``; see `level_db`."""
        return level_db(self.power)


def sounding(power: Array, *, range_db: float = 60.0) -> slice:
    """The frames of this power, ``(frames,)``, without silent ones at either end, nor what reaches over the edge of the rest.

    Silent is what lies `range_db` under the loudest. An attack out of silence, or out of nothing where a file begins, would
    be an onset, a drift and a slope that the music itself does not have.
    """
    loud = np.flatnonzero(power > power.max(initial=0) * 10 ** (-range_db / 10))
    if not len(loud):
        return slice(0, len(power))
    first, end = int(loud[0]), int(loud[-1]) + 1
    within = slice(first + EDGE_FRAMES, end - EDGE_FRAMES)
    return within if end - first > SEGMENT_FRAMES else slice(first, end)


def level_db(power: Array) -> Array:
    """Levels in dB under the loudest, at least -60, ``(frames,)``."""
    level = 10 * np.log10(np.maximum(power / max(float(power.max()), 1e-20), 1e-7))
    return np.asarray(np.maximum(level, -60), dtype=np.float32)
