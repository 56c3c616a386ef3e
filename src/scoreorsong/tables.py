"""Results → a table on disk that survives whatever ends the program.

Conventions: a row is appended in one piece as soon as its file is done. Beside the table
``results.csv`` lies ``results.csv.state``, which keeps size and time of change of every file
in the table, one JSON list ``[path, size in bytes, time in ns]`` a line, the last one of a path
counting; it is written just before the row, so that a row without it is never taken for done.
A Parquet file cannot be appended to: its rows lie in ``results.parquet.jsonl`` and the Parquet
file is written from them when the scan ends.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from .errors import BatchError
from .files import whole
from .folders import UNKNOWN, Fingerprint
from .prediction import Failure, Prediction
from .results import COLUMNS

NUMBERS: Final = ("song_probability", "vocal_fraction", "music_fraction", "duration_s")
ROWS_PER_BATCH: Final = 10_000
TAIL_BYTES: Final = 1 << 20

Row: TypeAlias = dict[str, Any]


def row_of(result: Prediction | Failure, model_id: str) -> Row:
    """A result as a row; what a failure has no value for is None."""
    if isinstance(result, Failure):
        error = " ".join(result.error.splitlines())
        found = {"path": result.source, "status": "error", "error": error, "model_id": model_id}
    else:
        found = {"path": result.source, "status": "ok", "warnings": "; ".join(result.warnings)}
        found |= {
            name: getattr(result, name)
            for name in COLUMNS
            if name not in ("path", "status", "warnings", "error")
        }
    return {name: found.get(name) for name in COLUMNS}


class _Format(Protocol):
    """How rows are written and read back; a row that cannot be read comes back as None."""

    head: bytes
    begins: bytes  # how a file of rows begins

    def encode(self, row: Row) -> bytes: ...

    def read(self, path: Path) -> Iterator[Row | None]: ...


class _Csv:
    begins = ",".join(COLUMNS).encode()
    head = begins + b"\r\n"

    def encode(self, row: Row) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text).writerow([_cell(value) for value in row.values()])
        return text.getvalue().encode("utf-8", "surrogateescape")

    def read(self, path: Path) -> Iterator[Row | None]:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            lines = _rows(csv.reader(file))
            next(lines, None)
            for line in lines:
                yield dict(zip(COLUMNS, line, strict=True)) if len(line) == len(COLUMNS) else None


class _JsonLines:
    begins = f'{{"{COLUMNS[0]}": '.encode()
    head = b""

    def encode(self, row: Row) -> bytes:
        return json.dumps(row).encode() + b"\n"

    def read(self, path: Path) -> Iterator[Row | None]:
        with path.open("rb") as file:
            for line in file:
                row = _parsed(line)
                yield row if isinstance(row, dict) and tuple(row) == COLUMNS else None


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


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


FORMATS: Final[Mapping[str, _Format]] = {".csv": _Csv(), ".jsonl": _JsonLines(), ".parquet": _JsonLines()}


class Table:
    """The results file of a scan.

    Parameters
    ----------
    output : its path; the ending chooses the format.
    resume : whether to go on with what is there, instead of deleting it.

    Raises
    ------
    BatchError : another ending, not writable, or a file there that is no table of a scan.
    """

    def __init__(self, output: str | os.PathLike[str], *, resume: bool = True) -> None:
        target, ending = Path(os.path.realpath(output)), Path(output).suffix.lower()
        if ending not in FORMATS:
            raise BatchError(f"{output}: has the ending {ending!r}; expected {', '.join(FORMATS)}")
        self._format = FORMATS[ending]
        self._parquet = target if ending == ".parquet" else None
        self.path = _beside(target, ".jsonl") if self._parquet else target
        self._state = _beside(self.path, ".state")
        self._check(target, resume=resume)
        self._states = _Lines(self._state, b"", lock=True)
        if not resume:
            self._states.clear()
            self._delete(target)
        try:
            self._lines = _Lines(self.path, self._format.head)
        except BaseException:
            self._states.close()
            raise

    def _check(self, target: Path, *, resume: bool) -> None:
        """Refuse, before anything is touched, what cannot be used or is not of a scan."""
        for path in (target, self.path, self._state):
            if path.exists() and not path.is_file():
                raise BatchError(
                    f"{path}: is no file that can be kept; expected a new name or a table of a scan"
                )
        if self._parquet:
            _arrow(target)
        if resume and self._parquet and target.exists() and not self.path.exists():
            raise BatchError(
                f"{target}: lies there without {self.path.name}, which holds the rows to go on from; "
                "name another file, or overwrite it with --no-resume"
            )
        if resume and self.path.exists():
            self._check_begin()

    def _check_begin(self) -> None:
        try:
            with self.path.open("rb") as file:
                begins = file.read(len(self._format.begins))
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if not self._format.begins.startswith(begins):
            raise BatchError(
                f"{self.path}: is no table of a scan (begins with {begins[:40]!r}); name another file, or "
                "overwrite it with --no-resume"
            )

    def _delete(self, target: Path) -> None:
        try:
            for path in {target, self.path}:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(target, error) from error

    def take_up(self, files: Mapping[str, Fingerprint], model_id: str) -> set[str]:
        """Drop the rows that do not hold any more; returns the files of `files` that are done.

        Rows of files that are not in `files` stay. A row goes if its file or the model has
        changed, if it is a failure (what mends it may lie outside the file), or if it is torn.
        """
        unchanged, done = self._unchanged(files), set[str]()
        kept = total = 0
        for row in self.rows():
            total += 1
            if row is not None and _holds(row, files, unchanged, model_id) and row["path"] not in done:
                done.add(row["path"])
                kept += 1
        if kept < total:
            left = set(done)
            self._rewrite(
                self._format.encode(row)
                for row in self.rows()
                if row is not None and _holds(row, files, unchanged, model_id) and _take(left, row["path"])
            )
        return done & files.keys()

    def _unchanged(self, files: Mapping[str, Fingerprint]) -> set[str]:
        same = set[str]()
        with self._state.open("rb") as file:
            for state in map(_parsed, file):
                if isinstance(state, list) and len(state) == 3 and state[0] in files:
                    known = files[state[0]]
                    (same.add if known == tuple(state[1:]) and known != UNKNOWN else same.discard)(state[0])
        return same

    def rows(self) -> Iterator[Row | None]:
        """All rows, as the format gives them back; None for one that is damaged."""
        return self._format.read(self.path)

    def append(self, row: Row, fingerprint: Fingerprint) -> None:
        """Write a row so that it is there whatever happens next.

        Raises
        ------
        BatchError : it cannot be written, e.g. on a full disk; what was there before is whole.
        """
        self._states.append(json.dumps([row["path"], *fingerprint]).encode() + b"\n")
        self._lines.append(self._format.encode(row))

    def finish(self) -> None:
        """Sort the rows by path, if they are not, and write the Parquet file, if one is asked for."""
        paths = [row["path"] for row in self.rows() if row is not None]
        if any(a > b for a, b in pairwise(paths)):
            by_path = {row["path"]: self._format.encode(row) for row in self.rows() if row is not None}
            self._rewrite(by_path[path] for path in sorted(by_path))
        if self._parquet:
            _write_parquet(self._parquet, self.rows())

    def _rewrite(self, lines: Iterable[bytes]) -> None:
        """Replace the table in one step."""
        try:
            with whole(self.path) as file:
                file.write(self._format.head)
                file.writelines(lines)
                self._lines.close()
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._lines = _Lines(self.path, self._format.head)

    def close(self) -> None:
        self._lines.close()
        self._states.close()


class _Lines:
    """A file that only whole lines are appended to."""

    def __init__(self, path: Path, head: bytes, *, lock: bool = False) -> None:
        self._path = path
        try:
            self._file = path.open("ab+", buffering=0)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            if lock:
                _lock(self._file, path)
            _cut_torn_line(self._file)
            if self._file.seek(0, os.SEEK_END) == 0:
                self.append(head)
        except BaseException:
            self._file.close()
            raise

    def append(self, line: bytes) -> None:
        before = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(before)
            raise _unwritable(self._path, error) from error

    def clear(self) -> None:
        self._file.truncate(0)

    def close(self) -> None:
        self._file.close()


def _lock(file: Any, path: Path) -> None:
    """Keep a second scan off, where the system can; the end of the process unlocks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BatchError(f"{path}: another scan is writing this table; wait for its end") from error
    except OSError:  # a file system without locks
        return


def _cut_torn_line(file: Any) -> None:
    """Cut off what follows the last end of a line."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL_BYTES))
    tail = file.read()
    file.truncate(size - len(tail) + tail.rfind(b"\n") + 1)


def _holds(row: Row, files: Mapping[str, Fingerprint], unchanged: set[str], model_id: str) -> bool:
    path = row["path"]
    return path not in files or (row["status"] == "ok" and row["model_id"] == model_id and path in unchanged)


def _take(left: set[str], path: str) -> bool:
    """Whether it is still there; it is not, the next time."""
    there = path in left
    left.discard(path)
    return there


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _unwritable(path: Path, error: OSError) -> BatchError:
    return BatchError(
        f"{path}: cannot be written ({error.strerror}); what it held is whole: mend that, then run the same "
        "command again"
    )


def _arrow(target: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BatchError(
            f'{target}: Parquet needs an extra: pip install "score-or-song[parquet]", or write .csv or .jsonl'
        ) from error
    return pyarrow


def _write_parquet(target: Path, rows: Iterator[Row | None]) -> None:
    """All rows as one Parquet file, which appears whole or not at all."""
    arrow = _arrow(target)
    types = {**dict.fromkeys(NUMBERS, arrow.float64()), "confident": arrow.bool_()}
    schema = arrow.schema([(name, types.get(name, arrow.string())) for name in COLUMNS])
    texts = ({name: _text(value) for name, value in row.items()} for row in rows if row is not None)
    try:
        with whole(target) as file, arrow.parquet.ParquetWriter(file, schema) as writer:
            while batch := list(islice(texts, ROWS_PER_BATCH)):
                writer.write_table(arrow.Table.from_pylist(batch, schema))
    except OSError as error:
        raise _unwritable(target, error) from error


def _text(value: object) -> object:
    """Text that Parquet accepts: the bytes of a name that is no UTF-8 are spelt out."""
    return (
        value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if isinstance(value, str)
        else value
    )
