"""A model and labels → figures: `score-or-song evaluate`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .common import OK, SOME_FAILED, chosen_model, command, jobs, progress_shown


def add(commands: Any) -> None:
    example = "score-or-song evaluate labels.csv --model my.model --report report.html"
    what = "judge a model by labelled clips that it did not learn from"
    parser = command(commands, "evaluate", run, what, example)
    parser.add_argument(
        "labels",
        metavar="LABELS",
        help="CSV with path,label[,group,...], a folder with score/ and song/, or a .parquet of features of either",
    )
    parser.add_argument("--model", metavar="MODEL", help="a model file (default: the shipped model)")
    parser.add_argument(
        "--audio-root", metavar="FOLDER", help="what paths are relative to (default: the CSV's folder)"
    )
    parser.add_argument(
        "--features", metavar="TABLE", help="a .parquet of score-or-song features in place of the audio"
    )
    parser.add_argument(
        "--as-is",
        action="store_true",
        help="judge the model itself even by the very clips that it learnt from, instead of cross-validating anew",
    )
    parser.add_argument("--jobs", type=jobs, metavar="N", help="worker processes (default: 1; -1: all cores)")
    parser.add_argument("--report", metavar="FILE", help="write a report: .html with plots, .json or .md")
    parser.add_argument("--json", action="store_true", help="print all values as JSON")


def run(options: argparse.Namespace) -> int:
    from ..evaluation import evaluate
    from ..publication import check

    if options.report:
        check(options.report)
    evaluation = evaluate(
        chosen_model(options.model),
        options.labels,
        audio_root=options.audio_root,
        features=options.features,
        as_is=options.as_is,
        jobs=options.jobs,
        progress=progress_shown,
    )
    if options.report:
        evaluation.save(options.report)
    print(json.dumps(evaluation.to_dict(), allow_nan=False) if options.json else evaluation)
    return SOME_FAILED if evaluation.failures else OK
