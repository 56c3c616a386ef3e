"""Labels CSV, class folders, DataFrame or feature table → rows of cells, each with where it stands."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from .errors import LabelsError
from .feature_table import read_parquet

LABELS: Final = ("score", "song", "no_music")
USED_COLUMNS: Final = (
    "path", "label", "group", "slice", "vocals", "source", "licence", "weight", "start_s", "duration_s", "source_path",
)  # fmt: skip
AUDIO_ENDINGS: Final = frozenset([
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc",
    ".m4a", ".mp4", ".mka", ".mkv", ".webm", ".wma",
])  # fmt: skip

Row: TypeAlias = tuple[object, Mapping[str, Any]]  # where it stands, and its cells


def frame_rows(frame: Any) -> Sequence[Row]:
    if not {"path", "label"} <= set(frame.columns):
        found = ", ".join(map(str, frame.columns)) or "nothing"
        raise LabelsError(f"<DataFrame>: found the columns {found}; expected path and label")
    filled = frame.astype(object).where(frame.notna(), None)
    return list(zip(frame.index, filled.to_dict("records"), strict=True))


def csv_rows(path: Path) -> Sequence[Row]:
    """Every row with the line that it ends in."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, ValueError, csv.Error) as error:  # ValueError: not UTF-8, or a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise LabelsError(
            f"{path}: cannot be read as a labels CSV ({reason}); expected UTF-8 text"
        ) from error
    if not {"path", "label"} <= set(columns) or not rows:
        found = ", ".join(columns) or "nothing"
        raise LabelsError(
            f"{path}: found the columns {found} and {len(rows)} rows; expected path, label and rows"
        )
    return rows


def table_rows(path: Path) -> Sequence[Row]:
    """The rows of a feature table; without a column label, the class folder that a path lies in says it."""
    cells, columns = read_parquet(path, USED_COLUMNS)
    if "path" not in columns:
        raise LabelsError(f"{path}: has no column path; expected what `score-or-song features` wrote")
    return list(enumerate(cells if "label" in columns else map(_with_label, cells), 1))


def _with_label(row: Mapping[str, Any]) -> Mapping[str, Any]:
    folders = Path(str(row["path"])).parts[:-1]
    return {**row, "label": next((part for part in folders if part in LABELS), "")}


def folder_rows(folder: Path) -> Sequence[Row]:
    """One row per audio file under the class folders; the folder that a file lies in is its group."""
    rows: list[dict[str, Any]] = [
        {"path": path.relative_to(folder).as_posix(), "label": label}
        for label in LABELS
        for path in sorted((folder / label).rglob("*"))
        if is_audio_file(path)
    ]
    if not rows:
        raise LabelsError(
            f"{folder}: no audio under {' or '.join(f'{label}/' for label in LABELS)}; expected class folders"
        )
    return list(enumerate(rows, 1))


def is_audio_file(path: Path) -> bool:
    """Whether a file in a folder is to be taken as audio, by its name; hidden ones are not."""
    return has_audio_name(path.name) and path.name[0] != "." and os.path.isfile(path)


def has_audio_name(name: str) -> bool:
    """Whether a name ends as those of audio do."""
    return os.path.splitext(name)[1].lower() in AUDIO_ENDINGS
