"""Standardised features → a descriptor of bytes → how alike clips sound, set against the training corpus.

Conventions: a descriptor is the clip features as the model standardises them, that is as normal
scores among the training clips (see `decision.NormalScores`), one signed byte each. Two clips are as
alike as the cosine of the angle between their descriptors, -1 to 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from scipy.special import ndtr

from .decision import Matrix
from .features import schema

STEPS: Final = 42  # in a standard deviation, so that three of them fill a byte
AT_A_TIME: Final = 1000  # clips, to spare memory

# Of sets of clips by different hands, either all scores or all songs, from the training corpus
# (benchmarks/albums.py): mean similarity of a pair, its variance, and the variance, from clip to clip,
# of a clip's mean similarity with all others.
USUAL: Final = 0.111
PAIR_VARIANCE: Final = 0.0719
CLIP_VARIANCE: Final = 0.0068


def descriptor_of(scores: Iterable[float]) -> bytes:
    """The descriptor of a clip's normal scores."""
    steps = np.rint(STEPS * np.fromiter(scores, np.float64))
    return np.clip(steps, -127, 127).astype(np.int8).tobytes()


def cohesion(descriptors: Sequence[bytes]) -> float | None:
    """Mean similarity of all pairs, -1 to 1; None where there are no two comparable descriptors."""
    if len(descriptors) < 2 or {len(d) for d in descriptors} != {len(schema.NAMES)}:
        return None
    n, total, own = len(descriptors), np.zeros(len(schema.NAMES)), 0.0
    for i in range(0, n, AT_A_TIME):
        units = _units(descriptors[i : i + AT_A_TIME])
        total += units.sum(axis=0)
        own += float((units**2).sum())
    mean = float(total @ total - own) / (n * (n - 1))
    return min(max(mean, -1.0), 1.0)  # rounding may miss the ends by a little


def _units(descriptors: Sequence[bytes]) -> Matrix:
    """Descriptors at length 1, ``(clips, features)``; one that is all zeros stays so."""
    rows = np.frombuffer(b"".join(descriptors), np.int8).reshape(len(descriptors), -1).astype(np.float64)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1))


def percentile(value: float, n_clips: int) -> float:
    """Per cent of sets of `n_clips` clips by different hands whose cohesion is less, 0 to 100.

    A mean over all pairs is a U-statistic: nearly normal, with the variance
    ``(4 (n - 2) clip variance + 2 pair variance) / (n (n - 1))`` (Hoeffding 1948, Annals of
    Mathematical Statistics 19).
    """
    variance = (4 * (n_clips - 2) * CLIP_VARIANCE + 2 * PAIR_VARIANCE) / (n_clips * (n_clips - 1))
    return float(100 * ndtr((value - USUAL) / np.sqrt(variance)))
