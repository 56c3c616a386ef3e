"""A results table → one HTML page: `score-or-song report`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .common import OK, command


def add(commands: Any) -> None:
    example = "score-or-song report results.csv -o report.html"
    parser = command(commands, "report", run, "make one HTML page of a results table", example)
    parser.add_argument(
        "results", metavar="RESULTS", help="a table that scan wrote: .csv, .jsonl or .parquet"
    )
    parser.add_argument("-o", "--output", required=True, metavar="HTML", help="the page to write")
    parser.add_argument("--albums", metavar="TABLE", help="the albums table of the same scan, to show it too")


def run(options: argparse.Namespace) -> int:
    from ..report import write_report
    from ..results import read_results

    results = read_results(options.results)
    if results.note:
        print(f"score-or-song: {results.note}", file=sys.stderr)
    count = write_report(results, options.output, albums=options.albums)
    told = ", ".join(f"{n} {kind}" for kind, n in count.items())
    print(f"{options.output}: {len(results.rows)} files: {told}")
    return OK
