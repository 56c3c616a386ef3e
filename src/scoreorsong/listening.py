"""Audio → what is heard in every half second, however long it is.

Conventions: a *point* is one segment of the features (`SEGMENT_S`). The source is heard in
overlapping windows of `WINDOW_POINTS`, one every `STRIDE_POINTS`, each measured and judged like a
clip of its own; a point is the mean of the windows that hold it. The windows lie on a grid from
the start of the source, so that the blocks in which it arrives change nothing. Only some seconds
are held at a time; what remains are some hundred numbers a second, and the spectra in a spool, so
that a part can be heard again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from scipy.special import expit, logit

from .audio import RATE_HZ, Samples
from .decision import Decision, Matrix
from .features import SEGMENT_FRAMES, SEGMENT_S, measure
from .hearing import MUSIC, SPEECH, Points, least_hidden, spoken_around
from .model import Model
from .spectra import HOP, Array, Spectra, joined, stream
from .spool import Spool

WINDOW_POINTS: Final = 20
STRIDE_POINTS: Final = 10
SILENCE_DB: Final = -120.0
# What lies so many dB under the loudest twentieth of the minutes around is silence: nobody mixes music under words so far that it
# is not heard, and the tone of a room between them may sound like a score.
LOUD_PERCENTILE, LOUD_POINTS = 95, round(600 / SEGMENT_S)
UNDER_LOUD_DB: Final = 35.0
# Added to the logit of dialogue. Within ten seconds, of which the surest of three count, any song may sound spoken; in a
# programme that talks over its music, speech is the likelier. So the gate opens by `GATE_OPENING`, that is it shuts, where the
# ear hears speech in half of the music of the minutes around, and more or less
# by the odds of that share; with little music to go by, as many points are taken to be half spoken over.
# Talk comes in scenes with rests, so that a window counts as talked over as surely as either neighbour.
GATE_OPENING: Final = -10.0
TALK_GAIN: Final = 2.0
TALK_POINTS: Final = round(600 / SEGMENT_S)
UNKNOWN_POINTS: Final = 20
GATE_WINDOWS: Final = 3
NO_GATE: Final = -1e3  # the logit of a model that was trained without dialogue

# Logits of a song if nobody speaks and if somebody does, and of dialogue.
Votes: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class Heard:
    """What was heard, at every point and in every window.

    Attributes
    ----------
    heads : ``(points, heads)`` logits of the ear.
    sounding : ``(points,)`` share of its windows in which a point is not silent, 0 to 1.
    level_db : ``(points,)`` RMS level in dB re full scale, at least `SILENCE_DB`.
    song : ``(windows,)`` calibrated logit that the music is a song.
    dialogue : ``(windows,)`` how surely someone speaks over it, 0 to 1.
    duration_s : length of the source.
    """

    heads: Array
    sounding: Array
    level_db: Array
    song: Matrix
    dialogue: Matrix
    duration_s: float

    @cached_property
    def silent(self) -> npt.NDArray[np.bool_]:
        """Where nothing sounds, or all but nothing beside the minutes around, ``(points,)``."""
        loud = scipy.ndimage.percentile_filter(self.level_db, LOUD_PERCENTILE, LOUD_POINTS, mode="reflect")
        return np.asarray((self.sounding == 0) | (self.level_db < loud - UNDER_LOUD_DB))

    def over_points(self, values: Matrix, weights: Matrix) -> Matrix:
        """The weighted mean, at every point, of numbers of the windows that hold it, ``(points,)``."""
        sums = np.zeros((len(self.heads), 2))
        for part, value, weight in zip(self.windows(), values, weights, strict=True):
            sums[part] += (weight * value, weight)
        return np.asarray(sums[:, 0] / sums[:, 1])

    def spoken(self) -> Matrix:
        """How surely someone speaks over each point, as the windows that hold it say, ``(points,)``, 0 to 1."""
        return self.over_points(self.dialogue, np.ones(len(self.dialogue)))

    def windows(self) -> list[slice]:
        """The points of every window."""
        starts = range(0, len(self.song) * STRIDE_POINTS, STRIDE_POINTS)
        return [slice(start, min(start + WINDOW_POINTS, len(self.heads))) for start in starts]


def listen(blocks: Iterable[Samples], model: Model, spool: Spool) -> Heard:
    """Hear a source from end to end.

    Parameters
    ----------
    blocks : mono float32 at `RATE_HZ`, e.g. an `Audio`.
    spool : empty; holds the spectra of the source then.
    """
    meter = _Meter()
    parts = _kept(stream(meter.read(blocks)), spool)
    points, votes = _joined(_judge(window, model) for window in _windows(parts))
    sounding, heads = points[:, 0], points[:, 1:]
    song, dialogue = _weigh(votes, _openings(heads, model))
    return Heard(heads, sounding, meter.level_db(len(points)), song, dialogue, meter.duration_s)


def glimpses(heard: Heard, music: Matrix, parts: Iterable[slice], spool: Spool, model: Model) -> list[float]:
    """The logit of a song of each part, from what is heard of its music where least is spoken.

    As listeners hear a voice through noise by the glimpses that the noise leaves of it (Cooke 2006), here of music through voices.

    Parameters
    ----------
    music : ``(points,)`` logit that there is music.
    parts : of the points.
    spool : the spectra of the source, as `listen` left them.
    """
    hidden = np.where(music > 0, spoken_around(heard.heads, model.ear.heads), np.inf)
    return [_song_at(part.start + least_hidden(hidden[part]), spool, model) for part in parts]


def sound_of(points: Points, spool: Spool) -> Spectra:
    """The spectra of these points as if they followed one another."""
    stretches = np.split(points, np.flatnonzero(np.diff(points) > 1) + 1)
    return joined([spool[int(s[0]) * SEGMENT_FRAMES : (int(s[-1]) + 1) * SEGMENT_FRAMES] for s in stretches])


def _song_at(points: Points, spool: Spool, model: Model) -> float:
    """The decision's logit of these points as if they followed one another."""
    *_, scores = _heard(sound_of(points, spool), model)
    return float(model.decision.of_scores(scores)[0])


def _kept(parts: Iterable[Spectra], spool: Spool) -> Iterator[Spectra]:
    """The same parts, which the spool then holds."""
    for part in parts:
        spool.append(part)
        yield part


def _joined(judged: Iterable[tuple[Matrix, Votes]]) -> tuple[Array, Matrix]:
    """The mean at every point of the windows that hold it, and the votes of all windows."""
    parts, votes, begun = list[Array](), list[Votes](), np.zeros((0, 1))
    for sums, vote in judged:
        sums[: len(begun)] += begun
        parts.append(_mean(sums[:STRIDE_POINTS]))
        votes.append(vote)
        begun = sums[STRIDE_POINTS:]
    return np.concatenate([*parts, _mean(begun)]), np.array(votes)


def _mean(sums: Matrix) -> Array:
    """Of numbers whose sums stand behind how many they are of."""
    return np.asarray(sums[:, 1:] / sums[:, :1], dtype=np.float32)


def _windows(parts: Iterable[Spectra]) -> Iterator[Spectra]:
    """The spectra of every window; only the last may be shorter."""
    size, stride = WINDOW_POINTS * SEGMENT_FRAMES, STRIDE_POINTS * SEGMENT_FRAMES
    parts = iter(parts)
    held = next(parts)
    for part in parts:
        held = joined([held, part])
        while held.n_frames > size + stride:
            yield held[:size]
            held = held[stride:]
    for start in range(0, max(held.n_frames - size + stride, 1), stride):
        yield held[start : start + size]


def _judge(window: Spectra, model: Model) -> tuple[Matrix, Votes]:
    """For every point one, whether it sounds, and the ear's logits; then the decision's votes on the window."""
    silent, heard, scores = _heard(window, model)
    return np.column_stack([np.ones(len(heard)), ~silent, heard]), _votes(scores, model.decision)


def _heard(spectra: Spectra, model: Model) -> tuple[npt.NDArray[np.bool_], Matrix, Matrix]:
    """Which points are silent, the ear's logits of them, and the one row of the decision's normal scores."""
    features = measure(spectra, source="", windows=False)
    heard, row = model.ear.hear(features)
    return features.silent, heard, model.decision.scores(row[None])


def _votes(scores: Matrix, decision: Decision) -> Votes:
    clear = float(decision.clear(scores)[0])
    if decision.dialogue is None:
        return clear, clear, NO_GATE
    return clear, float(decision.dialogue.expert(scores)[0]), float(decision.dialogue.gate(scores)[0])


def _openings(heads: Array, model: Model) -> Matrix:
    """By how much to open the gate at every point: the odds that music is spoken over here, as the ear hears it."""
    music, speech = (heads[:, model.ear.heads.index(head)] > 0 for head in (MUSIC, SPEECH))
    points, talk = (
        TALK_POINTS * scipy.ndimage.uniform_filter1d(some.astype(np.float64), TALK_POINTS, mode="constant")
        for some in (music, music & speech)
    )
    share = (talk + UNKNOWN_POINTS / 2) / (points + UNKNOWN_POINTS)
    return np.asarray(GATE_OPENING + TALK_GAIN * logit(share))


def _weigh(votes: Matrix, openings: Matrix) -> tuple[Matrix, Matrix]:
    """For every window the song's logit, and how surely someone speaks."""
    clear, spoken, gate = votes.T
    middles = np.arange(len(votes)) * STRIDE_POINTS + WINDOW_POINTS // 2
    opened = scipy.ndimage.maximum_filter1d(gate, GATE_WINDOWS, mode="nearest")
    dialogue = expit(opened + openings[np.minimum(middles, len(openings) - 1)])
    return (1 - dialogue) * clear + dialogue * spoken, dialogue


class _Meter:
    """Measures blocks as they pass."""

    def __init__(self) -> None:
        self._powers: list[float] = []
        self._samples = 0

    @property
    def duration_s(self) -> float:
        return self._samples / RATE_HZ

    def read(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """The same blocks."""
        size, rest = SEGMENT_FRAMES * HOP, np.zeros(0, np.float32)
        for block in blocks:
            self._samples += len(block)
            rest = np.concatenate([rest, block])
            whole = len(rest) - len(rest) % size
            powers = np.square(rest[:whole], dtype=np.float64).reshape(-1, size).mean(axis=1)
            self._powers += powers.tolist()
            rest = rest[whole:]
            yield block
        self._powers += [float(np.square(rest, dtype=np.float64).mean())] if len(rest) else []

    def level_db(self, points: int) -> Array:
        """RMS level of the first points, re full scale; a rest after the last of them is left out."""
        level = 10 * np.log10(np.maximum(self._powers[:points], 10 ** (SILENCE_DB / 10)))
        return np.asarray(level, dtype=np.float32)
