"""Corpus → how well the timeline finds score and songs in test programmes whose truth is known.

    pip install --group test
    python benchmarks/timeline.py ../shared/corpus/corpus.csv --models build/held-out
    python benchmarks/timeline.py --recordings 'FOLDER/*.mp3'
    python benchmarks/timeline.py --long

The groups of the corpus fall into five folds. A programme is made from the clips, voices and noises of one
fold and heard by a model of the other four, which is trained at need (about a quarter of an hour)
and kept in the folder `--models`. The constants of the timeline were chosen on such programmes, most of them on
those of folds 0 and 1 only; README.md tells which, and what that is worth.
Durations within a second of a true boundary count for nobody. Beside these, people talk in rooms that hum, where
nothing should be found, and speak over scores in a row, all of which should; `--rooms` makes the others in such rooms too.

`--recordings` tells instead what is found in recordings of others: how much of each is music, how much of that a song, and in how many
cues. Whole songs are not sung throughout, and are songs all the same; where nobody plays, nothing should be found.
`--long` measures speed and memory instead, on programmes of 10 minutes, 1 hour and 2 hours.
"""

from __future__ import annotations

import argparse
import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import soundfile
import soxr
from batch import measured
from mir_eval.util import match_events
from programmes import (
    ALL_SLICES,
    SUNG_SLICES,
    Cue,
    Programme,
    make_narration,
    make_programme,
    make_talk,
    recordings,
    speakers,
)

from scoreorsong.audio import RATE_HZ, read_audio
from scoreorsong.copies import with_copies_together
from scoreorsong.dataset import Companions, Example, Voice, read_companions, read_labels
from scoreorsong.evidence import STATES
from scoreorsong.fitting import fit
from scoreorsong.folds import fold_of_groups, without
from scoreorsong.lessons import make_takes
from scoreorsong.model import Model, load_model
from scoreorsong.segments import Segment
from scoreorsong.takes import speaker_group
from scoreorsong.timelines import timeline

FOLDS = 5
COLLAR_S, BOUNDARY_S, STEP_S = 1.0, 3.0, 0.1
TALK, NARRATION = "talk in rooms", "narration over scores"
LENGTHS_MIN = (10, 60, 120)
LONG_RATE_HZ = 48000


@dataclass(frozen=True)
class Trial:
    """A programme with what was found in it."""

    truth: Sequence[Cue]
    found: Sequence[Segment]

    @property
    def duration_s(self) -> float:
        return self.truth[-1].end_s

    def frames(self, cues: Iterable[Cue | Segment]) -> np.ndarray:
        """The state at every `STEP_S`."""
        middles = (np.arange(int(self.duration_s / STEP_S)) + 0.5) * STEP_S
        ordered = list(cues)
        at = np.searchsorted([cue.end_s for cue in ordered[:-1]], middles, side="right")
        return np.array([STATES.index(cue.label) for cue in ordered])[at]

    def counted(self) -> np.ndarray:
        """Which of them lie clear of the true boundaries."""
        middles = (np.arange(int(self.duration_s / STEP_S)) + 0.5) * STEP_S
        return np.abs(np.subtract.outer(middles, boundaries(self.truth))).min(axis=1) > COLLAR_S


def boundaries(cues: Iterable[Cue | Segment]) -> np.ndarray:
    """Where one cue hands over to the next, in seconds."""
    return np.array([cue.start_s for cue in cues])[1:]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", nargs="?", default="../shared/corpus/corpus.csv")
    parser.add_argument("--models", type=Path, default=Path("build/held-out"), help="folder of their models")
    parser.add_argument("--folds", type=int, nargs="+", default=range(FOLDS), help="to make programmes from")
    parser.add_argument("--minutes", type=float, default=20.0, help="length of a programme")
    parser.add_argument("--programmes", type=int, default=3, help="of each kind, from each fold")
    parser.add_argument("--jobs", type=int, default=2, help="processes for training at need")
    parser.add_argument(
        "--speech", metavar="PATTERN", help="recordings of others, who speak in place of the corpus's"
    )
    parser.add_argument("--rooms", action="store_true", help="make them in rooms that hum")
    parser.add_argument(
        "--recordings", metavar="PATTERN", help="tell instead what is found in these recordings"
    )
    parser.add_argument("--long", action="store_true", help="measure speed and memory instead")
    options = parser.parse_args()
    if options.long:
        print_long()
    elif options.recordings:
        print_recordings(options.recordings)
    else:
        print_accuracy(options)


def print_accuracy(options: argparse.Namespace) -> None:
    examples, companions = read_labels(options.labels), read_companions(options.labels)
    others = speakers(options.speech)
    models = {fold: held_out_model(fold, examples, companions, options) for fold in options.folds}
    unmet = {fold: never_met(model, examples, companions, others) for fold, model in models.items()}
    header = ("programmes", "fold", "label", "minutes", "precision", "recall", "F1")
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    notes = []
    for kind, make in kinds(options).items():
        trials = {
            str(fold): [trial(model, make(*unmet[fold], seed=seed)) for seed in range(options.programmes)]
            for fold, model in models.items()
        }
        for fold, some in {**trials, "all": list(chain(*trials.values()))}.items():
            if kind in (TALK, NARRATION):
                notes.append(found_music(f"{kind}, {fold}", some))
            else:
                print_labels(f"{kind} | {fold}", some)
                notes.append(summary(f"{kind}, {fold}", some))
    print("\n" + "\n".join(notes))


def kinds(options: argparse.Namespace) -> dict[str, Callable[..., Programme]]:
    """How to make each kind of programme from clips and companions, with a seed."""
    minutes, made = options.minutes, dict[str, Callable[..., Programme]]()
    for songs, slices in (("sung songs", SUNG_SLICES), ("sung and instrumental songs", ALL_SLICES)):
        for dialogue in (False, True):
            made[f"{'dialogue' if dialogue else 'clean'}, {songs}"] = partial(
                make_programme, slices=slices, minutes=minutes, dialogue=dialogue, room=options.rooms
            )
    made[TALK] = lambda _, companions, seed: make_talk(companions, minutes=minutes, seed=seed)
    made[NARRATION] = partial(make_narration, minutes=minutes)
    return made


def held_out_model(
    fold: int, examples: Sequence[Example], companions: Companions, options: argparse.Namespace
) -> Model:
    """The model that never met this fold; its card names the groups."""
    path = options.models / f"fold-{fold}.model"
    if not path.is_file():
        options.models.mkdir(parents=True, exist_ok=True)
        train_held_out(examples, companions, options)
    return load_model(path)


def train_held_out(examples: Sequence[Example], companions: Companions, options: argparse.Namespace) -> None:
    """A model without each of the folds, all from the same takes."""
    print("training held-out models", file=sys.stderr)
    takes, _ = with_copies_together(make_takes(examples, companions, n_jobs=options.jobs))
    fold_of = fold_of_groups(takes, FOLDS, 0)
    for fold in options.folds:
        model, _ = fit(without(takes, fold_of, fold), companions.tags)
        held_out = sorted(group for group, at in fold_of.items() if at == fold)
        replace(model, card={"held_out": held_out}).save(options.models / f"fold-{fold}.model")


def never_met(
    model: Model, examples: Sequence[Example], companions: Companions, others: tuple[Voice, ...]
) -> tuple[list[Example], Companions]:
    """The clips and voices that the model never met; `others` speak if there are any."""
    held_out = set(model.card["held_out"])
    voices = tuple(v for v in companions.voices if speaker_group(v) in held_out)
    if others:
        voices = (*(v for v in voices if v.kind != "speech"), *others)
    return [e for e in examples if e.group in held_out], replace(companions, voices=voices)


def trial(model: Model, programme: Programme) -> Trial:
    """A programme, and the timeline of it."""
    return Trial(programme.truth, timeline(programme.samples, model=model, rate=RATE_HZ).segments)


def print_labels(name: str, trials: Sequence[Trial]) -> None:
    """Precision, recall and F1 of every label's duration."""
    true = np.concatenate([t.frames(t.truth)[t.counted()] for t in trials])
    found = np.concatenate([t.frames(t.found)[t.counted()] for t in trials])
    for i, label in enumerate(STATES):
        right = float(((true == i) & (found == i)).sum())
        precision, recall = right / max((found == i).sum(), 1), right / max((true == i).sum(), 1)
        f1 = 2 * right / max((found == i).sum() + (true == i).sum(), 1)
        minutes = (true == i).sum() * STEP_S / 60
        print(f"| {name} | {label} | {minutes:.0f} | {precision:.3f} | {recall:.3f} | {f1:.3f} |", flush=True)


def summary(name: str, trials: Sequence[Trial]) -> str:
    """Boundaries, false cues, and the recall of every kind of sound."""
    pairs = [(boundaries(t.truth), boundaries(t.found)) for t in trials]
    matched = sum(len(match_events(true, found, BOUNDARY_S)) for true, found in pairs)
    f1 = 2 * matched / sum(len(true) + len(found) for true, found in pairs)
    hours = sum(t.duration_s for t in trials) / 3600
    false = sum(is_false(cue, t) for t in trials for cue in t.found if cue.label != "no_music")
    kinds: dict[str, list[np.ndarray]] = defaultdict(list)
    for kind, right in (pair for t in trials for pair in recalled(t)):
        kinds[kind].append(right)
    parts = ", ".join(f"{kind} {np.concatenate(right).mean():.2f}" for kind, right in sorted(kinds.items()))
    return (
        f"{name}: boundary F1 at {BOUNDARY_S:g} s {f1:.3f}; {false / hours:.1f} false cues per hour "
        f"in {hours:.1f} h; recall of {parts}"
    )


def found_music(name: str, trials: Sequence[Trial]) -> str:
    """How much is called music, and in how many cues, where nobody plays or someone always does."""
    cues = [cue for t in trials for cue in t.found if cue.label != "no_music"]
    hours = sum(t.duration_s for t in trials) / 3600
    share = sum(cue.end_s - cue.start_s for cue in cues) / 3600 / hours
    return f"{name}: {share:.3f} called music, in {len(cues) / hours:.1f} cues per hour of {hours:.1f} h"


def is_false(cue: Segment, trial: Trial) -> bool:
    """Whether less than half of a found cue has its label in truth."""
    part = slice(round(cue.start_s / STEP_S), round(cue.end_s / STEP_S))
    return bool((trial.frames(trial.truth)[part] == STATES.index(cue.label)).mean() < 0.5)


def recalled(trial: Trial) -> Iterator[tuple[str, np.ndarray]]:
    """The kind of every true cue, and where the right label was found in it."""
    right = trial.frames(trial.truth) == trial.frames(trial.found)
    for cue in trial.truth:
        part = slice(round(cue.start_s / STEP_S), round(cue.end_s / STEP_S))
        yield cue.slice, right[part][trial.counted()[part]]


def print_recordings(pattern: str) -> None:
    """Of every recording the share of music, the share of a song in that, and the cues; then of all, where each counts the same."""
    rows = []
    print("| recording | minutes | music | of it song | cues |\n|---|---|---|---|---|")
    for path in recordings(pattern):
        found = timeline(path)
        lengths_s = [[s.end_s - s.start_s for s in found.segments if s.label == label] for label in STATES]
        score_s, song_s = (sum(some) for some in lengths_s[:2])
        music_s = score_s + song_s
        share = song_s / music_s if music_s else np.nan
        rows.append((found.duration_s / 60, music_s / found.duration_s, share, sum(map(len, lengths_s[:2]))))
        print_recording(Path(path).name, rows[-1])
    means = (
        np.ma.masked_invalid(rows).mean(axis=0).filled(np.nan)
    )  # where there is no music, none of it is a song
    print_recording(f"mean of {len(rows)}", means)


def print_recording(name: str, row: Iterable[float]) -> None:
    minutes, music, song, cues = row
    print(f"| {name} | {minutes:.1f} | {music:.2f} | {song:.2f} | {cues:.3g} |", flush=True)


def print_long() -> None:
    """Each length in a process of its own, with its start, on one core; the examples over and over, as 48 kHz stereo."""
    print("| programme | times real time | peak memory |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for minutes in LENGTHS_MIN:
            path = Path(folder) / "long.wav"
            write_long(path, minutes)
            used = measured("timeline", str(path), "-o", str(Path(folder) / "out.csv"))
            speed = minutes * 60 / used.core_s
            print(f"| {minutes} min, 48 kHz stereo WAV | {speed:.0f} | {used.megabytes:.0f} MB |", flush=True)


def write_long(path: Path, minutes: float) -> None:
    clips = sorted((Path(__file__).parents[1] / "examples").glob("*.ogg"))
    reel = soxr.resample(np.concatenate([read_audio(clip) for clip in clips]), RATE_HZ, LONG_RATE_HZ)
    stereo = np.stack([reel, reel], axis=1)
    with soundfile.SoundFile(path, "w", LONG_RATE_HZ, 2, subtype="PCM_16") as file:
        left = round(minutes * 60 * LONG_RATE_HZ)
        while left > 0:
            file.write(stereo[:left])
            left -= len(stereo)


if __name__ == "__main__":
    main()
