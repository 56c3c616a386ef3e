"""Results table, albums table → typed rows.

A results table holds one row per file that was heard or could not be, with the columns
`COLUMNS`; an albums table one per folder, with the columns `ALBUM_COLUMNS`. The ending of
the name says whether it is CSV, JSON Lines or Parquet. Paths stand as the user named the
folder, `warnings` is one text joined by "; ", and what has no value, as the numbers of a
failure, has an empty cell (null). Other columns are passed over.
"""

from __future__ import annotations

import csv
import json
import logging
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TextIO, TypeVar

from .errors import ResultsError

log = logging.getLogger("scoreorsong")

COLUMNS: Final = (
    "path", "status", "label", "song_probability", "confident", "vocal_fraction", "music_fraction",
    "duration_s", "warnings", "error", "model_id",
)  # fmt: skip
STATUSES: Final = ("ok", "error")
LABELS: Final = ("score", "song", "no_music")
KINDS: Final = ("score album", "song soundtrack", "mixed")
FLAGS: Final = {"true": True, "false": False}
LONGEST_SHOWN: Final = 80

Record = Mapping[str, Any]
Typed = TypeVar("Typed")


@dataclass(frozen=True, slots=True)
class Result:
    """One row. What a failure lacks is None; a file that was heard (`status` "ok") lacks nothing."""

    path: str
    status: str
    label: str | None
    song_probability: float | None
    confident: bool | None
    vocal_fraction: float | None
    music_fraction: float | None
    duration_s: float | None
    warnings: str
    error: str
    model_id: str


@dataclass(frozen=True, slots=True)
class Album:
    """What a folder is, its files taken as the tracks of one release.

    Attributes
    ----------
    folder : as the files name it; "" for the working folder.
    kind : "score album", "song soundtrack" or "mixed"; None where no file has music.
    probability : of the kind, 0 to 1, given the tracks' own probabilities.
    tracks : files with music.
    score_share, song_share : of the tracks, by their labels, 0 to 1.
    no_music, failed : files without music, and that could not be heard.
    cohesion : how alike the tracks sound: mean similarity of all pairs, -1 to 1; None for fewer
        than two tracks.
    cohesion_percentile : per cent of sets of as many clips by different hands, drawn from the
        training corpus, that hang together less, 0 to 100.
    """

    folder: str
    kind: str | None
    probability: float | None
    tracks: int
    score_share: float | None
    song_share: float | None
    no_music: int
    failed: int
    cohesion: float | None
    cohesion_percentile: float | None


ALBUM_COLUMNS: Final = tuple(field.name for field in fields(Album))


@dataclass(frozen=True)
class Results:
    """The rows of a table, and a note where its last line was torn and left out."""

    source: Path
    rows: list[Result]
    note: str = ""


def read_results(path: str | os.PathLike[str]) -> Results:
    """Read a results table.

    A last line that breaks off, as a killed process may leave it, is left out with a note.

    Raises
    ------
    ResultsError : the table cannot be read, lacks columns, or has a row that is none.
    """
    return Results(Path(path), *_read(Path(path), _RESULTS))


def read_albums(path: str | os.PathLike[str]) -> list[Album]:
    """Read an albums table.

    Raises
    ------
    ResultsError : the table cannot be read, breaks off, lacks columns, or has a row that is none.
    """
    albums, note = _read(Path(path), _ALBUMS)
    if note:
        raise ResultsError(note)
    return albums


class _Layout(NamedTuple, Generic[Typed]):
    """What a table is: what it is called, the columns that it must have, and how a row is typed."""

    name: str
    columns: tuple[str, ...]
    typed: Callable[[Record], Typed]


def _read(source: Path, layout: _Layout[Typed]) -> tuple[list[Typed], str]:
    """The rows, and a note where the last line is torn."""
    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        raise ResultsError(
            f"{source}: expected {layout.name} whose name ends in {', '.join(_READERS)}, as scan writes it"
        )
    try:
        rows, note = reader(source, layout)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ResultsError(
            f"{source}: cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from error
    log.info("%d rows in %s", len(rows), source)
    return rows, note


# ---- CSV and JSON Lines: line by line, so that a message can name the line


class _Lines:
    """The lines of a file, with the number of the last one read and whether it has its end."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.number, self.last = 0, "\n"

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        self.last = next(self.file)
        self.number += 1
        return self.last

    def torn(self) -> bool:
        return not self.last.endswith(("\n", "\r"))


def _read_lines(
    parse: Callable[[Path, _Lines, _Layout[Typed]], Iterator[Record]], source: Path, layout: _Layout[Typed]
) -> tuple[list[Typed], str]:
    rows: list[Typed] = []
    # A byte order mark is what a spreadsheet leaves; a path need not be text.
    with source.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        lines = _Lines(file)
        try:
            rows.extend(map(layout.typed, parse(source, lines, layout)))
        except (ValueError, RecursionError, csv.Error) as error:
            if lines.number == 1 or not lines.torn():
                raise ResultsError(f"{source}, line {lines.number}: {error}") from error
            return rows, f"{source}, line {lines.number}: breaks off and is left out; scan again"
    return rows, ""


def _csv_records(source: Path, lines: _Lines, layout: _Layout[Any]) -> Iterator[Record]:
    reader = csv.reader(lines, strict=True)
    header = next(reader, [])
    _check_columns(source, header, layout)
    for cells in reader:
        if cells and len(cells) != len(header):
            raise ValueError(f"{len(cells)} cells, expected {len(header)} as in the header")
        if cells:
            yield dict(zip(header, cells, strict=True))


def _json_records(source: Path, lines: _Lines, layout: _Layout[Any]) -> Iterator[Record]:
    for line in filter(str.strip, lines):
        record = json.loads(line)
        if not isinstance(record, dict):
            raise ValueError(f"{_shown(record)}, expected an object in braces")
        if lines.number == 1:
            _check_columns(source, record, layout)
        yield record


# ---- Parquet


def _read_parquet(source: Path, layout: _Layout[Typed]) -> tuple[list[Typed], str]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ResultsError(
            f'{source}: Parquet needs pyarrow, which is not here: pip install "score-or-song[parquet]"'
        ) from error
    rows: list[Typed] = []
    try:
        with source.open("rb") as file, ParquetFile(file) as table:
            _check_columns(source, table.schema_arrow.names, layout)
            for batch in table.iter_batches(columns=list(layout.columns)):
                rows.extend(map(layout.typed, batch.to_pylist()))
    except ArrowException as error:
        raise ResultsError(f"{source}: is damaged or no Parquet ({error})") from error
    except ValueError as error:
        raise ResultsError(f"{source}, row {len(rows) + 1}: {error}") from error
    return rows, ""


_READERS: Final[Mapping[str, Callable[[Path, _Layout[Any]], tuple[list[Any], str]]]] = {
    ".csv": partial(_read_lines, _csv_records),
    ".jsonl": partial(_read_lines, _json_records),
    ".parquet": _read_parquet,
}


# ---- one record → one row


def _check_columns(source: Path, found: Collection[str], layout: _Layout[Any]) -> None:
    missing = [column for column in layout.columns if column not in found]
    if missing:
        raise ResultsError(
            f"{source}: not {layout.name} as scan writes it: lacks the columns {', '.join(missing)}; "
            f"found {_shown(', '.join(found)) if found else 'nothing'}"
        )


def _result(record: Record) -> Result:
    """The typed row; raises ValueError where a cell is not what its column holds."""
    result = Result(
        path=_text(record, "path"),
        status=_one_of(STATUSES, record, "status") or "",
        label=_one_of(LABELS, record, "label"),
        song_probability=_number(record, "song_probability"),
        confident=_flag(record, "confident"),
        vocal_fraction=_number(record, "vocal_fraction"),
        music_fraction=_number(record, "music_fraction"),
        duration_s=_number(record, "duration_s", 0, math.inf),
        warnings=_text(record, "warnings"),
        error=_text(record, "error"),
        model_id=_text(record, "model_id"),
    )
    _check_filled(result, COLUMNS[:8] if result.status == "ok" else COLUMNS[:2])
    return result


def _album(record: Record) -> Album:
    """The typed row; raises ValueError where a cell is not what its column holds."""
    album = Album(
        folder=_text(record, "folder"),
        kind=_one_of(KINDS, record, "kind"),
        probability=_number(record, "probability"),
        tracks=_count(record, "tracks"),
        score_share=_number(record, "score_share"),
        song_share=_number(record, "song_share"),
        no_music=_count(record, "no_music"),
        failed=_count(record, "failed"),
        cohesion=_number(record, "cohesion", -1),
        cohesion_percentile=_number(record, "cohesion_percentile", 0, 100),
    )
    if album.tracks:
        _check_filled(album, ("kind", "probability", "score_share", "song_share"))
    return album


_RESULTS: Final = _Layout("a results table", COLUMNS, _result)
_ALBUMS: Final = _Layout("an albums table", ALBUM_COLUMNS, _album)


def _check_filled(row: Result | Album, columns: Collection[str]) -> None:
    for column in columns:
        if getattr(row, column) in (None, ""):
            raise ValueError(f"{column} is empty")


def _text(record: Record, column: str) -> str:
    value = record.get(column)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{column} is {_shown(value)}, expected text")
    return value or ""


def _one_of(allowed: Collection[str], record: Record, column: str) -> str | None:
    value = _text(record, column)
    if value and value not in allowed:
        raise ValueError(f"{column} is {_shown(value)}, expected one of {', '.join(allowed)}")
    return value or None


def _number(record: Record, column: str, lowest: float = 0, highest: float = 1) -> float | None:
    value = record.get(column)
    if value in (None, ""):
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not lowest <= number <= highest or math.isinf(number):
        limit = f" to {highest}" if highest < math.inf else " up"
        raise ValueError(f"{column} is {_shown(value)}, expected a number from {lowest}{limit}")
    return number


def _count(record: Record, column: str) -> int:
    number = _number(record, column, 0, math.inf)
    if number is None or number != int(number):
        raise ValueError(f"{column} is {_shown(record.get(column))}, expected a whole number")
    return int(number)


def _flag(record: Record, column: str) -> bool | None:
    value = record.get(column)
    if value in (None, ""):
        return None
    flag = FLAGS.get(str(value).lower())
    if flag is None:
        raise ValueError(f"{column} is {_shown(value)}, expected true or false")
    return flag


def _shown(value: object) -> str:
    """What was found, short enough for a message."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
