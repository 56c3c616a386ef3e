"""Recordings as they come → how far their features and calls differ from those of the same coded like the corpus.

    python benchmarks/coding.py FOLDER --jobs 2

All audio of the corpus went through Ogg Vorbis at a low rate, most of what people have did not. So what is
learnt of the corpus may be learnt of its encoder, which cannot be seen there, where nothing is uncoded. Here a
minute of every recording under the folder is measured as it is and coded like the corpus. No labels are needed.
Recordings of less than `LEAST_S` are left out, and those that are no music either way.
"""

from __future__ import annotations

import argparse
import io
import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

from typing import Any, NamedTuple

import joblib
import numpy as np
import scipy.special
import soundfile
import soxr

from scoreorsong import ScoreOrSongError
from scoreorsong.audio import RATE_HZ, Samples, read_audio
from scoreorsong.extraction import extract
from scoreorsong.features import schema
from scoreorsong.folders import find_files
from scoreorsong.hearing import MUSIC, VOICE
from scoreorsong.prediction import default_model
from scoreorsong.spectra import Array

LEAST_S, MOST_S = 20, 60
CORPUS_RATE_HZ, CORPUS_QUALITY = 24_000, 0.1  # see data/README.md


class Heard(NamedTuple):
    """What a model makes of one rendering."""

    clip: Array
    song: float  # logit
    sung: float
    music: bool


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--features", type=int, default=8, help="how many of the most moved to list")
    options = parser.parse_args()
    try:
        files = find_files(options.folder).files
    except ScoreOrSongError as error:
        parser.error(str(error))
    both = joblib.Parallel(options.jobs)(joblib.delayed(pair)(file) for file in files)
    music = [(plain, coded) for plain, coded in filter(None, both) if plain.music and coded.music]
    if not music:
        parser.error(f"{options.folder}: no music of {LEAST_S} s or more in this folder")
    plain, coded = zip(*music, strict=True)
    print_calls(plain, coded)
    print_moved(*(np.array([heard.clip for heard in side]) for side in (plain, coded)), options.features)


def pair(file: str) -> tuple[Heard, Heard] | None:
    """As it is, and coded; None of what is short, or no audio after all."""
    try:
        samples = middle(read_audio(file))
    except ScoreOrSongError:
        return None
    if len(samples) < LEAST_S * RATE_HZ:
        return None
    return hear(samples, rate=RATE_HZ), hear(as_corpus(samples))


def hear(source: Any, *, rate: int | None = None) -> Heard:
    features, model = extract(source, rate=rate, windows=False), default_model()
    judged = model.judge(features)
    label, _ = model.call(judged.song_probability, judged.fractions[MUSIC])
    return Heard(
        features.clip,
        float(scipy.special.logit(judged.song_probability)),
        judged.fractions[VOICE],
        label != "no_music",
    )


def middle(samples: Samples) -> Samples:
    """The minute that the corpus would have of it, cut at 40 % of what is left out."""
    start = int(0.4 * max(0, len(samples) - MOST_S * RATE_HZ))
    return samples[start : start + MOST_S * RATE_HZ]


def as_corpus(samples: Samples) -> io.BytesIO:
    """Coded like the corpus."""
    mono = np.clip(soxr.resample(samples, RATE_HZ, CORPUS_RATE_HZ), -1, 1)
    return vorbis(mono[:, None], CORPUS_RATE_HZ, CORPUS_QUALITY)


def vorbis(samples: Samples, rate_hz: int, quality: float) -> io.BytesIO:
    """``(frames, channels)`` as Ogg Vorbis; written in pieces, because libsndfile's encoder overflows its stack on long ones."""
    file, channels = io.BytesIO(), samples.shape[1]
    with soundfile.SoundFile(
        file, "w", rate_hz, channels, format="OGG", compression_level=1 - quality
    ) as ogg:
        for start in range(0, len(samples), rate_hz):
            ogg.write(samples[start : start + rate_hz])
    file.seek(0)
    return file


def print_calls(plain: tuple[Heard, ...], coded: tuple[Heard, ...]) -> None:
    sides = [np.array([(h.song < 0, h.song, h.sung) for h in side]) for side in (plain, coded)]
    shift = sides[0][:, 1] - sides[1][:, 1]
    print(f"model {default_model().model_id}, {len(plain)} recordings\n")
    print("| | as they are | coded like the corpus |\n|---|---|---|")
    for i, what in enumerate(("called score", "mean logit of a song", "mean share called sung")):
        print(f"| {what} | {' | '.join(f'{side[:, i].mean():.3f}' for side in sides)} |")
    same = (sides[0][:, 0] == sides[1][:, 0]).mean()
    print(
        f"\nthe same call {same:.3f}; the logit as it is lies {shift.mean():+.3f} ± {shift.std():.3f} from the coded one"
    )


def print_moved(plain: Array, coded: Array, count: int) -> None:
    """The features that lie farthest from the coded ones, in deviations of these."""
    shift = (plain - coded).mean(axis=0) / (coded.std(axis=0) + 1e-9)
    print("\n| feature | moved by, in deviations |\n|---|---|")
    for i in np.argsort(-np.abs(shift))[:count]:
        print(f"| {schema.NAMES[i]} | {shift[i]:+.2f} |")


if __name__ == "__main__":
    main()
