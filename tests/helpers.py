"""A tiny made-up corpus with known answers, and the command line in a process of its own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from scoreorsong.dataset import Example, read_companions, read_labels
from scoreorsong.features import Features, schema
from scoreorsong.fitting import fit
from scoreorsong.lessons import make_takes
from scoreorsong.takes import Take

RATE_HZ = 22050
ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.ogg"))

# The tags of the MagnaTagATune dataset, as the teacher network names them.
TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano",
    "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing",
    "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop",
    "soft", "sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice",
    "female vocal", "beats", "harp", "cello", "no voice", "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip


def harmonics(hz, seconds, *, partials=8):
    """A tone with partials 1/k, whose fundamental may move."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hz, round(seconds * RATE_HZ))) / RATE_HZ
    return sum(np.sin(k * phase) / k for k in range(1, partials + 1))


def singing(seed, seconds=6.0):
    """A gliding harmonic tone with vibrato."""
    random, time_s = np.random.default_rng(seed), np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    glide = 3 * np.sin(2 * np.pi * random.uniform(0.3, 0.6) * time_s) + 0.5 * np.sin(2 * np.pi * 6 * time_s)
    return 0.15 * harmonics(random.uniform(200, 400) * 2 ** (glide / 12), seconds)


def song(seed, seconds=6.0):
    """Singing over a steady pulse of noise bursts."""
    random, samples = np.random.default_rng(seed), singing(seed, seconds)
    burst = random.standard_normal(2000) * np.exp(-np.arange(2000) / 300)
    for start in range(0, len(samples) - 2000, round(RATE_HZ * random.uniform(0.4, 0.6))):
        samples[start : start + 2000] += 0.4 * burst
    return samples


def score(seed, seconds=6.0):
    """A pad of three steady tones that swells and falls."""
    random, time_s = np.random.default_rng(seed), np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    root_hz = random.uniform(90, 180)
    pad = sum(harmonics(root_hz * ratio, seconds, partials=4) for ratio in (1, 1.25, 1.5))
    return 0.1 * pad * (0.2 + np.sin(np.pi * time_s / seconds) ** 2)


def speech(seed, seconds=4.0):
    """Syllables: short, falling, breathy tones with rests between them."""
    random = np.random.default_rng(seed)
    words = []
    while sum(map(len, words)) < seconds * RATE_HZ:
        length_s = random.uniform(0.12, 0.3)
        tone = harmonics(
            np.linspace(1.2, 0.9, round(length_s * RATE_HZ)) * random.uniform(100, 160), length_s
        )
        breath = 0.3 * random.standard_normal(len(tone))
        words += [
            0.2 * (tone + breath) * np.hanning(len(tone)),
            np.zeros(round(random.uniform(0.03, 0.2) * RATE_HZ)),
        ]
    return np.concatenate(words)[: round(seconds * RATE_HZ)]


def noise(seed, seconds=4.0):
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))


def write_wav(path, samples, *, rate_hz=RATE_HZ, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def write_csv(path, rows):
    """Rows of equal keys as a CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_class_folders(root, *, groups=4, clips=2, seconds=6.0):
    """`root/score/<group>/<clip>.wav` and the same for songs."""
    for label, make in (("score", score), ("song", song)):
        for group in range(groups):
            for clip in range(clips):
                seed = 100 * group + clip
                write_wav(root / label / f"g{group}" / f"{label}-{group}-{clip}.wav", make(seed, seconds))
    return root


def write_corpus(root, *, groups=4, clips=2, voices=4):
    """Labelled clips with voices, vocal activity and a teacher beside them; returns the labels file."""
    write_class_folders(root, groups=groups, clips=clips)
    rows = [
        {
            "path": path.relative_to(root).as_posix(),
            "label": label,
            "slice": {"score": "score-core", "song": "song-vocal"}[label],
            "group": f"{label} {path.parent.name}",
            "vocals": {"score": "no", "song": "sung"}[label],
            "licence": "CC0-1.0",
        }
        for label in ("score", "song")
        for path in sorted((root / label).rglob("*.wav"))
    ]
    recordings = []
    for kind, make, count in (("speech", speech, voices), ("singing", singing, 3), ("noise", noise, voices)):
        for i in range(count):
            path = write_wav(root / "voices" / f"{kind}{i}.wav", make(1000 + i, 4.0))
            recordings.append(
                {"path": path.relative_to(root).as_posix(), "kind": kind, "speaker": f"{kind} {i}"}
            )
    write_csv(root / "voices.csv", recordings)
    write_csv(root / "vocal_activity" / "song-0-0.csv", [{"start_s": 0.0, "end_s": 3.0}])
    write_teacher(root, [Path(row["path"]).stem for row in rows])
    return write_csv(root / "corpus.csv", rows)


def write_teacher(root, names, *, windows=3):
    """Tag probabilities that mean nothing, but for the voice, of which the teacher is sure; the last window is empty."""
    probabilities = np.random.default_rng(0).uniform(0.01, 0.6, (len(names), windows, len(TAGS)))
    for i, name in enumerate(names):
        probabilities[i][:, [TAGS.index(t) for t in ("vocal", "vocals", "singing", "voice")]] = (
            0.9 if name.startswith("song") else 0.02
        )
    probabilities[:, -1] = np.nan
    (root / "teacher").mkdir()
    np.savez(
        root / "teacher" / "small.npz",
        ids=np.array(names), tags=np.array(TAGS), probabilities=probabilities.astype(np.float32),
    )  # fmt: skip


def run(*arguments, **options):
    """`python -m scoreorsong ...` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "scoreorsong", *map(str, arguments)],
        text=True,
        timeout=200,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment(), **options},
    )


def environment(**more):
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", **more}


@cache
def small_takes():
    """All takes of the made-up corpus, and the names of the teacher's tags."""
    with tempfile.TemporaryDirectory() as folder:
        labels = write_corpus(Path(folder))
        examples, companions = read_labels(labels), read_companions(labels)
        return make_takes(examples, companions), companions.tags


@cache
def small_model():
    """A model fitted on them, without a card."""
    return fit(*small_takes())[0]


def bare_take(
    label,
    group,
    *,
    part="",
    variant="original",
    weight=1.0,
    seed=0,
    vocals="unknown",
    voice=None,
    silent=None,
    annotated=False,
):
    """A take with random numbers instead of sound; of a voice is known what is told, by default nothing."""
    random = np.random.default_rng(seed)
    clip = random.standard_normal(len(schema.NAMES)).astype(np.float32)
    example = Example(
        Path(f"{group}.wav"), label, group, name=group, slice=part or label, vocals=vocals, weight=weight
    )
    known = {"voice": np.full(16, np.nan) if voice is None else voice}
    features = Features(
        group,
        8.0,
        clip,
        clip[None][:0],
        random.standard_normal((16, 8)).astype(np.float32),
        np.zeros(16, bool) if silent is None else silent,
    )
    return Take(example, variant, frozenset({group}), features, known, annotated=annotated)


def check(result, code=0):
    """The exit code is as told and nothing crashed."""
    assert "Traceback" not in result.stdout + result.stderr
    assert "Exception ignored" not in result.stderr
    assert result.returncode == code, result.stderr
    return result


def json_lines(text):
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


OK_ROW = {
    "path": "a/b.wav", "status": "ok", "label": "song", "song_probability": 0.75, "confident": True,
    "vocal_fraction": 0.5, "music_fraction": 1.0, "duration_s": 30.25, "warnings": "only 0.2 s; odd",
    "error": "", "model_id": "m1",
}  # fmt: skip
FAILED_ROW = {
    **dict.fromkeys(OK_ROW), "path": "a/c.wav", "status": "error", "warnings": "", "error": "the file is empty",
    "model_id": "m1",
}  # fmt: skip


def write_results(path, rows, *, typed=True):
    """A results table as scan writes it, by its ending; with typed=False all columns of a Parquet are text."""
    header = list(rows[0]) if rows else list(OK_ROW)
    if path.suffix == ".parquet":
        write_parquet(path, header, rows, typed=typed)
        return path
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row) + "\n" for row in rows)
            return path
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            writer.writerow(str(row[c]).lower() if isinstance(row[c], bool) else row[c] for c in header)
    return path


def write_parquet(path, header, rows, *, typed):
    import pyarrow
    from pyarrow import parquet

    def text(value):
        return value if typed or value is None else str(value)

    columns = {column: [text(row[column]) for row in rows] for column in header}
    parquet.write_table(pyarrow.table(columns), path)
