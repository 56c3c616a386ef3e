"""Examples → what is wrong with them as a set, each finding with the rows that it is about.

Conventions: a finding is one sentence for whoever wrote the labels, and says how to mend it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence, Set
from typing import Any, Final, NamedTuple, TypeAlias

import joblib

from .errors import AudioError
from .examples import Example
from .label_rows import LABELS
from .likeness import MEL_MEANS, beginning, copies
from .recordings import alike, merged, sound_of
from .spectra import Array

FEWEST_GROUPS: Final = 3
FEWEST_LEFT: Final = 2  # groups of either class that must be left to learn from, one source being out
MOST_ROWS: Final = 8  # that a finding lists

Progress: TypeAlias = Callable[[Iterable[Any], int], Iterable[Any]]


class Sound(NamedTuple):
    """The hash of what a clip sounds like, and how it begins, see `likeness`."""

    mark: str
    beginning: Array


def as_a_set(examples: Sequence[Example], fewest_groups: int) -> list[str]:
    """The same file twice, and classes of too few groups."""
    twice = [
        f"{_rows(examples[p] for p in places)}: {examples[places[0]].path}: listed {len(places)} times; "
        f"{_mend([examples[p] for p in places], 'keep one row of it')}"
        for places in alike((e.path, e.start_s) for e in examples)
    ]
    groups = {(e.label, e.group) for e in examples}
    return twice + too_few(("score", "song"), groups, "groups", fewest_groups)


def by_sound(
    examples: Sequence[Example], fewest_groups: int, n_jobs: int | None, progress: Progress | None
) -> list[str]:
    """What only decoding tells: clips that are no audio, and recordings that are there twice.

    The same samples under two names are a finding, and so are copies, by another codec or at
    another level, that have two labels, or without which a class has too few groups.
    """
    work = joblib.Parallel(n_jobs=n_jobs, backend="threading", return_as="generator")(
        joblib.delayed(_sound)(e) for e in examples
    )
    if progress and any(e.measured is None for e in examples):
        work = progress(work, len(examples))
    sounds = list(work)
    broken = [f"row {e.row}: {s}" for e, s in zip(examples, sounds, strict=True) if isinstance(s, AudioError)]
    heard = [(e, s) for e, s in zip(examples, sounds, strict=True) if isinstance(s, Sound)]
    return broken + _repeated(heard) + _copied(heard, fewest_groups)


def _sound(example: Example) -> Sound | AudioError:
    if example.measured is not None:
        return Sound(example.measured.sound, example.measured.features.segments[:, MEL_MEANS])
    offset_s, max_s = example.start_s, example.duration_s
    try:
        mark = sound_of(example.path, offset_s=offset_s, max_s=max_s)
        return Sound(mark, beginning(example.path, offset_s=offset_s, max_s=max_s))
    except AudioError as error:
        return error


def _repeated(heard: Sequence[tuple[Example, Sound]]) -> list[str]:
    """A finding for each recording that is there under several names."""
    found = ([heard[place][0] for place in places] for places in alike(s.mark for _, s in heard))
    return [
        f"{_rows(same)}: {_names(same)}: the same recording; {_mend(same, 'keep one of them')}"
        for same in found
        if len({e.path for e in same}) > 1
    ]


def _copied(heard: Sequence[tuple[Example, Sound]], fewest_groups: int) -> list[str]:
    """A finding for each two copies under two labels, and for classes that copies leave too few groups."""
    pairs = copies([s.beginning for _, s in heard])
    near = [
        [heard[a][0], heard[b][0]]
        for a, b in pairs
        if heard[a][1].mark != heard[b][1].mark and heard[a][0].path != heard[b][0].path
    ]
    contrary = [
        f"{_rows(two)}: {_names(two)}: copies of one recording; {_mend(two, '')}"
        for two in near
        if two[0].label != two[1].label
    ]
    groups = merged([e.group for e, _ in heard], pairs)
    together = {(e.label, group) for (e, _), group in zip(heard, groups, strict=True)}
    enough = {
        label for label in LABELS if len({e.group for e, _ in heard if e.label == label}) >= fewest_groups
    }
    what = "groups, copies of one recording in one"
    return contrary + too_few([k for k in ("score", "song") if k in enough], together, what, fewest_groups)


def _mend(same: Sequence[Example], otherwise: str) -> str:
    labels = sorted({e.label or "nothing" for e in same})
    return otherwise if len(labels) == 1 else f"called {' and '.join(labels)}: decide, and keep one"


def _names(examples: Iterable[Example]) -> str:
    return ", ".join(e.name for e in examples)


def _rows(examples: Iterable[Example]) -> str:
    rows = [str(e.row) for e in examples]
    more = f" and {len(rows) - MOST_ROWS} more" if len(rows) > MOST_ROWS else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(rows[:MOST_ROWS])}{more}"


def too_few(
    kinds: Iterable[str], members: Set[tuple[str, str]], what: str, fewest: int = FEWEST_GROUPS
) -> list[str]:
    """A finding for every kind that has fewer than `fewest` members."""
    count = Counter(kind for kind, _ in members)
    return [
        f"{kind}: {count[kind]} {what}; expected at least {fewest}, so that each can be tested by others"
        for kind in kinds
        if count[kind] < fewest
    ]


def by_source(examples: Sequence[Example]) -> list[str]:
    """Why one source cannot be left out at a time.

    Clips without a source, a single source, or sources without which too few groups of a
    class are left to learn from.
    """
    missing = [e for e in examples if not e.source]
    findings = [f"{_rows(missing)}: nothing in the column source; say where it is from"] if missing else []
    groups_of: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        groups_of[example.source].add(example.group)
    if len(groups_of) < 2:
        return [*findings, f"source: {len(groups_of)} of them; expected at least 2 to leave one out"]
    return findings + [
        f for source in sorted(groups_of) for f in _too_little(examples, source, groups_of[source])
    ]


def _too_little(examples: Sequence[Example], source: str, groups: Collection[str]) -> list[str]:
    """What is missing to learn from where a source and its groups are left out."""
    left = {
        label: {e.group for e in examples if e.label == label} - set(groups) for label in ("score", "song")
    }
    return [
        f"without source {source!r} (and other clips of its groups) {len(kept)} groups of {label} are left; "
        f"expected at least {FEWEST_LEFT}"
        for label, kept in left.items()
        if len(kept) < FEWEST_LEFT
    ]
