"""What is heard at every point → what speaks for score, song or no music, and for a change between them.

Conventions: as in `listening`. Points in a row hear much the same, so that each counts for a fraction
only, and a change must pay for itself by the evidence on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from scipy.special import expit, log_expit

from .backgrounds import backgrounds
from .decision import Matrix
from .decoding import Run, decode, novelty, unlikeness
from .features import SEGMENT_S
from .hearing import MUSIC, SPEECH, spoken_around, tags_of_what_plays
from .listening import Heard, glimpses
from .model import Model
from .spectra import Array
from .spool import Spool

Again: TypeAlias = Callable[[list[slice]], Iterable[slice]]

STATES: Final = ("score", "song", "no_music")
SHORTEST_S: Final = (4.0, 4.0, 2.0)  # of a segment in each state
NOVELTY_POINTS: Final = round(5.0 / SEGMENT_S)  # to either side of a change
DIALOGUE_LOGIT: Final = 1.5  # added to the logit of music where someone speaks, who masks it
SPEECH_POINTS: Final = 7  # over which the ear's word on speech is averaged
# The logit of music is held within this: beyond it a neighbour of a change would outvote its novelty.
SUREST: Final = 3.0
# What a point adds to the evidence: windows overlap and neighbours agree, so that it counts for a fraction.
SONG_WEIGHT: Final = 0.07
MUSIC_WEIGHT: Final = 0.4
# How much less a window tells of the music in it, the more the sound changes within; and how much one
# without music still does.
PURITY: Final = 20.0
LEAST_MUSIC: Final = 0.02
# How much the glimpses of a cue count beside its windows where everything is spoken over.
GLIMPSE_WEIGHT: Final = 3.0
# The cost of a change where the sound stays the same, in nats, and what it falls by per unit of novelty:
# half a minute, which a cue lasts, has 60 points at which it might have ended (log 60 = 4).
CHANGE_COST: Final = 4.0
NOVELTY_GAIN: Final = 10.0
LEAST_COST: Final = 0.3
# A song is not sung throughout, and what plays goes on where the singing begins: a change from music to music costs so much
# more for each unit (logits of tags) by which what plays in the 20 s to either side is less unlike than two pieces mostly are.
PIECE_POINTS: Final = round(20.0 / SEGMENT_S)
OTHER_PIECE: Final = 1.4
SAME_PIECE_COST: Final = 4.0
# From which novelty on a change within one label is a new cue, where nobody speaks, and what that gains.
NEW_CUE_NOVELTY: Final = 0.35
NEW_CUE_GAIN: Final = 0.5


@dataclass(frozen=True)
class Evidence:
    """What speaks for each state and for a change, at every point.

    Attributes
    ----------
    music, song : ``(points,)`` logit that there is music, and that it is a song.
    sung : ``(points,)`` whether someone sings.
    change : ``(points,)`` novelty before a point, 0 to 1.
    unlike : ``(points,)`` how unlike what plays, voices apart, is before a point and from it on; 0 where it is the same.
    clear : ``(points,)`` how surely nobody speaks before or after a point, where novelty looks, 0 to 1.
    """

    music: Matrix
    song: Matrix
    sung: npt.NDArray[np.bool_]
    change: Matrix
    unlike: Matrix
    clear: Matrix

    def runs(self) -> list[Run]:
        """The likeliest sequence of `STATES`."""
        return decode(self.gains(), self.costs(), [round(s / SEGMENT_S) for s in SHORTEST_S])

    def cues(self) -> list[slice]:
        """The points of every run with music."""
        return [slice(first, end) for first, end, state in self.runs() if STATES[state] != "no_music"]

    def gains(self) -> Matrix:
        """The log likelihood of each of `STATES`, ``(points, 3)``."""
        there = MUSIC_WEIGHT * log_expit(self.music)
        score_or_song = [there + SONG_WEIGHT * log_expit(sign * self.song) for sign in (-1, 1)]
        return np.array([*score_or_song, MUSIC_WEIGHT * log_expit(-self.music)]).T

    def costs(self) -> Matrix:
        """Of a boundary before each point from one state to another, ``(points, 3, 3)``."""
        changes = np.maximum(CHANGE_COST - NOVELTY_GAIN * self.change, LEAST_COST)
        costs = np.tile(changes[:, None, None], (1, len(STATES), len(STATES)))
        costs[:, [0, 1], [0, 1]] = np.where(self.new_cues(), -NEW_CUE_GAIN, np.inf)[:, None]
        costs[:, :2, :2] += SAME_PIECE_COST * np.maximum(OTHER_PIECE - self.unlike, 0)[:, None, None]
        costs[:, 2, 2] = np.inf  # no music is never parted from no music
        return costs

    def new_cues(self) -> npt.NDArray[np.bool_]:
        """Where a cue may follow another of its label: at peaks of novelty that no speech explains."""
        peaks = self.change == scipy.ndimage.maximum_filter1d(self.change, 2 * NOVELTY_POINTS + 1)
        return np.asarray(peaks & (self.change * self.clear > NEW_CUE_NOVELTY))


def weigh(heard: Heard, model: Model) -> Evidence:
    """What was heard → the evidence in it."""
    change = novelty(_standardised(heard.heads), NOVELTY_POINTS)
    speech = _speech(heard, model)
    music = heard.heads[:, model.ear.heads.index(MUSIC)] + DIALOGUE_LOGIT * speech
    music = np.where(heard.silent, -SUREST, np.clip(music, -SUREST, SUREST))
    song = heard.over_points(heard.song, _trust(heard, change, expit(music)))
    return Evidence(
        music=music,
        song=song,
        sung=model.sung_segments(heard.heads, heard.silent, song),
        change=change,
        unlike=_unlike(heard.heads, model.ear.heads),
        clear=1 - scipy.ndimage.maximum_filter1d(speech, 2 * NOVELTY_POINTS + 1),
    )


def without_backgrounds(evidence: Evidence, heard: Heard, spool: Spool, model: Model) -> Evidence:
    """The evidence, with none for music in what is the background of a scene only.

    What was found to be background is what the rest is compared with, until no more is found.
    """
    speech = spoken_around(heard.heads, model.ear.heads)
    while True:
        cues, without, music = evidence.cues(), heard.sounding > 0, evidence.music.copy()
        for cue in cues:
            without[cue] = False
        for points in chain.from_iterable(backgrounds(cue, without, speech, spool) for cue in cues):
            music[points] = -SUREST
        if np.array_equal(music, evidence.music):
            return evidence
        evidence = replace(evidence, music=music)


def heard_again(
    evidence: Evidence, heard: Heard, spool: Spool, model: Model, again: Again = iter
) -> Evidence:
    """The evidence, that for a song weighed against what each run of music sounds like where least is spoken over it."""
    weights, song = GLIMPSE_WEIGHT * heard.spoken(), evidence.song.copy()
    parts = [cue for cue in evidence.cues() if weights[cue].any()]  # none if the model knows no dialogue
    for part, glimpse in zip(parts, glimpses(heard, evidence.music, again(parts), spool, model), strict=True):
        weight = weights[part].mean()
        song[part] = (song[part] + weight * glimpse) / (1 + weight)
    return replace(evidence, song=song, sung=model.sung_segments(heard.heads, heard.silent, song))


def _unlike(logits: Array, heads: tuple[str, ...]) -> Matrix:
    """How unlike what plays before and after every point is, ``(points,)``; to an ear without a teacher's tags nothing is alike."""
    plays = tags_of_what_plays(heads)
    return unlikeness(logits[:, plays], PIECE_POINTS) if plays else np.full(len(logits), np.inf)


def _speech(heard: Heard, model: Model) -> Matrix:
    """How surely someone speaks, ``(points,)``: as the windows say or as the ear does, who hears what the gate lets pass."""
    told = heard.heads[:, model.ear.heads.index(SPEECH)].astype(np.float64)
    told = expit(scipy.ndimage.uniform_filter1d(told, SPEECH_POINTS, mode="nearest"))
    return np.maximum(told, heard.spoken())


def _trust(heard: Heard, change: Matrix, music: Matrix) -> Matrix:
    """How far to trust the windows' word on song or score, ``(windows,)``.

    The more, the more music is in it; the less, the more it changes in its midst: a window across a
    change tells of neither side.
    """
    inside = np.array([change[part][2:-1].max(initial=0) for part in heard.windows()])
    share = np.array([music[part].mean() for part in heard.windows()])
    return np.asarray(np.exp(-PURITY * inside) * (LEAST_MUSIC + share))


def _standardised(rows: Array) -> Array:
    """Deviations from the source's own mean: what it has in common throughout makes nothing alike."""
    mean, spread = (of(axis=0, dtype=np.float64).astype(np.float32) for of in (rows.mean, rows.std))
    return np.asarray((rows - mean) / (spread + np.float32(1e-6)))
