"""Audio file → which recording it is and whose: its sound as a hash, its artist or album by its tags.

Conventions: two files hold the same recording where they decode to the same samples,
whatever their names, tags or (lossless) formats.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import soundfile

from .audio import MEDIA_ENDINGS, Samples, open_audio
from .sound_files import nameable

WHOSE: Final = ("artist", "album")  # tags, by how much they say
NOBODY: Final = frozenset(
    ["", "unknown", "unknown artist", "unknown album", "various", "various artists", "va"]
)


class SoundHash:
    """SHA-256 over samples; give it to `extract` as its listener."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def __call__(self, block: Samples) -> None:
        self._digest.update(block.astype("<f4", copy=False).tobytes())

    def __str__(self) -> str:
        return self._digest.hexdigest()


def sound_of(path: str | os.PathLike[str], *, offset_s: float = 0.0, max_s: float | None = None) -> str:
    """SHA-256 of what a file sounds like: of its decoded samples, mono at `audio.RATE_HZ`.

    Raises
    ------
    AudioError : it cannot be read as audio.
    """
    sound = SoundHash()
    for block in open_audio(path, offset_s=offset_s, max_s=max_s):
        sound(block)
    return str(sound)


def whose(path: Path) -> tuple[str, str] | None:
    """The first of the tags `WHOSE` that names somebody, as ("artist", name); None where none does."""
    tags = _tags(path)
    named = ((tag, " ".join(str(tags.get(tag, "")).split())) for tag in WHOSE)
    return next(((tag, name) for tag, name in named if name.casefold() not in NOBODY), None)


def _tags(path: Path) -> dict[str, Any]:
    """What the file says of itself; nothing where it cannot be read, which decoding it will tell."""
    try:
        with soundfile.SoundFile(nameable(path)) as file:
            return dict(file.copy_metadata())
    except (soundfile.LibsndfileError, OSError, UnicodeDecodeError):
        return _media_tags(path) if path.suffix.lower() in MEDIA_ENDINGS else {}


def _media_tags(path: Path) -> dict[str, Any]:
    if importlib.util.find_spec("av") is None:
        return {}
    import av

    try:
        with path.open("rb") as raw, av.open(raw, options={"protocol_whitelist": "none"}) as media:
            return {key.lower(): value for key, value in media.metadata.items()}
    except (av.FFmpegError, OSError, UnicodeDecodeError):
        return {}


def alike(marks: Iterable[Hashable]) -> list[list[int]]:
    """Positions of marks that are equal, for each that stands at several."""
    places = defaultdict[Hashable, list[int]](list)
    for place, mark in enumerate(marks):
        places[mark].append(place)
    return [several for several in places.values() if len(several) > 1]


def merged(groups: Sequence[str], links: Iterable[Sequence[int]]) -> list[str]:
    """Groups, where those of linked places have become one, named as its first by name."""
    one_of = {group: group for group in groups}

    def head(group: str) -> str:
        while one_of[group] != group:
            group = one_of[group]
        return group

    for link in links:
        heads = sorted({head(groups[place]) for place in link})
        one_of.update(dict.fromkeys(heads, heads[0]))
    return [head(group) for group in groups]
