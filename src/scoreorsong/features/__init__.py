"""Spectra → Features: named numbers per clip, per window of 10 s and per half second.

Conventions: every number is the same whatever the gain; silence at either end is
cut before a clip or a window is measured, while the half-second segments cover
the whole source, so that their times are the source's own. `schema` names what
is in a clip vector.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..spectra import FRAMES_PER_S, Array, Spectra
from . import schema, spectral, structure, vocals

WINDOW_S = 10.0
SEGMENT_FRAMES = 22
SEGMENT_S = SEGMENT_FRAMES / FRAMES_PER_S
SEGMENT_NUMBERS = 238  # a mean and a deviation for each of the rows of `_frame_rows`
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
    spectra: Spectra, *, source: str, warnings: tuple[str, ...] = (), windows: bool = True
) -> Features:
    """All features of a source; `windows` says whether to measure those of every 10 s too."""
    measured = [vector(part) for part in _windows(spectra)] if windows else []
    return Features(
        source=source,
        duration_s=spectra.duration_s,
        clip=vector(spectra),
        windows=np.array(measured, np.float32).reshape(-1, len(schema.NAMES)),
        segments=_segments(spectra),
        silent=_silent(spectra),
        warnings=warnings,
    )


def vector(spectra: Spectra) -> Array:
    """The clip features in the order of `schema.NAMES`."""
    trimmed = spectra.trimmed()
    named = spectral.describe(trimmed) | vocals.describe(trimmed) | structure.describe(trimmed)
    return np.array([named[name] for name in schema.NAMES], dtype=np.float32)


def _windows(spectra: Spectra) -> Iterator[Spectra]:
    size = round(WINDOW_S * FRAMES_PER_S)
    starts = range(0, max(spectra.n_frames - size // 2, 1), size)
    for start in starts:
        yield spectra[start : spectra.n_frames if start == starts[-1] else start + size]


def _starts(n_frames: int) -> npt.NDArray[np.intp]:
    """First frames of the segments; a rest shorter than half of one belongs to the one before."""
    return np.arange(0, max(n_frames - SEGMENT_FRAMES // 2, 1), SEGMENT_FRAMES)


def _segments(spectra: Spectra) -> Array:
    """Mean and deviation per segment of what changes from frame to frame."""
    rows, starts = _frame_rows(spectra).astype(np.float64), _starts(spectra.n_frames)
    counts = np.diff(np.append(starts, spectra.n_frames))
    mean = np.add.reduceat(rows, starts, axis=1) / counts
    square = np.add.reduceat(rows**2, starts, axis=1) / counts
    return np.vstack([mean, np.sqrt(np.maximum(square - mean**2, 0))]).T.astype(np.float32)


def _silent(spectra: Spectra) -> npt.NDArray[np.bool_]:
    loudest = np.maximum.reduceat(spectral.level_db(spectra), _starts(spectra.n_frames))
    return np.asarray((loudest < SILENT_DB) | spectra.is_silent)


def _frame_rows(spectra: Spectra) -> Array:
    """What a segment is summed up from, ``(rows, frames)``."""
    cepstrum = spectral.mfcc(spectra)
    step = np.abs(np.diff(spectra.pitch, axis=1, prepend=spectra.pitch[:, :1]))
    return np.vstack([
        spectra.mel_db.reshape(24, 3, -1).mean(axis=1),
        cepstrum,
        np.abs(np.diff(cepstrum, axis=1, prepend=cepstrum[:, :1])),
        vocals.vocvar(spectra),
        np.log(spectra.flatness + 1e-6),
        np.abs(spectra.fluctogram) * spectra.contraction,
        spectra.contraction,
        vocals.glide(spectra)[None],
        vocals.agreement(spectra)[None],
        spectra.salience,
        np.minimum(step, 1.0),
        spectra.pitch,
        np.vstack([spectra.onsets[bands].mean(axis=0) for bands in structure.REGIONS.values()]),
        spectral.level_db(spectra)[None],
        structure.frames(spectra),
        vocals.held_pitch(spectra),
    ]).astype(np.float32)  # fmt: skip
