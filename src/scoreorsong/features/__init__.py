"""Spectra → Features: named numbers per clip, per window of 10 s and per half second.

Conventions: every number is the same whatever the gain; silence at either end is
cut before a clip or a window is measured, while the half-second segments cover
the whole source, so that their times are the source's own; those of the silence
cut off mirror what lies beside it. A source of more than a minute
and a half is measured minute by minute, and its numbers are their mean: how often something
returns, or how far it rises at most, would else depend on how long one listens. `schema`
names what is in a clip vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from ..audio import RATE_HZ
from ..spectra import FRAMES_PER_S, HOP, N_FFT, Array, Spectra
from . import schema, spectral, structure, vocals
from .clip import SEGMENT_FRAMES as SEGMENT_FRAMES
from .clip import Clip, grouped, level_db, sounding, starts

WINDOW_S = 10.0
WINDOW_FRAMES = round(WINDOW_S * FRAMES_PER_S)
PART_SEGMENTS = 117  # about a minute
PART_FRAMES = PART_SEGMENTS * SEGMENT_FRAMES
SEGMENT_S = SEGMENT_FRAMES / FRAMES_PER_S
BANDS = 24  # so wide that steady noise hardly wavers in them
SEGMENT_NUMBERS = 186  # a mean and a deviation for each of the rows that `_segments` sums up
SILENT_DB = -50.0
LEAST_SOUNDING = 0.5  # share of the frames of a segment that is not silent


class Source(Protocol):
    """What has frames to slice: `Spectra`, or a `Spool` of them."""

    @property
    def n_frames(self) -> int: ...

    def __getitem__(self, frames: slice) -> Spectra: ...


@dataclass(frozen=True)
class Features:
    """The numbers of one source; index it by a feature's name for its clip value.

    Attributes
    ----------
    source : what the source is called.
    duration_s : length of what was analysed.
    clip : ``(len(schema.NAMES),)`` in the order of `schema.NAMES`; of a long source the mean over its minutes.
    windows : ``(windows, len(schema.NAMES))`` the same numbers for every 10 s; a rest
        shorter than 5 s belongs to the window before it. Empty unless asked for.
    segments : ``(segments, SEGMENT_NUMBERS)`` means, then deviations, over `SEGMENT_S` each.
    silent : ``(segments,)`` whether most of a segment lies more than 50 dB under the loudest frame.
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


def measured_by() -> dict[str, Any]:
    """What the numbers depend on: kept with whatever is made of them, so that those of another release are told."""
    names = hashlib.sha256("\n".join(schema.NAMES).encode()).hexdigest()[:12]
    return {
        "schema_version": schema.SCHEMA_VERSION,
        "features": f"{len(schema.NAMES)}:{names}",
        "rate_hz": RATE_HZ,
        "n_fft": N_FFT,
        "hop": HOP,
        "segment_frames": SEGMENT_FRAMES,
        "segment_numbers": SEGMENT_NUMBERS,
    }


def measure(
    spectra: Source, *, source: str, warnings: tuple[str, ...] = (), windows: bool = True
) -> Features:
    """All features of a source; `windows` says whether to measure those of every 10 s too."""
    parts = [_Part.of(part) for part in _cut(spectra, PART_FRAMES)]
    silent = _silent(parts)
    measured = [vector(part) for part in _cut(spectra, WINDOW_FRAMES)] if windows else []
    return Features(
        source=source,
        duration_s=spectra.n_frames / FRAMES_PER_S,
        clip=_mean(parts, silent),
        windows=np.array(measured, np.float32).reshape(-1, len(schema.NAMES)),
        segments=np.concatenate([part.segments for part in parts]),
        silent=silent,
        warnings=warnings,
    )


def vector(spectra: Spectra) -> Array:
    """The clip features in the order of `schema.NAMES`."""
    return _vector(Clip(spectra[sounding(spectra.power)]))


def _vector(clip: Clip) -> Array:
    named = spectral.describe(clip) | vocals.describe(clip) | structure.describe(clip)
    return np.array([named[name] for name in schema.NAMES], dtype=np.float32)


def _cut(spectra: Source, step: int) -> Iterator[Spectra]:
    for start, stop in pairwise([*starts(spectra.n_frames, step), spectra.n_frames]):
        yield spectra[int(start) : int(stop)]


class _Part(NamedTuple):
    """About a minute, measured like a clip of its own; `power` and `is_silent` are as of `Clip` and `Spectra`."""

    vector: Array
    segments: Array
    power: Array
    is_silent: bool

    @classmethod
    def of(cls, spectra: Spectra) -> Self:
        frames = sounding(spectra.power)
        clip = Clip(spectra[frames])
        outside = (frames.start, spectra.n_frames - frames.stop)
        return cls(_vector(clip), _segments(clip, outside), spectra.power, spectra.is_silent)


def _silent(parts: Sequence[_Part]) -> npt.NDArray[np.bool_]:
    """Which segments are silent beside the loudest frame of all parts."""
    level = level_db(np.concatenate([part.power for part in parts]))
    share = grouped((level >= SILENT_DB).astype(np.float32)[None], SEGMENT_FRAMES).mean[0]
    return np.asarray((share < LEAST_SOUNDING) | all(part.is_silent for part in parts))


def _mean(parts: Sequence[_Part], silent: npt.NDArray[np.bool_]) -> Array:
    """The parts' vectors, each counting by how many of its segments sound; alike if none does."""
    edges = np.cumsum([len(part.segments) for part in parts])[:-1]
    sounding = np.array([(~some).sum() for some in np.split(silent, edges)])
    weights = sounding / sounding.sum() if sounding.any() else np.full(len(parts), 1 / len(parts))
    return np.asarray(weights @ np.stack([part.vector for part in parts]), dtype=np.float32)


def _segments(clip: Clip, outside: tuple[int, int]) -> Array:
    """Mean and deviation per segment of what changes from frame to frame, ``(segments, SEGMENT_NUMBERS)``.

    As many frames as lie `outside` of the clip, before and after, mirror it: what was cut off tells nothing of the music beside it.
    """
    spectra = clip.spectra
    rows = [frame_rows(spectra), clip.level_db[None], structure.frames(spectra), vocals.held_pitch(clip)]
    whole = np.pad(np.vstack(rows), ((0, 0), outside), "symmetric")
    return np.vstack(grouped(whole, SEGMENT_FRAMES)).T.astype(np.float32)


def frame_rows(spectra: Spectra) -> Array:
    """What a segment is summed up from, but for what takes the whole source to know, ``(rows, frames)``.

    Neither steps of the cepstrum from frame to frame nor flatness: a lossy codec at a low rate, such as that of our corpus,
    moves both so far that what is learnt from them is wrong of everything that is not coded so.
    """
    step = np.abs(np.diff(spectra.pitch, axis=1, prepend=spectra.pitch[:, :1]))
    return np.vstack([
        spectra.mel_db.reshape(BANDS, -1, spectra.n_frames).mean(axis=1),
        spectra.mfcc,
        vocals.vocvar(spectra),
        np.abs(spectra.fluctogram) * spectra.contraction,
        spectra.contraction,
        vocals.glide(spectra),
        vocals.agreement(spectra),
        spectra.salience,
        np.minimum(step, 1.0),
        spectra.pitch,
        structure.by_region(spectra.onsets),
    ]).astype(np.float32)  # fmt: skip
