"""Labels → a model file: `score-or-song train`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, Final

from ..errors import ScoreOrSongError
from .common import OK, command, jobs, progress_shown

SENSIBLE_SEEDS: Final = 5
SENSIBLE_FOLDS: Final = 20


def add(commands: Any) -> None:
    example = "score-or-song train labels.csv -o my.model --jobs 2"
    parser = command(commands, "train", run, "train a model on one's own labels", example)
    parser.add_argument(
        "labels",
        metavar="LABELS",
        help="CSV with path,label[,group,...], a folder with score/ and song/, or a .parquet of features of either",
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
    _add_cross_validation(parser)
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="write what the cross-validations show: .html with plots, .json or .md",
    )


def _add_cross_validation(parser: Any) -> None:
    parser.add_argument(
        "--seeds",
        type=int,
        default=2,
        choices=range(1, SENSIBLE_SEEDS + 1),
        help="cross-validations to run (default: 2)",
    )
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument(
        "--folds",
        type=int,
        default=5,
        choices=range(2, SENSIBLE_FOLDS + 1),
        metavar="N",
        help=f"of every cross-validation, by group, 2 to {SENSIBLE_FOLDS} (default: 5)",
    )
    parts.add_argument(
        "--leave-one-source-out",
        action="store_true",
        help="cross-validate by the column source instead, one source at a time",
    )


def run(options: argparse.Namespace) -> int:
    from ..card import figure_lines
    from ..publication import check
    from ..training import train, train_and_evaluate

    if os.path.isdir(options.output):
        raise ScoreOrSongError(f"{options.output}: is a folder; name the file to write in it")
    if not os.path.isdir(Path(options.output).absolute().parent):
        raise ScoreOrSongError(f"{options.output}: no such folder; make it first")
    settings = {
        "audio_root": options.audio_root,
        "features": options.features,
        "add_to": options.add_to,
        "jobs": options.jobs,
        "random_state": options.seed,
        "seeds": range(options.seeds),
        "folds": options.folds,
        "leave_one_source_out": options.leave_one_source_out,
        "progress": progress_shown,
    }
    evaluation = None
    if options.report:
        check(options.report)
        model, evaluation = train_and_evaluate(options.labels, **settings)
    else:
        model = train(options.labels, **settings)
    model_id = model.save(options.output)  # first: what fails later must not lose it
    if evaluation is not None:
        evaluation.save(options.report)
    print(f"{options.output}: model {model_id}")
    print("\n".join(figure_lines(model.card)))
    return OK
