"""Corpus → how well clips are told as others might have them: cut short, faded, worn, in a hall, in a row, spoken over.

    python benchmarks/elsewhere.py ../shared/corpus/corpus.csv --models build/held-out

Clips of each of five folds are heard by a model that never met them, as those of `timeline.py`, which are trained at
need, and the speech over them is by people that it never met either. But for the room, nothing is made as training makes it.
"""

from __future__ import annotations

import argparse
import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import scipy.signal
import scipy.special
import soxr
from programmes import speakers
from sklearn.metrics import roc_auc_score
from timeline import FOLDS, held_out_model

from scoreorsong import predict
from scoreorsong.audio import RATE_HZ, Samples, read_audio
from scoreorsong.augmentation import active_rms, in_room, laid, mix
from scoreorsong.dataset import Example, Voice, read_companions, read_labels
from scoreorsong.model import Model
from scoreorsong.takes import speaker_group

SCORES, SONGS = (
    ("score-core", "score-choir", "score-grey"),
    ("song-vocal", "song-instrumental", "song-grey"),
)
ONCE = "as it is"
SURE = 1e-6
MOST_SPEAKERS = 8

Random = np.random.Generator


class Call(NamedTuple):
    """What a clip was called in one way."""

    slice: str
    way: str
    logit: float
    label: str


def cut(samples: Samples, seconds: float) -> Samples:
    """Out of the middle."""
    start = max(len(samples) - round(seconds * RATE_HZ), 0) // 2
    return samples[start : start + round(seconds * RATE_HZ)]


def faded(samples: Samples, seconds: float) -> Samples:
    """In and out."""
    position = np.arange(len(samples)) / RATE_HZ
    return at_db(samples, -40 * np.maximum(1 - np.minimum(position, position[::-1]) / seconds, 0))


def at_db(samples: Samples, gains_db: np.ndarray) -> Samples:
    return (samples * 10 ** (gains_db / 20)).astype(np.float32)


def squeezed(samples: Samples, ratio: float) -> Samples:
    """By a compressor that begins 30 dB under the usual level, and lets go within a fifth of a second."""
    level = np.sqrt(lagging(samples.astype(np.float64) ** 2, 0.02)) / active_rms(samples)
    over_db = np.maximum(20 * np.log10(level + 1e-7) + 30, 0)
    return at_db(samples, -lagging(over_db * (1 - 1 / ratio), 0.2))


def lagging(values: np.ndarray, seconds: float) -> np.ndarray:
    kept = np.exp(-1 / (seconds * RATE_HZ))
    return np.asarray(scipy.signal.lfilter([1 - kept], [1, -kept], values))


def clipped(samples: Samples, gain_db: float) -> Samples:
    """Hard, above its peak by so much."""
    peak = np.abs(samples).max() + SURE
    return np.clip(samples, *(peak * 10 ** (-gain_db / 20) * np.array([-1, 1]))).astype(np.float32)


def band(samples: Samples, hz: float | tuple[float, float], kind: str, order: int = 4) -> Samples:
    filtered = scipy.signal.sosfilt(
        scipy.signal.butter(order, hz, kind, fs=RATE_HZ, output="sos"), samples.astype(np.float64)
    )
    return np.asarray(filtered, np.float32)


def hum(samples: Samples, under_db: float) -> Samples:
    """Of the mains, 50 Hz with overtones."""
    time = np.arange(len(samples)) / RATE_HZ
    return mix(samples, sum(np.sin(2 * np.pi * 50 * k * time + k) / k for k in (1, 2, 3, 5, 7)), under_db)


def noisy(samples: Samples, random: Random, under_db: float, *, pink: bool) -> Samples:
    noise = random.standard_normal(len(samples))
    if pink:
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), len(noise))
    return mix(samples, noise, under_db)


def crackling(samples: Samples, random: Random) -> Samples:
    """Fifteen clicks a second, the loudest as loud as the music."""
    worn, loudest = samples.copy(), 2 * active_rms(samples)
    click = (np.hanning(16) * np.cos(np.arange(16) * 1.7)).astype(np.float32)
    for at in random.integers(0, max(len(samples) - 16, 1), round(15 * len(samples) / RATE_HZ)):
        worn[at : at + 16] += np.float32(loudest * random.uniform(-1, 1) ** 3) * click[: len(worn) - at]
    return worn


def fluttering(samples: Samples) -> Samples:
    """Its speed swings by 0.6 % once a second."""
    time = np.arange(len(samples))
    return np.interp(
        time + 0.006 * RATE_HZ / (2 * np.pi) * np.sin(2 * np.pi * time / RATE_HZ), time, samples
    ).astype(np.float32)


def old_record(samples: Samples, random: Random) -> Samples:
    return crackling(noisy(band(samples, (120, 5000), "bandpass", 2), random, 22, pink=True), random)


def coarse(samples: Samples) -> Samples:
    """In 8 bits."""
    step = (np.abs(samples).max() + SURE) / 127
    return (np.round(samples / step) * step).astype(np.float32)


def faster(samples: Samples, times: float) -> Samples:
    return np.asarray(soxr.resample(samples, RATE_HZ * times, RATE_HZ), np.float32)


REST = np.zeros(5 * RATE_HZ, np.float32)
WAYS: dict[str, Callable[[Samples, Random], Samples]] = {
    ONCE: lambda samples, _: samples,
    **{f"{s} s of it": lambda samples, _, s=s: cut(samples, s) for s in (30, 15, 10)},
    "four times in a row": lambda samples, _: np.tile(samples, 4),
    "5 s of silence at either end": lambda samples, _: np.concatenate([REST, samples, REST]),
    "faded over 15 s at either end": lambda samples, _: faded(samples, 15),
    "compressed 4 to 1": lambda samples, _: squeezed(samples, 4),
    "clipped by 12 dB": lambda samples, _: clipped(samples, 12),
    "in a room, 0.4 s": partial(in_room, rt60_s=0.4, under_db=0),
    "in a hall, 2.5 s": partial(in_room, rt60_s=2.5, under_db=3),
    "hum 15 dB under it": lambda samples, _: hum(samples, 15),
    "white noise 35 dB under it": partial(noisy, under_db=35, pink=False),
    "pink noise 25 dB under it": partial(noisy, under_db=25, pink=True),
    "pink noise 15 dB under it": partial(noisy, under_db=15, pink=True),
    "clicks": crackling,
    "an old record": old_record,
    "flutter": lambda samples, _: fluttering(samples),
    "8 bits": lambda samples, _: coarse(samples),
    "up to 3.4 kHz": lambda samples, _: band(samples, 3400, "lowpass"),
    "from 200 Hz": lambda samples, _: band(samples, 200, "highpass"),
    "over the telephone": lambda samples, _: band(samples, (300, 3400), "bandpass"),
    "6 % faster": lambda samples, _: faster(samples, 1.06),
    "6 % slower": lambda samples, _: faster(samples, 0.94),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", nargs="?", default="../shared/corpus/corpus.csv")
    parser.add_argument("--models", type=Path, default=Path("build/held-out"), help="folder of their models")
    parser.add_argument("--clips", type=int, help="of each fold, at most (default: all)")
    parser.add_argument(
        "--speech", metavar="PATTERN", help="recordings of others, to be spoken over by as well"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.set_defaults(folds=range(FOLDS))
    options = parser.parse_args()
    examples, companions = read_labels(options.labels), read_companions(options.labels)
    others = speakers(options.speech)
    work = []
    for fold in options.folds:
        model = held_out_model(fold, examples, companions, options)
        held_out = set(model.card["held_out"])
        clips = [e for e in examples if e.group in held_out and e.slice in SCORES + SONGS]
        voices = [v for v in companions.voices if v.kind == "speech" and speaker_group(v) in held_out]
        chosen = np.random.default_rng(fold).permutation(len(clips))[: options.clips]
        work += [joblib.delayed(calls)(model, clips[i], voices, others) for i in chosen.tolist()]
    done = joblib.Parallel(options.jobs)(work)
    print(
        "| | song-vocal | instrumental | everything | score-core called score | label kept |\n|---|---|---|---|---|---|"
    )
    for way in dict.fromkeys(call.way for some in done for call in some):
        kept = np.mean([call.label == some[0].label for some in done for call in some if call.way == way])
        print(f"| {way} | {figures([c for some in done for c in some if c.way == way])} | {kept:.3f} |")


def calls(model: Model, example: Example, voices: Sequence[Voice], others: Sequence[Voice]) -> list[Call]:
    """Of a clip that the model never met, in all ways; first as it is."""
    random = np.random.default_rng(list(example.name.encode()))
    samples = read_audio(example.path)
    called = []
    for way, made in (
        *((way, do(samples, random)) for way, do in WAYS.items()),
        *spoken(samples, voices, others, random),
    ):
        found = predict(made, rate=RATE_HZ, model=model)
        sure = np.clip(found.song_probability, SURE, 1 - SURE)
        called.append(Call(example.slice, way, float(scipy.special.logit(sure)), found.label))
    return called


def spoken(
    samples: Samples, voices: Sequence[Voice], others: Sequence[Voice], random: Random
) -> Iterator[tuple[str, Samples]]:
    """Under speech up to 10 dB louder."""
    speech = [read_audio(voices[i].path) for i in random.permutation(len(voices))[:MOST_SPEAKERS]]
    ratio_db = random.uniform(-10, 0)
    ways = {
        "under speech that returns to the letter": one_after_another(speech[:1]),
        "under the same faster and slower": laid(speech[0], len(samples), random),
        "under one speaker after another": one_after_another(speech),
    }
    if others:
        ways["under others"] = one_after_another(words_of(others, len(samples), random))
    for way, other in ways.items():
        yield way, mix(samples, np.resize(other, len(samples)), ratio_db)


def one_after_another(speech: Sequence[Samples]) -> Samples:
    """All as loud, with rests in between."""
    rest = np.zeros(RATE_HZ, np.float32)
    return np.concatenate([part for words in speech for part in (words / active_rms(words), rest)])


def words_of(others: Sequence[Voice], length: int, random: Random) -> list[Samples]:
    """As many of their recordings as it takes."""
    words = list[Samples]()
    while sum(map(len, words)) < length:
        words.append(read_audio(others[random.integers(len(others))].path))
    return words


def figures(some: Sequence[Call]) -> str:
    """ROC-AUC and balanced accuracy of sung songs against `score-core`, ROC-AUC of two more, and a share."""
    core, vocal = ([c.logit for c in some if c.slice == name] for name in ("score-core", "song-vocal"))
    balanced = (np.mean(np.array(vocal) > 0) + np.mean(np.array(core) < 0)) / 2
    called = np.mean([c.label == "score" for c in some if c.slice == "score-core"])
    parts = (("song-vocal",), ("score-core",)), (("song-instrumental",), ("score-core",)), (SONGS, SCORES)
    first, *others = (area(some, songs, scores) for songs, scores in parts)
    return f"{first:.3f} / {balanced:.3f} | {' | '.join(f'{a:.3f}' for a in others)} | {called:.2f}"


def area(some: Sequence[Call], songs: Sequence[str], scores: Sequence[str]) -> float:
    """ROC-AUC; NaN where one of both is missing among the few clips that were asked for."""
    asked = [c for c in some if c.slice in (*songs, *scores)]
    is_song = [c.slice in songs for c in asked]
    return float(roc_auc_score(is_song, [c.logit for c in asked])) if len(set(is_song)) == 2 else np.nan


if __name__ == "__main__":
    main()
