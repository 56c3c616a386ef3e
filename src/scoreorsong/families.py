"""Verdicts → verdicts that also tell what each family of inputs is worth.

Two questions, which answer differently where families know the same things. *Without*:
the decision is fitted anew with the family's inputs held constant; the ears stay as
they were. *Shuffled*: the fitted decision gets the family's values from other clips, all
of one clip together (permutation importance by group of inputs, Breiman 2001).
The families are those of `prediction.describe_input`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from . import metrics as m
from .decision import Decision, Matrix
from .ears import Heard, hear
from .figures import Figure, Measure, figure_of
from .fitting import fit_decision
from .hearing import Ear, input_names
from .model import Model
from .prediction import describe_input
from .takes import Take
from .verdicts import Fold, Plan, Verdict, in_folds, is_music

REPEATS: Final = 10

Columns = Mapping[str, npt.NDArray[np.intp]]


class Told(NamedTuple):
    """What the decision says of one take with all families, without each, and with each shuffled."""

    take: Take
    logit: float
    without: Mapping[str, float]
    shuffled: Mapping[str, Matrix]


def families(heads: tuple[str, ...]) -> Columns:
    """By family, the columns of the decision's inputs."""
    of_input = np.array([describe_input(name)[0] for name in input_names(heads)])
    return {family: np.flatnonzero(of_input == family) for family in sorted(set(of_input.tolist()))}


def study(
    run: Sequence[Verdict],
    takes: Sequence[Take],
    tags: Sequence[str],
    *,
    ear: Ear | None,
    added: Sequence[Heard] = (),
    seed: int,
    plan: Plan,
    n_jobs: int | None = None,
) -> list[Verdict]:
    """The verdicts of the cross-validation with this seed and plan, with what is said without each family."""

    def one(seed: int, fold: Fold) -> list[Told]:
        return _told(fold, tags, ear, added, seed)

    (told,) = in_folds(one, [(seed, fold) for fold in plan.folds(takes, seed)], [seed], n_jobs)
    return _joined(run, told)


def study_ready(run: Sequence[Verdict], model: Model, random_state: int = 0) -> list[Verdict]:
    """The same for a ready model, whose decision is not fitted anew: the families are only shuffled."""
    asked = [v.take for v in run if is_music(v.take)]
    if not asked:
        return list(run)
    rows = _rows(asked, model.ear)
    shuffled = _shuffled(model.decision, rows, rows, families(model.ear.heads), random_state)
    return _joined(run, [Told(take, 0.0, {}, s) for take, s in zip(asked, shuffled, strict=True)])


def _joined(run: Sequence[Verdict], told: Sequence[Told]) -> list[Verdict]:
    by_take = {id(t.take): t for t in told}
    return [
        replace(v, without=t.without, shuffled=t.shuffled) if (t := by_take.get(id(v.take))) else v
        for v in run
    ]


def _told(fold: Fold, tags: Sequence[str], ear: Ear | None, added: Sequence[Heard], seed: int) -> list[Told]:
    whole, _, rows, table = hear(fold.learnt, tags, ear=ear, added=added, random_state=seed)
    asked = [t for t in fold.asked if is_music(t)]
    if not asked:
        return []
    asked_rows = _rows(asked, whole)
    columns = families(whole.heads)
    decision, _ = fit_decision(rows, table)
    logits = decision(asked_rows)
    refitted = {f: fit_decision(_off(rows, at), table)[0](_off(asked_rows, at)) for f, at in columns.items()}
    donors = rows[[is_music(t) for t in table.takes]]
    shuffled = _shuffled(decision, asked_rows, donors, columns, seed)
    return [
        Told(take, float(logits[i]), {f: float(values[i]) for f, values in refitted.items()}, shuffled[i])
        for i, take in enumerate(asked)
    ]


def _rows(takes: Sequence[Take], ear: Ear) -> Matrix:
    return np.stack([ear.hear(t.features)[1] for t in takes])


def _off(rows: Matrix, columns: npt.NDArray[np.intp]) -> Matrix:
    """The rows with columns that tell nothing."""
    rows = rows.copy()
    rows[:, columns] = 0
    return rows


def _shuffled(
    decision: Decision, rows: Matrix, donors: Matrix, columns: Columns, seed: int
) -> list[dict[str, Matrix]]:
    """By row and family, `REPEATS` logits with the family's values of a clip drawn from the donors."""
    random = np.random.default_rng(seed)
    drawn = random.integers(len(donors), size=(REPEATS, len(rows)))
    logits: dict[str, Matrix] = {}
    for family, at in columns.items():
        swapped = np.repeat(rows[None], REPEATS, axis=0)
        swapped[:, :, at] = donors[drawn][:, :, at]
        logits[family] = decision(swapped.reshape(-1, rows.shape[1])).reshape(REPEATS, -1)
    return [{family: values[:, i] for family, values in logits.items()} for i in range(len(rows))]


def worth(run: Sequence[Verdict], resamples: int, random_state: int = 0) -> dict[str, dict[str, Figure]]:
    """By family, the ROC-AUC lost ``without`` it and with it ``shuffled``, as far as the run tells."""
    table, found = m.table_of(run), dict[str, dict[str, Figure]]()
    for how in ("without", "shuffled"):
        told = [getattr(v, how) for v in table["verdict"]]
        for family in sorted({family for by_family in told for family in by_family}):
            logits = _column([by_family.get(family) for by_family in told])
            measure = Measure(f"ROC-AUC lost, {family} {how}", m.rows(), _lost, False)
            figure = figure_of(measure, [table | {"other": logits}], resamples, random_state)
            if figure is not None:
                found.setdefault(family, {})[how] = figure
    return found


def _column(values: Sequence[Any]) -> Matrix:
    """The logits of every row, ``(rows, repeats)``; NaN in rows that were not asked."""
    repeats = max(np.size(v) for v in values if v is not None)
    return np.array([np.broadcast_to(np.nan if v is None else v, repeats) for v in values])


def _lost(t: m.Table, weights: Matrix) -> float:
    others = [m.auc(t | {"logit": logits}, weights) for logits in t["other"].T]
    return m.auc(t, weights) - float(np.mean(others))
