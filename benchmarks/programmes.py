"""Held-out clips, voices and noises → test programmes with a known truth, as films and shows mix them.

Conventions: mono float32 at `RATE_HZ`; the truth is contiguous and holds one entry per
cue and per stretch without music. A crossfade changes hands in its middle. In a *clean*
programme nobody speaks over music; in a *dialogue* programme scenes of talk and sounds
run on regardless of the music. In *talk* nobody plays; under *narration* someone always does.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scoreorsong.audio import RATE_HZ, Samples, read_audio
from scoreorsong.augmentation import active_rms
from scoreorsong.dataset import Companions, Example, Voice
from scoreorsong.errors import AudioError
from scoreorsong.room_tone import room_tone

Random = np.random.Generator

SUNG_SLICES = ("score-core", "score-choir", "song-vocal")
ALL_SLICES = (*SUNG_SLICES, "song-instrumental")
SHORTEST_CUE_S, LONGEST_CUE_S = 10.0, 60.0
SHORTEST_GAP_S, LONGEST_GAP_S = 4.0, 40.0
SONG_SHARE = 0.4
# How one piece of music hands over to the next: by a gap, a hard cut, or a crossfade.
JOINS, JOIN_CHANCES = ("gap", "cut", "crossfade"), (0.6, 0.2, 0.2)
GAPS, GAP_CHANCES = ("speech", "ambience", "speech in ambience", "silence"), (0.4, 0.2, 0.25, 0.15)
SHORTEST_WORDS_S = 0.5
SPEECH_DB, ROOM_DB = -24.0, -62.0
SCORE_DB, SONG_DB = (-32.0, -20.0), (-24.0, -14.0)
# Rooms louder than that; how long talk goes on in one, and how far it stands over it.
ROOMS_DB, SCENE_S, OVER_ROOM_DB = (-60.0, -42.0), 300.0, (8.0, 40.0)
# How far music lies under narration.
UNDER_WORDS_DB = (10.0, 18.0)
# In dialogue, how far the speech stands over the music.
OVER_SCORE_DB, OVER_SONG_DB = (0.0, 5.0, 10.0), (-5.0, 0.0, 5.0)


@dataclass(frozen=True)
class Cue:
    """What is true from `start_s` to `end_s`; `slice` is the kind of music, or of what is heard without."""

    start_s: float
    end_s: float
    label: str
    slice: str


@dataclass(frozen=True)
class Programme:
    samples: Samples = field(repr=False)
    truth: tuple[Cue, ...]


def speakers(pattern: str | None) -> tuple[Voice, ...]:
    """Recordings of speech that the pattern, if any, matches (``**`` is any folder), but for those too short to tell of anyone."""
    if pattern is None:
        return ()
    long = (path for path in recordings(pattern) if _seconds(path) > SHORTEST_WORDS_S)
    found = tuple(Voice(Path(path), "speech", pattern) for path in long)
    if not found:
        raise SystemExit(f"{pattern}: no recordings of more than {SHORTEST_WORDS_S:g} s")
    return found


def recordings(pattern: str) -> list[str]:
    """What matches (``**`` is any folder), in order; an error if nothing does."""
    if not (paths := sorted(glob.glob(pattern, recursive=True))):
        raise SystemExit(f"{pattern}: no such recordings")
    return paths


def _seconds(path: str) -> float:
    """Of sound in it; 0 where there is none to be read."""
    with suppress(AudioError):
        return len(read_audio(path)) / RATE_HZ
    return 0.0


class Shelf:
    """Recordings in random order, again from the start when all were used."""

    def __init__(self, items: Sequence[Example] | Sequence[Voice], random: Random) -> None:
        self._items, self._random, self._left = list(items), random, []

    def take(self) -> Samples:
        if not self._left:
            self._left = [self._items[i] for i in self._random.permutation(len(self._items))]
        self.last = self._left.pop()
        return read_audio(self.last.path)


@dataclass
class _Piece:
    """A stretch of music or of none on its way into a programme, in samples."""

    start: int
    stop: int
    label: str
    slice: str
    samples: Samples | None = None
    fades: tuple[int, int] = (0, 0)


def make_programme(
    clips: Sequence[Example],
    companions: Companions,
    *,
    slices: Sequence[str],
    minutes: float,
    dialogue: bool,
    seed: int,
    room: bool = False,
) -> Programme:
    """A programme of about so many minutes from clips of these slices and from voices; in a room that hums, or with a faint hiss."""
    random = np.random.default_rng([seed, dialogue])
    clips = [clip for clip in clips if clip.slice in slices]
    shelves = {label: Shelf([c for c in clips if c.label == label], random) for label in ("score", "song")}
    voices = {kind: _voices(companions, kind, random) for kind in ("speech", "noise")}
    pieces = list(_pieces(shelves, random, dialogue, round(minutes * 60 * RATE_HZ)))
    samples = _level(ROOM_DB) * random.standard_normal(pieces[-1].stop).astype(np.float32)
    if room:
        apart = np.random.default_rng([seed, dialogue, 1])  # so that all else is as without it
        samples = _level(apart.uniform(*ROOMS_DB)) * room_tone(len(samples), apart)
    for piece in pieces:
        _lay(samples, piece, voices, random, dialogue)
    if dialogue:
        _lay_scenes(samples, pieces, voices, random)
    truth = tuple(Cue(p.start / RATE_HZ, p.stop / RATE_HZ, p.label, p.slice) for p in pieces)
    return Programme(np.clip(samples, -1, 1), truth)


def make_talk(companions: Companions, *, minutes: float, seed: int) -> Programme:
    """Scenes of about so many minutes in all, in rooms that hum, in which people speak and nobody plays."""
    random = np.random.default_rng([seed, 2])
    speech = _voices(companions, "speech", random)
    scenes = [_talk(speech, random) for _ in range(max(1, round(minutes * 60 / SCENE_S)))]
    samples = np.clip(np.concatenate(scenes), -1, 1)
    return Programme(samples, (Cue(0.0, len(samples) / RATE_HZ, "no_music", "talk"),))


def _voices(companions: Companions, kind: str, random: Random) -> Shelf:
    return Shelf([voice for voice in companions.voices if voice.kind == kind], random)


def _talk(speech: Shelf, random: Random) -> Samples:
    length = round(SCENE_S * RATE_HZ)
    scene = np.zeros(length, np.float32)
    _lay_turns(scene, 0, length, speech, random)
    return scene + _level(SPEECH_DB - random.uniform(*OVER_ROOM_DB)) * room_tone(length, random)


def make_narration(
    clips: Sequence[Example], companions: Companions, *, minutes: float, seed: int
) -> Programme:
    """Scores in a row, of so many minutes in all, far under people who speak throughout."""
    random = np.random.default_rng([seed, 3])
    scores = Shelf([clip for clip in clips if clip.slice == "score-core"], random)
    speech = _voices(companions, "speech", random)
    samples, truth, at = np.zeros(round(minutes * 60 * RATE_HZ), np.float32), list[Cue](), 0
    while at < len(samples):
        score = scores.take()[: len(samples) - at]
        end, level_db = at + len(score), SPEECH_DB - random.uniform(*UNDER_WORDS_DB)
        samples[at:end] = score * np.float32(_level(level_db) / active_rms(score))
        truth.append(Cue(at / RATE_HZ, end / RATE_HZ, "score", "score-core"))
        at = end
    _lay_turns(samples, 0, len(samples), speech, random)
    return Programme(np.clip(samples, -1, 1), tuple(truth))


def _pieces(shelves: dict[str, Shelf], random: Random, dialogue: bool, length: int) -> Iterator[_Piece]:
    """Music and gaps in turn, up to the length; a gap at both ends."""
    at, overlap = 0, 0
    yield (piece := _gap(at, random))
    at = piece.stop
    while at < length:
        label = "song" if random.random() < SONG_SHARE else "score"
        join = str(random.choice(JOINS, p=JOIN_CHANCES))
        piece, at, overlap = _music(label, shelves[label], random, dialogue, at, overlap, join)
        yield piece
        if join == "gap" or at >= length:
            yield (piece := _gap(at, random))
            at, overlap = piece.stop, 0


def _gap(at: int, random: Random) -> _Piece:
    seconds = np.exp(random.uniform(np.log(SHORTEST_GAP_S), np.log(LONGEST_GAP_S)))
    return _Piece(at, at + round(seconds * RATE_HZ), "no_music", str(random.choice(GAPS, p=GAP_CHANCES)))


def _music(
    label: str, shelf: Shelf, random: Random, dialogue: bool, at: int, overlap: int, join: str
) -> tuple[_Piece, int, int]:
    """The next cue from `at` on, where the last one overlaps it by so much; where it ends, and by how much."""
    whole = shelf.take()
    shortest = round(SHORTEST_CUE_S * RATE_HZ)
    length = min(len(whole), max(shortest, round(random.uniform(SHORTEST_CUE_S, LONGEST_CUE_S) * RATE_HZ)))
    start = random.integers(0, len(whole) - length + 1)
    samples = whole[start : start + length]
    level_db = random.uniform(*(SCORE_DB if label == "score" else SONG_DB))
    if dialogue:
        over_db = float(random.choice(OVER_SCORE_DB if label == "score" else OVER_SONG_DB))
        level_db = SPEECH_DB - over_db
    samples = samples * np.float32(_level(level_db) / active_rms(samples))
    after = round(random.uniform(1, 4) * RATE_HZ) if join == "crossfade" else 0
    fade_out = after or (round(random.uniform(0, 3) * RATE_HZ) if join == "gap" else 0)
    first = at - overlap // 2
    last = first + len(samples) - after // 2
    piece = _Piece(at, last, label, shelf.last.slice, samples, (overlap, fade_out))
    return piece, last, after


def _lay(programme: Samples, piece: _Piece, voices: dict[str, Shelf], random: Random, dialogue: bool) -> None:
    if piece.samples is not None:
        fade_in, fade_out = piece.fades
        samples = piece.samples.copy()
        samples[:fade_in] *= np.linspace(0, 1, fade_in, dtype=np.float32)
        samples[len(samples) - fade_out :] *= np.linspace(1, 0, fade_out, dtype=np.float32)
        _add(programme, piece.start - fade_in // 2, samples)
        return
    if "ambience" in piece.slice:
        noise = voices["noise"].take()
        noise = np.tile(noise, -(-(piece.stop - piece.start) // len(noise)))[: piece.stop - piece.start]
        _add(programme, piece.start, noise * _level(random.uniform(-45, -28)) / active_rms(noise))
    if "speech" in piece.slice and not dialogue:
        _lay_turns(programme, piece.start, piece.stop, voices["speech"], random)


def _lay_scenes(
    programme: Samples, pieces: Sequence[_Piece], voices: dict[str, Shelf], random: Random
) -> None:
    """Scenes of talk, and single sounds, over all of a programme but its silences."""
    scenes = np.zeros_like(programme)
    at = 0
    while at < len(programme):
        talk, rest = (round(random.uniform(*s) * RATE_HZ) for s in ((20, 80), (5, 30)))
        _lay_turns(scenes, at, min(at + talk, len(programme)), voices["speech"], random)
        at += talk + rest
    for start in range(0, len(programme), 45 * RATE_HZ):
        noise = voices["noise"].take()[: 20 * RATE_HZ]
        _add(scenes, start, noise * _level(random.uniform(-42, -30)) / active_rms(noise))
    for piece in pieces:
        if piece.slice in ("silence", "ambience"):
            scenes[piece.start : piece.stop] = 0
    programme += scenes


def _lay_turns(programme: Samples, start: int, stop: int, speech: Shelf, random: Random) -> None:
    """One speaker after another, with rests between them."""
    while start < stop:
        words = speech.take()[: stop - start]
        _add(programme, start, words * _level(SPEECH_DB + random.uniform(-3, 3)) / active_rms(words))
        start += len(words) + round(random.uniform(0.2, 3) * RATE_HZ)


def _add(programme: Samples, start: int, samples: Samples) -> None:
    """Add samples from `start` on, as far as both reach."""
    samples = samples[max(-start, 0) : len(programme) - start]
    start = max(start, 0)
    programme[start : start + len(samples)] += samples.astype(np.float32)


def _level(db: float) -> float:
    """RMS amplitude of a level in dB re full scale."""
    return float(10 ** (db / 20))
