"""Segments and a usage map → the draft of a cue sheet, as a table or as a page to print.

A cue sheet tells the collecting societies which music was used in a programme, where and how.
The draft holds what can be heard; titles, names and rights stay blank for a person to fill in.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from . import pages
from .errors import ExportError
from .exports import in_frames, plain, table
from .folders import FORMULA
from .segments import Segment
from .timecode import FrameRate

COLUMNS: Final = {
    "cue": "Cue", "in": "In", "out": "Out", "duration": "Duration", "heard": "Heard", "vocals": "Vocals",
    "usage": "Suggested usage", "usage_confidence": "Confidence", "title": "Title", "composer": "Composer",
    "publisher": "Publisher", "rights": "Rights",
}  # fmt: skip
MUSIC: Final = ("score", "song")
VOCALS: Final = ("instrumental", "vocal")
LONGEST_CODE: Final = 20


@dataclass(frozen=True)
class UsageMap:
    """Which usage code to suggest.

    Attributes
    ----------
    vocal_from : share of singing from which a cue counts as vocal, 0 to 1.
    codes : by label ("score", "song") and vocals ("instrumental", "vocal"), the code and how
        often it is right where the label is, 0 to 1.
    """

    vocal_from: float
    codes: Mapping[tuple[str, str], tuple[str, float]]

    def vocals(self, segment: Segment) -> str:
        return VOCALS[segment.vocal_fraction >= self.vocal_from]

    def usage(self, segment: Segment) -> tuple[str, float]:
        """Suggested code and confidence: that of the map times the probability of the label."""
        code, confidence = self.codes[segment.label, self.vocals(segment)]
        return code, confidence * (segment.label_probability or 0.0)


def read_usage_map(path: str | os.PathLike[str] | None = None) -> UsageMap:
    """Read a usage map, by default the shipped one, ``pages/usage.toml``, which shows the format.

    Raises
    ------
    ExportError : it cannot be read, or lacks something or holds something else; says what.
    """
    name = "usage.toml" if path is None else os.fspath(path)
    try:
        text = pages.part(name) if path is None else Path(path).read_text(encoding="utf-8-sig")
        content = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:  # the last of lists deep in one another
        reason = getattr(error, "strerror", None) or error
        raise ExportError(f"{name}: cannot be read as a usage map ({reason})") from error
    try:
        return _usage_map(content)
    except ValueError as error:
        raise ExportError(f"{name}: {error}; the guide of films shows a usage map") from error


def _usage_map(content: Mapping[str, Any]) -> UsageMap:
    _check_keys("the map", content, {"vocal_from", *MUSIC})
    codes = {}
    for label in MUSIC:
        _check_keys(f"[{label}]", content[label], set(VOCALS))
        for vocals in VOCALS:
            where = f"{vocals} in [{label}]"
            _check_keys(where, content[label][vocals], {"code", "confidence"})
            codes[label, vocals] = _code(where, **content[label][vocals])
    return UsageMap(_share("vocal_from", content["vocal_from"]), codes)


def _check_keys(where: str, found: Any, expected: set[str]) -> None:
    if not isinstance(found, dict) or set(found) != expected:
        told = ", ".join(found) if isinstance(found, dict) else repr(found)
        raise ValueError(f"{where} holds {told or 'nothing'}, expected {', '.join(sorted(expected))}")


def _code(where: str, *, code: Any, confidence: Any) -> tuple[str, float]:
    if not isinstance(code, str) or not code.isprintable() or not 0 < len(code.strip()) <= LONGEST_CODE:
        raise ValueError(f"{where}: code is {code!r}, expected 1 to {LONGEST_CODE} letters in quotes")
    if code.strip().startswith(FORMULA):
        raise ValueError(f"{where}: code is {code!r}, which a spreadsheet would take for a formula")
    return code.strip(), _share(f"{where}: confidence", confidence)


def _share(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"{what} is {value!r}, expected a number from 0 to 1")
    return float(value)


def cues(
    segments: Sequence[Segment], *, rate: FrameRate, start_timecode: str, usage_map: UsageMap
) -> list[dict[str, str]]:
    """One row of `COLUMNS` per stretch of music."""
    rows = []
    for number, (segment, start, end) in enumerate(in_frames(segments, rate, start_timecode), 1):
        code, confidence = usage_map.usage(segment)
        heard = {
            "cue": str(number),
            "in": rate.timecode(start),
            "out": rate.timecode(end),
            "duration": rate.timecode(end - start),
            "heard": segment.label if segment.confident else f"{segment.label} (unsure)",
            "vocals": usage_map.vocals(segment),
            "usage": code,
            "usage_confidence": f"{confidence:.2f}",
        }
        rows.append({**dict.fromkeys(COLUMNS, ""), **heard})
    return rows


def cue_sheet_table(rows: Sequence[Mapping[str, str]]) -> str:
    """The cues as CSV."""
    return table(tuple(COLUMNS), rows)


def cue_sheet_page(
    rows: Sequence[Mapping[str, str]], *, source: str, duration: str, rate: FrameRate, model_id: str
) -> str:
    """The cues as a page to print and to fill in by hand."""
    head = "".join(f'<th scope="col">{title}</th>' for title in COLUMNS.values())
    body = "\n".join(f"<tr>{''.join(_cell(name, row[name]) for name in COLUMNS)}</tr>" for row in rows)
    name = plain(Path(source).name)
    return pages.page(
        "cuesheet", title=f"Cue sheet draft: {name}", base=False, name=escape(name), duration=duration, rate=rate, model=escape(model_id),
        count=len(rows), head=head, body=body,
    )  # fmt: skip


def _cell(name: str, text: str) -> str:
    return f'<td class="{name}">{escape(text)}</td>'
