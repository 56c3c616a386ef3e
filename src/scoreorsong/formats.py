"""Rows ⇄ bytes: tables as CSV, JSON Lines or Parquet, by the ending of their name.

Conventions: a row is a dict with the table's columns in their order; what a row has no value for is
None, in CSV an empty cell. Names that are no text keep their bytes in CSV and JSON Lines; Parquet
holds text only, so that there they are spelt out.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, TypeAlias

from .errors import BatchError
from .files import whole

ROWS_PER_BATCH: Final = 10_000

Row: TypeAlias = dict[str, Any]
Columns: TypeAlias = Mapping[str, type]  # str, bool, int or float by name


class Format(Protocol):
    """How rows are written and read back; a row that cannot be read comes back as None."""

    @property
    def begins(self) -> bytes:
        """How a file of rows begins."""

    @property
    def head(self) -> bytes:
        """What stands before the first row."""

    def encode(self, row: Row) -> bytes: ...

    def read(self, path: Path) -> Iterator[Row | None]: ...


@dataclass(frozen=True)
class Csv:
    columns: Columns

    @property
    def begins(self) -> bytes:
        return ",".join(self.columns).encode()

    @property
    def head(self) -> bytes:
        return self.begins + b"\r\n"

    def encode(self, row: Row) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text).writerow([_cell(value) for value in row.values()])
        return text.getvalue().encode("utf-8", "surrogateescape")

    def read(self, path: Path) -> Iterator[Row | None]:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            lines = csv.reader(file)
            next(lines, None)
            for line in lines:
                yield dict(zip(self.columns, line, strict=True)) if len(line) == len(self.columns) else None


@dataclass(frozen=True)
class JsonLines:
    columns: Columns
    head = b""

    @property
    def begins(self) -> bytes:
        return f'{{"{next(iter(self.columns))}": '.encode()

    def encode(self, row: Row) -> bytes:
        return json.dumps(row).encode() + b"\n"

    def read(self, path: Path) -> Iterator[Row | None]:
        with path.open("rb") as file:
            for line in file:
                row = parsed(line)
                yield row if isinstance(row, dict) and tuple(row) == tuple(self.columns) else None


# A Parquet file cannot grow: its rows are kept as JSON Lines until it is written.
_BY_ENDING: Final[Mapping[str, type[Csv] | type[JsonLines]]] = {
    ".csv": Csv,
    ".jsonl": JsonLines,
    ".parquet": JsonLines,
}


def format_of(path: str | os.PathLike[str], columns: Columns) -> Format:
    """The format that the ending of a name asks for.

    Raises
    ------
    BatchError : another ending, or Parquet without its extra.
    """
    ending = Path(path).suffix.lower()
    if ending not in _BY_ENDING:
        raise BatchError(f"{path}: has the ending {ending!r}; expected {', '.join(_BY_ENDING)}")
    if is_parquet(path):
        _arrow(path)
    return _BY_ENDING[ending](columns)


def is_parquet(path: str | os.PathLike[str]) -> bool:
    return Path(path).suffix.lower() == ".parquet"


def write_table(path: str | os.PathLike[str], columns: Columns, rows: Iterable[Row]) -> None:
    """All rows as one file, which appears whole or not at all; where a link stands, it is kept.

    Raises
    ------
    OSError : it cannot be written.
    """
    form, target = format_of(path, columns), os.path.realpath(path)
    with whole(target) as file:
        if is_parquet(path):
            _write_parquet(file, columns, iter(rows))
        else:
            file.write(form.head)
            file.writelines(map(form.encode, rows))


def _write_parquet(file: BinaryIO, columns: Columns, rows: Iterator[Row]) -> None:
    arrow = _arrow(file.name)
    types = {str: arrow.string(), bool: arrow.bool_(), int: arrow.int64(), float: arrow.float64()}
    schema = arrow.schema([(name, types[kind]) for name, kind in columns.items()])
    texts = ({name: spelt(value) for name, value in row.items()} for row in rows)
    with arrow.parquet.ParquetWriter(file, schema) as writer:
        while batch := list(islice(texts, ROWS_PER_BATCH)):
            writer.write_table(arrow.Table.from_pylist(batch, schema))


def _arrow(target: str | os.PathLike[str]) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BatchError(
            f'{target}: Parquet needs an extra: pip install "score-or-song[parquet]", or write .csv or .jsonl'
        ) from error
    return pyarrow


def spelt(value: Any) -> Any:
    """Text that Parquet accepts: the bytes of a name that is no UTF-8 are spelt out."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def parsed(line: bytes) -> Any:
    """The JSON of a line, or None where it is none."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
