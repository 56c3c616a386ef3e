"""Synthetic clips → what a prediction costs beside decoding, warm and as a whole process.

    python benchmarks/speed.py

Ratios are medians of pairs taken in turn in one run, on one core; the seconds
beside them depend on the machine.
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
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from scoreorsong.audio import read_audio
from scoreorsong.features import measure
from scoreorsong.prediction import default_model, predict
from scoreorsong.spectra import analyze

RATE_HZ = 44100
CLIPS = (
    ("30 s stereo Ogg", 30, "OGG"),
    ("60 s stereo MP3", 60, "MP3"),
    ("195 s stereo MP3", 195, "MP3"),
    ("60 s stereo WAV", 60, "WAV"),
)
FLOOR = "import numpy, sklearn, soundfile, sys; soundfile.read(sys.argv[1], dtype='float32')"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=7)
    options = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, one thread\n")
    print("| clip | decode and resample | prediction | times real time | prediction / decoding |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        clips = [(name, seconds, _clip(Path(folder), seconds, form)) for name, seconds, form in CLIPS]
        for name, seconds, path in clips:
            decode, whole = _pairs(lambda p=path: read_audio(p), lambda p=path: predict(p), options.pairs)
            ratio = statistics.median(w / d for d, w in zip(decode, whole, strict=True))
            took = statistics.median(whole)
            print(
                f"| {name} | {statistics.median(decode):.3f} s | {took:.3f} s | {seconds / took:.0f} | {ratio:.1f} |"
            )
        _print_stages(clips[1][2], options.pairs)
        _print_cold(clips[0][2], options.pairs)


def _clip(folder: Path, seconds: int, form: str) -> Path:
    """Chords with a pulse and some noise: no stage has an easy time with it."""
    random, time_s = np.random.default_rng(0), np.arange(seconds * RATE_HZ) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * hz * time_s) / i for i, hz in enumerate((110, 220, 277, 330, 441, 660), 1))
    pulse = np.exp(-8 * (time_s % 0.5))
    mono = 0.1 * tones * (0.3 + pulse) + 0.02 * random.standard_normal(len(time_s)) * pulse
    path = folder / f"clip-{seconds}.{form.lower()}"
    # In pieces, because libsndfile's Vorbis encoder overflows its stack on long writes.
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, format=form) as file:
        for i in range(0, len(mono), RATE_HZ):
            file.write(np.stack([mono[i : i + RATE_HZ]] * 2, axis=1))
    return path


def _pairs(a: Callable[[], object], b: Callable[[], object], n: int) -> tuple[list[float], list[float]]:
    """Seconds of both, taken in turn, after one run of each that does not count."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(n + 1):
        for work, seconds in zip((a, b), taken, strict=True):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    return taken[0][1:], taken[1][1:]


def _print_stages(path: Path, n: int) -> None:
    samples = read_audio(path)
    spectra = analyze([samples])
    features = measure(spectra, source="clip", windows=False)
    model = default_model()
    stages: dict[str, Callable[[], object]] = {
        "decode and resample": lambda: read_audio(path),
        "spectra": lambda: analyze([samples]),
        "features": lambda: measure(spectra[:], source="clip", windows=False),
        "model": lambda: model.judge(features),
    }
    print("\n| stage, 60 s MP3 | milliseconds |\n|---|---|")
    for name, work in stages.items():
        print(f"| {name} | {1000 * statistics.median(_pairs(work, work, n)[0]):.0f} |")


def _print_cold(path: Path, n: int) -> None:
    def run(*command: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *command, str(path)], check=True, capture_output=True)

    floor, whole = _pairs(run("-c", FLOOR), run("-m", "scoreorsong", "predict"), n)
    ratio = statistics.median(w / f for f, w in zip(floor, whole, strict=True))
    print("\n| whole process, 30 s Ogg | seconds |\n|---|---|")
    print(f"| imports NumPy, scikit-learn, soundfile and decodes | {statistics.median(floor):.2f} |")
    print(f"| `score-or-song predict` | {statistics.median(whole):.2f} (ratio {ratio:.1f}) |")


if __name__ == "__main__":
    main()
