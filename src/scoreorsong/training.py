"""Labels → Model with its card: reads, varies, fits, cross-validates and writes down.

Conventions: the figures on a card come from `verdicts.cross_validate`, that is
from clips of groups that the judging model never met, never from training clips.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from .added import NOTHING, Added
from .blas import one_blas_thread
from .card import versions
from .dataset import Example
from .evaluation import Evaluation, Runs, evaluate_training
from .features import schema
from .figures import figures, worst
from .fitting import fit
from .folds import learnable
from .hearing import Ear
from .lessons import LEARNT_EAR, Lesson, labels_hash, prepare, table_hash
from .model import Model
from .prediction import default_model
from .takes import Take
from .verdicts import BY_GROUP, N_FOLDS, Plan, cross_validate

log = logging.getLogger("scoreorsong")

Progress = Callable[[Iterable[Any], int], Iterable[Any]]

EAR_LIMIT = (
    "The voice share is learnt from few annotated songs; it misses chopped, filtered and rapped voices."
)
LIMITS = (
    "Labels come from credits, tags and titles, not from listening.",
    "Film scores proper are few in training; most scores come from games, in the styles of film.",
    "Instrumental songs and score made of loops, rock or electronics are told apart least well.",
    "Under dialogue the call rests on less, and one piece in four is taken to be a song, as in films.",
    "A half-spoken song may pass for dialogue over a score.",
    "Softer speech over a score, or speech with rests, is often taken for singing; most such calls are unsure.",
    EAR_LIMIT,
)  # of the shipped model, and of who learns from its corpus
OWN_LIMITS = (
    "It knows what these labels show it: of music that is not like theirs its calls are guesses.",
    "The ear is the shipped model's, and was not tested on these clips.",
    EAR_LIMIT,
)
LICENCE = "MIT for the model file; the training clips keep their own licences"
OWN_LICENCE = (
    "its maker's to choose; the shipped ear in it is MIT; the training clips keep their own licences"
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

    Where ``voices.csv`` and ``teacher/`` stand beside the labels file, the ear (voice, speech,
    music, tags) is learnt anew; otherwise the shipped model's ear is kept
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
    return _learnt(labels, audio_root, features, add_to, jobs, random_state, seeds, plan, progress)[1]


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
    lesson, model, runs = _learnt(
        labels, audio_root, features, add_to, jobs, random_state, seeds, plan, progress
    )
    log.info("measuring what each family of inputs is worth")
    ear = _ready_ear(lesson.tags)
    return model, evaluate_training(runs, lesson, labels=labels, ear=ear, seeds=seeds, plan=plan, n_jobs=jobs)


def _learnt(
    labels: Any,
    audio_root: str | os.PathLike[str] | None,
    features: Any,
    add_to: str | None,
    jobs: int | None,
    random_state: int,
    seeds: Sequence[int],
    plan: Plan,
    progress: Progress | None,
) -> tuple[Lesson, Model, Runs]:
    """The lesson of the labels, the model of it, and the runs that its card tells of."""
    lesson = prepare(
        labels,
        audio_root=audio_root,
        features=features,
        add_to=add_to,
        n_jobs=jobs,
        random_state=random_state,
        plan=plan,
        progress=progress,
    )
    model, runs = train_on_takes(
        lesson.takes,
        lesson.tags,
        added=lesson.added,
        random_state=random_state,
        seeds=seeds,
        plan=plan,
        jobs=jobs,
    )
    together = {"copies_put_together": [list(pair) for pair in lesson.together]}
    return lesson, replace(model, card={**model.card, **lesson.hashes, **together}), runs


def _ready_ear(tags: Sequence[str]) -> Ear | None:
    """The shipped ear, where there is no teacher to learn one from."""
    return None if tags else default_model().ear


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
    with one_blas_thread():
        model, _ = fit(takes, tags, ear=ear, added=added.heard, random_state=random_state)
    card = _card(learnable(takes), random_state) | {
        "licence": LICENCE if tags else OWN_LICENCE,
        "limits": list(LIMITS if tags else OWN_LIMITS),
        "added_to": added.note,
        "cross_validation": f"{plan.told(takes)}, seeds {list(seeds)}, everything refitted in every fold",
        "plan": {"folds": plan.n_folds, "by_source": plan.by_source, "seeds": list(seeds)},
        "ear": LEARNT_EAR if tags else f"of model {default_model().model_id}",
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
        "labels_sha256": labels_hash(clips),
        "random_state": random_state,
        "versions": versions(),
    }
