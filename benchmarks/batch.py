"""A made-up library → what a scan costs beside bare predictions, and what going on with one costs.

    python benchmarks/batch.py

The overhead is the median over pairs of blocks, bare and scanned in turn in one run, so that what
else the machine does moves it little. Seconds and files per second depend on the machine.
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
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

from scoreorsong.folders import Fingerprint, find_files
from scoreorsong.prediction import default_model, predict
from scoreorsong.tables import Table, row_of
from scoreorsong.workers import LocalCrew, analyse, predicting

RATE_HZ = 22050
CLIP_S = 10.0
KINDS = 20
BLOCK = 25


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
        filling = get_context("spawn").Process(target=_fill, args=(folder / "library", options.files))
        filling.start()
        filling.join()
        _print_overhead(folder)
        _print_scans(folder)
        _print_resume(folder, options.finished)


def _fill(library: Path, files: int) -> None:
    """Noisy chords of `CLIP_S` in folders of a hundred; every file has its own bytes to read."""
    random, time_s = np.random.default_rng(0), np.arange(round(CLIP_S * RATE_HZ)) / RATE_HZ
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
    names, bare_s, scan_s = list(files), [], []
    for i in range(0, len(names), BLOCK):
        block = {name: files[name] for name in names[i : i + BLOCK]}
        began = time.perf_counter()
        for name in block:
            predict(name, model=model)
        between = time.perf_counter()
        for _, result in analyse(block, crew):
            table.append(row_of(result, model.model_id), block[result.source])
        bare_s.append((between - began) / len(block))
        scan_s.append((time.perf_counter() - between) / len(block))
    crew.close()
    table.close()
    ratio = statistics.median(
        s / b for s, b in list(zip(scan_s, bare_s, strict=True))[1:]
    )  # the first warms up
    print(f"{platform.machine()}, Python {platform.python_version()}, {len(files)} files of {CLIP_S:g} s\n")
    print("| per file | milliseconds |\n|---|---|")
    print(f"| bare prediction | {1000 * statistics.median(bare_s):.1f} |")
    print(f"| scanned by one worker | {1000 * statistics.median(scan_s):.1f} ({ratio - 1:+.1%}) |\n")


def _print_scans(folder: Path) -> None:
    print("| whole scan | files per second |\n|---|---|")
    for jobs in (1, 2):
        seconds, _ = _scan(folder / "library", folder / f"jobs{jobs}.csv", "--jobs", str(jobs))
        files = (folder / f"jobs{jobs}.csv").read_bytes().count(b"\n") - 1
        print(f"| {jobs} worker{'s' * (jobs > 1)} | {files / seconds:.1f} |")


def _print_resume(folder: Path, finished: int) -> None:
    library, table = folder / "finished", folder / "finished.csv"
    for i in range(finished):
        path = library / f"{i // 1000:04}" / f"{i:06}.wav"
        if i % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.touch()
    _pretend(table, find_files(library).files, next((folder / "library").rglob("*.flac")))
    seconds, megabytes = _scan(library, table)
    print(f"\n| going on with {finished} finished rows | |\n|---|---|")
    print(f"| seconds | {seconds:.1f} |\n| memory at most, MB | {megabytes:.0f} |")


def _pretend(path: Path, files: Mapping[str, Fingerprint], clip: Path) -> None:
    """Write a table as if all files had been done, with the result of one clip."""
    row = row_of(predict(clip), default_model().model_id)
    table = Table(path)
    for name, fingerprint in files.items():
        table.append(row | {"path": name}, fingerprint)
    table.close()


def _scan(folder: Path, table: Path, *options: str) -> tuple[float, float]:
    """Seconds and MB of a whole scan in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "scoreorsong",
        "scan",
        str(folder),
        "-o",
        str(table),
        "--quiet",
        *options,
    ]
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    return time.perf_counter() - began, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
