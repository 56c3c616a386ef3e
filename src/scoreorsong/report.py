"""Results → one HTML page that needs no network.

The parts lie in `pages/`. The counts, the histogram and the shares of the folders are
made here; the rows go into the page as JSON, from which its script builds the two tables
as text, never as markup. A policy in the page lets nothing run but that script.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final
from urllib.parse import quote

from .errors import ResultsError
from .files import write_whole
from .markup import part, policy_hash
from .results import Result, Results

KINDS: Final = ("score", "song", "no_music", "uncertain", "failed")
N_BINS: Final = 20
WIDTH, HEIGHT, TOP, BASE = 480, 210, 22, 34  # of the histogram; `BASE` is the room under its axis

Href = Callable[[str], str | None]


def write_report(results: Results, output: str | os.PathLike[str]) -> Counter[str]:
    """Write the page, whole or not at all; returns what is in it, by `KINDS`.

    Files that can be reached from the folder of the page by a relative link get a player;
    paths in the table are taken from the working folder, as scan took them.

    Raises
    ------
    ResultsError : the page cannot be written, or would take the place of the table.
    """
    target = Path(output)
    try:
        if target.exists() and results.source.exists() and target.samefile(results.source):
            raise ResultsError(f"{target}: is the results table itself; name another file for the report")
        write_whole(target, page(results, target.parent).encode("utf-8", "replace"))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise ResultsError(
            f"{target}: cannot be written ({reason}); choose a folder that exists and is yours"
        ) from error
    return counts(results.rows)


def page(results: Results, folder: str | os.PathLike[str]) -> str:
    """The page as text; `folder` is where it will lie, from which its links lead."""
    style, script = part("report.css"), part("report.js")
    data = _data(results.rows, folder)
    return Template(part("report.html")).substitute(
        name=escape(results.source.name),
        style=style,
        style_hash=policy_hash(style),
        script=script,
        script_hash=policy_hash(script),
        counts=_counts_markup(counts(results.rows)),
        histogram=_histogram(results.rows),
        notes=_notes(results, sum(row[-1] is None for row in data["files"])),
        data=_script_safe(data),
    )


def counts(rows: Iterable[Result]) -> Counter[str]:
    """How many of each of `KINDS`; an uncertain file is counted under its label as well."""
    count: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    for row in rows:
        count[row.label if row.status == "ok" and row.label else "failed"] += 1
        count["uncertain"] += _uncertain(row)
    return count


def _uncertain(row: Result) -> bool:
    return row.status == "ok" and not row.confident


# ---- what the script gets


def _data(rows: Sequence[Result], folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Folders with their counts, and files that name their folder by its number."""
    split = [os.path.split(row.path) for row in rows]
    by_folder: dict[str, list[Result]] = {}
    for row, (head, _) in zip(rows, split, strict=True):
        by_folder.setdefault(head, []).append(row)
    links = {head: _linker(head, folder) for head in by_folder}
    number = {head: i for i, head in enumerate(by_folder)}
    return {
        "folders": [
            [head, len(members), *map(counts(members).get, KINDS)] for head, members in by_folder.items()
        ],
        "files": [
            [number[head], name, *_values(row), links[head](name)]
            for row, (head, name) in zip(rows, split, strict=True)
        ],
    }


def _values(row: Result) -> list[Any]:
    """The cells of a row behind its name; a failure has no label.

    The probability is given that there is music, so that without music it would say nothing.
    """
    if row.status == "error":
        return [None, None, None, None, None, None, row.error]
    given_music = None if row.label == "no_music" else row.song_probability
    shares = (given_music, row.vocal_fraction, row.music_fraction)
    probability, vocal, music = (None if share is None else round(share, 4) for share in shares)
    length_s = None if row.duration_s is None else round(row.duration_s, 1)
    return [row.label, probability, row.confident, vocal, music, length_s, row.warnings]


def _linker(head: str, folder: str | os.PathLike[str]) -> Href:
    """From a name in the folder `head` to its link, or to None where it cannot be reached.

    A folder is listed once, which is faster than asking for each of its files.
    """
    try:
        names = frozenset(os.listdir(head or os.curdir))
        way = os.path.relpath(head or os.curdir, folder).replace(os.sep, "/")
    except (OSError, ValueError):  # ValueError: a NUL in the path, or another drive
        names, way = frozenset(), ""
    start = "" if way == os.curdir else f"{_quoted(way)}/"
    return lambda name: f"{start}{_quoted(name)}" if name in names else None


def _quoted(path: str) -> str:
    """For an address; a name need not be text, and a colon in it begins no scheme."""
    return quote(os.fsencode(path), safe="/")


def _script_safe(data: object) -> str:
    """JSON that cannot end the script element which holds it, whatever stands in it."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


# ---- markup


def _counts_markup(count: Counter[str]) -> str:
    names = {"no_music": "no music", "uncertain": "of them uncertain"}
    return "\n".join(
        f'<div class="{kind}"><dt>{names.get(kind, kind)}</dt><dd>{count[kind]:,}</dd></div>'
        for kind in KINDS
    )


def _notes(results: Results, unreachable: int) -> str:
    """What a reader should know beforehand, as paragraphs."""
    models = Counter(row.model_id for row in results.rows if row.model_id)
    notes = [f"{len(results.rows):,} files in {results.source.name}."]
    if len(models) == 1:
        notes.append(f"Model {next(iter(models))}.")
    elif models:
        notes.append(f"Models: {', '.join(f'{model} ({n:,} files)' for model, n in models.most_common())}.")
    if results.note:
        notes.append("The last line of the table breaks off and is left out; scan again to complete it.")
    if unreachable:
        notes.append(
            f"{unreachable:,} files were not found from here and have no player; "
            "make the report in the folder where the scan was started."
        )
    return "\n".join(f"<p>{escape(note)}</p>" for note in notes)


def _histogram(rows: Iterable[Result]) -> str:
    """Song probabilities of the files with music; the uncertain ones stand hatched on top."""
    bins: list[Counter[str]] = [Counter() for _ in range(N_BINS)]
    for row in rows:
        if row.label in ("score", "song") and row.song_probability is not None:
            kind = "uncertain" if _uncertain(row) else row.label
            bins[min(int(row.song_probability * N_BINS), N_BINS - 1)][kind] += 1
    highest = max(count.total() for count in bins)
    if not highest:
        return "<p>No file with music.</p>"
    bars = "".join(_bar(i, count, (HEIGHT - TOP - BASE) / highest) for i, count in enumerate(bins))
    ticks = "".join(_tick(i / 4) for i in range(5))
    return Template(part("histogram.svg")).substitute(
        width=WIDTH, height=HEIGHT, base=HEIGHT - BASE, low=HEIGHT - 5, highest=f"{highest:,}", top=TOP,
        bars=bars, ticks=ticks,
    )  # fmt: skip


def _bar(i: int, count: Counter[str], scale: float) -> str:
    width, bottom, parts = WIDTH / N_BINS, float(HEIGHT - BASE), []
    for kind in ("score", "song", "uncertain"):
        height = max(count[kind] * scale, 1.5) if count[kind] else 0  # one file in 100,000 can be seen
        bottom -= height
        parts.append(
            f'<rect class="{kind}" x="{i * width + 1:g}" y="{bottom:.1f}" width="{width - 2:g}" height="{height:.1f}"/>'
        )
    told = f"{i / N_BINS:.2f} to {(i + 1) / N_BINS:.2f}: {count.total():,} files, {count['uncertain']:,} uncertain"
    return f"<g><title>{told}</title>{''.join(parts)}</g>"


def _tick(at: float) -> str:
    anchor = {0.0: "start", 1.0: "end"}.get(at, "middle")
    return f'<text x="{at * WIDTH:g}" y="{HEIGHT - BASE + 14}" text-anchor="{anchor}">{at:g}</text>'
