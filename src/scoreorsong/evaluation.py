"""Verdicts → Evaluation: the figures, curves and mistakes of one question, ready to publish.

Two questions. `evaluate` asks a ready model about labelled clips that it should not have
met; of the very clips that it learnt from it asks the second, as they say nothing of the
model itself. `evaluate_training` asks how well models trained on these labels do on groups that
they never met: it takes the runs of `verdicts.cross_validate`. What the clips cannot
answer is absent and told, never a number.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import breakdown, publication, remarks
from . import metrics as m
from .acquaintance import acquaintance, hashes
from .baselines import beside_shipped, beside_voice_only
from .card import versions
from .copies import copied, with_copies_together
from .dataset import Example, read_labels
from .errors import AudioError, LabelsError
from .extraction import extract
from .families import study, study_ready, worth
from .features import Features
from .figures import RESAMPLES, Figure, absent, figures
from .hearing import MUSIC, SPEECH, VOICE, Ear
from .lessons import LEARNT_EAR, Lesson, Recalled, prepare, recalled
from .model import Model, load_model
from .prediction import Failure, default_model
from .processes import in_processes
from .takes import Take
from .verdicts import Plan, Verdict, cross_validate, judge

log = logging.getLogger("scoreorsong")

Progress = Callable[[Iterable[Any], int], Iterable[Any]]
Runs = Sequence[Sequence[Verdict]]


@dataclass(frozen=True)
class Evaluation:
    """How well a model, or training on some labels, did; `str` of it is a readable table.

    Attributes
    ----------
    subject : what was asked.
    setting : how: clips and groups by label, folds, seeds, versions; plain values.
    warnings : what makes the figures less worth than they look; read them first.
    notes : what the figures mean.
    figures : each with its interval and the baselines beside it.
    absent : by name of a figure, why it could not be measured.
    confusion : by true label, how many clips are called what (mean over the seeds).
    curves : ROC, precision/recall, calibration and coverage/risk; plain values.
    slices, groups : how the clips of each are called.
    families : by family of inputs, the ROC-AUC that is lost ``without`` it, the decision being
        fitted anew, and with its values ``shuffled`` between clips.
    mistakes : the clips called wrong, the most surely wrong first.
    failures : the clips that could not be read, and were left out.
    """

    subject: str
    setting: Mapping[str, Any]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]
    absent: Mapping[str, str] = field(repr=False)
    confusion: Mapping[str, Mapping[str, float]] = field(repr=False)
    curves: Mapping[str, Any] = field(repr=False)
    slices: tuple[Mapping[str, Any], ...] = field(repr=False)
    groups: tuple[Mapping[str, Any], ...] = field(repr=False)
    families: Mapping[str, Mapping[str, Figure]] = field(repr=False)
    mistakes: tuple[Mapping[str, Any], ...] = field(repr=False)
    failures: tuple[Failure, ...] = ()

    def __str__(self) -> str:
        warnings = [f"WARNING: {warning}" for warning in self.warnings]
        return "\n".join([self.subject, *warnings, *map(str, self.figures)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            **asdict(self),
            "setting": dict(self.setting),
            "figures": [figure.to_dict() for figure in self.figures],
            "families": {
                family: {how: figure.to_dict() for how, figure in worth.items()}
                for family, worth in self.families.items()
            },
            "failures": [failure.to_dict() for failure in self.failures],
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a report: ``.html`` with plots, ``.json`` with all values, or ``.md`` with the tables.

        Raises
        ------
        ReportError : another ending, a folder that is not there, or no matplotlib for the plots.
        """
        publication.write(self.to_dict(), path)


def evaluate(
    model: Model | str | os.PathLike[str],
    labels: Any,
    *,
    audio_root: str | os.PathLike[str] | None = None,
    features: Any = None,
    as_is: bool = False,
    jobs: int | None = None,
    resamples: int = RESAMPLES,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a ready model by labelled clips that it did not learn from.

    A clip that cannot be read is left out and told. Where the model's card says that it met
    clips or groups in training, or does not say what it met, the result begins with a warning.
    Where they are the very clips that the model learnt from, the cross-validation that its card
    tells of is run again, which takes as long as training and gives the figures of the card.

    Parameters
    ----------
    model : a `Model` or the path of one.
    labels, audio_root, features : as for `scoreorsong.train`; one class alone will do, with fewer figures.
    as_is : whether to judge the model itself even by the clips that it learnt from.
    jobs : worker processes for the features; by default one, -1 for all cores.
    resamples : of the groups, for the intervals.
    random_state : of the resamples, the shuffles and the folds of the vocals-only baseline.
    progress : wraps an iterable of known length, e.g. to draw a bar.

    Raises
    ------
    LabelsError : with every finding about the labels, or where none of the clips can be read.
    ModelError : the model cannot be loaded.
    """
    model = model if isinstance(model, Model) else load_model(model)
    examples = read_labels(labels, audio_root=audio_root, features=features, fewest_groups=0)
    takes, failures = _originals(examples, jobs, progress)
    asked = hashes(_clips(takes))
    how = None if as_is or failures else recalled(model.card, asked)
    if how is not None:
        log.warning("%s: the very clips that the model learnt from; cross-validating anew", _named(labels))
        lesson = prepare(
            labels,
            audio_root=audio_root,
            features=features,
            add_to=how.add_to,
            n_jobs=jobs,
            random_state=how.random_state,
            plan=how.plan,
            progress=progress,
        )
        return _anew(model, lesson, how, _named(labels), resamples, jobs)
    judged = _judged(model, takes, asked, random_state)
    return _evaluation(
        f"Model {model.model_id} on {_named(labels)}",
        **judged,
        resamples=resamples,
        random_state=random_state,
        failures=failures,
    )


def _judged(
    model: Model, takes: Sequence[Take], asked: Mapping[str, Sequence[str]], random_state: int
) -> dict[str, Any]:
    """What a ready model says of takes, and what must be told of that: arguments for `_evaluation`."""
    shipped, met = default_model(), acquaintance(model.card, asked)
    warnings = [*remarks.of_met(met, "the model"), *remarks.of_copies(copied(takes))]
    notes = [*remarks.OF_A_MODEL, remarks.of_groups(_clips(takes))]
    takes, _ = with_copies_together(takes, fewest_groups=0)
    run = beside_voice_only(judge(model, takes), model.ear, random_state)
    run = study_ready(run, model, random_state)
    if shipped.model_id != model.model_id:
        (run,) = beside_shipped([run], shipped)
        same_ear = shipped.ear.ear_id == model.ear.ear_id
        warnings += remarks.of_met(acquaintance(shipped.card, asked), "the shipped model", same_ear=same_ear)
        notes.append(remarks.of_shipped(shipped.model_id))
    setting = {"model_id": model.model_id, "met_in_training": asdict(met), "random_state": random_state}
    return {"runs": [run], "setting": setting, "warnings": warnings, "notes": notes}


def _anew(
    model: Model, lesson: Lesson, how: Recalled, labels: str, resamples: int, n_jobs: int | None
) -> Evaluation:
    """The cross-validation that the model's card tells of, once more.

    Raises
    ------
    LabelsError : the ear was learnt from what no longer stands beside the labels.
    """
    if how.learnt_ear != bool(lesson.tags):
        raise LabelsError(
            f"{labels}: voices.csv and teacher/ stood beside the labels when model {model.model_id} was trained, or "
            "now do and did not: make it as it was, or judge the model as it is (--as-is)"
        )
    ear = None if how.learnt_ear else model.ear
    runs = cross_validate(
        lesson.takes,
        lesson.tags,
        ear=ear,
        added=lesson.added.heard,
        seeds=how.seeds,
        plan=how.plan,
        n_jobs=n_jobs,
    )
    found = evaluate_training(
        runs,
        lesson,
        labels=labels,
        ear=ear,
        seeds=how.seeds,
        plan=how.plan,
        resamples=resamples,
        n_jobs=n_jobs,
    )
    warnings, note = remarks.of_the_card(
        model.card["figures"], [figure.to_dict() for figure in found.figures]
    )
    return replace(
        found,
        subject=f"Model {model.model_id} on {labels}, which it learnt from",
        setting={"model_id": model.model_id, **found.setting},
        warnings=(*warnings, *found.warnings),
        notes=(note, *found.notes),
    )


def evaluate_training(
    runs: Runs,
    lesson: Lesson,
    *,
    labels: Any,
    ear: Ear | None,
    seeds: Sequence[int],
    plan: Plan,
    resamples: int = RESAMPLES,
    n_jobs: int | None = None,
) -> Evaluation:
    """How well models trained on these labels do on groups that they never met.

    Parameters
    ----------
    runs : of `verdicts.cross_validate` with the same lesson, ear, seeds and plan.
    labels : what the takes were made from, to name it.
    """
    shipped, takes = default_model(), lesson.takes
    studied = study(
        runs[0],
        takes,
        lesson.tags,
        ear=ear,
        added=lesson.added.heard,
        seed=seeds[0],
        plan=plan,
        n_jobs=n_jobs,
    )
    runs = beside_shipped([studied, *runs[1:]], shipped)
    split, clips = plan.told(takes), _clips(takes)
    setting = {
        "split": split,
        "seeds": list(seeds),
        "ear": LEARNT_EAR if ear is None else f"of model {shipped.model_id}",
    }
    notes = [
        remarks.of_training(split, seeds),
        remarks.of_groups(clips),
        *remarks.of_copies_together(lesson.together),
        remarks.of_balance(clips),
        *remarks.of_added(lesson.added.note),
        remarks.of_shipped(shipped.model_id),
    ]
    same_ear = ear is not None and ear.ear_id == shipped.ear.ear_id
    met = acquaintance(shipped.card, lesson.hashes)
    warnings = remarks.of_met(met, "the shipped model", same_ear=same_ear)
    return _evaluation(f"Training on {_named(labels)}", runs, setting, warnings, notes, resamples=resamples)


def _evaluation(
    subject: str,
    runs: Runs,
    setting: Mapping[str, Any],
    warnings: Sequence[str],
    notes: Sequence[str],
    *,
    resamples: int,
    random_state: int = 0,
    failures: Sequence[Failure] = (),
) -> Evaluation:
    tables = [m.table_of(run) for run in runs]
    measured = figures(runs, resamples=resamples, random_state=random_state)
    counts = _counts(_clips([v.take for v in runs[0]]))
    return Evaluation(
        subject=subject,
        setting={**setting, "labels": counts, "resamples": resamples, "versions": versions()},
        warnings=(*remarks.of_failed(len(failures)), *warnings, *remarks.of_few(counts)),
        notes=(*notes, *remarks.GENERAL),
        figures=tuple(measured),
        absent=absent(runs, measured),
        confusion=breakdown.confusion(tables),
        curves=breakdown.curves(tables),
        slices=tuple(breakdown.by_slice(tables)),
        groups=tuple(breakdown.by_group(tables)),
        families=worth(runs[0], resamples, random_state),
        mistakes=tuple(breakdown.mistakes(runs)),
        failures=tuple(failures),
    )


def _originals(
    examples: Sequence[Example], jobs: int | None, progress: Progress | None
) -> tuple[list[Take], list[Failure]]:
    """The clips as they are, and those that cannot be read."""
    work = in_processes(_original, examples, jobs)
    done = list(progress(work, len(examples)) if progress else work)
    takes, failures = [t for t in done if isinstance(t, Take)], [f for f in done if isinstance(f, Failure)]
    if not takes:
        raise LabelsError(f"none of the {len(examples)} clips can be read; the first: {failures[0]}")
    return takes, failures


def _original(example: Example) -> Take | Failure:
    """The clip with what its label tells of its segments."""
    try:
        features = _features(example)
    except AudioError as error:
        return Failure(example.name, str(error))
    unsung = example.vocals == "no" or example.label == "no_music"
    known = {
        VOICE: np.full(len(features.silent), 0.0 if unsung else np.nan),
        MUSIC: np.where(features.silent, np.nan, float(example.label != "no_music")),
        SPEECH: np.full(len(features.silent), np.nan),
    }
    named = replace(features, source=example.name)
    return Take(example, "original", frozenset({example.group}), named, known)


def _features(example: Example) -> Features:
    if example.measured is not None:
        return example.measured.features
    return extract(example.path, offset_s=example.start_s, max_s=example.duration_s, windows=False)


def _named(labels: Any) -> str:
    return Path(labels).name if isinstance(labels, (str, os.PathLike)) else "a DataFrame"


def _clips(takes: Iterable[Take]) -> list[Example]:
    """The labelled clips themselves."""
    return [t.example for t in takes if isinstance(t.example, Example) and t.variant == "original"]


def _counts(clips: Sequence[Example]) -> dict[str, dict[str, int]]:
    """Clips and groups by label."""
    by_label = {label: [e for e in clips if e.label == label] for label in sorted({e.label for e in clips})}
    return {label: {"clips": len(es), "groups": len({e.group for e in es})} for label, es in by_label.items()}
