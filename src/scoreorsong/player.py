"""Timeline → one HTML page that shows it and plays the programme from where one clicks."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from . import pages
from .exports import plain, written

if TYPE_CHECKING:
    from .timelines import Timeline

FILMS: Final = (".mp4", ".m4v", ".mov", ".webm", ".mkv")
CURVES: Final = ("level_db", "song_probability", "music", "voice")
DIGITS: Final = 3


def write_player(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write the page; it needs no network, and plays the source by a relative link.

    Keep page and source together. A browser plays the formats that it knows, and of a film the
    first sound track. What was no file, or is not there any more, has no player.

    Raises
    ------
    ExportError : the page cannot be written.
    """
    data = _data(timeline, Path(path).parent)
    name = plain(Path(timeline.source).name)
    notes = [f"Model {timeline.model_id}.", *timeline.warnings]
    if data["href"] is None:
        notes.append("The file was not found from here, so that nothing can be played.")
    page = pages.page(
        "player",
        title=f"Score or song: {name}",
        name=escape(name),
        notes="\n".join(f"<p>{escape(plain(note))}</p>" for note in notes),
        data=pages.script_safe(data),
    )
    written(path, page)


def _data(timeline: Timeline, folder: Path) -> dict[str, Any]:
    head, name = os.path.split(timeline.source)
    segments = (list(segment.to_dict().values()) for segment in timeline.segments)
    return {
        "href": pages.linker(head, folder)(name),
        "film": Path(name).suffix.lower() in FILMS,
        "duration_s": timeline.duration_s,
        "segments": [[start, end, *rest] for start, end, _, *rest in segments],
        "band": list(timeline.band),
        "hop_s": timeline.curve.hop_s,
        **{curve: [round(x, DIGITS) for x in getattr(timeline.curve, curve).tolist()] for curve in CURVES},
    }
