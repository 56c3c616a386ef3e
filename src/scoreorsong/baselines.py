"""Verdicts → verdicts with what stands beside them: who only hears a voice, and the shipped model.

Only needed where the verdicts are of a ready model: in a cross-validation the vocals-only
baseline is fitted in each fold, together with the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression

from .decision import Matrix
from .ears import balanced_weights
from .folds import fold_of_groups, without
from .hearing import VOICE_SUMMARY, Ear
from .model import Model
from .takes import Take
from .verdicts import N_FOLDS, Verdict, is_music, judge


def beside_voice_only(run: Sequence[Verdict], ear: Ear, seed: int) -> list[Verdict]:
    """The verdicts with the vocals-only baseline, refitted by group; as they are where groups are too few."""
    takes = [v.take for v in run if is_music(v.take)]
    if min(len({t.group for t in takes if t.label == label}) for label in ("score", "song")) < 2:
        return list(run)
    fold_of = fold_of_groups([v.take for v in run], N_FOLDS, seed)
    parts = {n: without(takes, fold_of, n) for n in sorted(set(fold_of.values()))}
    if any(len({t.label for t in part}) < 2 for part in parts.values()):
        return list(run)
    regressions = {n: _voice_only(part, ear) for n, part in parts.items()}
    return [
        replace(
            v, voice_only=float(regressions[fold_of[v.take.group]].decision_function(_sung(v.take, ear))[0])
        )
        for v in run
    ]


def _voice_only(takes: Sequence[Take], ear: Ear) -> LogisticRegression:
    is_song = np.array([t.label == "song" for t in takes])
    rows = np.vstack([_sung(take, ear) for take in takes])
    return LogisticRegression().fit(rows, is_song, sample_weight=balanced_weights(takes, is_song))


def _sung(take: Take, ear: Ear) -> Matrix:
    """What the ear makes of the voice, ``(1, len(VOICE_SUMMARY))``."""
    _, row = ear.hear(take.features)
    return row[None, -len(VOICE_SUMMARY) :]


def beside_shipped(runs: Sequence[Sequence[Verdict]], shipped: Model) -> list[list[Verdict]]:
    """The verdicts with the shipped model's on the same takes."""
    takes = list({id(v.take): v.take for run in runs for v in run}.values())
    said = {id(v.take): v for v in judge(shipped, takes)}
    return [[replace(v, shipped=said[id(v.take)]) for v in run] for run in runs]
