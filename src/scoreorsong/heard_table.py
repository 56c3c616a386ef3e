"""What an ear heard in takes ⇄ one file, to learn a decision from without their audio.

The released model has such a table beside it: the inputs of the decision for every
take that it was learnt from, heard by ears that never met the take's group, in half
precision. It holds numbers, names and licences, no sound. It goes with one ear, which it
names: another ear hears other numbers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from . import storage
from .dataset import Example, Voice
from .decision import Matrix
from .ears import Heard
from .errors import ModelError
from .features import SEGMENT_NUMBERS, Features, schema
from .hearing import VOICE
from .model import Model
from .takes import Take

KIND: Final = "score-or-song heard takes"
CLIP: Final = ("name", "label", "group", "slice", "vocals", "licence", "weight")


def save_heard(path: str | os.PathLike[str], heard: Sequence[Heard], model: Model) -> str:
    """Write what the decision and the thresholds learn from; returns the file's id.

    Parameters
    ----------
    heard : by ears that the takes' groups did not teach, as `ears.hear` gives it.
    model : whose ear it goes with, and which learnt its decision from them.
    """
    kept = [h for h in heard if h.row is not None or h.take.variant == "original"]
    examples = list(dict.fromkeys(h.take.example for h in kept))
    place = {example: i for i, example in enumerate(examples)}
    variants = sorted({h.take.variant for h in kept})
    others = sorted({_others(h.take) for h in kept})
    voices = [_unsung(h) for h in kept]
    content = {
        "ear_id": model.ear.ear_id,
        "training_table_sha256": model.card["training_table_sha256"],
        "examples": [_described(example) for example in examples],
        "variants": variants,
        "others": [list(groups) for groups in others],
        "example": np.array([place[h.take.example] for h in kept]),
        "variant": np.array([variants.index(h.take.variant) for h in kept]),
        "other": np.array([others.index(_others(h.take)) for h in kept]),
        "rows": np.array([h.row for h in kept if h.row is not None], np.float16),
        "decides": np.array([int(h.row is not None) for h in kept]),
        "music": np.array([h.music for h in kept]),
        "voice": np.concatenate(voices).astype(np.float16),
        "voice_lengths": np.array([len(v) for v in voices]),
    }
    return storage.save(path, content, kind=KIND)


def load_heard(path: str | os.PathLike[str], model: Model) -> list[Heard]:
    """Read what `save_heard` wrote for the ear of a model.

    Raises
    ------
    ModelError : missing, damaged, or made with another ear.
    """
    content, _ = storage.load(path, kind=KIND)
    if content.get("ear_id") != model.ear.ear_id:
        raise ModelError(
            f"{path}: was heard by the ear {content.get('ear_id')}, not by that of model {model.model_id} "
            f"({model.ear.ear_id}); use the two that were released together"
        )
    try:
        return _heard(content)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: is damaged ({error!r}); install score-or-song again") from error


def _others(take: Take) -> tuple[str, ...]:
    """The groups of what was mixed in."""
    return tuple(sorted(take.groups - {take.group}))


def _unsung(heard: Heard) -> Matrix:
    """The voice's logits where they set its threshold: in originals of scores without voices."""
    take = heard.take
    unsung = take.variant == "original" and take.label == "score" and bool((take.known[VOICE] == 0).all())
    return heard.voice if unsung else np.zeros(0)


def _described(example: Example | Voice) -> dict[str, Any]:
    if isinstance(example, Voice):
        return {"name": example.path.name, "kind": example.kind, "speaker": example.speaker}
    return {key: getattr(example, key) for key in CLIP}


def _heard(content: dict[str, Any]) -> list[Heard]:
    examples = [_example(described) for described in content["examples"]]
    decides = content["decides"].astype(bool)
    row_at = np.cumsum(decides) - 1
    rows = content["rows"].astype(np.float64)
    voices = np.split(content["voice"].astype(np.float64), np.cumsum(content["voice_lengths"])[:-1])
    lengths = {
        len(content[name]) for name in ("example", "variant", "other", "decides", "music", "voice_lengths")
    }
    if lengths != {len(voices)} or decides.sum() != len(rows):
        raise ValueError("its columns are of different lengths")
    return [
        Heard(
            _take(
                examples[content["example"][i]],
                content["variants"][content["variant"][i]],
                content["others"][content["other"][i]],
                rows[row_at[i]] if decides[i] else None,
                voices[i],
            ),
            music=float(content["music"][i]),
            voice=voices[i],
            row=rows[row_at[i]] if decides[i] else None,
        )
        for i in range(len(voices))
    ]


def _example(described: dict[str, Any]) -> Example | Voice:
    path = Path(described["name"])
    return (
        Voice(path, described["kind"], described["speaker"])
        if "kind" in described
        else Example(path, **described)
    )


def _take(
    example: Example | Voice,
    variant: str,
    others: Sequence[str],
    row: Matrix | None,
    voice: npt.NDArray[np.float64],
) -> Take:
    """A take whose sound is gone: its half seconds are empty, and of its voice is known what `voice` needs."""
    n = len(schema.NAMES)
    clip = np.zeros(n, np.float32) if row is None else row[:n].astype(np.float32)
    features = Features(
        str(example.path),
        0.0,
        clip,
        clip[None][:0],
        np.zeros((0, SEGMENT_NUMBERS), np.float32),
        np.zeros(0, bool),
    )
    known = {VOICE: np.zeros(len(voice)) if len(voice) else np.full(1, np.nan)}
    take = Take(example, variant, frozenset(), features, known)
    return replace(take, groups=frozenset({take.group, *others}))
