"""Made-up clips → what a prediction costs: beside decoding, beside peers, cold, in bulk, and in memory.

    python benchmarks/speed.py [--peers VENV] [--library FOLDER] [--full] [PART ...]

Ratios are medians over pairs of runs taken in turn, on one core; the seconds beside them depend on
the machine. Peers are installed into a virtual environment of their own, which is made where
``--peers`` says; one that is missing or broken is listed as such.
"""

from __future__ import annotations

import argparse
import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile
import soxr
from batch import fill, measured, scan
from peers import PACKAGES

from scoreorsong.audio import read_audio
from scoreorsong.features import measure
from scoreorsong.folders import find_files
from scoreorsong.prediction import default_model, predict
from scoreorsong.spectra import analyze

RATE_HZ = 44100
CLIPS = ((60, "MP3"), (195, "MP3"), (60, "WAV"))
FLOOR = (
    "import sys, numpy, sklearn.svm, sklearn.kernel_approximation, sklearn.linear_model, soundfile; "
    "soundfile.read(sys.argv[1], dtype='float32')"
)
N_CLIPS, N_BARE, N_FULL = 200, 50, (100, 500, 2000)
SCANNED = ((10, "FLAC"), (60, "FLAC"), (60, "MP3"))  # mono of 22 kHz, and stereo of 44 kHz as in `CLIPS`
BAR_MB = 400


def main() -> None:
    options = _options()
    print(f"{_machine()}\n\n| what | measured | beside | ratio | bar |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for part in options.parts:
            PARTS[part](Path(temporary), options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; by default all")
    parser.add_argument("--pairs", type=int, default=7, help="runs of each kind (default: 7)")
    parser.add_argument(
        "--peers", type=Path, metavar="VENV", help="environment for the peers, made if missing"
    )
    parser.add_argument("--full", action="store_true", help="scan up to 2,000 files as well")
    parser.add_argument(
        "--minutes", type=int, nargs="+", default=[10, 60, 120], help="of the WAVs for memory"
    )
    parser.add_argument("--clips", type=int, default=N_CLIPS, help=f"to scan (default: {N_CLIPS})")
    parser.add_argument("--library", type=Path, metavar="FOLDER", help="scan the first clips in it as well")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    options.parts = options.parts or list(PARTS)
    return options


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{time.strftime('%Y-%m-%d')}: {model}, {os.cpu_count()} cores{load}; "
        f"Python {platform.python_version()}, NumPy {np.__version__}"
    )


def _row(what: str, measured: str, beside: str = "", ratio: str = "", bar: str = "") -> None:
    print(f"| {what} | {measured} | {beside} | {ratio} | {bar} |", flush=True)


def _clip(folder: Path, seconds: int, form: str) -> Path:
    """Chords with a pulse and some noise: no stage has an easy time with it."""
    path = folder / f"clip-{seconds}.{form.lower()}"
    if path.exists():
        return path
    random, time_s = np.random.default_rng(0), np.arange(seconds * RATE_HZ) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * hz * time_s) / i for i, hz in enumerate((110, 220, 277, 330, 441, 660), 1))
    pulse = np.exp(-8 * (time_s % 0.5))
    mono = 0.1 * tones * (0.3 + pulse) + 0.02 * random.standard_normal(len(time_s)) * pulse
    # In pieces, because libsndfile's Vorbis encoder overflows its stack on long writes.
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, format=form) as file:
        for i in range(0, len(mono), RATE_HZ):
            file.write(np.stack([mono[i : i + RATE_HZ]] * 2, axis=1))
    return path


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _in_turn(n: int, *works: Callable[[], object]) -> list[list[float]]:
    """Seconds of each, taken in turn, after one round that does not count."""
    rounds = [[_seconds(work) for work in works] for _ in range(n + 1)]
    return [list(column) for column in zip(*rounds[1:], strict=True)]


def _ratio(over: Sequence[float], under: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


# ---- warm: beside decoding


def _decode(path: Path) -> None:
    """What nobody can do without, in the fewest steps: soundfile, then soxr."""
    samples, rate_hz = soundfile.read(path, dtype="float32")
    soxr.resample(samples @ np.full(2, 0.5, np.float32), rate_hz, 22050)


def _print_warm(folder: Path, options: argparse.Namespace) -> None:
    for seconds, form in CLIPS:
        path, mp3 = _clip(folder, seconds, form), _clip(folder, seconds, "MP3")
        floor, whole = _in_turn(options.pairs, lambda p=mp3: _decode(p), lambda p=path: predict(p))
        took, decoding = statistics.median(whole), statistics.median(floor)
        _row(
            f"prediction, {seconds} s stereo {form}", f"{1000 * took:.0f} ms ({seconds / took:.0f}× real time)",
            f"decode the MP3: {1000 * decoding:.0f} ms", f"{_ratio(whole, floor):.1f}", "3.5, aim 2",
        )  # fmt: skip
    _print_stages(_clip(folder, 60, "MP3"), options.pairs)


def _print_stages(path: Path, pairs: int) -> None:
    samples, model = read_audio(path), default_model()
    spectra = analyze([samples])
    features = measure(spectra, source="clip", windows=False)
    stages: dict[str, Callable[[], object]] = {
        "decoding and resampling": lambda: read_audio(path),
        "spectra": lambda: analyze([samples]),
        "features": lambda: measure(spectra[:], source="clip", windows=False),
        "model": lambda: model.judge(features),
    }
    taken = _in_turn(pairs, lambda: predict(path), *stages.values())
    for name, seconds in zip(stages, taken[1:], strict=True):
        share = _ratio(seconds, taken[0])
        _row(
            f"of which {name}, 60 s MP3",
            f"{1000 * statistics.median(seconds):.0f} ms",
            "whole",
            f"{share:.2f}",
        )


# ---- peers


def _print_peers(folder: Path, options: argparse.Namespace) -> None:
    if options.peers is None:
        _row("peers", "not measured: name an environment for them with --peers")
        return
    python = _peers_python(options.peers)
    for seconds, form in CLIPS:
        path = _clip(folder, seconds, form)
        peers = {name: _Peer(python, name) for name in PACKAGES}
        predict(path)
        for peer in peers.values():
            peer.take(path)  # compiles and fills caches
        own: list[float] = []
        for _ in range(max(3, options.pairs // 2)):
            own.append(_seconds(lambda p=path: predict(p)))
            for peer in peers.values():
                peer.take(path)
        for name, peer in peers.items():
            _print_peer(f"{name}, {seconds} s {form}", peer, own)


def _print_peer(what: str, peer: _Peer, own: list[float]) -> None:
    beside = f"prediction: {1000 * statistics.median(own):.0f} ms"
    if peer.failure:
        _row(what, peer.failure, beside, "none", "5")
    else:
        taken = peer.taken[1:]
        _row(what, f"{statistics.median(taken):.2f} s", beside, f"{_ratio(taken, own):.1f}", "5")


def _peers_python(venv: Path) -> Path:
    """Make the environment, one package after the other, so that one that fails leaves the others."""
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        for packages in PACKAGES.values():
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=False)
    return python


class _Peer:
    """A peer in a process of its own that stays warm."""

    def __init__(self, python: Path, name: str) -> None:
        command = [str(python), str(Path(__file__).with_name("peers.py")), name]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.taken: list[float] = []
        self.failure = ""
        self._answer()

    def take(self, path: Path) -> None:
        """Let it analyse the clip, and note the seconds."""
        if not self.failure:
            assert self._process.stdin is not None
            self._process.stdin.write(f"{path}\n")
            self._process.stdin.flush()
            if answer := self._answer():
                self.taken.append(float(answer))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line or line.startswith("failed"):
            self.failure = line[:150].replace("|", "/") or "failed: its process ended"
            return ""
        return line


# ---- cold


def _print_cold(folder: Path, options: argparse.Namespace) -> None:
    path = _clip(folder, 30, "OGG")

    def run(*command: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *command, str(path)], check=True, capture_output=True)

    floor, whole = _in_turn(options.pairs, run("-c", FLOOR), run("-m", "scoreorsong", "predict"))
    _row(
        "`score-or-song predict`, whole process, 30 s Ogg", f"{statistics.median(whole):.2f} s",
        f"import and decode: {statistics.median(floor):.2f} s", f"{_ratio(whole, floor):.2f}", "1.5",
    )  # fmt: skip
    for name, milliseconds in _slowest_imports(path):
        _row(f"of which importing {name}", f"{milliseconds:.0f} ms")


def _slowest_imports(path: Path, *, n: int = 8) -> list[tuple[str, float]]:
    """Packages by the time that their own modules take to import, from -X importtime."""
    command = [sys.executable, "-X", "importtime", "-m", "scoreorsong", "predict", str(path)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    totals: dict[str, float] = {}
    for line in lines:
        own, _, name = line.removeprefix("import time:").split("|") if line.count("|") == 2 else ("", "", "")
        if own.strip().isdigit():
            package = name.strip().split(".")[0]
            totals[package] = totals.get(package, 0) + int(own) / 1000
    return sorted(totals.items(), key=lambda item: -item[1])[:n]


# ---- scale


def _print_scale(folder: Path, options: argparse.Namespace) -> None:
    n = options.clips
    libraries = {f"{n} clips of {s} s {form}": _library(folder, n, s, form) for s, form in SCANNED}
    if options.library is not None:
        libraries[f"the first {n} clips of {options.library.name}"] = _linked(folder, options.library, n)
    for what, library in libraries.items():
        one, two = _in_turn(3, lambda at=library: _scanned(at, 1), lambda at=library: _scanned(at, 2))
        _row(
            f"scan of {what}, 1 worker", f"{statistics.median(one):.1f} s",
            f"2 workers: {statistics.median(two):.1f} s", f"{_ratio(one, two):.2f}", "1.8",
        )  # fmt: skip
    _print_ceiling(_library(folder, n, *SCANNED[-1]))
    if options.full:
        _print_flat(folder)


def _print_ceiling(library: Path) -> None:
    """What two processes that know nothing of each other gain: no scan can gain more."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:

        def bare(n: int) -> float:
            return max(pool.map(_bare_s, [library] * n))

        bare(2)
        pairs = [(bare(1), bare(2)) for _ in range(3)]
    one, two = zip(*pairs, strict=True)
    _row(
        f"bare predictions of {N_BARE} clips of {SCANNED[-1][0]} s {SCANNED[-1][1]} in 1 process", f"{statistics.median(one):.1f} s",
        f"2 at once, each as many: {statistics.median(two):.1f} s", f"{2 * _ratio(one, two):.2f}", "what this machine has",
    )  # fmt: skip


def _bare_s(library: Path) -> float:
    paths = sorted(path for path in library.rglob("*") if path.is_file())[:N_BARE]
    return _seconds(lambda: [predict(path) for path in paths])


def _print_flat(folder: Path) -> None:
    """Processor time, so that it counts nothing that others do, of every further clip: without the start."""
    seconds, form = SCANNED[0]
    taken = [_scanned(_library(folder, n, seconds, form), 1) for n in N_FULL]
    further = [(b - a) / (m - n) for (n, a), (m, b) in pairwise(zip(N_FULL, taken, strict=True))]
    for (n, m), cost in zip(pairwise(N_FULL), further, strict=True):
        _row(
            f"scan of {m} clips of {seconds} s {form}, every one after the first {n}", f"{1000 * cost:.1f} ms of a core",
            f"after the first {N_FULL[0]}: {1000 * further[0]:.1f} ms", f"{cost / further[0]:.2f}", "flat",
        )  # fmt: skip


def _library(folder: Path, n_files: int, seconds: int, form: str) -> Path:
    library = folder / f"library-{n_files}-{seconds}-{form}"
    if library.exists():
        return library
    if form == "FLAC":  # in a process of its own, so that this one stays as it is
        filling = get_context("spawn").Process(target=fill, args=(library, n_files, seconds))
        filling.start()
        filling.join()
        return library
    library.mkdir()
    for i in range(n_files):
        shutil.copy(_clip(folder, seconds, form), library / f"{i:06}.{form.lower()}")
    return library


def _linked(folder: Path, library: Path, n_files: int) -> Path:
    links = folder / "links"
    links.mkdir()
    for i, path in enumerate(list(find_files(library).files)[:n_files]):
        (links / f"{i:06}{Path(path).suffix}").symlink_to(Path(path).absolute())
    return links


def _scanned(library: Path, jobs: int) -> float:
    """Seconds of processor time of a scan and its workers."""
    return scan(library, library.with_suffix(".csv"), "--jobs", str(jobs), "--no-resume").core_s


# ---- memory


def _print_memory(folder: Path, options: argparse.Namespace) -> None:
    for command in ("predict", "timeline"):
        if subprocess.run(
            [sys.executable, "-m", "scoreorsong", command, "--help"], capture_output=True
        ).returncode:
            _row(f"memory of {command}", "not measured: this release has no such command")
            continue
        peaks = [_peak_mb(command, _long_wav(folder, m, RATE_HZ, "PCM_16"), folder) for m in options.minutes]
        for minutes, peak in zip(options.minutes, peaks, strict=True):
            _row(
                f"{command}, {minutes} min WAV", f"{peak:.0f} MB at most", f"{options.minutes[0]} min: {peaks[0]:.0f} MB",
                f"{peak / peaks[0]:.2f}", f"{BAR_MB} MB, flat",
            )  # fmt: skip
        peak = _peak_mb(command, _long_wav(folder, min(60, max(options.minutes)), 96000, "PCM_24"), folder)
        _row(
            f"{command}, {min(60, max(options.minutes))} min WAV of 96 kHz and 24 bit", f"{peak:.0f} MB at most",
            f"{options.minutes[0]} min: {peaks[0]:.0f} MB", f"{peak / peaks[0]:.2f}", f"{BAR_MB} MB",
        )  # fmt: skip


def _long_wav(folder: Path, minutes: int, rate_hz: int, subtype: str) -> Path:
    """Other chords over noise every ten seconds."""
    path = folder / f"{minutes}min-{rate_hz}.wav"
    if path.exists():
        return path
    random, time_s = np.random.default_rng(0), np.arange(10 * rate_hz) / rate_hz
    hiss = 0.01 * random.standard_normal(len(time_s))
    with soundfile.SoundFile(path, "w", rate_hz, 2, subtype=subtype, format="RF64") as file:
        for _ in range(minutes * 6):
            tones = sum(np.sin(2 * np.pi * hz * time_s) for hz in random.uniform(80, 900, 5))
            mono = 0.05 * tones * (1 + np.sin(2 * np.pi * time_s)) + hiss
            file.write(np.stack([mono, mono], axis=1))
    return path


def _peak_mb(command: str, path: Path, folder: Path) -> float:
    """Most memory that a process of its own ever had, in MB."""
    output = ["-o", str(folder / "out.csv")] if command == "timeline" else []
    return measured(command, str(path), *output).megabytes


PARTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "warm": _print_warm,
    "cold": _print_cold,
    "peers": _print_peers,
    "scale": _print_scale,
    "memory": _print_memory,
}

if __name__ == "__main__":
    main()
