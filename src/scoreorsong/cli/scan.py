"""A folder → a table of predictions: `score-or-song scan`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .common import add_table_options, chosen_model, command, exit_code, progress_shown, silent


def add(commands: Any) -> None:
    example = "score-or-song scan library -o results.csv --jobs 4"
    what = "predict every audio file of a folder into a table; run again, it goes on where it ended"
    parser = command(commands, "scan", run, what, example)
    parser.add_argument("folder", metavar="FOLDER", help="where to look for audio")
    parser.add_argument(
        "-o", "--output", required=True, metavar="TABLE", help="what to write: .csv, .jsonl or .parquet"
    )
    parser.add_argument(
        "--albums",
        metavar="TABLE",
        help="also write what each folder is: score album, song soundtrack, mixed",
    )
    parser.add_argument("--pattern", default="*", metavar="GLOB", help="only names such as '*.mp3'")
    parser.add_argument("--no-recursive", action="store_true", help="leave out the folders below")
    parser.add_argument("--model", metavar="MODEL", help="a model file instead of the shipped model")
    add_table_options(parser)
    parser.add_argument("--dask", metavar="ADDRESS", help="work on the cluster of this Dask scheduler")
    parser.add_argument("--quiet", action="store_true", help="neither progress nor summary")


def run(options: argparse.Namespace) -> int:
    from ..batch import scan

    try:
        summary = scan(
            options.folder,
            options.output,
            pattern=options.pattern,
            recursive=not options.no_recursive,
            jobs=options.jobs,
            model=chosen_model(options.model),
            timeout_s=options.timeout or None,
            dask=options.dask,
            resume=options.resume,
            albums=options.albums,
            progress=silent if options.quiet else progress_shown,
        )
    except KeyboardInterrupt:
        print(
            "score-or-song: what is done is kept; run the same command to go on",
            file=sys.stderr,
        )
        raise
    if not options.quiet:
        print(summary, file=sys.stderr)
    return exit_code(summary.counts["failed"], summary.total)
