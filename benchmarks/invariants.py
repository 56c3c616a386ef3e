"""Corpus → how often a call survives what must not change it, and how far the probability moves.

    python benchmarks/invariants.py ../shared/corpus/corpus.csv --clips 150

Every clip's first seconds are heard as they are and changed; Ctrl-C ends early with a table of
the clips so far, which are taken from all slices in turn. The shipped model met these clips in
its training: what is measured is how steady its calls are, not how right. Needs the extra [media].
"""

from __future__ import annotations

import argparse
import io
import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, islice, zip_longest
from typing import NamedTuple

import av
import numpy as np
import soxr
from coding import vorbis

from scoreorsong import Prediction, predict
from scoreorsong.audio import RATE_HZ, Samples, read_audio
from scoreorsong.dataset import Example, read_labels
from scoreorsong.prediction import default_model

CODED_RATE_HZ = 48_000
KBITS = (48, 64, 96, 128)
CODECS = {"MP3": ("mp3", "libmp3lame"), "Opus": ("ogg", "libopus")}
VORBIS_KBITS = {
    64: 0.0,
    96: 0.2,
    128: 0.4,
}  # nominal, by quality; FFmpeg's wheels have no libvorbis, libsndfile's lowest is 64
SILENCE = np.zeros(10 * RATE_HZ, np.float32)


class Shift(NamedTuple):
    """What a change did to one clip."""

    same_label: bool
    probability: float


def gained(samples: Samples, gain_db: float) -> Prediction:
    return predict(samples * np.float32(10 ** (gain_db / 20)), rate=RATE_HZ)


def resampled(samples: Samples, rate_hz: int) -> Prediction:
    return predict(soxr.resample(samples, RATE_HZ, rate_hz), rate=rate_hz)


def in_stereo(samples: Samples, *, swapped: bool = False) -> Prediction:
    """One side 10 ms late and softer than the other, as in a room."""
    late = np.concatenate([np.zeros(RATE_HZ // 100, np.float32), samples])[: len(samples)]
    sides = [samples, 0.6 * late]
    return predict(np.stack(sides[::-1] if swapped else sides, axis=1), rate=RATE_HZ)


def coded(samples: Samples, codec: str, kbits: int) -> Prediction:
    """Both channels at 48 kHz through an encoder."""
    form, encoder = CODECS[codec]
    mono = np.clip(soxr.resample(samples, RATE_HZ, CODED_RATE_HZ), -1, 1)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as media:
        stream = media.add_stream(encoder, rate=CODED_RATE_HZ, layout="stereo")
        stream.bit_rate = 1000 * kbits
        frame = av.AudioFrame.from_ndarray(np.stack([mono, mono]), format="fltp", layout="stereo")
        frame.sample_rate = CODED_RATE_HZ
        resampler = av.AudioResampler(format=stream.format, rate=CODED_RATE_HZ, frame_size=stream.frame_size)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            media.mux(stream.encode(part))
    buffer.seek(0)
    return predict(buffer)


def coded_vorbis(samples: Samples, quality: float) -> Prediction:
    """The same through Vorbis."""
    mono = soxr.resample(samples, RATE_HZ, CODED_RATE_HZ)
    return predict(vorbis(np.stack([mono, mono], axis=1), CODED_RATE_HZ, quality))


def heard(samples: Samples) -> Prediction:
    return predict(samples, rate=RATE_HZ)


SWAP = "left and right swapped"
CHANGES: dict[str, Callable[[Samples], Prediction]] = {
    "gain -20 dB": partial(gained, gain_db=-20),
    "gain +20 dB": partial(gained, gain_db=20),
    "polarity": lambda samples: heard(-samples),
    SWAP: partial(in_stereo, swapped=True),
    "resampled to 16 kHz": partial(resampled, rate_hz=16_000),
    "resampled to 48 kHz": partial(resampled, rate_hz=48_000),
    **{
        f"{codec} {kbits} kbit/s": partial(coded, codec=codec, kbits=kbits)
        for codec in CODECS
        for kbits in KBITS
    },
    **{
        f"Vorbis {kbits} kbit/s": partial(coded_vorbis, quality=quality)
        for kbits, quality in VORBIS_KBITS.items()
    },
    "10 s of silence before": lambda samples: heard(np.concatenate([SILENCE, samples])),
    "10 s of silence after": lambda samples: heard(np.concatenate([samples, SILENCE])),
    "half a frame later": lambda samples: heard(samples[256:]),
    "1 s later": lambda samples: heard(samples[RATE_HZ:]),
    "5 s later": lambda samples: heard(samples[5 * RATE_HZ :]),
    "four times in a row": lambda samples: heard(np.tile(samples, 4)),
    "ten times in a row": lambda samples: heard(np.tile(samples, 10)),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", nargs="?", default="../shared/corpus/corpus.csv")
    parser.add_argument("--clips", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each clip (default: 20)")
    options = parser.parse_args()
    shifts: dict[str, dict[str, list[Shift]]] = defaultdict(lambda: defaultdict(list))
    n_clips = 0
    with suppress(KeyboardInterrupt):
        for example in islice(evenly(read_labels(options.labels)), options.clips):
            for change, shift in measured(example, options.seconds).items():
                shifts[change][example.slice].append(shift)
            n_clips += 1
    print(f"model {default_model().model_id}, {n_clips} clips of at most {options.seconds:g} s\n")
    print_table(shifts)


def evenly(examples: Sequence[Example]) -> Iterator[Example]:
    """From every slice in turn; within a slice in an order that spreads over its groups."""
    by_slice: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_slice[example.slice].append(example)
    random = np.random.default_rng(0)
    shuffled = [[clips[i] for i in random.permutation(len(clips))] for _, clips in sorted(by_slice.items())]
    return (clip for clip in chain.from_iterable(zip_longest(*shuffled)) if clip is not None)


def measured(example: Example, seconds: float) -> dict[str, Shift]:
    samples = read_audio(example.path, max_s=seconds)
    plain, stereo = heard(samples), in_stereo(samples)
    return {
        change: shift(stereo if change == SWAP else plain, run(samples)) for change, run in CHANGES.items()
    }


def shift(before: Prediction, after: Prediction) -> Shift:
    return Shift(before.label == after.label, abs(before.song_probability - after.song_probability))


def print_table(shifts: dict[str, dict[str, list[Shift]]]) -> None:
    """Share of labels unchanged and mean change of the probability, over all clips and per slice."""
    slices = sorted({part for by_slice in shifts.values() for part in by_slice})
    counts = [f"{part} ({len(next(iter(shifts.values()))[part])})" for part in slices]
    print(f"| change | all | {' | '.join(counts)} |")
    print("|---|" + "---|" * (len(slices) + 1))
    for change, by_slice in shifts.items():
        cells = [cell([*chain.from_iterable(by_slice.values())]), *(cell(by_slice[part]) for part in slices)]
        print(f"| {change} | {' | '.join(cells)} |")


def cell(shifts: Sequence[Shift]) -> str:
    return f"{np.mean([s.same_label for s in shifts]):.3f} / {np.mean([s.probability for s in shifts]):.3f}"


if __name__ == "__main__":
    main()
