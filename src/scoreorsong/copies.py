"""Takes → takes, where copies of one recording share a group, whatever their codec, level or name."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from .dataset import FEWEST_GROUPS, Example
from .errors import LabelsError
from .likeness import copies
from .recordings import alike, merged
from .takes import Take

log = logging.getLogger("scoreorsong")


def with_copies_together(
    takes: Sequence[Take], *, fewest_groups: int = FEWEST_GROUPS
) -> tuple[list[Take], list[tuple[str, str]]]:
    """The takes, copies of one recording in one group, and the names of the pairs that had two.

    Raises
    ------
    LabelsError : fewer than `fewest_groups` groups of a class are left.
    """
    pairs = copied(takes)
    clips = {example: place for place, example in enumerate(dict.fromkeys(e for pair in pairs for e in pair))}
    groups = [e.group for e in clips]
    new = dict(zip(groups, merged(groups, [(clips[a], clips[b]) for a, b in pairs]), strict=True))
    found = [(a.name, b.name) for a, b in pairs if a.group != b.group]
    for pair in found:
        log.warning("%s and %s are copies of one recording and were put into one group", *pair)
    if not found:
        return list(takes), []
    together = [_regrouped(take, new) for take in takes]
    _refuse_few_groups(together, fewest_groups)
    return together, found


def copied(takes: Sequence[Take]) -> list[tuple[Example, Example]]:
    """The pairs of clips that are copies of one recording, short ones too where they are the same."""
    clips = [
        (t.example, t.features) for t in takes if isinstance(t.example, Example) and t.variant == "original"
    ]
    pairs = set(copies([features.segments for _, features in clips]))
    for places in alike(features.segments.tobytes() for _, features in clips):
        pairs |= set(pairwise(p for p in places if not clips[p][1].silent.all()))
    return [(clips[a][0], clips[b][0]) for a, b in sorted(pairs) if clips[a][0].path != clips[b][0].path]


def _refuse_few_groups(takes: Sequence[Take], fewest: int) -> None:
    for label in ("score", "song"):
        groups = {t.group for t in takes if t.label == label}
        if len(groups) < fewest:
            raise LabelsError(
                f"{label}: {len(groups)} groups, copies of one recording in one; expected at least {fewest}"
            )


def _regrouped(take: Take, new: dict[str, str]) -> Take:
    groups = frozenset(new.get(group, group) for group in take.groups)
    if not isinstance(take.example, Example):
        return replace(take, groups=groups)
    return replace(take, example=replace(take.example, group=new.get(take.group, take.group)), groups=groups)
