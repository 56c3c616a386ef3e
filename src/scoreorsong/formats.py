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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, TypeAlias

from .errors import BatchError
from .files import whole

ROWS_PER_BATCH: Final = 500

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """What the rows of a table hold.

    Attributes
    ----------
    columns : their names, in order.
    made_by : the column that tells what made a row, such as a model; what another made is made anew.
    kinds : pyarrow's names of the types of those columns that are no text.
    bulky : columns too long for a cell, which only Parquet has; with them a table is never held in
        memory as a whole, not even to sort it.
    unpacked : a row as Parquet holds it, from the row that JSON holds.
    """

    columns: tuple[str, ...]
    made_by: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)
    bulky: tuple[str, ...] = ()
    unpacked: Callable[[Row], Row] = lambda row: row

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns that CSV has."""
        return tuple(column for column in self.columns if column not in self.bulky)


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
    layout: Layout

    @property
    def begins(self) -> bytes:
        return ",".join(self.layout.cells).encode()

    @property
    def head(self) -> bytes:
        return self.begins + b"\r\n"

    def encode(self, row: Row) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text).writerow([_cell(row[column]) for column in self.layout.cells])
        return text.getvalue().encode("utf-8", "surrogateescape")

    def read(self, path: Path) -> Iterator[Row | None]:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            lines, cells = _rows(csv.reader(file)), self.layout.cells
            next(lines, None)
            for line in lines:
                yield dict(zip(cells, line, strict=True)) if len(line) == len(cells) else None


@dataclass(frozen=True)
class JsonLines:
    layout: Layout
    head = b""

    @property
    def begins(self) -> bytes:
        return f'{{"{self.layout.columns[0]}": '.encode()

    def encode(self, row: Row) -> bytes:
        return json.dumps(row).encode() + b"\n"

    def read(self, path: Path) -> Iterator[Row | None]:
        with path.open("rb") as file:
            for line in file:
                row = parsed(line)
                yield row if isinstance(row, dict) and tuple(row) == self.layout.columns else None


# A Parquet file cannot grow: its rows are kept as JSON Lines until it is written.
_BY_ENDING: Final[Mapping[str, type[Csv] | type[JsonLines]]] = {
    ".csv": Csv,
    ".jsonl": JsonLines,
    ".parquet": JsonLines,
}


def format_of(path: str | os.PathLike[str], layout: Layout) -> Format:
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
    return _BY_ENDING[ending](layout)


def is_parquet(path: str | os.PathLike[str]) -> bool:
    return Path(path).suffix.lower() == ".parquet"


def write_table(path: str | os.PathLike[str], layout: Layout, rows: Iterable[Row]) -> None:
    """All rows as one file, which appears whole or not at all; where a link stands, it is kept.

    Raises
    ------
    OSError : it cannot be written.
    """
    form, target = format_of(path, layout), os.path.realpath(path)
    with whole(target) as file:
        if is_parquet(path):
            _write_parquet(file, layout, rows)
        else:
            file.write(form.head)
            file.writelines(map(form.encode, rows))


def _write_parquet(file: BinaryIO, layout: Layout, rows: Iterable[Row]) -> None:
    arrow = _arrow(file.name)
    types = {name: arrow.type_for_alias(kind) for name, kind in layout.kinds.items()}
    types |= {name: arrow.list_(types[name]) for name in layout.bulky}
    schema = arrow.schema([(name, types.get(name, arrow.string())) for name in layout.columns])
    texts = ({name: spelt(value) for name, value in layout.unpacked(row).items()} for row in rows)
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
    except (ValueError, RecursionError):
        return None


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """The rows of a CSV; an empty one for what is no row, such as a cell without end."""
    while True:
        try:
            yield next(reader)
        except csv.Error:
            yield []
        except StopIteration:
            return


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
