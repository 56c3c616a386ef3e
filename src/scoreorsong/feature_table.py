"""Files ⇄ a table of their features, computed once and learnt from often.

Conventions: a row is one whole file. Beside the named numbers of the clip, Parquet
holds those of every half second (`segments`, row after row) and which of them are
`silent`: what a model is trained from and judges by. CSV has no room for these; it is
for programs that want the named numbers. Size, time of change and the hash of the
sound tell whether the file is still the one that was measured, and `features` whether
this release measures the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from .errors import AudioError, LabelsError, ScoreOrSongError
from .extraction import extract
from .features import SEGMENT_NUMBERS, Features, measured_by, schema
from .prediction import Failure
from .recordings import SoundHash, sound_of

FEATURES_ID: Final = hashlib.sha256(json.dumps(measured_by(), sort_keys=True).encode()).hexdigest()[:12]
ABOUT: Final = (
    "path", "status", "error", "warnings", "features", "sound_sha256", "size_bytes", "changed_ns", "length_s",
)  # fmt: skip
BULKY: Final = ("segments", "silent")
COLUMNS: Final = (*ABOUT, *schema.NAMES, *BULKY)
KINDS: Final[Mapping[str, str]] = {
    "size_bytes": "int64", "changed_ns": "int64", "length_s": "float64",
    **dict.fromkeys(schema.NAMES, "float32"), "segments": "float32", "silent": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """The features of one file, and what tells whether it is still the same file."""

    source: str
    features: Features = field(repr=False)
    sound: str
    size_bytes: int
    changed_ns: int


def measure_file(path: str) -> Measured:
    """The features of a file.

    Raises
    ------
    AudioError : it cannot be read or holds too little sound.
    """
    sound = SoundHash()
    features = extract(path, windows=False, listener=sound)
    found = os.stat(path)
    return Measured(path, features, str(sound), found.st_size, found.st_mtime_ns)


def attempt_to_measure(path: str) -> Measured | Failure:
    """`measure_file`, with a `Failure` in the place of an error of this library."""
    try:
        return measure_file(path)
    except ScoreOrSongError as error:
        return Failure(path, str(error))


def row_of(result: Measured | Failure) -> dict[str, Any]:
    """A result as a row that JSON can hold; what a failure has no value for is None."""
    found: dict[str, Any] = {"path": result.source, "features": FEATURES_ID}
    if isinstance(result, Failure):
        found |= {"status": "error", "error": " ".join(result.error.splitlines())}
    else:
        features = result.features
        found |= {
            "status": "ok",
            "warnings": "; ".join(features.warnings),
            "sound_sha256": result.sound,
            "size_bytes": result.size_bytes,
            "changed_ns": result.changed_ns,
            "length_s": features.duration_s,
            **{name: float(str(value)) for name, value in zip(schema.NAMES, features.clip, strict=True)},
            "segments": base64.b64encode(features.segments.astype("<f4").tobytes()).decode(),
            "silent": base64.b64encode(features.silent.astype("?").tobytes()).decode(),
        }
    return {name: found.get(name) for name in COLUMNS}


def unpacked(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `row_of` with its half seconds as arrays, as Parquet holds them."""
    arrays = {
        name: np.frombuffer(base64.b64decode(row[name]), dtype)
        for name, dtype in zip(BULKY, ("<f4", "?"), strict=True)
        if row[name] is not None
    }
    return row | arrays


class FeatureTable:
    """Features computed earlier, found by the paths of labels.

    Parameters
    ----------
    rows : of the table, by column.
    name : of the table, for messages.
    """

    def __init__(self, rows: Iterator[dict[str, Any]], name: str) -> None:
        self.name = name
        self._rows = {str(row["path"]): row for row in rows}
        self._by_file_name = defaultdict[str, list[str]](list)
        for path in self._rows:
            self._by_file_name[os.path.basename(path)].append(path)

    def find(self, path: Path, name: str) -> Measured | str:
        """The row of a file, or what is wrong with it.

        A row belongs to a label if its path leads to the same place, or as the only one ends
        with the label's: a table may be used in another folder than the one it was made in.
        """
        candidates = self._by_file_name[path.name]
        exact = [c for c in candidates if os.path.abspath(c) == os.path.abspath(path)]
        ends = [c for c in candidates if Path(c).parts[-len(Path(name).parts) :] == Path(name).parts]
        fitting = exact or ends
        if len(fitting) != 1:
            return f"{len(fitting)} rows of {self.name} fit {name}; expected one: compute the features of it"
        return _checked(self._rows[fitting[0]], path, self.name)


def is_feature_frame(frame: Any) -> bool:
    """Whether a DataFrame has the columns of a feature table."""
    return set(COLUMNS) <= set(frame.columns)


def read_table(table: Any) -> FeatureTable:
    """The feature table of a Parquet file that `score-or-song features` wrote, or of a DataFrame of it.

    Raises
    ------
    LabelsError : it cannot be read, or is no feature table to learn from.
    """
    name = "<DataFrame>" if hasattr(table, "to_dict") else os.fspath(table)
    rows, columns = _frame(table) if hasattr(table, "to_dict") else read_parquet(Path(table))
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise LabelsError(
            f"{name}: lacks the columns {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}; expected "
            "a table that this release's `score-or-song features FOLDER -o table.parquet` wrote: run it again"
        )
    return FeatureTable(rows, name)


def _frame(frame: Any) -> tuple[Iterator[dict[str, Any]], list[str]]:
    return iter(frame.to_dict("records")), list(frame.columns)


def read_parquet(path: Path, wanted: Collection[str] = COLUMNS) -> tuple[Iterator[dict[str, Any]], list[str]]:
    """The rows of a Parquet file and, of the columns wanted, those that it has.

    Raises
    ------
    LabelsError : it cannot be read.
    """
    if path.suffix.lower() != ".parquet":
        raise LabelsError(
            f"{path}: only a .parquet holds the half seconds that training needs; "
            "run score-or-song features FOLDER -o table.parquet"
        )
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise LabelsError(
            f'{path}: Parquet needs pyarrow, which is not here: pip install "score-or-song[parquet]"'
        ) from error
    try:
        with path.open("rb") as raw, ParquetFile(raw) as file:
            columns = [column for column in file.schema_arrow.names if column in wanted]
            rows = [row for batch in file.iter_batches(64, columns=columns) for row in _rows_of(batch)]
    except (ArrowException, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LabelsError(f"{path}: cannot be read as a feature table ({reason})") from error
    return iter(rows), columns


def _rows_of(batch: Any) -> Iterator[dict[str, Any]]:
    """The rows of an Arrow batch, the bulky cells as arrays."""
    plain = batch.select([name for name in batch.schema.names if name not in BULKY]).to_pylist()
    for i, row in enumerate(plain):
        cells = {name: batch[name][i].values for name in BULKY if name in batch.schema.names}
        yield row | {
            name: None if cell is None else cell.to_numpy(zero_copy_only=False)
            for name, cell in cells.items()
        }


def _checked(row: Mapping[str, Any], path: Path, name: str) -> Measured | str:
    """A row as features, or what is wrong with it."""
    if row["status"] != "ok":
        return f"{path.name} failed when {name} was made ({row['error']})"
    if row["features"] != FEATURES_ID:
        return f"{name} holds features of another release ({row['features']}, expected {FEATURES_ID}); run features again"
    if os.path.isfile(path) and not _same_file(row, path):
        return f"{path} has changed since {name} was made; run features again"
    try:
        return _measured(row)
    except (TypeError, ValueError) as error:
        return f"its row in {name} is damaged ({error}); run features again"


def _same_file(row: Mapping[str, Any], path: Path) -> bool:
    """By size and time of change; where these differ, as in a copy, by sound."""
    found = os.stat(path)
    if (found.st_size, found.st_mtime_ns) == (row["size_bytes"], row["changed_ns"]):
        return True
    try:
        return sound_of(path) == row["sound_sha256"]
    except AudioError:
        return False


def _measured(row: Mapping[str, Any]) -> Measured:
    clip = np.array([row[name] for name in schema.NAMES], np.float32)
    segments = np.array(row["segments"], np.float32).reshape(-1, SEGMENT_NUMBERS)
    silent = np.array(row["silent"], np.bool_)
    if len(silent) != len(segments) or not len(silent):
        raise ValueError(f"{len(segments)} half seconds and {len(silent)} flags")
    if not (np.isfinite(clip).all() and np.isfinite(segments).all()):
        raise ValueError("NaN or infinity")
    warnings = (str(row["warnings"]),) if row["warnings"] else ()
    source, no_windows = str(row["path"]), np.zeros((0, len(clip)), np.float32)
    features = Features(source, float(row["length_s"]), clip, no_windows, segments, silent, warnings)
    return Measured(
        source, features, str(row["sound_sha256"]), int(row["size_bytes"]), int(row["changed_ns"])
    )
