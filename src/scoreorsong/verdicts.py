"""Takes and models → verdicts: what models say of takes whose groups they never met.

Conventions: nothing is asked about a group that a model met in training; every
fold refits everything, the ear included. Voices and noises, which have no source,
are only ever learnt from where one source at a time is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import joblib
import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from .blas import one_blas_thread
from .dataset import Example
from .decision import Matrix
from .ears import Heard
from .fitting import fit
from .folds import fold_of_groups, without
from .hearing import MUSIC, VOICE_SUMMARY, Ear, voice_in
from .model import Model
from .takes import Take

N_FOLDS: Final = 5
AT_ONCE: Final = 256  # takes that are judged together


@dataclass(frozen=True)
class Verdict:
    """What a model that never met a take's groups says of it, and what stands beside it.

    Of every segment it says the logit of a `voice`, and whether that is `sung`:
    what sounds, is music and has a voice.

    Attributes
    ----------
    voice_only : the logit of the vocals-only baseline, None where there is none.
    shipped : the shipped model's verdict on the same take, where it was asked.
    without : by family of inputs, the logit of a decision refitted without it.
    shuffled : by family, the logits with its values from other clips, ``(repeats,)``.
    """

    take: Take
    logit: float
    voice_only: float | None
    fractions: dict[str, float]
    label: str
    confident: bool
    voice: Matrix
    sung: npt.NDArray[np.bool_]
    shipped: Verdict | None = None
    without: Mapping[str, float] = field(default_factory=dict)
    shuffled: Mapping[str, Matrix] = field(default_factory=dict)


def is_music(take: Take) -> bool:
    """Whether it is a labelled score or song as it is, not a variant."""
    return isinstance(take.example, Example) and take.label != "no_music" and take.variant == "original"


class Fold(NamedTuple):
    """The takes that a model learns from, and those that it is asked about."""

    learnt: list[Take]
    asked: list[Take]


@dataclass(frozen=True)
class Plan:
    """How takes are parted: into so many folds by group, or one fold for each source."""

    n_folds: int = N_FOLDS
    by_source: bool = False

    def folds(self, takes: Sequence[Take], seed: int) -> list[Fold]:
        """Folds in which no group is learnt from and asked about."""
        if self.by_source:
            return [_without_source(takes, source) for source in sources(takes)]
        fold_of = fold_of_groups(takes, self.n_folds, seed)
        return [
            Fold(without(takes, fold_of, n), [t for t in takes if all(fold_of[g] == n for g in t.groups)])
            for n in sorted(set(fold_of.values()))
        ]

    def told(self, takes: Sequence[Take]) -> str:
        """In words; where a class has few groups there are fewer folds than planned."""
        if self.by_source:
            return f"leaving out one of {len(sources(takes))} sources at a time"
        return f"grouped {len(self.folds(takes, 0))}-fold"


BY_GROUP: Final = Plan()


def sources(takes: Sequence[Take]) -> list[str]:
    """Where the clips come from, by the labels' column ``source``."""
    return sorted({t.example.source for t in takes if isinstance(t.example, Example)})


def _without_source(takes: Sequence[Take], source: str) -> Fold:
    """Everything of a source is asked about; what shares a group with it is learnt from by nobody."""
    own = [t for t in takes if isinstance(t.example, Example) and t.example.source == source]
    met = {t.group for t in own}
    return Fold([t for t in takes if not t.groups & met], [t for t in own if t.groups <= met])


def cross_validate(
    takes: Sequence[Take],
    tags: Sequence[str],
    *,
    ear: Ear | None = None,
    added: Sequence[Heard] = (),
    seeds: Sequence[int] = (0,),
    plan: Plan = BY_GROUP,
    n_jobs: int | None = None,
) -> list[list[Verdict]]:
    """By seed, verdicts on all takes by models that never met any of their groups.

    What is `added` shares no group with the takes; every model learns from it, none is asked about it.
    """

    def one(seed: int, fold: Fold) -> list[Verdict]:
        model, baseline = fit(fold.learnt, tags, ear=ear, added=added, random_state=seed)
        return judge(model, fold.asked, baseline)

    return in_folds(one, [(seed, fold) for seed in seeds for fold in plan.folds(takes, seed)], seeds, n_jobs)


def in_folds(
    one: Any, work: Sequence[tuple[int, Fold]], seeds: Sequence[int], n_jobs: int | None
) -> list[list[Any]]:
    """What `one(seed, fold)` gives for every fold, joined by seed."""
    with one_blas_thread():
        done = joblib.Parallel(n_jobs=n_jobs, backend="threading")(joblib.delayed(one)(*w) for w in work)
    return [
        [found for (s, _), part in zip(work, done, strict=True) if s == seed for found in part]
        for seed in seeds
    ]


def judge(model: Model, takes: Sequence[Take], baseline: LogisticRegression | None = None) -> list[Verdict]:
    """What the model, and the vocals-only baseline, say of takes."""
    parts = (takes[start : start + AT_ONCE] for start in range(0, len(takes), AT_ONCE))
    return [verdict for part in parts for verdict in _judge_together(model, part, baseline)]


def _judge_together(
    model: Model, takes: Sequence[Take], baseline: LogisticRegression | None
) -> Iterator[Verdict]:
    """The same, all decided at once: one by one, most of the time would go into calling."""
    weighed = model.weigh([take.features for take in takes])
    voices = np.stack([clip.row[-len(VOICE_SUMMARY) :] for clip in weighed])
    voice_only = baseline.decision_function(voices).tolist() if baseline else [None] * len(takes)
    for take, clip, alone in zip(takes, weighed, voice_only, strict=True):
        heard, silent, song, music = clip.heard, take.features.silent, clip.song, clip.music
        fractions = model.listen(heard, silent, song, music)
        label, confident = model.call(float(expit(song)), fractions[MUSIC], clip.in_doubt)
        voice = voice_in(heard, model.ear.heads, song)
        sung = model.sung_segments(heard, silent, song, music)
        yield Verdict(take, song, alone, fractions, label, confident, voice, sung)
