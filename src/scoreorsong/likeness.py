"""Clips, or their half seconds → which of them are copies of one recording, whatever their codec or level.

Conventions: two clips are copies where the course of their mel spectra over the first
`COMPARED_S` agrees but for a fixed equaliser and the level of each moment. On the corpus the
likeness of an MP3 at 64 kbit/s, of a quiet, resampled or cut copy to its original is 0.98 or more;
that of different recordings at most 0.79. Clips that are shorter, or begin elsewhere
in the recording, are not compared.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import numpy as np

from .audio import open_audio
from .features import SEGMENT_FRAMES, SEGMENT_S
from .spectra import Array, analyze

COMPARED_SEGMENTS: Final = 30
COMPARED_S: Final = COMPARED_SEGMENTS * SEGMENT_S
MEL_MEANS: Final = slice(0, 24)  # of a segment's numbers, see `features`
MARGIN_S: Final = 0.5  # more than the last frame needs
ALIKE: Final = 0.9
ROWS_AT_ONCE: Final = 1000


def beginning(path: str | os.PathLike[str], *, offset_s: float = 0.0, max_s: float | None = None) -> Array:
    """What `copies` compares of a clip, ``(segments, 24)``: as in its features, without the work for the rest.

    Raises
    ------
    AudioError : it cannot be read as audio.
    """
    enough_s = COMPARED_S + MARGIN_S
    spectra = analyze(open_audio(path, offset_s=offset_s, max_s=min(enough_s, max_s or enough_s)))
    mel = spectra.mel_db.reshape(MEL_MEANS.stop, 3, -1).mean(axis=1)
    n = min(spectra.n_frames // SEGMENT_FRAMES, COMPARED_SEGMENTS)
    return mel[:, : n * SEGMENT_FRAMES].reshape(MEL_MEANS.stop, n, SEGMENT_FRAMES).mean(axis=2).T


def copies(segments: Sequence[Array]) -> list[tuple[int, int]]:
    """Pairs of clips, by place, that are copies; from each clip's ``(segments, numbers)``."""
    places = np.array([i for i, clip in enumerate(segments) if len(clip) >= COMPARED_SEGMENTS], np.intp)
    if not len(places):
        return []
    courses = np.array([_course(segments[i]) for i in places])
    found = []
    for start in range(0, len(courses), ROWS_AT_ONCE):
        alike = np.argwhere(courses[start : start + ROWS_AT_ONCE] @ courses.T > ALIKE)
        found += [(int(places[start + a]), int(places[b])) for a, b in alike if start + a < b]
    return found


def _course(segments: Array) -> Array:
    """How the spectrum moves, as a vector of length 1; of length 0 where it does not move."""
    mel = segments[:COMPARED_SEGMENTS, MEL_MEANS].astype(np.float64)
    mel = mel - mel.mean(axis=1, keepdims=True)
    course = (mel - mel.mean(axis=0)).ravel()
    return np.asarray(course / max(float(np.linalg.norm(course)), 1e-9), dtype=np.float32)
