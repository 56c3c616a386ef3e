"""Labels file or class folders → examples, and what may stand beside them.

Conventions: a label is ``score``, ``song`` or ``no_music``; a group (artist, album,
project) is never split between training and testing. Every finding about a labels
file is listed at once, before any long work.
"""

from __future__ import annotations

import csv
import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .errors import LabelsError

LABELS: Final = ("score", "song", "no_music")
AUDIO_ENDINGS: Final = frozenset(
    [
        ".wav",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".m4a",
        ".mp4",
        ".mka",
        ".mkv",
        ".webm",
        ".wma",
    ]
)
KINDS: Final = ("speech", "singing", "noise")
MADE_BY_MODELS: Final = "song-vocal-ai"  # the slice of the songs that no person made
FEWEST_GROUPS: Final = 3
MOST_FINDINGS: Final = 20
MAX_TEACHER_BYTES: Final = 2**28

_Row: TypeAlias = tuple[object, Mapping[str, Any]]  # where it stands, and its cells


@dataclass(frozen=True)
class Example:
    """One labelled clip; what the labels do not say stays at its default."""

    path: Path
    label: str
    group: str
    name: str = ""
    slice: str = ""
    vocals: str = "unknown"
    licence: str = "not stated"
    weight: float = 1.0
    start_s: float = 0.0
    duration_s: float | None = None


@dataclass(frozen=True)
class Voice:
    """A recording of speech, solo singing or noise; `speaker` is the group that it belongs to."""

    path: Path
    kind: str
    speaker: str


@dataclass(frozen=True)
class Companions:
    """What the ear is trained from, beside the labels.

    Attributes
    ----------
    voices : speech, singing and noise to mix in (``voices.csv``).
    activity : by clip name, ``(passages, 2)`` start and end of singing in seconds
        (``vocal_activity/<clip>.csv``).
    tags : names of the teacher's tags, and `teacher`, by clip name, their
        probabilities ``(windows, tags)`` in windows of `TEACHER_WINDOW_S`
        (``teacher/*.npz``).
    """

    voices: tuple[Voice, ...]
    activity: Mapping[str, npt.NDArray[np.float64]] = field(repr=False)
    tags: tuple[str, ...] = field(repr=False)
    teacher: Mapping[str, npt.NDArray[np.float64]] = field(repr=False)


TEACHER_WINDOW_S: Final = 187 * 256 / 16000


def read_labels(labels: Any, *, audio_root: str | os.PathLike[str] | None = None) -> list[Example]:
    """The examples of a labels file, of class folders, or of a DataFrame.

    Parameters
    ----------
    labels : path of a CSV with the columns ``path,label`` (``group``, ``slice``,
        ``vocals``, ``licence``, ``weight``, ``start_s`` and ``duration_s`` are used when
        there); or of a folder that holds ``score/``, ``song/`` and perhaps ``no_music/``;
        or a pandas DataFrame with the columns of the CSV. Where a column
        ``source_path`` says what the clip was cut from, ``start_s`` and ``duration_s``
        speak of that source, and the whole clip is used. A ``weight`` of 0 leaves a clip out.
    audio_root : folder that paths are relative to; by default the CSV's own, or
        the working directory for a DataFrame.

    Without ``group`` the folder of a clip is its group; where a class has fewer than
    `FEWEST_GROUPS` folders, each of its clips is a group of its own.

    Raises
    ------
    LabelsError : with every finding: missing columns and files, unknown labels,
        the same file twice, fewer than `FEWEST_GROUPS` groups of either class.
    """
    if hasattr(labels, "to_dict"):
        rows, root, name = _frame_rows(labels), Path(audio_root or "."), "<DataFrame>"
    elif os.path.isdir(labels):
        rows, root, name = _folder_rows(Path(labels)), Path(audio_root or labels), str(labels)
    else:
        rows, root, name = _csv_rows(Path(labels)), Path(audio_root or Path(labels).parent), str(labels)
    findings: list[str] = []
    examples = [e for number, row in rows if (e := _example(row, root, number, findings)) and e.weight > 0]
    examples = _with_groups(examples)
    findings += _findings(examples)
    _refuse_for(findings, name)
    return examples


def _refuse_for(findings: list[str], name: str) -> None:
    """Raise if there are findings, with the first of them listed."""
    if findings:
        more = len(findings) - MOST_FINDINGS
        listed = findings[:MOST_FINDINGS] + ([f"and {more} more"] if more > 0 else [])
        raise LabelsError(f"{name}: cannot be used:\n  " + "\n  ".join(listed))


def _frame_rows(frame: Any) -> Sequence[_Row]:
    if not {"path", "label"} <= set(frame.columns):
        found = ", ".join(map(str, frame.columns)) or "nothing"
        raise LabelsError(f"<DataFrame>: found the columns {found}; expected path and label")
    filled = frame.astype(object).where(frame.notna(), None)
    return list(zip(frame.index, filled.to_dict("records"), strict=True))


def _csv_rows(path: Path) -> Sequence[_Row]:
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


def _folder_rows(folder: Path) -> Sequence[_Row]:
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


def _example(row: Mapping[str, Any], root: Path, number: object, findings: list[str]) -> Example | None:
    """A checked example, or None after noting what is wrong with it."""
    name, label = _text(row, "path"), _text(row, "label")
    path = root / name
    before = len(findings)
    if label not in LABELS:
        findings.append(f"row {number}: label {label!r}; expected one of {', '.join(LABELS)}")
    if not name or not os.path.isfile(path):  # unlike Path.is_file, never raises
        findings.append(f"row {number}: no file {path}; check the path or --audio-root")
    numbers = {key: _number(row, key, number, findings) for key in ("weight", "start_s", "duration_s")}
    if len(findings) > before:
        return None
    cut_already = bool(_text(row, "source_path"))
    return Example(
        path=path,
        label=label,
        group=_text(row, "group"),
        name=name,
        slice=_text(row, "slice") or label,
        vocals=_text(row, "vocals") or "unknown",
        licence=_text(row, "licence") or "not stated",
        weight=1.0 if numbers["weight"] is None else numbers["weight"],
        start_s=0.0 if cut_already else numbers["start_s"] or 0.0,
        duration_s=None if cut_already else numbers["duration_s"],
    )


def _with_groups(examples: list[Example]) -> list[Example]:
    """Examples without a group get their folder, or their own name where folders are too few."""
    folders = {label: {e.path.parent for e in examples if e.label == label} for label in LABELS}

    def derived(example: Example) -> str:
        several = len(folders[example.label]) >= FEWEST_GROUPS
        return (example.path.parent if several else example.path).as_posix()

    return [e if e.group else replace(e, group=derived(e)) for e in examples]


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value).strip()


def _number(row: Mapping[str, Any], key: str, number: object, findings: list[str]) -> float | None:
    text = _text(row, key)
    try:
        value = float(text) if text else None
    except ValueError:
        value = -1.0
    if value is not None and not (0 <= value < 1e6 and (value or key != "duration_s")):
        least = "above 0" if key == "duration_s" else "of at least 0"
        findings.append(f"row {number}: {key} {text!r}; expected a number {least}")
        return None
    return value


def _findings(examples: Iterable[Example]) -> list[str]:
    """What is wrong with the examples as a set."""
    counts = Counter((e.path, e.start_s) for e in examples)
    twice = [f"{path}: listed {n} times; keep one row of it" for (path, _), n in counts.items() if n > 1]
    return twice + _too_few(("score", "song"), {(e.label, e.group) for e in examples}, "groups")


def _too_few(kinds: Iterable[str], members: Set[tuple[str, str]], what: str) -> list[str]:
    """A finding for every kind that has fewer than `FEWEST_GROUPS` members."""
    count = Counter(kind for kind, _ in members)
    return [
        f"{kind}: {count[kind]} {what}; expected at least {FEWEST_GROUPS}, so that each can be tested by others"
        for kind in kinds
        if count[kind] < FEWEST_GROUPS
    ]


def read_companions(labels: Any) -> Companions | None:
    """What stands beside a labels CSV, or None where ``voices.csv`` or the teacher is missing.

    Raises
    ------
    LabelsError : it is there but cannot be used.
    """
    if not isinstance(labels, (str, os.PathLike)):
        return None
    folder = Path(labels) if os.path.isdir(labels) else Path(labels).parent
    teachers = sorted((folder / "teacher").glob("*.npz"))
    if not teachers or not os.path.isfile(folder / "voices.csv"):
        return None
    try:
        voices = tuple(
            Voice(folder / row["path"], row["kind"], row["speaker"])
            for row in _companion_rows(folder / "voices.csv")
        )
        activity = {path.stem: _passages(path) for path in sorted((folder / "vocal_activity").glob("*.csv"))}
        tags, teacher = _teacher(teachers[0])
    except Exception as error:  # NumPy raises as many kinds over a damaged file as it has layers
        raise LabelsError(
            f"{folder}: voices.csv, vocal_activity/ or teacher/ cannot be used ({error!r}); "
            "mend them, or take them away to keep the shipped ear"
        ) from error
    _refuse_for(_voice_findings(voices), str(folder / "voices.csv"))
    return Companions(voices, activity, tags, teacher)


def _voice_findings(voices: Sequence[Voice]) -> list[str]:
    kinds = ", ".join(KINDS)
    missing = [f"no file {voice.path}" for voice in voices if not os.path.isfile(voice.path)]
    unknown = [f"kind {v.kind!r}; expected one of {kinds}" for v in voices if v.kind not in KINDS]
    return missing + unknown + _too_few(KINDS, {(v.kind, v.speaker) for v in voices}, "speakers")


def _teacher(path: Path) -> tuple[tuple[str, ...], dict[str, npt.NDArray[np.float64]]]:
    """Tags, and by clip the windows that are filled."""
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_TEACHER_BYTES:
            raise ValueError(f"{path.name} unpacks to more than {MAX_TEACHER_BYTES >> 20} MB")
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        tags = tuple(str(tag) for tag in file["tags"])
        by_name = zip(file["ids"], file["probabilities"], strict=True)
        return tags, {str(name): rows[~np.isnan(rows[:, 0])].astype(np.float64) for name, rows in by_name}


def _passages(path: Path) -> npt.NDArray[np.float64]:
    rows = [[float(row["start_s"]), float(row["end_s"])] for row in _companion_rows(path)]
    if not all(0 <= start_s <= end_s < np.inf for start_s, end_s in rows):
        raise ValueError(f"{path.name} has a passage that does not begin before it ends")
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def _companion_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
