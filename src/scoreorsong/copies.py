"""Takes → takes, where copies of one recording share a group, whatever their codec, level or name.

Conventions: two clips are copies where the course of their mel spectra over the first
`COMPARED_S` agrees but for a fixed equaliser and the level of each moment. On the corpus the
likeness of an MP3 at 64 kbit/s, of a quiet, resampled or cut copy to its original is 0.98 or more;
that of different recordings at most 0.79. Clips that are shorter, or begin elsewhere
in the recording, are not compared.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from .dataset import FEWEST_GROUPS, Example
from .errors import LabelsError
from .features import SEGMENT_S
from .recordings import merged
from .spectra import Array
from .takes import Take

log = logging.getLogger("scoreorsong")

COMPARED_SEGMENTS: Final = 30
COMPARED_S: Final = COMPARED_SEGMENTS * SEGMENT_S
MEL_MEANS: Final = slice(0, 24)  # of a segment's numbers, see `features`
ALIKE: Final = 0.9
ROWS_AT_ONCE: Final = 1000


def with_copies_together(takes: Sequence[Take]) -> tuple[list[Take], list[tuple[str, str]]]:
    """The takes, copies of one recording in one group, and the names of the pairs that had two.

    Raises
    ------
    LabelsError : fewer than `FEWEST_GROUPS` groups of a class are left.
    """
    clips = [t for t in takes if isinstance(t.example, Example) and t.variant == "original"]
    groups, names = [t.group for t in clips], [t.features.source for t in clips]
    pairs = copies([t.features.segments for t in clips])
    new = dict(zip(groups, merged(groups, pairs), strict=True))
    for a, b in pairs:
        if clips[a].label != clips[b].label:
            log.warning(
                "%s and %s are copies of one recording: called %s and %s, one of them wrongly",
                names[a], names[b], clips[a].label, clips[b].label,
            )  # fmt: skip
    found = [(names[a], names[b]) for a, b in pairs if groups[a] != groups[b]]
    for pair in found:
        log.warning("%s and %s are copies of one recording and were put into one group", *pair)
    if not found:
        return list(takes), []
    together = [_regrouped(take, new) for take in takes]
    _refuse_few_groups(together)
    return together, found


def _refuse_few_groups(takes: Sequence[Take]) -> None:
    for label in ("score", "song"):
        groups = {t.group for t in takes if t.label == label}
        if len(groups) < FEWEST_GROUPS:
            raise LabelsError(
                f"{label}: {len(groups)} groups, copies of one recording in one; expected at least {FEWEST_GROUPS}"
            )


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


def _regrouped(take: Take, new: dict[str, str]) -> Take:
    groups = frozenset(new.get(group, group) for group in take.groups)
    if not isinstance(take.example, Example):
        return replace(take, groups=groups)
    return replace(take, example=replace(take.example, group=new.get(take.group, take.group)), groups=groups)
