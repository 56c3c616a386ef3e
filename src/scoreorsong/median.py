"""Matrix → its running median: SciPy's `median_filter` for one axis, about ten times as fast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PIECE = 1 << 15  # numbers at a time, so that they stay in a core's cache

Array = npt.NDArray[np.float32]


def running_median(matrix: Array, size: int, *, axis: int) -> Array:
    """Median over `size` (odd) places along an axis, edges repeated: SciPy's median filter, many times as fast.

    In pieces that stay in a core's cache.
    """
    pieces = np.array_split(matrix, max(1, matrix.size // PIECE), axis=1 - axis)
    return np.concatenate([_median_of_piece(piece, size, axis) for piece in pieces], axis=1 - axis)


def _median_of_piece(matrix: Array, size: int, axis: int) -> Array:
    """Selection by forgetting, at all places at once so that NumPy does the comparing.

    Of one value more than half of them, neither the smallest nor the largest can be the median: drop
    both, take in one more, and so on.
    """
    reach = size // 2
    padded = np.pad(matrix, [(reach, reach) if i == axis else (0, 0) for i in (0, 1)], mode="edge")
    shifted = list(np.moveaxis(np.lib.stride_tricks.sliding_window_view(padded, size, axis=axis), -1, 0))
    kept, coming = shifted[: reach + 2], shifted[reach + 2 :]
    while len(kept) > 1:
        for i in range(len(kept) // 2):  # the smaller ones to the front half
            _put_in_order(kept, i, -1 - i)
        for i in range(1, (len(kept) + 1) // 2):
            _put_in_order(kept, 0, i)
        for i in range(len(kept) // 2, len(kept) - 1):
            _put_in_order(kept, i, -1)
        kept = kept[1:-1] + coming[:1]
        coming = coming[1:]
    return kept[0]


def _put_in_order(arrays: list[Array], low: int, high: int) -> None:
    one, other = arrays[low], arrays[high]
    arrays[low], arrays[high] = np.minimum(one, other), np.maximum(one, other)
