"""Results → a table on disk that survives whatever ends the program.

Conventions: a row is appended in one piece as soon as its file is done. Beside the table
``results.csv`` lies ``results.csv.state``, which keeps of every file in the table what has no column
there, one JSON list ``[path, size in bytes, time of change in ns, descriptor in base64]`` a line, the
last one of a path counting; it is written just before the row, so that a row without it is never
taken for done.
A Parquet file cannot be appended to: its rows lie in ``results.parquet.jsonl`` and the Parquet
file is written from them when the scan ends.
"""

from __future__ import annotations

import errno
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from .errors import BatchError
from .files import whole
from .folders import UNKNOWN, Fingerprint
from .formats import Layout, Row, format_of, is_parquet, parsed, write_table
from .prediction import Failure, Prediction
from .results import COLUMNS

NUMBERS: Final = ("song_probability", "vocal_fraction", "music_fraction", "duration_s")
TAIL_BYTES: Final = 1 << 20

RESULTS: Final = Layout(COLUMNS, "model_id", {**dict.fromkeys(NUMBERS, "float64"), "confident": "bool"})


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


class Table:
    """The results file of a scan.

    Parameters
    ----------
    output : its path; the ending chooses the format.
    layout : what its rows hold.
    resume : whether to go on with what is there, instead of deleting it.

    Raises
    ------
    BatchError : another ending, not writable, or a file there that is no table of a scan.
    """

    def __init__(
        self, output: str | os.PathLike[str], *, layout: Layout = RESULTS, resume: bool = True
    ) -> None:
        target = Path(os.path.realpath(output))
        self._layout, self._format = layout, format_of(output, layout)
        self._parquet = Path(output) if is_parquet(output) else None
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
            if path.is_symlink():  # of the table itself a link was followed; those beside it nobody named
                raise BatchError(
                    f"{path}: is a link, which would lead the scan to a file that nobody named; remove it"
                )
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

    def take_up(self, files: Mapping[str, Fingerprint], made_by: str) -> set[str]:
        """Drop the rows that do not hold any more; returns the files of `files` that are done.

        Rows of files that are not in `files` stay. A row goes if its file or what made it has
        changed, if it is a failure (what mends it may lie outside the file), or if it is torn.
        """
        unchanged, done = self._unchanged(files), set[str]()
        kept = total = 0
        for row in self.rows():
            total += 1
            if row is not None and self._holds(row, files, unchanged, made_by) and row["path"] not in done:
                done.add(row["path"])
                kept += 1
        if kept < total:
            left = set(done)
            self._rewrite(
                self._format.encode(row)
                for row in self.rows()
                if row is not None
                and self._holds(row, files, unchanged, made_by)
                and _take(left, row["path"])
            )
        return done & files.keys()

    def _holds(self, row: Row, files: Mapping[str, Fingerprint], unchanged: set[str], made_by: str) -> bool:
        path, maker = row["path"], row[self._layout.made_by]
        return path not in files or (row["status"] == "ok" and maker == made_by and path in unchanged)

    def _unchanged(self, files: Mapping[str, Fingerprint]) -> set[str]:
        same = set[str]()
        with self._state.open("rb") as file:
            for state in map(parsed, file):
                if _is_state(state) and state[0] in files:
                    known = files[state[0]]
                    (same.add if known == tuple(state[1:3]) and known != UNKNOWN else same.discard)(state[0])
        return same

    def rows(self) -> Iterator[Row | None]:
        """All rows, as the format gives them back; None for one that is damaged."""
        return self._format.read(self.path)

    def descriptors(self) -> dict[str, bytes]:
        """By path, how each file sounds (`Prediction.descriptor`); a failure has none."""
        with self._state.open("rb") as file:
            return {state[0]: _decoded(state[3]) for state in map(parsed, file) if _is_state(state)}

    def append(self, row: Row, fingerprint: Fingerprint, descriptor: bytes = b"") -> None:
        """Write a row so that it is there whatever happens next.

        Raises
        ------
        BatchError : it cannot be written, e.g. on a full disk; what was there before is whole.
        """
        state = [row["path"], *fingerprint, b64encode(descriptor).decode()]
        self._states.append(json.dumps(state).encode() + b"\n")
        self._lines.append(self._format.encode(row))

    def finish(self) -> None:
        """Sort the rows by path, if they are not, and write the Parquet file, if one is asked for."""
        if not (self._parquet and self._layout.bulky):
            self._sort()
        if self._parquet:
            try:
                write_table(self._parquet, self._layout, (row for row in self.rows() if row is not None))
            except OSError as error:
                raise _unwritable(self._parquet, error) from error

    def _sort(self) -> None:
        paths = [row["path"] for row in self.rows() if row is not None]
        if any(a > b for a, b in pairwise(paths)):
            by_path = {row["path"]: self._format.encode(row) for row in self.rows() if row is not None}
            self._rewrite(by_path[path] for path in sorted(by_path))

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


def _is_state(state: object) -> bool:
    return isinstance(state, list) and len(state) == 4 and isinstance(state[0], str)


def _decoded(descriptor: object) -> bytes:
    """The bytes of a descriptor; none of a damaged one."""
    try:
        return b64decode(str(descriptor), validate=True)
    except ValueError:
        return b""


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
