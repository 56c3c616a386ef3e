"""Evidence over time → where it changes: novelty, and the likeliest sequence of segments.

Conventions: evidence comes in points at a constant rate; a boundary has the number of the point
that it stands before. A path is a sequence of runs, each of one state, that covers
all points and is at least as long as its state demands.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from .decision import Matrix

Run = tuple[int, int, int]  # first point, point after the last, state


def novelty(rows: npt.NDArray[np.floating], reach: int) -> Matrix:
    """How unlike the points before each point are to those from it on, ``(points,)``, 0 (alike) to 1.

    The checkerboard novelty of Foote (2000) on cosine similarities, tapered, `reach` points to either
    side. It is the squared distance between the two sides' means of unit vectors, and is computed so.
    """
    units = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9)
    return np.asarray((_from_side_to_side(units, reach) ** 2).sum(axis=1) / 4)


def unlikeness(rows: npt.NDArray[np.floating], reach: int) -> Matrix:
    """How far the means of the points before each point and of those from it on lie apart, ``(points,)``.

    Root mean square over the columns, in their unit; tapered as `novelty` is.
    """
    return np.asarray(np.sqrt((_from_side_to_side(rows, reach) ** 2).mean(axis=1)))


def _from_side_to_side(rows: npt.NDArray[np.floating], reach: int) -> npt.NDArray[np.floating]:
    """The tapered mean of `reach` points from each point on less that of as many before it, like the rows."""
    taper = np.hanning(2 * reach + 2)[1:-1] * np.repeat([-1.0, 1.0], reach) * 4 / (2 * reach + 1)
    return np.asarray(scipy.ndimage.correlate1d(rows, taper, axis=0, mode="nearest"))


def decode(gains: Matrix, costs: npt.NDArray[np.floating], shortest: Sequence[int]) -> list[Run]:
    """The runs with the highest sum of gains less the costs of the boundaries between them.

    A Viterbi search over runs instead of points, so that a shortest length needs no further states.

    Parameters
    ----------
    gains : ``(points, states)`` log likelihood of each state at each point.
    costs : ``(points, states, states)`` of a boundary before a point, from one state to another
        or to a new run of the same.
    shortest : points that a run of each state lasts at least; less only if there are fewer in all.
    """
    n, states = gains.shape
    total = np.vstack([np.zeros(states), np.cumsum(gains, axis=0)])
    least = np.minimum(shortest, n)
    entry, origin = np.full((n + 1, states), -np.inf), np.zeros((n + 1, states), np.intp)
    began = np.zeros((n + 1, states), np.intp)
    entry[0] = 0.0
    best, start, every = np.full(states, -np.inf), np.zeros(states, np.intp), np.arange(states)
    for t in range(1, n + 1):
        candidate = np.where(
            t >= least, entry[t - least, every], -np.inf
        )  # a run that begins `least` before t
        start = np.where(candidate > best, t - least, start)
        best, began[t] = np.maximum(best, candidate), start
        if t < n:
            arriving = (best + total[t])[:, None] - costs[t]
            origin[t] = arriving.argmax(axis=0)
            entry[t] = arriving.max(axis=0) - total[t]
    return _runs(began, origin, int((best + total[n]).argmax()))


def _runs(began: npt.NDArray[np.intp], origin: npt.NDArray[np.intp], state: int) -> list[Run]:
    """Trace the path back from its last state."""
    runs: list[Run] = []
    end = len(began) - 1
    while end > 0:
        start = int(began[end, state])
        runs.append((start, end, state))
        end, state = start, int(origin[start, state])
    return runs[::-1]
