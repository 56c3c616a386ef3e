"""Spectra → blocks of them, and what is gathered from block to block.

Conventions: wide matrices (whatever has a row per mel band) exist for one block only, so
that memory hardly grows with the length of a source. A block has some frames of its neighbours
around it, so that a filter over time comes out as over the whole; it is in decibels over the
whole's reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from ..spectra import FRAMES_PER_S, N_MELS, Array, Scale, Spectra, measure_scale
from ..spool import Kept

SEGMENT_FRAMES = 22
BLOCK_FRAMES = 93 * SEGMENT_FRAMES
POINT_S, MAX_POINTS = 0.5, 400
REACH_FRAMES = 90  # the widest filter over time, 4 s, looks 86 frames to either side


Rows = Callable[[Spectra], Array]
RowsByName = Mapping[str, Rows]


class Source(Protocol):
    """What has frames to slice: `Spectra`, or a `Spool` of them."""

    @property
    def n_frames(self) -> int: ...

    def __getitem__(self, frames: slice) -> Spectra: ...


@dataclass(frozen=True)
class Block:
    """Some frames of a span.

    Attributes
    ----------
    spectra : the frames and their neighbours.
    own : where the frames themselves lie in `spectra`.
    frames : where they lie in the span.
    """

    spectra: Spectra
    own: slice
    frames: slice

    def of(self, rows: Rows) -> Array:
        """The rows of the frames themselves."""
        return rows(self.spectra)[:, self.own]


class Span:
    """Consecutive frames of a source, by default all of them, with a scale of their own.

    Attributes
    ----------
    n_frames : how many.
    power, pitch, salience : ``(n_frames,)`` the sum of the mel bands, and as in `Spectra`.
    """

    def __init__(self, source: Source, first: int = 0, stop: int | None = None) -> None:
        self.source = source
        self.first = first
        self.n_frames = (source.n_frames if stop is None else stop) - first
        rows = [(part.mel_power.sum(axis=0), part.pitch[0], part.salience[0]) for part in self._parts()]
        self.power, self.pitch, self.salience = np.concatenate(rows, axis=1)

    @property
    def duration_s(self) -> float:
        return self.n_frames / FRAMES_PER_S

    @cached_property
    def scale(self) -> Scale:
        """As of `Spectra`, found block by block."""
        return measure_scale((part.mel_power for part in self._parts()), self.n_frames * N_MELS)

    @cached_property
    def level_db(self) -> Array:
        """Level of every frame in dB under the loudest, at least -60, ``(n_frames,)``."""
        level = 10 * np.log10(np.maximum(self.power / max(float(self.power.max()), 1e-20), 1e-7))
        return np.asarray(np.maximum(level, -60), dtype=np.float32)

    def trimmed(self, *, range_db: float = 60.0) -> Self:
        """Without what is silent at either end: frames `range_db` under the loudest."""
        loud = np.flatnonzero(self.power > self.power.max(initial=0) * 10 ** (-range_db / 10))
        whole = not len(loud) or self.n_frames == loud[-1] + 1 - loud[0]
        return self if whole else type(self)(self.source, self.first + loud[0], self.first + loud[-1] + 1)

    def blocks(self) -> Iterator[Block]:
        """All frames in blocks that share nothing but what surrounds them."""
        for own in self._frames():
            start, stop = max(own.start - REACH_FRAMES, 0), min(own.stop + REACH_FRAMES, self.n_frames)
            spectra = self._cut(slice(start, stop)).on_scale(self.scale)
            yield Block(spectra, slice(own.start - start, own.stop - start), own)

    def _frames(self) -> Iterator[slice]:
        for start, stop in pairwise([*starts(self.n_frames, BLOCK_FRAMES), self.n_frames]):
            yield slice(int(start), int(stop))

    def _parts(self) -> Iterator[Spectra]:
        return map(self._cut, self._frames())

    def _cut(self, frames: slice) -> Spectra:
        return self.source[self.first + frames.start : self.first + frames.stop]


def starts(n_frames: int, step: int) -> npt.NDArray[np.intp]:
    """First frames of groups of `step`; a rest of half of one or less belongs to the group before."""
    return np.arange(0, max(n_frames - step // 2, 1), step)


class Moments:
    """Mean and deviation of rows over groups of `step` frames, fed block by block."""

    def __init__(self, n_frames: int, step: int) -> None:
        self._starts = starts(n_frames, step)
        self._counts = np.diff(np.append(self._starts, n_frames))
        self._step = step
        self._sums = np.zeros((2, 0, len(self._starts)))

    def add(self, rows: Array, frames: slice) -> None:
        """Take in the rows of the next frames."""
        group = np.minimum(np.arange(frames.start, frames.stop) // self._step, len(self._starts) - 1)
        first = np.flatnonzero(np.diff(group, prepend=-1))
        doubled = rows.astype(np.float64)
        if not self._sums.size:
            self._sums = np.zeros((2, len(rows), len(self._starts)))
        self._sums[0][:, group[first]] += np.add.reduceat(doubled, first, axis=1)
        self._sums[1][:, group[first]] += np.add.reduceat(doubled**2, first, axis=1)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """``(rows, groups)``."""
        return np.asarray(self._sums[0] / self._counts)

    @property
    def std(self) -> npt.NDArray[np.float64]:
        """``(rows, groups)``."""
        return np.sqrt(np.maximum(self._sums[1] / self._counts - self.mean**2, 0))


class Clip:
    """A span as the families describe it: what they need of its blocks, gathered one by one.

    Parameters
    ----------
    averaged : rows, by name, of which only mean and deviation are needed.
    curves : rows that are needed frame by frame.
    points : rows whose means over `POINT_S`, or the `MAX_POINTS`-th part of a long clip, are needed.
    """

    def __init__(self, span: Span, *, averaged: RowsByName, curves: RowsByName, points: RowsByName) -> None:
        self.span = span
        self._averaged, self._curves, self._points = averaged, curves, points
        step = max(round(POINT_S * FRAMES_PER_S), -(-span.n_frames // MAX_POINTS))
        self._moments = {name: Moments(span.n_frames, span.n_frames) for name in averaged}
        self._course = {name: Moments(span.n_frames, step) for name in points}
        self._kept = Kept(span.n_frames)

    def add(self, block: Block) -> None:
        """Gather from the next block."""
        for name, rows in self._averaged.items():
            self._moments[name].add(block.of(rows), block.frames)
        for name, rows in self._points.items():
            self._course[name].add(block.of(rows), block.frames)
        for name, rows in self._curves.items():
            self._kept.put(name, block.of(rows), block.frames)

    def mean(self, name: str) -> npt.NDArray[np.float64]:
        """Over all frames, ``(rows,)``."""
        return self._moments[name].mean[:, 0]

    def std(self, name: str) -> npt.NDArray[np.float64]:
        """Over all frames, ``(rows,)``."""
        return self._moments[name].std[:, 0]

    def curves(self, name: str) -> Array:
        """``(rows, frames)``."""
        return self._kept[name]

    def close(self) -> None:
        """Let go of what was gathered."""
        self._kept.close()

    def points(self, name: str) -> Array:
        """``(rows, points)``."""
        return self._course[name].mean.astype(np.float32)
