"""Labels file or class folders → examples, and what may stand beside them.

Conventions: a label is ``score``, ``song`` or ``no_music``; a group (artist, album,
project) is never split between training and testing. Every finding about a labels
file is listed at once, before any long work.
"""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from . import label_findings
from .errors import LabelsError
from .examples import Example as Example
from .feature_table import FeatureTable, Measured, is_feature_frame, read_table
from .label_findings import FEWEST_GROUPS as FEWEST_GROUPS
from .label_findings import Progress, too_few
from .label_rows import LABELS, USED_COLUMNS, csv_rows, folder_rows, frame_rows, table_rows
from .recordings import alike, merged, whose

KINDS: Final = ("speech", "singing", "noise")
MADE_BY_MODELS: Final = "song-vocal-ai"  # the slice of the songs that no person made
NEARLY: Final = 0.8  # likeness of two names, as difflib sees it
MOST_FINDINGS: Final = 100  # of rows, of the set, of what is heard
MAX_TEACHER_BYTES: Final = 2**28


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


def read_labels(
    labels: Any,
    *,
    audio_root: str | os.PathLike[str] | None = None,
    fewest_groups: int = FEWEST_GROUPS,
    features: Any = None,
    by_sound: bool = False,
    by_source: bool = False,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> list[Example]:
    """The examples of a labels file, of class folders, or of a DataFrame.

    Parameters
    ----------
    labels : path of a CSV with the columns ``path,label`` (``group``, ``slice``,
        ``vocals``, ``source``, ``licence``, ``weight``, ``start_s`` and ``duration_s`` are
        used when there); or of a folder that holds ``score/``, ``song/`` and perhaps ``no_music/``;
        or a pandas DataFrame with the columns of the CSV; or a feature table with such columns,
        or of class folders. Where a column
        ``source_path`` says what the clip was cut from, ``start_s`` and ``duration_s``
        speak of that source, and the whole clip is used. A ``weight`` of 0 leaves a clip out.
    audio_root : folder that paths are relative to; by default the CSV's own, or
        the working directory for a DataFrame.
    fewest_groups : of score and of song that are needed: training needs several of both.
    features : a feature table (Parquet file or DataFrame of one) that stands for the audio,
        which need not be there; see `scoreorsong.feature_table`. A DataFrame of labels
        that has the columns of a feature table is its own.
    by_sound : whether to decode every clip, so that what cannot be decoded and recordings
        that are there twice are found too.
    by_source : whether every clip must say its source, so that one can be left out at a time.
    n_jobs, progress : threads for decoding, and a wrapper that shows how far it is.

    Without ``group`` the artist tag of a clip is its group, else its album tag, else its folder;
    where a class has fewer than `FEWEST_GROUPS` folders, each of its clips without tags is a
    group of its own. Parts of one file are of one group, whatever the labels say.

    Raises
    ------
    LabelsError : with every finding: missing and misspelt columns, missing files, unknown labels,
        the same file twice, fewer than `fewest_groups` groups of either class; what a feature
        table lacks, or what has changed since; by sound, the same recording twice, or copies
        of one under two labels.
    """
    if hasattr(labels, "to_dict"):
        rows, root, name = frame_rows(labels), Path(audio_root or "."), "<DataFrame>"
        features = labels if features is None and is_feature_frame(labels) else features
    elif os.path.isdir(labels):
        rows, root, name = folder_rows(Path(labels)), Path(audio_root or labels), str(labels)
    elif os.fspath(labels).lower().endswith(".parquet"):
        rows, root, name = table_rows(Path(labels)), Path(audio_root or "."), str(labels)
        features = labels if features is None else features
    else:
        rows, root, name = csv_rows(Path(labels)), Path(audio_root or Path(labels).parent), str(labels)
    table = None if features is None else read_table(features)
    of_rows = _misspelt(rows[0][1]) if rows else []
    read = (_example(row, root, number, table, of_rows) for number, row in rows)
    examples = _with_groups([example for example in read if example and example.weight > 0])
    of_set = label_findings.as_a_set(examples, fewest_groups)
    of_set += label_findings.by_source(examples) if by_source else []
    heard = label_findings.by_sound(examples, fewest_groups, n_jobs, progress) if by_sound else []
    _refuse_for((of_rows, of_set, heard), name)
    return examples


def _misspelt(columns: Iterable[object]) -> list[str]:
    """A finding for every column whose name is nearly one that is used, and would be passed over."""
    names = list(map(str, columns))
    missing = [column for column in USED_COLUMNS if column not in names]
    near = {
        n: get_close_matches(n.strip().lower(), missing, 1, NEARLY) for n in names if n not in USED_COLUMNS
    }
    return [
        f"column {n!r}: is not used; call it {found[0]!r}, or something else"
        for n, found in near.items()
        if found
    ]


def _refuse_for(findings: Sequence[Sequence[str]], name: str) -> None:
    """Raise if there are findings; those of many rows do not hide the others."""
    listed: list[str] = []
    for kind in findings:
        more = len(kind) - MOST_FINDINGS
        listed += [*kind[:MOST_FINDINGS], *([f"and {more} more of this sort"] if more > 0 else [])]
    if listed:
        raise LabelsError(f"{name}: cannot be used:\n  " + "\n  ".join(listed))


def _example(
    row: Mapping[str, Any], root: Path, number: object, table: FeatureTable | None, findings: list[str]
) -> Example | None:
    """An example, or None where there is no clip; after noting all that is wrong with it."""
    name, label = _text(row, "path"), _text(row, "label")
    path = root / name
    if label not in LABELS:
        findings.append(f"row {number}: label {label!r}; expected one of {', '.join(LABELS)}{_hint(label)}")
    before = len(findings)
    if table is None and (not name or not os.path.isfile(path)):  # unlike Path.is_file, never raises
        findings.append(f"row {number}: no file {path}; check the path or --audio-root")
    cut_already = bool(_text(row, "source_path"))
    numbers = {key: _number(row, key, number, findings) for key in ("weight", "start_s", "duration_s")}
    part = (0.0, None) if cut_already else (numbers["start_s"] or 0.0, numbers["duration_s"])
    measured = None if table is None else _measured(table, path, name, part, number, findings)
    if len(findings) > before:
        return None
    return Example(
        path=path,
        label=label,
        group=_text(row, "group"),
        name=name,
        slice=_text(row, "slice") or label,
        vocals=_text(row, "vocals") or "unknown",
        licence=_text(row, "licence") or "not stated",
        weight=1.0 if numbers["weight"] is None else numbers["weight"],
        start_s=part[0],
        duration_s=part[1],
        row=number,
        measured=measured,
        source=_text(row, "source"),
    )


def _hint(label: str) -> str:
    """What was most likely meant."""
    near = get_close_matches(label.strip().lower().replace(" ", "_"), LABELS, 1, NEARLY)
    return f"; {near[0]!r}?" if near else ""


def _measured(
    table: FeatureTable,
    path: Path,
    name: str,
    part: tuple[float, float | None],
    number: object,
    findings: list[str],
) -> Measured | None:
    """The clip's row of the table, or None after noting why there is none."""
    found = table.find(path, name)
    if part != (0.0, None):
        found = "start_s and duration_s ask for a part, while a feature table holds whole files; cut the clip"
    if isinstance(found, str):
        findings.append(f"row {number}: {found}")
        return None
    return found


def _with_groups(examples: list[Example]) -> list[Example]:
    """Examples without a group get one, and parts of one file share theirs."""
    folders: dict[str, set[Path]] = {}
    for example in examples:
        folders.setdefault(example.label, set()).add(example.path.parent)

    def derived(example: Example) -> tuple[str, str]:
        if named := whose(example.path):
            tag, name = named
            return (name if tag == "artist" else f"{tag}: {name}"), f"{tag} tag"
        if len(folders[example.label]) >= FEWEST_GROUPS:
            return example.path.parent.as_posix(), "folder"
        return example.path.as_posix(), "file"

    grouped = [(e.group, "labels") if e.group else derived(e) for e in examples]
    groups = merged([group for group, _ in grouped], alike(os.path.realpath(e.path) for e in examples))
    return [
        replace(e, group=group, grouped_by=how)
        for e, group, (_, how) in zip(examples, groups, grouped, strict=True)
    ]


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
    _refuse_for([_voice_findings(voices)], str(folder / "voices.csv"))
    return Companions(voices, activity, tags, teacher)


def _voice_findings(voices: Sequence[Voice]) -> list[str]:
    kinds = ", ".join(KINDS)
    missing = [f"no file {voice.path}" for voice in voices if not os.path.isfile(voice.path)]
    unknown = [f"kind {v.kind!r}; expected one of {kinds}" for v in voices if v.kind not in KINDS]
    return missing + unknown + too_few(KINDS, {(v.kind, v.speaker) for v in voices}, "speakers")


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
