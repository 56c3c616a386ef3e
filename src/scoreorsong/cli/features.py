"""Files and folders → their named numbers: `score-or-song features`."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import AudioError, ScoreOrSongError, readable
from .common import add_table_options, command, exit_code, progress_shown, told

if TYPE_CHECKING:
    from ..features import Features


def add(commands: Any) -> None:
    example = "score-or-song features clips -o table.parquet --jobs 4"
    what = (
        "print the named numbers of files, or write them to a table that train takes in place of audio; "
        "run again, it goes on where it ended"
    )
    parser = command(commands, "features", run, what, example)
    parser.add_argument("paths", nargs="+", metavar="FILE|FOLDER", help="audio files, or folders of them")
    parser.add_argument(
        "-o",
        "--output",
        metavar="TABLE",
        help="write one row per file: .parquet to train from, .csv for the clip's numbers alone",
    )
    parser.add_argument(
        "--windows", action="store_true", help="with -o CSV: one row per window of 10 s, all in one go"
    )
    add_table_options(parser.add_argument_group("with -o, but without --windows"))


def run(options: argparse.Namespace) -> int:
    if options.windows:
        return _write_windows(options)
    if options.output:
        return _write_table(options)
    failed: list[str] = []
    files = _audio_files(options.paths)
    for features in _extracted(files, failed):
        print(f"{readable(features.source)}  ({features.duration_s:.1f} s)")
        for feature, value in features.items():
            print(f"  {feature.name:34} {value:12.5g} {feature.unit:10} {feature.meaning}")
    return exit_code(len(failed), len(files))


def _write_table(options: argparse.Namespace) -> int:
    from ..batch import measure_files

    try:
        done = measure_files(
            options.paths,
            options.output,
            jobs=options.jobs,
            timeout_s=options.timeout or None,
            resume=options.resume,
            progress=progress_shown,
        )
    except KeyboardInterrupt:
        print("score-or-song: what is done is kept; run the same command to go on", file=sys.stderr)
        raise
    for error in done.failures.values():
        print(f"score-or-song: {readable(error)}", file=sys.stderr)
    return exit_code(len(done.failures), done.total)


def _write_windows(options: argparse.Namespace) -> int:
    from ..features import WINDOW_S, schema
    from ..files import write_whole
    from ..folders import no_formula

    if not (options.output or "").lower().endswith(".csv"):
        raise ScoreOrSongError("--windows: goes with -o and a name that ends in .csv, one row per window")
    failed: list[str] = []
    files, text = _audio_files(options.paths), io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["path", "start_s", *schema.NAMES])
    for features in _extracted(files, failed, windows=True):
        for i, window in enumerate(features.windows):
            rows.writerow([no_formula(features.source), i * WINDOW_S, *(f"{value:.7g}" for value in window)])
    try:
        write_whole(options.output, text.getvalue().encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise ScoreOrSongError(f"{options.output}: cannot be written ({error.strerror})") from error
    return exit_code(len(failed), len(files))


def _extracted(files: Iterable[Path], failed: list[str], *, windows: bool = False) -> Iterator[Features]:
    """The features of each file that can be read; the others are told and counted."""
    from ..extraction import extract

    for path in files:
        try:
            features = extract(path, windows=windows)
        except AudioError as error:
            failed.append(str(path))
            print(f"score-or-song: {told(error)}", file=sys.stderr)
            continue
        for warning in features.warnings:
            print(f"score-or-song: {readable(f'{path}: {warning}')}", file=sys.stderr)
        yield features


def _audio_files(paths: Iterable[str]) -> list[Path]:
    """The files named, and all audio in the folders named, sorted."""
    from ..folders import found_files

    return [Path(os.fspath(path)) for path in found_files(paths).files]
