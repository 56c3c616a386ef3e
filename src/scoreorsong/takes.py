"""Examples → takes: every clip as it is and in the variants that training and checking need.

A take is one rendering of one clip with its features and, per half second, what
is known about it: sung or not, spoken or not, music or not, the teacher's tags;
NaN where nobody knows. It names all groups that it was made from (the clip's and
the mixed-in speaker's), so that a split can keep every one of them apart. Takes
for checking are judged like the others, but nothing is ever learnt from them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from . import augmentation
from .audio import RATE_HZ, Samples, read_audio
from .dataset import MADE_BY_MODELS, TEACHER_WINDOW_S, Companions, Example, Voice
from .decision import Matrix
from .features import SEGMENT_S, Features, measure
from .room_tone import room_tone
from .spectra import FRAMES_PER_S, analyze, mel_power

N_VARIED: Final = 6
# The first is all of the clip under louder speech; in the others speech is acted, and softer, shorter than the clip, or rests at times.
LOUD_DIALOGUE, *OTHER_DIALOGUES = (f"speech {i}" for i in range(4))
SOFTER_DIALOGUE, *SCENES = OTHER_DIALOGUES
# By how much the clip stands over the voice or the noise, in the scenes over two who speak by turns.
RATIOS_DB: Final = {LOUD_DIALOGUE: (-10, 0), SOFTER_DIALOGUE: (-8, 10), "noise 0": (0, 20)}
SCENE_RATIO_DB: Final = (-10, 5)
# By how much who speaks in a room stands over its tone: on location, and in a studio; in the first nobody speaks.
QUIET_ROOM: Final = "quiet room"
OVER_ROOM_DB: Final = {"room 0": (3, 25), "room 1": (20, 48)}
ROOM_S, ROOM_RMS = 30, 0.1
SINGING_MIXES: Final = 10
MOST_CHECKED: Final = 200  # clips; every check of one costs as much as a variant to train on
TEACHER_VOICE: Final = {
    True: ("vocal", "vocals", "singing", "voice", "male vocal", "female vocal", "male voice", "female voice"),
    False: ("no vocals", "no vocal", "no voice"),
}
TAGGED: Final = ("original", "varied")  # variants to which the clip's tags still apply
PRESENT: Final = (0.15, 0.7)  # shares of a segment under and over which a voice laid over it is away or there
TEACHER_SURE: Final = (-2.0, 0.8)  # logits under and over which the teacher is believed about a voice


@dataclass(frozen=True)
class Rendering:
    """A clip as it is, or made into something else, before it is measured.

    Attributes
    ----------
    start_s : where it begins in the clip.
    others : the voices or the noise that were mixed in.
    speech : what of that is speech, as long as the samples.
    """

    variant: str
    samples: Samples = field(repr=False)
    start_s: float = 0.0
    others: tuple[Voice, ...] = ()
    speech: Samples | None = field(repr=False, default=None)


@dataclass(frozen=True)
class Take:
    """One rendering of a clip or a voice.

    Attributes
    ----------
    known : by head, what is true of each segment, ``(segments,)``; NaN where nobody knows.
    tags : the teacher's logits, ``(segments, tags)``, or None.
    annotated : whether `known` says where an original is sung by annotation, not by
        the teacher or by the labels.
    """

    example: Example | Voice
    variant: str
    groups: frozenset[str]
    features: Features = field(repr=False)
    known: dict[str, Matrix] = field(repr=False)
    tags: Matrix | None = field(repr=False, default=None)
    annotated: bool = False

    @property
    def checking(self) -> bool:
        """Whether it is there to be judged only, never to be learnt from."""
        return self.variant in augmentation.CHECKS

    @property
    def room(self) -> bool:
        """Whether it is a made room, with someone who speaks in it or without."""
        return self.variant in (QUIET_ROOM, *OVER_ROOM_DB)

    @property
    def label(self) -> str:
        """The truth about it: a label, or "singing" for a solo voice (music of neither class)."""
        if isinstance(self.example, Example):
            return self.example.label
        return "singing" if self.example.kind == "singing" else "no_music"

    @property
    def slice(self) -> str:
        """The finer kind, for reporting and for even folds."""
        return self.example.slice if isinstance(self.example, Example) else self.example.kind

    @property
    def weight(self) -> float:
        """How much it counts in training."""
        return self.example.weight if isinstance(self.example, Example) else 1.0

    @property
    def group(self) -> str:
        """The group of the clip itself, whatever was mixed into it."""
        return self.example.group if isinstance(self.example, Example) else speaker_group(self.example)


def speaker_group(voice: Voice) -> str:
    """The group of a voice or noise, apart from those of the clips."""
    return f"voice: {voice.speaker}"


def jobs(
    examples: Sequence[Example], companions: Companions | None, seed: int
) -> list[Callable[[], list[Take]]]:
    """Independent pieces of work that together give all takes."""
    checked = _checked(examples)
    pieces: list[Callable[[], list[Take]]] = [
        partial(_clip_takes, e, companions, seed, i in checked) for i, e in enumerate(examples)
    ]
    if companions is not None:
        pieces += [partial(_voice_takes, voice, companions, seed) for voice in companions.voices]
        backings = [e for e in examples if e.vocals == "no" and e.label != "no_music"]
        singers = [v for v in companions.voices if v.kind == "singing"] if backings else []
        pieces += [
            partial(_singing_takes, v, backings, seed, i) for v in singers for i in range(SINGING_MIXES)
        ]
    return pieces


def _checked(examples: Sequence[Example]) -> set[int]:
    """Positions of the clips to check: of the music that people made, evenly spaced."""
    music = [i for i, e in enumerate(examples) if e.label != "no_music" and e.slice != MADE_BY_MODELS]
    count = min(len(music), MOST_CHECKED)
    return {music[i * len(music) // count] for i in range(count)}


def _clip_takes(example: Example, companions: Companions | None, seed: int, checked: bool) -> list[Take]:
    if example.measured is not None:  # there is no audio to vary
        made = Rendering("original", np.zeros(0, np.float32))
        return [_clip_take(example, made, example.measured.features, companions)]
    samples = read_audio(example.path, offset_s=example.start_s, max_s=example.duration_s)
    renderings = [
        Rendering("original", samples),
        *(
            _varied(samples, f"varied {i}", _random(example.name, f"varied {i}", seed))
            for i in range(N_VARIED)
        ),
        *_mixes(example, samples, companions, seed),
        *_scenes(example, samples, companions, seed),
        *(Rendering(*check) for check in (augmentation.checks(samples) if checked else ())),
    ]
    return [_clip_take(example, r, _measured(r.samples, example.name), companions) for r in renderings]


def _varied(samples: Samples, variant: str, random: np.random.Generator) -> Rendering:
    """Another copy of a part of the clip."""
    part = augmentation.excerpt(len(samples), random)
    return Rendering(variant, augmentation.vary(samples[part], random), part.start / RATE_HZ)


def _mixes(
    example: Example, samples: Samples, companions: Companions | None, seed: int
) -> Iterator[Rendering]:
    """The clip under dialogue (the first at full length, at 0 to 10 dB over it) and with noise."""
    for variant, ratios_db in RATIOS_DB.items():
        kind, _ = variant.split()
        voices = [v for v in companions.voices if v.kind == kind] if companions else []
        if not voices:
            continue
        random = _random(example.name, variant, seed)
        voice = voices[random.integers(len(voices))]
        ratio_db = random.uniform(*ratios_db)
        heard = _acted(voice, random) if variant in OTHER_DIALOGUES else read_audio(voice.path)
        other = augmentation.laid(heard, len(samples), random)
        mixed = augmentation.mix(samples, other, ratio_db)
        made = Rendering("", mixed) if variant == LOUD_DIALOGUE else _varied(mixed, "", random)
        first = round(made.start_s * RATE_HZ)
        spoken = other[first : first + len(made.samples)] if kind == "speech" else None
        yield replace(made, variant=variant, others=(voice,), speech=spoken)


def _scenes(
    example: Example, samples: Samples, companions: Companions | None, seed: int
) -> Iterator[Rendering]:
    """The clip, or a part of it, under two who speak by turns and rest between them."""
    talkers = [v for v in companions.voices if v.kind == "speech"] if companions else []
    if len(talkers) < 2:
        return
    for variant in SCENES:
        random = _random(example.name, variant, seed)
        two = tuple(talkers[j] for j in random.choice(len(talkers), 2, replace=False))
        spoken = augmentation.by_turns([_acted(v, random) for v in two], len(samples), random)
        mixed = augmentation.mix(samples, spoken, random.uniform(*SCENE_RATIO_DB))
        part = augmentation.excerpt(len(samples), random)
        yield Rendering(variant, mixed[part], part.start / RATE_HZ, two, spoken[part])


def _acted(voice: Voice, random: np.random.Generator) -> Samples:
    """Speakers at hand read out, as nobody in a film does."""
    return _treated(augmentation.acted(read_audio(voice.path), random), random)


def _clip_take(example: Example, made: Rendering, features: Features, companions: Companions | None) -> Take:
    """A take with what the labels, the annotation and the teacher tell of its segments."""
    n, name = len(features.segments), example.path.stem
    starts = np.asarray(made.start_s + np.arange(n) * SEGMENT_S, dtype=np.float64)
    music = example.label != "no_music"
    tags = None
    if companions is not None and name in companions.teacher:
        tags = _teacher_logits(companions.teacher[name], starts)
    known = {
        "voice": np.zeros(n) if example.vocals == "no" or not music else np.full(n, np.nan),
        "music": np.where(features.silent, np.nan, float(music)),
        "speech": np.zeros(n) if music else np.full(n, np.nan),
    }
    if made.speech is not None and music:
        known["speech"] = _ternary(_presence(made.speech, n), *PRESENT)
    original = made.variant == "original"
    sung = companions is not None and example.vocals in ("sung", "rap")
    if companions is not None and sung and made.variant not in augmentation.CHECKS:
        known["voice"] = _known_voice(name, starts, companions, tags)
    return Take(
        example,
        made.variant,
        frozenset({example.group, *map(speaker_group, made.others)}),
        features,
        known,
        tags if made.variant.startswith(TAGGED) else None,
        annotated=original and companions is not None and sung and name in companions.activity,
    )


def _known_voice(name: str, starts: Matrix, companions: Companions, tags: Matrix | None) -> Matrix:
    """From the annotation where there is one, else where the teacher is sure."""
    if name in companions.activity:
        starts = starts[:, None]
        begin, end = companions.activity[name].T
        overlap = np.minimum(end, starts + SEGMENT_S) - np.maximum(begin, starts)
        return _ternary(np.maximum(overlap, 0).sum(axis=1) / SEGMENT_S, 0.3, 0.7)
    if tags is None:
        return np.full(len(starts), np.nan)
    columns = {sung: [companions.tags.index(t) for t in names] for sung, names in TEACHER_VOICE.items()}
    return _ternary(tags[:, columns[True]].mean(axis=1) - tags[:, columns[False]].mean(axis=1), *TEACHER_SURE)


def _ternary(values: Matrix, low: float, high: float) -> Matrix:
    """1 above `high`, 0 under `low`, NaN between."""
    return np.where(values > high, 1.0, np.where(values < low, 0.0, np.nan))


def _teacher_logits(probabilities: npt.NDArray[np.float64], starts: Matrix) -> Matrix:
    """The teacher's tags at the middle of the segments that start there, as logits."""
    bounded = np.clip(probabilities, 0.003, 0.997)
    logits = np.log(bounded / (1 - bounded))
    at = starts + 0.5 * SEGMENT_S
    middles = (np.arange(len(logits)) + 0.5) * TEACHER_WINDOW_S
    return np.stack([np.interp(at, middles, column) for column in logits.T], axis=1)


def _voice_takes(voice: Voice, companions: Companions, seed: int) -> list[Take]:
    samples = read_audio(voice.path)
    groups = frozenset({speaker_group(voice)})
    takes = [_voice_take(voice, "original", groups, samples)]
    for i in range(2):
        varied = _varied(samples, f"varied {i}", _random(voice.path.name, f"varied {i}", seed))
        takes.append(_voice_take(voice, varied.variant, groups, varied.samples))
    noises = [v for v in companions.voices if v.kind == "noise"]
    if voice.kind == "speech" and noises:
        random = _random(voice.path.name, "noise", seed)
        noise = noises[random.integers(len(noises))]
        laid = augmentation.laid(read_audio(noise.path), len(samples), random)
        mixed = augmentation.mix(samples, laid, random.uniform(-5, 20))
        takes.append(_voice_take(voice, "noise", groups | {speaker_group(noise)}, mixed))
    return [*takes, *_room_takes(voice, seed)] if voice.kind == "speech" else takes


def _voice_take(voice: Voice, variant: str, groups: frozenset[str], samples: Samples) -> Take:
    features = _measured(samples, voice.path.name)
    sung, spoken = (np.where(features.silent, np.nan, float(voice.kind == k)) for k in ("singing", "speech"))
    return Take(voice, variant, groups, features, {"voice": sung, "music": sung, "speech": spoken})


def _room_takes(voice: Voice, seed: int) -> Iterator[Take]:
    """Rooms that hum, without and with the speaker, who rests between words; they teach only what is no music as a whole."""
    length = ROOM_S * RATE_HZ
    for variant in (QUIET_ROOM, *OVER_ROOM_DB):
        random = _random(voice.path.name, variant, seed)
        samples = room_tone(length, random) * np.float32(ROOM_RMS)
        if variant != QUIET_ROOM:
            spoken = augmentation.by_turns([_acted(voice, random)], length, random)
            samples = augmentation.mix(spoken, samples, random.uniform(*OVER_ROOM_DB[variant]))
        features = _measured(augmentation.vary(samples, random), voice.path.name)
        unknown = dict.fromkeys(("voice", "music", "speech"), np.full(len(features.segments), np.nan))
        yield Take(voice, variant, frozenset({speaker_group(voice)}), features, unknown)


def _singing_takes(voice: Voice, backings: Sequence[Example], seed: int, number: int) -> list[Take]:
    """The singer, treated as in a mix, over a backing without voice, in phrases with rests."""
    random = _random(voice.path.name, f"singing {number}", seed)
    backing = backings[int(random.integers(len(backings)))]
    music = read_audio(backing.path, offset_s=backing.start_s, max_s=backing.duration_s)
    length = min(len(music), 30 * RATE_HZ)
    start = random.integers(0, len(music) - length + 1)
    music = music[start : start + length]
    rest = np.zeros(round(RATE_HZ * random.uniform(1, 6)), np.float32)
    phrase = np.concatenate([rest, _treated(read_audio(voice.path), random), rest])
    laid = np.tile(phrase, -(-length // len(phrase)))[:length]
    features = _measured(augmentation.mix(music, laid, random.uniform(-6, 6)), voice.path.name)
    n = len(features.segments)
    known = {"voice": _ternary(_presence(laid, n), *PRESENT), "music": np.ones(n), "speech": np.zeros(n)}
    return [Take(voice, "over music", frozenset({backing.group, speaker_group(voice)}), features, known)]


def _treated(samples: Samples, random: np.random.Generator) -> Samples:
    """Equalised and in a room, each by chance."""
    for step in (augmentation.equalise, augmentation.reverberate):
        samples = step(samples, random) if random.random() < 0.5 else samples
    return samples


def _presence(samples: Samples, n: int) -> Matrix:
    """Share of each of `n` segments in which the samples are within 30 dB of their loud parts."""
    power = mel_power([samples]).sum(axis=0)
    present = power > np.percentile(power, 95) * 1e-3
    starts = np.round(np.arange(n) * SEGMENT_S * FRAMES_PER_S).astype(np.intp)
    counts = np.diff(np.append(starts, len(present)))
    return np.add.reduceat(present.astype(np.float64), starts) / counts


def _measured(samples: Samples, name: str) -> Features:
    return measure(analyze([samples]), source=name, windows=False)


def _random(name: str, variant: str, seed: int) -> np.random.Generator:
    """A generator that depends on the clip and the variant, not on the order of work."""
    return np.random.default_rng([seed, zlib.crc32(f"{name}|{variant}".encode())])
