"""Clips of one's own + the shipped table → what to learn from together.

Conventions: what is added was heard in the corpus of the shipped model by ears like its
own, so the ear stays the shipped one. Shipped clips of a group that the own clips
have too, whatever its case, are left out: nothing of it may be learnt from when it is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from .dataset import Example
from .ears import Heard
from .errors import LabelsError
from .heard_table import load_heard
from .prediction import default_model, default_model_path
from .storage import content_id

SHIPPED: Final = "default"
OWN_WEIGHT: Final = 10.0  # of a clip of one's own beside a shipped one; see benchmarks/adding.py


@dataclass(frozen=True)
class Added:
    """What is added to one's own clips, and what the card says of it."""

    heard: list[Heard]
    note: dict[str, Any]


NOTHING: Final = Added([], {})


def check_name(name: str | None) -> None:
    """Refuse what cannot be added, before any work."""
    if name not in (None, SHIPPED):
        raise LabelsError(
            f"{name!r} cannot be added to; expected {SHIPPED!r}, the table that ships with the model"
        )


def added_to(examples: Sequence[Example]) -> tuple[list[Example], Added]:
    """One's own clips with their weight, and the shipped ones of other groups.

    Raises
    ------
    ModelError : the shipped table is missing, damaged, or not of the shipped ear.
    """
    path, model = default_table_path(), default_model()
    own = {example.group.casefold() for example in examples}
    heard = [h for h in load_heard(path, model) if h.take.group.casefold() not in own]
    clips = {h.take.example for h in heard if isinstance(h.take.example, Example)}
    note = {
        "table": content_id(path.read_bytes()),
        "heard_by": model.ear.ear_id,
        "clips": len(clips),
        "takes": len(heard),
        "own_weight": OWN_WEIGHT,
    }
    weighted = [replace(e, weight=e.weight * OWN_WEIGHT) for e in examples]
    return weighted, Added(heard, note)


def default_table_path() -> Path:
    """Where the shipped table lies: beside the shipped model."""
    return default_model_path().with_suffix(".table")
