"""Corpus → the table of figures of the card, with intervals and the vocals-only baseline.

    python benchmarks/accuracy.py ../shared/corpus/corpus.csv --jobs 2

Everything is refitted in every fold: the ear, the decision, the calibration.
"""

from __future__ import annotations

import argparse
import time

from scoreorsong.card import figure_lines
from scoreorsong.figures import figures, worst
from scoreorsong.lessons import prepare
from scoreorsong.prediction import default_model
from scoreorsong.verdicts import BY_GROUP, cross_validate


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", nargs="?", default="../shared/corpus/corpus.csv")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--worst", type=int, default=20, help="how many of the worst clips to list")
    options = parser.parse_args()
    began = time.monotonic()
    lesson = prepare(options.labels, n_jobs=options.jobs, plan=BY_GROUP)
    prepared = time.monotonic()
    ear = None if lesson.tags else default_model().ear
    runs = cross_validate(lesson.takes, lesson.tags, ear=ear, seeds=range(options.seeds), n_jobs=options.jobs)
    print("\n".join(figure_lines({"figures": [figure.to_dict() for figure in figures(runs)]})))
    print("\nmost surely wrong (clip, slice, mean song probability):")
    for name, part, probability in worst(runs, options.worst):
        print(f"  {probability:.2f}  {part:18} {name}")
    ended = time.monotonic()
    print(
        f"\n{len(lesson.takes)} takes, {options.seeds} seeds, {(ended - began) / 60:.1f} minutes, "
        f"{(prepared - began) / 60:.1f} of them for the takes"
    )


if __name__ == "__main__":
    main()
