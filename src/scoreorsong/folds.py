"""Takes → folds by group: who learns from what, and is asked about what.

Conventions: no group is learnt from and asked about; whoever was mixed into a take counts as
a group of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from .decision import Matrix
from .hearing import Flags
from .takes import Take

INNER_FOLDS: Final = 5
RARE: Final = ""  # kind of the voices and clips without music of which there are too few to be spread evenly


def fold_of_groups(takes: Sequence[Take], most_folds: int, random_state: int) -> dict[str, int]:
    """Which fold each group is tested in; clips are spread evenly by slice.

    There are `most_folds` folds, or fewer where a class has fewer groups. Slices too rare for that many folds count
    as their class, and the groups of a kind of voice that is too rare are put into as many folds as can be, so that
    every fold leaves both classes and all kinds of voices to learn from.
    """
    fewest = min(len({t.group for t in takes if t.label == label}) for label in ("score", "song"))
    n_folds = max(2, min(most_folds, fewest))
    clips = [t for t in takes if t.variant == "original"]
    groups = np.array([min(t.groups) for t in clips])
    kinds = [t.slice for t in clips]
    told = set(zip(kinds, groups.tolist(), strict=True))
    labels = [t.label if t.label in ("score", "song") else RARE for t in clips]
    for coarser in (labels, [RARE] * len(clips)):
        groups_in = Counter(kind for kind, _ in set(zip(kinds, groups.tolist(), strict=True)))
        kinds = [k if groups_in[k] >= n_folds else c for k, c in zip(kinds, coarser, strict=True)]
    spread = np.array(kinds) != RARE
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=random_state)
    splits = splitter.split(groups[spread], np.array(kinds)[spread], groups[spread])
    fold_of = {str(g): fold for fold, (_, test) in enumerate(splits) for g in groups[spread][test]}
    placed = Counter((kind, fold_of[group]) for kind, group in told if group in fold_of)
    for kind, group in sorted((kind, group) for kind, group in told if group not in fold_of):
        emptiest = min(range(n_folds), key=lambda fold: (placed[kind, fold], placed[RARE, fold]))
        fold = fold_of.setdefault(group, emptiest)
        placed.update([(kind, fold), (RARE, fold)])
    return fold_of


def without(takes: Sequence[Take], fold_of: dict[str, int], fold: int) -> list[Take]:
    """The takes that have nothing to do with the fold."""
    return [t for t in takes if all(fold_of[g] != fold for g in t.groups)]


def learnable(takes: Sequence[Take]) -> list[Take]:
    """The takes that may be learnt from: all but those for checking."""
    return [t for t in takes if not t.checking]


def labelled(takes: Sequence[Take], label: str) -> Flags:
    """Which of the takes have this label, ``(takes,)``."""
    return np.array([t.label == label for t in takes])


@dataclass(frozen=True)
class Table:
    """Takes to learn from.

    Attributes
    ----------
    folds : the inner fold that each is tested in, ``(takes,)``.
    """

    takes: list[Take]
    folds: npt.NDArray[np.int_]

    def of(self, variants: tuple[str, ...]) -> Flags:
        """Which takes are of such variants, ``(takes,)``."""
        return np.array([t.variant.startswith(variants) for t in self.takes])

    def left_in_every_fold(self, flags: Flags) -> bool:
        """Whether there are such takes to learn from, whichever fold is tested."""
        return all((flags & (self.folds != fold)).any() for fold in np.unique(self.folds))

    def chosen(self, flags: Flags) -> list[Take]:
        """Some of the takes."""
        return [t for t, flag in zip(self.takes, flags, strict=True) if flag]


def table_of(takes: Sequence[Take], fold_of: Mapping[str, int]) -> Table:
    """The takes, each tested in the fold of its group."""
    return Table(list(takes), np.array([fold_of[take.group] for take in takes]))


def by_others(
    learn: Callable[[Flags], Callable[[Matrix], Matrix]],
    scores: Matrix,
    table: Table,
    chosen: Flags,
    asked: Flags,
) -> Matrix:
    """What those asked about are told by what is learnt from the chosen takes of the other inner folds, ``(asked,)``."""
    told = np.zeros(len(scores))
    for fold in np.unique(table.folds):
        tested = asked & (table.folds == fold)
        if tested.any():
            told[tested] = learn(chosen & (table.folds != fold))(scores[tested])
    return told[asked]
