"""Files → one line each: `score-or-song predict`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ..errors import readable
from .common import chosen_model, command, exit_code, jobs


def add(commands: Any) -> None:
    example = "score-or-song predict cue.wav --explain"
    parser = command(commands, "predict", run, "say of each file whether it is score or song", example)
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio files")
    parser.add_argument("--model", metavar="MODEL", help="a model file instead of the shipped model")
    parser.add_argument("--jobs", type=jobs, metavar="N", help="worker processes (default: 1; -1: all cores)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object per line, with the reasons")
    form.add_argument("--explain", action="store_true", help="add the strongest reasons to each line")


def run(options: argparse.Namespace) -> int:
    from ..prediction import Failure, predict_many

    failed = 0
    for result in predict_many(options.files, jobs=options.jobs, model=chosen_model(options.model)):
        if isinstance(result, Failure):
            failed += 1
            print(f"score-or-song: {result}", file=sys.stderr)
            if options.json:
                print(json.dumps({**result.to_dict(), "status": "error"}), flush=True)
        elif options.json:
            print(json.dumps({**result.to_dict(), "status": "ok"}), flush=True)
        else:
            print(result, flush=True)
            for reason in result.reasons if options.explain else ():
                print(f"    {reason.weight:+.2f}  {readable(reason.sentence)}", flush=True)
    return exit_code(failed, len(options.files))
