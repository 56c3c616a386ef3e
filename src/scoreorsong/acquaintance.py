"""Examples and a model's card → which clips, and which of their groups, the model met in training.

A model keeps hashes of the clips that it learnt from and of the names of their groups,
not the names. A recording is known again under another name, with other tags or in another
lossless format, but not after lossy coding. A group is known by its name alone, which two
sets may share by chance. Of a model without such hashes nothing can be told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .dataset import Example
from .recordings import sound_of

HASH_DIGITS: Final = 16
KEYS: Final = ("clip_hashes", "group_hashes")  # on a card


@dataclass(frozen=True)
class Acquaintance:
    """How many clips and groups a model met in training, of those that it is asked about.

    `known` is False where the model's card does not say what it met; the counts then say nothing.
    """

    known: bool
    clips: int = 0
    groups: int = 0


def hashes(examples: Sequence[Example]) -> dict[str, list[str]]:
    """By what clips and groups are known again; a card keeps it.

    Raises
    ------
    AudioError : a clip cannot be read.
    """
    clips = {sound_hash(e) for e in examples}
    groups = {_hash(e.group.encode("utf-8", "surrogateescape")) for e in examples}
    return dict(zip(KEYS, (sorted(clips), sorted(groups)), strict=True))


def acquaintance(card: Mapping[str, Any], asked: Mapping[str, Sequence[str]]) -> Acquaintance:
    """How many of the clips and groups with these `hashes` a model with this card met."""
    if not all(isinstance(card.get(key), list) for key in KEYS):
        return Acquaintance(known=False)
    clips, groups = (len(set(map(str, card[key])) & set(asked[key])) for key in KEYS)
    return Acquaintance(known=True, clips=clips, groups=groups)


def sound_hash(example: Example) -> str:
    """The beginning of the hash of what the clip sounds like."""
    if example.measured is not None:
        return example.measured.sound[:HASH_DIGITS]
    return sound_of(example.path, offset_s=example.start_s, max_s=example.duration_s)[:HASH_DIGITS]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:HASH_DIGITS]
