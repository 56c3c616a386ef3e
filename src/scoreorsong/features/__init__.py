"""Spectra → Features: named numbers per clip, per window of 10 s and per half second.

Conventions: every number is the same whatever the gain; silence at either end is
cut before a clip or a window is measured, while the half-second segments cover
the whole source, so that their times are the source's own. `schema` names what
is in a clip vector.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..spectra import FRAMES_PER_S, SILENCE_POWER, Array, Spectra
from . import schema, spectral, structure, vocals
from .span import SEGMENT_FRAMES as SEGMENT_FRAMES
from .span import Block, Clip, Moments, Source, Span, starts

WINDOW_S = 10.0
SEGMENT_S = SEGMENT_FRAMES / FRAMES_PER_S
SEGMENT_NUMBERS = 238  # a mean and a deviation for each of the rows that `_Segments` gathers
SILENT_DB = -50.0


@dataclass(frozen=True)
class Features:
    """The numbers of one source; index it by a feature's name for its clip value.

    Attributes
    ----------
    source : what the source is called.
    duration_s : length of what was analysed.
    clip : ``(len(schema.NAMES),)`` in the order of `schema.NAMES`.
    windows : ``(windows, len(schema.NAMES))`` the same numbers for every 10 s; a rest
        shorter than 5 s belongs to the window before it. Empty unless asked for.
    segments : ``(segments, SEGMENT_NUMBERS)`` means, then deviations, over `SEGMENT_S` each.
    silent : ``(segments,)`` whether a segment lies 50 dB or more under the loudest frame.
    warnings : what was odd about the source.
    """

    source: str
    duration_s: float
    clip: Array = field(repr=False)
    windows: Array = field(repr=False)
    segments: Array = field(repr=False)
    silent: npt.NDArray[np.bool_] = field(repr=False)
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> float:
        return float(self.clip[schema.INDEX[name]])

    def items(self) -> Iterator[tuple[schema.Feature, float]]:
        """Every feature's description with its value for the clip."""
        return zip(schema.FEATURES, map(float, self.clip), strict=True)


def measure(
    spectra: Source, *, source: str, warnings: tuple[str, ...] = (), windows: bool = True
) -> Features:
    """All features of a source; `windows` says whether to measure those of every 10 s too."""
    span = Span(spectra)
    trimmed = span.trimmed()
    segments = _Segments(span)
    if trimmed is span:
        clip = _clip(span)
        _walk(span, clip, segments)
    else:
        clip = gathered(trimmed)
        _walk(span, segments)
    measured = [vector(part) for part in _windows(spectra)] if windows else []
    return Features(
        source=source,
        duration_s=span.duration_s,
        clip=_vector(clip),
        windows=np.array(measured, np.float32).reshape(-1, len(schema.NAMES)),
        segments=segments.numbers,
        silent=_silent(span),
        warnings=warnings,
    )


def vector(spectra: Source) -> Array:
    """The clip features in the order of `schema.NAMES`."""
    return _vector(gathered(Span(spectra).trimmed()))


def gathered(span: Span) -> Clip:
    """What the families describe a span by."""
    clip = _clip(span)
    _walk(span, clip)
    return clip


class _Listener(Protocol):
    def add(self, block: Block) -> None: ...


def _walk(span: Span, *listeners: _Listener) -> None:
    for block in span.blocks():
        for listener in listeners:
            listener.add(block)


def _clip(span: Span) -> Clip:
    return Clip(
        span,
        averaged={**spectral.AVERAGED, **vocals.AVERAGED, **structure.AVERAGED},
        curves={**spectral.CURVES, **vocals.CURVES, **structure.CURVES},
        points=structure.POINTS,
    )


def _vector(clip: Clip) -> Array:
    """Its features; nothing is left of the clip then."""
    with closing(clip):
        named = spectral.describe(clip) | vocals.describe(clip) | structure.describe(clip)
    return np.array([named[name] for name in schema.NAMES], dtype=np.float32)


def _windows(spectra: Source) -> Iterator[Spectra]:
    first = starts(spectra.n_frames, round(WINDOW_S * FRAMES_PER_S))
    for start, stop in pairwise([*first, spectra.n_frames]):
        yield spectra[int(start) : int(stop)]


def _silent(span: Span) -> npt.NDArray[np.bool_]:
    loudest = np.maximum.reduceat(span.level_db, starts(span.n_frames, SEGMENT_FRAMES))
    return np.asarray((loudest < SILENT_DB) | (span.scale.peak < SILENCE_POWER))


class _Segments:
    """Mean and deviation per segment of what changes from frame to frame; no segment spans two blocks.

    Attributes
    ----------
    numbers : ``(segments, SEGMENT_NUMBERS)``, whole once all blocks are in.
    """

    def __init__(self, span: Span) -> None:
        self._held_pitch = vocals.HeldPitch(span)
        self._level_db = span.level_db
        self.numbers = np.empty((len(starts(span.n_frames, SEGMENT_FRAMES)), SEGMENT_NUMBERS), np.float32)

    def add(self, block: Block) -> None:
        level_db = self._level_db[None, block.frames]
        rows = [block.of(frame_rows), level_db, block.of(structure.frames), self._held_pitch(block)]
        moments = Moments(level_db.size, SEGMENT_FRAMES)
        moments.add(np.vstack(rows), slice(0, level_db.size))
        described = np.vstack([moments.mean, moments.std]).T
        self.numbers[block.frames.start // SEGMENT_FRAMES :][: len(described)] = described


def frame_rows(spectra: Spectra) -> Array:
    """What a segment is summed up from, but for what takes the whole source to know, ``(rows, frames)``."""
    step = np.abs(np.diff(spectra.pitch, axis=1, prepend=spectra.pitch[:, :1]))
    return np.vstack([
        spectra.mel_db.reshape(24, 3, -1).mean(axis=1),
        spectra.mfcc,
        np.abs(spectral.mfcc_delta(spectra)),
        vocals.vocvar(spectra),
        np.log(spectra.flatness + 1e-6),
        np.abs(spectra.fluctogram) * spectra.contraction,
        spectra.contraction,
        vocals.glide(spectra),
        vocals.agreement(spectra),
        spectra.salience,
        np.minimum(step, 1.0),
        spectra.pitch,
        structure.by_region(spectra.onsets),
    ]).astype(np.float32)  # fmt: skip
