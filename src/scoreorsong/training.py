"""Labels → Model with its card: reads, varies, fits, cross-validates and writes down.

Conventions: the figures on a card come from `verdicts.cross_validate`, that is
from clips of groups that the judging model never met, never from training clips.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import joblib

from .acquaintance import hashes
from .added import NOTHING, Added, added_to, check_name
from .card import versions
from .copies import with_copies_together
from .dataset import Companions, Example, read_companions, read_labels
from .evaluation import Evaluation, Runs, evaluate_training
from .features import schema
from .figures import figures, worst
from .fitting import fit, learnable
from .model import Ear, Model
from .prediction import default_model
from .takes import Take, jobs
from .verdicts import BY_GROUP, N_FOLDS, Plan, check_sources, cross_validate

log = logging.getLogger("scoreorsong")

Progress = Callable[[Iterable[Any], int], Iterable[Any]]

LIMITS = (
    "Labels come from credits, tags and titles, not from listening.",
    "Film scores proper are few in training; most scores come from games, in the styles of film.",
    "Instrumental songs and score made of loops, rock or electronics are told apart least well.",
    "Under dialogue the call rests on less, and a half-spoken song may pass for dialogue over a score.",
    "The voice share is learnt from few annotated songs; it misses chopped, filtered and rapped voices.",
)


def train(
    labels: Any,
    *,
    audio_root: str | os.PathLike[str] | None = None,
    features: Any = None,
    add_to: str | None = None,
    jobs: int | None = None,
    random_state: int = 0,
    seeds: Sequence[int] = (0, 1),
    folds: int = N_FOLDS,
    leave_one_source_out: bool = False,
    progress: Progress | None = None,
) -> Model:
    """Train a model on labelled clips.

    Where ``voices.csv`` and ``teacher/`` stand beside the labels file, the ear (voice, music,
    tags) is learnt anew; otherwise the shipped model's ear is kept
    and the decision, its calibration and its uncertain band are learnt. Both classes
    weigh the same, however many clips they have, and a group as the root of its size. Clips that are copies of
    one recording are put into one group.

    Parameters
    ----------
    labels : CSV path, folder with ``score/`` and ``song/``, or DataFrame; see
        `scoreorsong.dataset.read_labels`.
    audio_root : folder that paths are relative to.
    features : a feature table, as ``score-or-song features FOLDER -o table.parquet`` writes
        it, in place of the audio; nothing is varied then, as there is no sound to vary.
    add_to : "default" to learn from the clips of the shipped model as well. Figures are still of one's
        own clips alone, and the ear stays the shipped one.
    jobs : worker processes for the features; by default one, -1 for all cores.
    random_state : of everything random; the same labels, audio, seed and versions give the same model.
    seeds : of the cross-validations whose figures the card carries.
    folds : of every cross-validation, by group; fewer where a class has fewer groups.
    leave_one_source_out : whether to test one source (column ``source``) at a time instead.
    progress : wraps an iterable of known length, e.g. to draw a bar.

    Raises
    ------
    LabelsError : with every finding about the labels, before any long work.
    AudioError : a voice beside the labels cannot be read.
    ModelError : the shipped table to add to is missing or not of the shipped model.
    """
    plan = Plan(folds, by_source=leave_one_source_out)
    return _lesson(labels, audio_root, features, add_to, jobs, random_state, seeds, plan, progress).model


def train_and_evaluate(
    labels: Any,
    *,
    audio_root: str | os.PathLike[str] | None = None,
    features: Any = None,
    add_to: str | None = None,
    jobs: int | None = None,
    random_state: int = 0,
    seeds: Sequence[int] = (0, 1),
    folds: int = N_FOLDS,
    leave_one_source_out: bool = False,
    progress: Progress | None = None,
) -> tuple[Model, Evaluation]:
    """What `train` gives for the same arguments, with the full evaluation of its cross-validations.

    Fitting takes longer than there: for every family of inputs, the decision is fitted anew
    without it in every fold of the first seed.

    Raises
    ------
    LabelsError : with every finding about the labels, before any long work.
    AudioError : a voice beside the labels cannot be read.
    ModelError : the shipped table to add to is missing or not of the shipped model.
    """
    plan = Plan(folds, by_source=leave_one_source_out)
    lesson = _lesson(labels, audio_root, features, add_to, jobs, random_state, seeds, plan, progress)
    log.info("measuring what each family of inputs is worth")
    evaluation = evaluate_training(
        lesson.runs,
        lesson.takes,
        lesson.tags,
        labels=labels,
        asked=lesson.hashes,
        added=lesson.added.heard,
        ear=_ready_ear(lesson.tags),
        seeds=seeds,
        plan=plan,
        n_jobs=jobs,
    )
    return lesson.model, evaluation


class _Lesson(NamedTuple):
    """A trained model, and what it was trained and judged by."""

    model: Model
    runs: Runs
    takes: list[Take]
    tags: Sequence[str]
    added: Added
    hashes: Mapping[str, Sequence[str]]


def _lesson(
    labels: Any,
    audio_root: str | os.PathLike[str] | None,
    features: Any,
    add_to: str | None,
    jobs: int | None,
    random_state: int,
    seeds: Sequence[int],
    plan: Plan,
    progress: Progress | None,
) -> _Lesson:
    check_name(add_to)
    examples = read_labels(
        labels, audio_root=audio_root, features=features, by_sound=True, n_jobs=jobs, progress=progress
    )
    if plan.by_source:
        check_sources(examples)
    companions = None if add_to else read_companions(labels)
    examples, added = added_to(examples) if add_to else (examples, NOTHING)
    tags = companions.tags if companions else ()
    takes = make_takes(examples, companions, n_jobs=jobs, random_state=random_state, progress=progress)
    takes, together = with_copies_together(takes)
    model, runs = train_on_takes(
        takes, tags, added=added, random_state=random_state, seeds=seeds, plan=plan, jobs=jobs
    )
    met = hashes(examples)
    card = {**model.card, **met, "copies_put_together": [list(pair) for pair in together]}
    return _Lesson(replace(model, card=card), runs, takes, tags, added, met)


def _ready_ear(tags: Sequence[str]) -> Ear | None:
    """The shipped ear, where there is no teacher to learn one from."""
    return None if tags else default_model().ear


def make_takes(
    examples: Sequence[Example],
    companions: Companions | None,
    *,
    n_jobs: int | None = None,
    random_state: int = 0,
    progress: Progress | None = None,
) -> list[Take]:
    """All takes of the examples, in a stable order."""
    pieces = jobs(examples, companions, random_state)
    done = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(joblib.delayed(piece)() for piece in pieces)
    return [take for takes in (progress(done, len(pieces)) if progress else done) for take in takes]


def train_on_takes(
    takes: Sequence[Take],
    tags: Sequence[str],
    *,
    added: Added = NOTHING,
    random_state: int = 0,
    seeds: Sequence[int] = (0, 1),
    plan: Plan = BY_GROUP,
    jobs: int | None = None,
) -> tuple[Model, Runs]:
    """Fit on all takes but those for checking, and cross-validate for the card; the model and the runs."""
    ear = _ready_ear(tags)
    log.info("cross-validating %d takes with seeds %s", len(takes), list(seeds))
    runs = cross_validate(takes, tags, ear=ear, added=added.heard, seeds=seeds, plan=plan, n_jobs=jobs)
    log.info("fitting on all takes")
    model, _ = fit(takes, tags, ear=ear, added=added.heard, random_state=random_state)
    card = _card(learnable(takes), random_state) | {
        "added_to": added.note,
        "cross_validation": f"{plan.told(takes)}, seeds {list(seeds)}, everything refitted in every fold",
        "ear": "learnt from these labels" if tags else f"of model {default_model().model_id}",
        "figures": [figure.to_dict() for figure in figures(runs)],
        "worst": [
            {"clip": name, "slice": part, "song_probability": round(p, 3)} for name, part, p in worst(runs)
        ],
    }
    return replace(model, card=card), runs


def _card(takes: Sequence[Take], random_state: int) -> dict[str, Any]:
    """What the model was made from and with."""
    clips = [t.example for t in takes if isinstance(t.example, Example) and t.variant == "original"]
    return {
        "clips": len(clips),
        "groups": len({e.group for e in clips}),
        "takes": len(takes),
        "voices": len({t.group for t in takes if not isinstance(t.example, Example)}),
        "clips_by_label": dict(sorted(Counter(e.label for e in clips).items())),
        "balance": "both classes weigh the same; a group of n takes weighs as the root of n",
        "grouped_by": dict(sorted(Counter(e.grouped_by for e in clips).items())),
        "clips_from_a_feature_table": sum(e.measured is not None for e in clips),
        "clips_by_slice": dict(sorted(Counter(e.slice for e in clips).items())),
        "clips_by_licence": dict(sorted(Counter(e.licence for e in clips).items())),
        "features": {
            family: sum(f.family == family for f in schema.FEATURES)
            for family in ("spectral", "vocals", "structure")
        },
        "training_table_sha256": table_hash(takes),
        "random_state": random_state,
        "versions": versions(),
        "licence": "MIT for the model file; the training clips keep their own licences",
        "limits": list(LIMITS),
    }


def table_hash(takes: Sequence[Take]) -> str:
    """SHA-256 over the names, labels and feature values that the model learnt from."""
    digest = hashlib.sha256()
    for take in takes:
        name = [take.features.source, take.variant, sorted(take.groups)]
        digest.update(json.dumps(name).encode() + take.features.clip.tobytes())
    return digest.hexdigest()
