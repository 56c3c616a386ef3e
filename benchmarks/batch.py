"""A made-up library → what a scan costs beside bare predictions, and what going on with one costs.

    python benchmarks/batch.py

The overhead comes from pairs of blocks of the same files, bare and scanned in turn, which of them first
by turns: of each block the median of its files' times, of each pair the ratio of the two, of all pairs
the median. What else the machine does hits both alike, and the quartiles beside it say how far it is to
be trusted. Seconds and files per second depend on the machine.
"""

from __future__ import annotations

import argparse
import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from scoreorsong.folders import Fingerprint, find_files
from scoreorsong.prediction import default_model, predict
from scoreorsong.tables import Table, row_of
from scoreorsong.workers import LocalCrew, analyse, predicting

RATE_HZ = 22050
CLIP_S = 10.0
KINDS = 20
BLOCK = 10
BEGUN = """
import os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(status != 0)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--finished", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # In a process of its own: glibc would remember its arrays and make the bare predictions here faster.
        filling = get_context("spawn").Process(target=fill, args=(folder / "library", options.files))
        filling.start()
        filling.join()
        _print_overhead(folder)
        _print_scans(folder)
        _print_resume(folder, options.finished)


def fill(library: Path, files: int, clip_s: float = CLIP_S) -> None:
    """Noisy chords in folders of a hundred; every file has its own bytes to read."""
    random, time_s = np.random.default_rng(0), np.arange(round(clip_s * RATE_HZ)) / RATE_HZ
    for kind in range(KINDS):
        tones = sum(np.sin(2 * np.pi * hz * time_s) for hz in random.uniform(80, 900, 5))
        clip = 0.05 * tones * (1 + np.sin(2 * np.pi * time_s)) + 0.01 * random.standard_normal(len(time_s))
        for i in range(kind, files, KINDS):
            path = library / f"{i // 100:04}" / f"{i:06}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, clip, RATE_HZ)


def _print_overhead(folder: Path) -> None:
    """The same blocks of files by `predict`, and by one worker into a table."""
    model, files = default_model(), find_files(folder / "library").files
    table, crew = Table(folder / "overhead.csv"), LocalCrew(predicting(default_model()))

    def bare(block: Mapping[str, Fingerprint]) -> Iterator[object]:
        return (predict(name, model=model) for name in block)

    def scanned(block: Mapping[str, Fingerprint]) -> Iterator[object]:
        for _, result in analyse(block, crew):
            table.append(row_of(result, model.model_id), block[result.source], result.descriptor)
            yield result

    names, pairs = list(files), []
    for i in range(0, len(names), BLOCK):
        block = {name: files[name] for name in names[i : i + BLOCK]}
        order = (bare, scanned) if i // BLOCK % 2 else (scanned, bare)
        taken = {work: _median_s(work(block)) for work in order}
        pairs.append((taken[bare], taken[scanned]))
    crew.close()
    table.close()
    bare_s, scanned_s = np.array(pairs[1:]).T  # the first warms up
    low, middle, high = np.quantile(scanned_s / bare_s - 1, (0.25, 0.5, 0.75))
    print(f"{platform.machine()}, Python {platform.python_version()}, {len(files)} files of {CLIP_S:g} s\n")
    print("| per file | milliseconds |\n|---|---|")
    print(f"| bare prediction | {1000 * np.median(bare_s):.1f} |")
    print(f"| scanned by one worker | {1000 * np.median(scanned_s):.1f} |")
    print(f"\noverhead {middle:+.1%} (quartiles of {len(bare_s)} pairs: {low:+.1%} to {high:+.1%})\n")


def _median_s(work: Iterator[object]) -> float:
    """Of the seconds that its steps take."""
    times = [time.perf_counter(), *(time.perf_counter() for _ in work)]
    return statistics.median(np.diff(times))


def _print_scans(folder: Path) -> None:
    print("| whole scan | files per second |\n|---|---|")
    for jobs in (1, 2):
        used = scan(folder / "library", folder / f"jobs{jobs}.csv", "--jobs", str(jobs))
        files = (folder / f"jobs{jobs}.csv").read_bytes().count(b"\n") - 1
        print(f"| {jobs} worker{'s' * (jobs > 1)} | {files / used.seconds:.1f} |")


def _print_resume(folder: Path, finished: int) -> None:
    library, table = folder / "finished", folder / "finished.csv"
    for i in range(finished):
        path = library / f"{i // 1000:04}" / f"{i:06}.wav"
        if i % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.touch()
    _pretend(table, find_files(library).files, next((folder / "library").rglob("*.flac")))
    print(f"\n| going on with {finished} finished rows | seconds | of a core | memory at most, MB |")
    print("|---|---|---|---|")
    for what, options in (("", ()), (", with albums", ("--albums", str(folder / "albums.csv")))):
        used = scan(library, table, *options)
        print(f"| results{what} | {used.seconds:.1f} | {used.core_s:.1f} | {used.megabytes:.0f} |")


def _pretend(path: Path, files: Mapping[str, Fingerprint], clip: Path) -> None:
    """Write a table as if all files had been done, with the result of one clip."""
    prediction, table = predict(clip), Table(path)
    row = row_of(prediction, prediction.model_id)
    for name, fingerprint in files.items():
        table.append(row | {"path": name}, fingerprint, prediction.descriptor)
    table.close()


class Used(NamedTuple):
    """What a process took: seconds, seconds of a core with those of its children, most memory in MB."""

    seconds: float
    core_s: float
    megabytes: float


def scan(folder: Path, table: Path, *options: str) -> Used:
    """A whole scan in a process of its own."""
    return measured("scan", str(folder), "-o", str(table), "--quiet", *options)


def measured(*arguments: str) -> Used:
    """A command of ours, begun by a small process: what its parent held then, the kernel counts as its own."""
    command = [sys.executable, "-c", BEGUN, sys.executable, "-m", "scoreorsong", *arguments]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Used(*map(float, answer.stdout.split()))


if __name__ == "__main__":
    main()
