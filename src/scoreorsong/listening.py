"""Audio → what is heard in every half second, however long it is.

Conventions: a *point* is one segment of the features (`SEGMENT_S`). The source is heard in
overlapping windows of `WINDOW_POINTS`, one every `STRIDE_POINTS`, each measured and judged like a
clip of its own; a point is the mean of the windows that hold it. The windows lie on a grid from
the start of the source, so that the blocks in which it arrives change nothing. Only a few minutes
are held at a time; what remains are some hundred numbers a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from .audio import RATE_HZ, Samples
from .decision import Matrix
from .features import SEGMENT_FRAMES, measure
from .model import Model, decision_row
from .spectra import HOP, Array, Spectra, joined, stream

WINDOW_POINTS: Final = 20
STRIDE_POINTS: Final = 10
SPAN_WINDOWS: Final = 16  # are cut from one stretch of spectra, within which what they share is computed once
SILENCE_DB: Final = -120.0


@dataclass(frozen=True)
class Heard:
    """What was heard at every point.

    Attributes
    ----------
    heads : ``(points, heads)`` logits of the ear.
    sounding : ``(points,)`` share of the windows in which it is not silent, 0 to 1.
    song : ``(points,)`` calibrated logit that the music around it is a song.
    level_db : ``(points,)`` RMS level in dB re full scale, at least `SILENCE_DB`.
    duration_s : length of the source.
    """

    heads: Matrix
    sounding: Matrix
    song: Matrix
    level_db: Array
    duration_s: float


def listen(blocks: Iterable[Samples], model: Model) -> Heard:
    """Hear a source from end to end, block by block.

    Parameters
    ----------
    blocks : mono float32 at `RATE_HZ`, e.g. an `Audio`.
    """
    meter = _Meter()
    heard = [_hear(span, starts, model) for span, starts in _spans(stream(meter.read(blocks)))]
    sums = np.zeros((SPAN_WINDOWS * STRIDE_POINTS * (len(heard) - 1) + len(heard[-1]), heard[-1].shape[1]))
    for i, part in enumerate(heard):
        sums[i * SPAN_WINDOWS * STRIDE_POINTS :][: len(part)] += part
    means = sums[:, 1:] / sums[:, :1]
    return Heard(
        heads=means[:, 2:],
        sounding=means[:, 0],
        song=means[:, 1],
        level_db=meter.level_db(len(means)),
        duration_s=meter.duration_s,
    )


def _spans(parts: Iterable[Spectra]) -> Iterator[tuple[Spectra, list[slice]]]:
    """Long stretches of the spectra, and the windows that lie in each."""
    size, stride = WINDOW_POINTS * SEGMENT_FRAMES, STRIDE_POINTS * SEGMENT_FRAMES
    length = size + (SPAN_WINDOWS - 1) * stride
    held: list[Spectra] = []
    for part in parts:
        held.append(part)
        if sum(p.n_frames for p in held) > length + stride:
            whole = joined(held)
            yield whole[:length], [slice(s, s + size) for s in range(0, length - size + 1, stride)]
            held = [whole[length - size + stride :]]
    rest = joined(held)
    yield rest, [slice(s, s + size) for s in range(0, max(rest.n_frames - size + stride, 1), stride)]


def _hear(span: Spectra, windows: list[slice], model: Model) -> Matrix:
    """Sums over the windows of what `_judge` says, ``(points, 3 + heads)``."""
    _ = span.percussive  # so that the windows need not find it once more each
    parts = [(window.start // SEGMENT_FRAMES, _judge(span[window], model)) for window in windows]
    last, rows = parts[-1]
    sums = np.zeros((last + len(rows), rows.shape[1]))
    for first, rows in parts:
        sums[first : first + len(rows)] += rows
    return sums


def _judge(window: Spectra, model: Model) -> Matrix:
    """For every point: one, whether it sounds, the song's logit, the logits of the ear."""
    features = measure(window, source="", windows=False)
    heard = model.ear(features.segments)
    song = model.decision(decision_row(features, heard, model.ear.heads)[None])
    ones = np.ones(len(heard))
    return np.column_stack([ones, ~features.silent, song * ones, heard])


class _Meter:
    """Measures blocks as they pass."""

    def __init__(self) -> None:
        self._powers: list[float] = []
        self._samples = 0

    @property
    def duration_s(self) -> float:
        return self._samples / RATE_HZ

    def read(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """The same blocks."""
        size, rest = SEGMENT_FRAMES * HOP, np.zeros(0, np.float32)
        for block in blocks:
            self._samples += len(block)
            rest = np.concatenate([rest, block])
            whole = len(rest) - len(rest) % size
            powers = np.square(rest[:whole], dtype=np.float64).reshape(-1, size).mean(axis=1)
            self._powers += powers.tolist()
            rest = rest[whole:]
            yield block
        self._powers += [float(np.square(rest, dtype=np.float64).mean())] if len(rest) else []

    def level_db(self, points: int) -> Array:
        """RMS level of the first points, re full scale; a rest after the last of them is left out."""
        level = 10 * np.log10(np.maximum(self._powers[:points], 10 ** (SILENCE_DB / 10)))
        return np.asarray(level, dtype=np.float32)
