"""Folder → a result for every audio file in it, lazily or as a table that survives its process."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, cast

from . import feature_table
from .albums import albums_of_rows, check_target, write_albums
from .cluster import DaskCrew
from .errors import BatchError, readable
from .folders import UNKNOWN, Fingerprint, Found, find_files, found_files
from .formats import Layout, Row
from .model import Model
from .prediction import Failure, Prediction, default_model
from .tables import Table, row_of
from .workers import TIMEOUT_S, Crew, LocalCrew, Result, analyse, measuring, predicting

log = logging.getLogger("scoreorsong")

WORST_FOLDERS: Final = 5

FEATURES: Final = Layout(
    feature_table.COLUMNS, "features", feature_table.KINDS, feature_table.BULKY, feature_table.unpacked
)
FEATURE_ENDINGS: Final = (".csv", ".parquet")

Progress = Callable[[Iterable[Any], int], Iterable[Any]]
RowOf = Callable[[Any], Row]


def predict_folder(
    folder: str | os.PathLike[str],
    *,
    pattern: str = "*",
    recursive: bool = True,
    jobs: int | None = None,
    model: Model | None = None,
) -> Iterator[Prediction | Failure]:
    """Predict every audio file of a folder, lazily, sorted by name.

    The work is done in processes of its own, so that a file that crashes its decoder, or takes
    longer than `TIMEOUT_S`, becomes a `Failure` like any other.

    Parameters
    ----------
    pattern : as in a shell; matched with a file's name, or where it holds a slash with its path
        below the folder.
    recursive : whether to look into the folders below. Hidden ones are left out, links followed,
        and a file that can be reached twice counts once.
    jobs : worker processes; by default one; -1 for all cores.
    model : by default the one that ships with the package.

    Raises
    ------
    BatchError : no such folder, or no audio in it.
    ModelError : the shipped model is missing.
    """
    found = find_files(folder, pattern=pattern, recursive=recursive)
    return _predicted(found, LocalCrew(predicting(model or default_model()), jobs=jobs))


def _predicted(found: Found, crew: Crew) -> Iterator[Prediction | Failure]:
    waiting, place = dict[int, Result](), 0
    try:
        yield from _closed(found)
        for done, result in analyse(found.files, crew):
            waiting[done] = result
            while place in waiting:
                yield cast("Prediction | Failure", waiting.pop(place))
                place += 1
    finally:
        crew.close()


def _closed(found: Found) -> list[Failure]:
    return [Failure(path, f"{path}: {why}; check its permissions") for path, why in found.closed.items()]


@dataclass(frozen=True)
class Summary:
    """What a scan came to.

    Attributes
    ----------
    counts : of all files by "score", "song", "no_music" and "failed"; "uncertain" counts those
        of them that are not confident.
    analysed, seconds : the files of this run, and how long they took.
    failures : failed files by folder.
    """

    counts: Mapping[str, int]
    analysed: int
    seconds: float
    failures: Mapping[str, int]

    @property
    def total(self) -> int:
        """Files that have a row."""
        return sum(n for what, n in self.counts.items() if what != "uncertain")

    def __str__(self) -> str:
        whats = ("score", "song", "no_music", "failed")
        counts = ", ".join(f"{self.counts[what]} {what}" for what in whats)
        speed = f", {self.analysed / self.seconds:.1f} per second" if self.analysed else ""
        lines = [
            f"{self.total} files: {counts}; {self.counts['uncertain']} of them uncertain",
            f"{self.analysed} analysed now in {self.seconds:.1f} s{speed}; {self.total - self.analysed} done before",
        ]
        worst = Counter(self.failures).most_common(WORST_FOLDERS)
        lines += [f"{n} failed in {readable(folder)} (column error)" for folder, n in worst]
        rest = len(self.failures) - len(worst)
        return "\n".join([*lines, f"and more in {rest} other folders"] if rest else lines)


def scan(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    pattern: str = "*",
    recursive: bool = True,
    jobs: int | None = None,
    model: Model | None = None,
    timeout_s: float | None = TIMEOUT_S,
    dask: str | None = None,
    resume: bool = True,
    albums: str | os.PathLike[str] | None = None,
    progress: Progress = lambda work, total: work,
) -> Summary:
    """Predict every audio file of a folder into a table, and go on where an earlier scan ended.

    Rows are written as results come, and sorted by path at the end.

    Parameters
    ----------
    output : the table; ``.csv``, ``.jsonl`` or ``.parquet``. Files that it holds are not analysed
        again unless they or the model have changed, or they failed.
    timeout_s : seconds after which a file is given up; None never gives up.
    dask : address of a ``dask.distributed`` scheduler whose workers do the work.
    resume : whether to go on with a table that is there; otherwise it is begun anew.
    albums : a second table, written at the end, of what each folder in the first one is.
    progress : wraps the work, of a known total.

    Raises
    ------
    BatchError : nothing to scan, a table cannot be written, or the workers are out of reach.
    """
    model = model or default_model()
    found = find_files(folder, pattern=pattern, recursive=recursive)
    if albums is not None:
        check_target(albums, output, resume=resume)
    make = partial(DaskCrew, dask) if dask else partial(LocalCrew, jobs=jobs)
    crew_of = partial(make, predicting(model), timeout_s=timeout_s)
    to_row = partial(row_of, model_id=model.model_id)
    with closing(Table(output, resume=resume)) as table:
        analysed, seconds = _fill(table, found, model.model_id, crew_of, to_row, progress)
        if albums is not None:
            write_albums(albums, albums_of_rows(table.rows(), table.descriptors()))
        return _summary(table, found, analysed, seconds)


class Measurements(NamedTuple):
    """How many files were asked for, and by file what went wrong; all others have features."""

    total: int
    failures: dict[str, str]


def measure_files(
    sources: Iterable[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    timeout_s: float | None = TIMEOUT_S,
    resume: bool = True,
    progress: Progress = lambda work, total: work,
) -> Measurements:
    """Write the features of files, and of all audio in folders, into a table; go on where it ended.

    Parameters
    ----------
    output : ``.parquet`` for a table to train from, ``.csv`` for the named numbers alone.
    timeout_s, resume, progress : as for `scan`; files are measured again too where this release
        measures other features than the one before.

    Raises
    ------
    BatchError : nothing to measure, or the table cannot be written.
    """
    if not os.fspath(output).lower().endswith(FEATURE_ENDINGS):
        raise BatchError(f"{output}: expected a name that ends in {' or '.join(FEATURE_ENDINGS)}")
    found = found_files(sources)
    crew_of = partial(LocalCrew, measuring(), jobs=jobs, timeout_s=timeout_s)
    with closing(Table(output, layout=FEATURES, resume=resume)) as table:
        _fill(table, found, feature_table.FEATURES_ID, crew_of, feature_table.row_of, progress)
        asked = found.files.keys() | found.closed.keys()
        failed = (row for row in table.rows() if row is not None and row["status"] == "error")
        return Measurements(len(asked), {row["path"]: row["error"] for row in failed if row["path"] in asked})


def _fill(
    table: Table,
    found: Found,
    made_by: str,
    crew_of: Callable[[], Crew],
    to_row: RowOf,
    progress: Progress,
) -> tuple[int, float]:
    """Do what is not done yet; returns how many files that were, and the seconds it took."""
    done = table.take_up({**found.files, **dict.fromkeys(found.closed, UNKNOWN)}, made_by)
    for failure in _closed(found):
        table.append(to_row(failure), UNKNOWN)
    todo = {path: fingerprint for path, fingerprint in found.files.items() if path not in done}
    log.info("%d files found, %d of them done before", len(found.files), len(done))
    began = time.monotonic()
    if todo:
        with closing(crew_of()) as crew:
            deque(progress(_written(todo, crew, table, to_row), len(todo)), maxlen=0)
    seconds = time.monotonic() - began
    table.finish()
    return len(todo), seconds


def _written(todo: Mapping[str, Fingerprint], crew: Crew, table: Table, to_row: RowOf) -> Iterator[Result]:
    for _, result in analyse(todo, crew):
        descriptor = result.descriptor if isinstance(result, Prediction) else b""
        table.append(to_row(result), todo[result.source], descriptor)
        log.info("%s", result)
        yield result


def _summary(table: Table, found: Found, analysed: int, seconds: float) -> Summary:
    counts, failures = Counter[str](), Counter[str]()
    for row in table.rows():
        if row is None or not (row["path"] in found.files or row["path"] in found.closed):
            continue
        if row["status"] == "error":
            counts["failed"] += 1
            failures[os.path.dirname(row["path"])] += 1
        else:
            counts[row["label"]] += 1
            counts["uncertain"] += row["confident"] in (False, "false")
    return Summary(counts, analysed, seconds, failures)
