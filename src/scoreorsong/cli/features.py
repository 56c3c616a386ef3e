"""Files and folders → their named numbers: `score-or-song features`."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import AudioError, ScoreOrSongError, readable
from .common import command, exit_code, told

if TYPE_CHECKING:
    from ..features import Features


def add(commands: Any) -> None:
    example = "score-or-song features cue.wav"
    parser = command(commands, "features", run, "print or write the named numbers of files", example)
    parser.add_argument("paths", nargs="+", metavar="FILE|FOLDER", help="audio files, or folders of them")
    parser.add_argument("-o", "--output", metavar="CSV", help="write one row per file to this CSV")
    parser.add_argument("--windows", action="store_true", help="with -o: one row per window of 10 s instead")


def run(options: argparse.Namespace) -> int:
    from ..extraction import extract

    if options.windows and not options.output:
        raise ScoreOrSongError("--windows: goes with -o CSV, one row per window")
    files, failed = _audio_files(options.paths), 0
    with _Output(options.output) as output:
        for path in files:
            try:
                features = extract(path, windows=options.windows)
            except AudioError as error:
                failed += 1
                print(f"score-or-song: {told(error)}", file=sys.stderr)
                continue
            for warning in features.warnings:
                print(f"score-or-song: {readable(f'{path}: {warning}')}", file=sys.stderr)
            output.write(features, windows=options.windows)
    return exit_code(failed, len(files))


class _Output:
    """Where features go: a readable list on stdout, or rows of a CSV."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.file: TextIO | None = None

    def __enter__(self) -> _Output:
        from ..features import schema

        if self.path is not None:
            try:
                self.file = Path(self.path).open("w", newline="", encoding="utf-8", errors="surrogateescape")
            except OSError as error:
                raise ScoreOrSongError(f"{self.path}: cannot be written ({error.strerror})") from error
            csv.writer(self.file).writerow(["path", "start_s", *schema.NAMES])
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()

    def write(self, features: Features, *, windows: bool) -> None:
        from ..features import WINDOW_S
        from ..folders import no_formula

        if self.file is None:
            print(f"{readable(features.source)}  ({features.duration_s:.1f} s)")
            for feature, value in features.items():
                print(f"  {feature.name:34} {value:12.5g} {feature.unit:10} {feature.meaning}")
            return
        rows = features.windows if windows else [features.clip]
        for i, row in enumerate(rows):
            csv.writer(self.file).writerow(
                [no_formula(features.source), i * WINDOW_S, *(f"{value:.7g}" for value in row)]
            )


def _audio_files(paths: Iterable[str]) -> list[Path]:
    """The files named, and all audio in the folders named, sorted."""
    from ..dataset import is_audio_file

    files: list[Path] = []
    for path in map(Path, paths):
        found = sorted(filter(is_audio_file, path.rglob("*"))) if os.path.isdir(path) else [path]
        if not found:
            raise ScoreOrSongError(f"{path}: no audio in this folder")
        files += found
    return files
