"""Corpus → what speech that returns to the letter, and songs that do, make of a call.

    python benchmarks/repeats.py ../shared/corpus/corpus.csv --models build/held-out

Clips of each of five folds are heard by a model that never met them, as those of `timeline.py`, which are trained at
need: as they are and four times in a row, then under louder speech by people that it never met either, in three ways.
"""

from __future__ import annotations

import argparse
import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.special import logit
from timeline import FOLDS, held_out_model

from scoreorsong import Prediction, predict
from scoreorsong.audio import RATE_HZ, Samples, read_audio
from scoreorsong.augmentation import active_rms, laid, mix
from scoreorsong.dataset import Companions, Example, read_companions, read_labels
from scoreorsong.model import Model
from scoreorsong.takes import speaker_group

SLICES = ("score-core", "song-vocal")
ONCE = "as it is"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", nargs="?", default="../shared/corpus/corpus.csv")
    parser.add_argument("--models", type=Path, default=Path("build/held-out"), help="folder of their models")
    parser.add_argument("--clips", type=int, default=40, help="of each fold, at most")
    parser.add_argument("--jobs", type=int, default=2, help="processes for training at need")
    parser.set_defaults(folds=range(FOLDS))
    options = parser.parse_args()
    examples, companions = read_labels(options.labels), read_companions(options.labels)
    calls: dict[tuple[str, str], list[Prediction]] = defaultdict(list)
    for fold in options.folds:
        model = held_out_model(fold, examples, companions, options)
        for example, way, call in asked(model, examples, companions, options.clips, fold):
            calls[example.slice, way].append(call)
    print("| slice | | clips | called song | mean logit | label kept |\n|---|---|---|---|---|---|")
    for (part, way), some in sorted(calls.items()):
        songs = np.mean([call.label == "song" for call in some])
        logits = np.mean([logit(call.song_probability) for call in some])
        kept = np.mean([a.label == b.label for a, b in zip(calls[part, ONCE], some, strict=True)])
        print(f"| {part} | {way} | {len(some)} | {songs:.2f} | {logits:.2f} | {kept:.2f} |")


def asked(
    model: Model, examples: Sequence[Example], companions: Companions, most: int, seed: int
) -> Iterator[tuple[Example, str, Prediction]]:
    """Some clips that the model never met, in all ways."""
    random = np.random.default_rng(seed)
    held_out = set(model.card["held_out"])
    clips = [e for e in examples if e.group in held_out and e.slice in SLICES]
    voices = [v for v in companions.voices if v.kind == "speech" and speaker_group(v) in held_out]
    speech = [read_audio(voice.path) for voice in voices]
    for i in random.permutation(len(clips))[:most]:
        samples = read_audio(clips[i].path)
        for way, made in ways(samples, speech, random):
            yield clips[i], way, predict(made, rate=RATE_HZ, model=model)


def ways(
    samples: Samples, speech: Sequence[Samples], random: np.random.Generator
) -> Iterator[tuple[str, Samples]]:
    yield ONCE, samples
    yield "four times in a row", np.tile(samples, 4)
    voices = [speech[i] for i in random.permutation(len(speech))]
    rest, ratio_db = np.zeros(RATE_HZ, np.float32), random.uniform(-10, 0)
    exact = np.resize(np.concatenate([voices[0], rest]), len(samples))
    several = np.concatenate([part for voice in voices for part in (voice / active_rms(voice), rest)])
    for way, other in (
        ("speech that returns to the letter", exact),
        ("the same faster and slower", laid(voices[0], len(samples), random)),
        ("one speaker after another", np.resize(several, len(samples))),
    ):
        yield way, mix(samples, other, ratio_db)


if __name__ == "__main__":
    main()
