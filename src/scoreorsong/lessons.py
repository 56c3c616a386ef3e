"""Labels → a lesson: the takes to learn from and to be asked about, and what is learnt beside them.

Conventions: the same labels, audio, settings and versions give the same lesson, so that
what a model's card tells of its cross-validation can be measured anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .acquaintance import hashes
from .added import NOTHING, SHIPPED, Added, added_to, check_name
from .blas import one_blas_thread
from .copies import with_copies_together
from .dataset import Companions, Example, read_companions, read_labels
from .processes import in_processes
from .takes import Take, jobs
from .verdicts import Plan

LEARNT_EAR: Final = "learnt from these labels"  # on a card
MOST_SEEDS: Final = 20
MOST_FOLDS: Final = 100

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class Lesson:
    """What models are fitted and judged by.

    Attributes
    ----------
    tags : that the ear learns; none where a ready ear is kept.
    together : names of the copies of one recording that were put into one group.
    hashes : by what its clips and groups are known again, see `acquaintance`.
    """

    takes: list[Take] = field(repr=False)
    tags: Sequence[str] = ()
    added: Added = NOTHING
    together: Sequence[tuple[str, str]] = ()
    hashes: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Recalled:
    """How a model was trained and cross-validated, as its card tells it."""

    plan: Plan
    seeds: list[int]
    random_state: int
    add_to: str | None
    learnt_ear: bool


def recalled(card: Mapping[str, Any], asked: Mapping[str, Sequence[str]]) -> Recalled | None:
    """How a model with this card was trained, if on the very clips with these `hashes`; else None.

    Also None where the card does not tell, or tells what nobody would do: it may be a stranger's.
    """
    try:
        if set(card["clip_hashes"]) != set(asked["clip_hashes"]):
            return None
        plan, seeds = card["plan"], [int(seed) for seed in card["plan"]["seeds"]]
        told = Recalled(
            Plan(int(plan["folds"]), by_source=bool(plan["by_source"])),
            seeds,
            int(card["random_state"]),
            SHIPPED if card["added_to"] else None,
            card["ear"] == LEARNT_EAR,
        )
    except (KeyError, TypeError, ValueError):
        return None
    sensible = 1 <= len(seeds) <= MOST_SEEDS and 2 <= told.plan.n_folds <= MOST_FOLDS
    return told if sensible and all(0 <= n < 2**32 for n in (*seeds, told.random_state)) else None


def prepare(
    labels: Any,
    *,
    audio_root: str | os.PathLike[str] | None = None,
    features: Any = None,
    add_to: str | None = None,
    n_jobs: int | None = None,
    random_state: int = 0,
    plan: Plan,
    progress: Progress | None = None,
) -> Lesson:
    """Read, check, hear and vary labelled clips; parameters as for `scoreorsong.train`.

    Raises
    ------
    LabelsError : with every finding about the labels, before any long work.
    AudioError : a voice beside the labels cannot be read.
    ModelError : the shipped table to add to is missing or not of the shipped model.
    """
    check_name(add_to)
    examples = read_labels(
        labels,
        audio_root=audio_root,
        features=features,
        by_sound=True,
        by_source=plan.by_source,
        n_jobs=n_jobs,
        progress=progress,
    )
    companions = None if add_to else read_companions(labels)
    examples, added = added_to(examples) if add_to else (examples, NOTHING)
    takes = make_takes(examples, companions, n_jobs=n_jobs, random_state=random_state, progress=progress)
    takes, together = with_copies_together(takes)
    return Lesson(takes, companions.tags if companions else (), added, together, hashes(examples))


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
    done = in_processes(_on_one_thread, pieces, n_jobs)
    return [take for takes in (progress(done, len(pieces)) if progress else done) for take in takes]


def _on_one_thread(piece: Callable[[], list[Take]]) -> list[Take]:
    """Its takes, the same on every machine and by any number of jobs."""
    with one_blas_thread():
        return piece()


def table_hash(takes: Sequence[Take]) -> str:
    """SHA-256 over the names, groups and feature values that the model learnt from."""
    digest = hashlib.sha256()
    for take in takes:
        name = [take.features.source, take.variant, sorted(take.groups)]
        digest.update(json.dumps(name).encode() + take.features.clip.tobytes())
    return digest.hexdigest()


def labels_hash(examples: Iterable[Example]) -> str:
    """SHA-256 over what the labels say of every clip, whatever their order and their paths are."""
    said = sorted(
        [e.name, e.label, e.group if e.grouped_by == "labels" else "", e.slice, e.vocals, e.source, e.weight]
        for e in examples
    )
    return hashlib.sha256(json.dumps(said).encode("utf-8", "surrogateescape")).hexdigest()
