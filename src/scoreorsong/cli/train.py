"""Labels → a model file: `score-or-song train`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, Final

from ..errors import ScoreOrSongError
from .common import OK, command, jobs, progress_shown

SENSIBLE_SEEDS: Final = 5


def add(commands: Any) -> None:
    example = "score-or-song train labels.csv -o my.model --jobs 2"
    parser = command(commands, "train", run, "train a model on one's own labels", example)
    parser.add_argument(
        "labels", metavar="LABELS", help="CSV with path,label[,group,...], or a folder with score/ and song/"
    )
    parser.add_argument("-o", "--output", required=True, metavar="MODEL", help="the model file to write")
    parser.add_argument(
        "--audio-root", metavar="FOLDER", help="what paths are relative to (default: the CSV's folder)"
    )
    parser.add_argument(
        "--features",
        metavar="TABLE",
        help="learn from this .parquet of score-or-song features in place of the audio, without variants of it",
    )
    parser.add_argument(
        "--add-to",
        choices=["default"],
        help="learn from the clips of the shipped model as well, so that fifty of one's own help already",
    )
    parser.add_argument("--jobs", type=jobs, metavar="N", help="worker processes (default: 1; -1: all cores)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)")
    parser.add_argument(
        "--cv-seeds",
        type=int,
        default=2,
        choices=range(1, SENSIBLE_SEEDS + 1),
        help="cross-validations to run (default: 2)",
    )


def run(options: argparse.Namespace) -> int:
    from ..card import figure_lines
    from ..training import train

    if os.path.isdir(options.output):
        raise ScoreOrSongError(f"{options.output}: is a folder; name the file to write in it")
    if not os.path.isdir(Path(options.output).absolute().parent):
        raise ScoreOrSongError(f"{options.output}: no such folder; make it first")
    model = train(
        options.labels,
        audio_root=options.audio_root,
        features=options.features,
        add_to=options.add_to,
        jobs=options.jobs,
        random_state=options.seed,
        seeds=range(options.cv_seeds),
        progress=progress_shown,
    )
    model_id = model.save(options.output)
    print(f"{options.output}: model {model_id}")
    print("\n".join(figure_lines(model.card)))
    return OK
