"""Row ⇄ line: what the rows of a table hold, and how CSV and JSON Lines spell them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """What the rows of a table hold.

    Attributes
    ----------
    columns : their names, in order; `path` first, `status` among them.
    made_by : the column that tells what made a row, such as a model; what another made is made anew.
    kinds : pyarrow's names of the types of those columns that are no text.
    bulky : columns too long for a cell, which only Parquet has; such a table is never held in
        memory as a whole, not even to sort it.
    unpacked : a row as Parquet holds it, from the row that JSON holds.
    """

    columns: tuple[str, ...]
    made_by: str
    kinds: Mapping[str, str] = field(default_factory=dict)
    bulky: tuple[str, ...] = ()
    unpacked: Callable[[Row], Row] = lambda row: row


class Format(Protocol):
    """How rows are written and read back; a row that cannot be read comes back as None."""

    def __init__(self, layout: Layout) -> None: ...

    head: bytes
    begins: bytes  # how a file of rows begins

    def encode(self, row: Row) -> bytes: ...

    def read(self, path: Path) -> Iterator[Row | None]: ...


class Csv:
    def __init__(self, layout: Layout) -> None:
        self._columns = [column for column in layout.columns if column not in layout.bulky]
        self.begins = ",".join(self._columns).encode()
        self.head = self.begins + b"\r\n"

    def encode(self, row: Row) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text).writerow([_cell(row[column]) for column in self._columns])
        return text.getvalue().encode("utf-8", "surrogateescape")

    def read(self, path: Path) -> Iterator[Row | None]:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            lines = csv.reader(file)
            next(lines, None)
            for line in lines:
                whole_row = len(line) == len(self._columns)
                yield dict(zip(self._columns, line, strict=True)) if whole_row else None


class JsonLines:
    head = b""

    def __init__(self, layout: Layout) -> None:
        self._columns = layout.columns
        self.begins = f'{{"{layout.columns[0]}": '.encode()

    def encode(self, row: Row) -> bytes:
        return json.dumps(row).encode() + b"\n"

    def read(self, path: Path) -> Iterator[Row | None]:
        with path.open("rb") as file:
            for line in file:
                row = parsed(line)
                yield row if isinstance(row, dict) and tuple(row) == self._columns else None


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


FORMATS: Final[Mapping[str, type[Format]]] = {
    ".csv": Csv,
    ".jsonl": JsonLines,
    ".parquet": JsonLines,
}
