"""Results table → typed rows.

A results table holds one row per file that was heard or could not be, with the columns
`COLUMNS`; the ending of its name says whether it is CSV, JSON Lines or Parquet. Paths
stand as the user named the folder, `warnings` is one text joined by "; ", and where a
failure has no number its cell is empty (null). Other columns are passed over.
"""

from __future__ import annotations

import csv
import json
import logging
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from .errors import ResultsError

log = logging.getLogger("scoreorsong")

COLUMNS: Final = (
    "path", "status", "label", "song_probability", "confident", "vocal_fraction", "music_fraction",
    "duration_s", "warnings", "error", "model_id",
)  # fmt: skip
STATUSES: Final = ("ok", "error")
LABELS: Final = ("score", "song", "no_music")
FLAGS: Final = {"true": True, "false": False}
LONGEST_SHOWN: Final = 80

Record = Mapping[str, Any]


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
    source = Path(path)
    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        raise ResultsError(
            f"{source}: expected a results table whose name ends in {', '.join(_READERS)}, as scan writes it"
        )
    try:
        results = reader(source)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ResultsError(
            f"{source}: cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from error
    log.info("%d rows in %s", len(results.rows), source)
    return results


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


def _read_lines(source: Path, parse: Callable[[Path, _Lines], Iterator[Record]]) -> Results:
    rows: list[Result] = []
    # A byte order mark is what a spreadsheet leaves; a path need not be text.
    with source.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        lines = _Lines(file)
        try:
            rows.extend(map(_result, parse(source, lines)))
        except (ValueError, RecursionError, csv.Error) as error:
            if lines.number == 1 or not lines.torn():
                raise ResultsError(f"{source}, line {lines.number}: {error}") from error
            return Results(
                source, rows, f"{source}, line {lines.number}: breaks off and is left out; scan again"
            )
    return Results(source, rows)


def _csv_records(source: Path, lines: _Lines) -> Iterator[Record]:
    reader = csv.reader(lines, strict=True)
    header = next(reader, [])
    _check_columns(source, header)
    for cells in reader:
        if cells and len(cells) != len(header):
            raise ValueError(f"{len(cells)} cells, expected {len(header)} as in the header")
        if cells:
            yield dict(zip(header, cells, strict=True))


def _json_records(source: Path, lines: _Lines) -> Iterator[Record]:
    for line in filter(str.strip, lines):
        record = json.loads(line)
        if not isinstance(record, dict):
            raise ValueError(f"{_shown(record)}, expected an object in braces")
        if lines.number == 1:
            _check_columns(source, record)
        yield record


# ---- Parquet


def _read_parquet(source: Path) -> Results:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ResultsError(
            f'{source}: Parquet needs pyarrow, which is not here: pip install "score-or-song[parquet]"'
        ) from error
    rows: list[Result] = []
    try:
        with source.open("rb") as file, ParquetFile(file) as table:
            _check_columns(source, table.schema_arrow.names)
            for batch in table.iter_batches(columns=list(COLUMNS)):
                rows.extend(map(_result, batch.to_pylist()))
    except ArrowException as error:
        raise ResultsError(f"{source}: is damaged or no Parquet ({error})") from error
    except ValueError as error:
        raise ResultsError(f"{source}, row {len(rows) + 1}: {error}") from error
    return Results(source, rows)


_READERS: Final[Mapping[str, Callable[[Path], Results]]] = {
    ".csv": lambda source: _read_lines(source, _csv_records),
    ".jsonl": lambda source: _read_lines(source, _json_records),
    ".parquet": _read_parquet,
}


# ---- one record → one row


def _check_columns(source: Path, found: Collection[str]) -> None:
    missing = [column for column in COLUMNS if column not in found]
    if missing:
        raise ResultsError(
            f"{source}: not a results table as scan writes it: lacks the columns {', '.join(missing)}; "
            f"found {_shown(', '.join(found)) if found else 'nothing'}"
        )


def _result(record: Record) -> Result:
    """The typed row; raises ValueError where a cell is not what its column holds."""
    result = Result(
        path=_text(record, "path"),
        status=_one_of(STATUSES, record, "status") or "",
        label=_one_of(LABELS, record, "label"),
        song_probability=_number(record, "song_probability", 1),
        confident=_flag(record, "confident"),
        vocal_fraction=_number(record, "vocal_fraction", 1),
        music_fraction=_number(record, "music_fraction", 1),
        duration_s=_number(record, "duration_s", math.inf),
        warnings=_text(record, "warnings"),
        error=_text(record, "error"),
        model_id=_text(record, "model_id"),
    )
    needed = COLUMNS[:8] if result.status == "ok" else COLUMNS[:2]
    for column in needed:
        if getattr(result, column) in (None, ""):
            raise ValueError(f"{column} is empty")
    return result


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


def _number(record: Record, column: str, highest: float) -> float | None:
    value = record.get(column)
    if value in (None, ""):
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= highest or math.isinf(number):
        limit = f" to {highest}" if highest < math.inf else " up"
        raise ValueError(f"{column} is {_shown(value)}, expected a number from 0{limit}")
    return number


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
