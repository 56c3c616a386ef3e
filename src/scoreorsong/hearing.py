"""Features → what is heard: every half second, and a clip's inputs of the decision.

The *ear* reads every half second within its 3.6 s of context and says how much it sounds like
singing, like speech, like music at all, like each of 50 tags that a teacher network knows, and like a song.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from scipy.special import expit

from . import storage
from .decision import Kernel, Linear, Matrix, Rows, Scaler
from .features import BANDS, PART_SEGMENTS, SEGMENT_S, Features, schema
from .spectra import Array

Flags = npt.NDArray[np.bool_]
Points: TypeAlias = npt.NDArray[np.intp]  # segments, in order of time

VOICE, MUSIC, SPEECH = "voice", "music", "speech"
TAG: Final = "tag_"  # how the heads of tags begin; a teacher has a tag "voice" too
# One tag more than the teacher's, from the labels: whether half a second sounds like one of a song.
STANDALONE: Final = TAG + "standalone song"
# By which a tag tells of voices.
VOICE_WORDS: Final = {
    "vocal",
    "vocals",
    "voice",
    "singing",
    "male",
    "female",
    "man",
    "woman",
    "choir",
    "choral",
}
CONTEXT_SEGMENTS: Final = 3  # to each side
EAR_ROWS: Final = 512
VOICE_SMOOTHING: Final = 3  # segments over which the voice's logit is averaged before it is believed
# Songs are sung and most scores are not: so much of the logit of a song, held within ±`SUREST_SONG`, is added to the voice's.
SUNG_AS_SONG: Final = 0.8
SUREST_SONG: Final = 2.0
# Singers differ in how surely they are heard: so much of what the ear says where it is surest, that is of this
# percentile of the minute around, is taken off the voice's logit.
TAKEN_OFF: Final = 0.5
SUREST_PERCENTILE: Final = 90
MINUTE_SEGMENTS: Final = round(60 / SEGMENT_S)
# Between words, and in the rests of a scene, what lies behind them shows clearly: in all segments around which nobody
# speaks, or the least spoken ones: this share of them, and as many as there must and may be.
GLIMPSE_SHARE: Final = 0.15
LEAST_GLIMPSED, MOST_GLIMPSED = 10, 120
GLIMPSE_REACH: Final = 3  # segments around which nobody speaks
MOST_CHANGED: Final = 4  # of the bands; a dull sound leaves all others as they are
CHANGE_PERCENTILES: Final = (20, 65)
# Where less changes in so many segments or more, nobody plays; of 8,700 renderings of music, with noise as loud or under speech
# too, none changes so little.
STILL_DB, LEAST_STILL = 1.5, round(5 / SEGMENT_S)
NONE: Final = -1e3  # added to the logit of music there


@dataclass(frozen=True)
class Overall:
    """Whether a clip as a whole is music, by the decision's inputs for it."""

    scaler: Scaler
    weights: Linear

    def __call__(self, rows: Matrix) -> Matrix:
        """The logit of each row, ``(rows,)``."""
        return self.weights(self.scaler(rows))


@dataclass(frozen=True)
class Ear:
    """Hears singing, speech, music and tags in every half second.

    ``projection (inputs, axes)`` leads to where what matters lies far apart; see `metric`. `overall` is
    None where nothing without music was there to learn it from.
    """

    scaler: Scaler
    projection: npt.NDArray[np.float32]
    kernel: Kernel
    heads: tuple[str, ...]
    overall: Overall | None = None

    def __call__(self, segments: Array) -> Matrix:
        """A logit per segment and head, ``(segments, heads)``."""
        return np.concatenate([self.kernel(self.scaler(r) @ self.projection) for r in _contexts(segments)])

    def hear(self, features: Features) -> tuple[Matrix, Matrix]:
        """What it hears in a clip, and the decision's inputs for it, in the order of `input_names`."""
        heard = self(features.segments)
        return heard, decision_row(features, heard, self.heads)

    def music(self, row: Matrix, length: int) -> float:
        """The logit that a clip of these inputs, so many segments long, is music as a whole; of which nothing may be known but `stillness`."""
        known = 0.0 if self.overall is None else float(self.overall(row[None])[0])
        return known + stillness(row, length)

    @property
    def ear_id(self) -> str:
        """Hash of its numbers: what two ears of one id hear is the same."""
        return storage.content_id(storage.to_bytes(self))

    @classmethod
    def built(cls, content: dict[str, Any]) -> Self:
        """From the tables and arrays that a model file holds."""
        scaler, kernel, overall = Scaler(**content["scaler"]), Kernel(**content["kernel"]), content["overall"]
        if overall is not None:
            overall = Overall(Scaler(**overall["scaler"]), Linear(**overall["weights"]))
        return cls(scaler, content["projection"], kernel, tuple(content["heads"]), overall)


def _contexts(segments: Array) -> Iterator[Array]:
    """`context` of at most `EAR_ROWS` segments at a time: of a whole film's it would take hundreds of MB."""
    for start in range(0, len(segments), EAR_ROWS):
        first = max(start - CONTEXT_SEGMENTS, 0)
        yield context(segments[first : start + EAR_ROWS + CONTEXT_SEGMENTS])[start - first :][:EAR_ROWS]


def context(segments: Array) -> Array:
    """Every segment, and the mean and deviation of the seven around it, ``(segments, 2.5 × rows)``."""
    half, size = segments.shape[1] // 2, 2 * CONTEXT_SEGMENTS + 1
    doubled = segments.astype(np.float64)
    mean = scipy.ndimage.uniform_filter1d(doubled, size, axis=0, mode="nearest")
    square = scipy.ndimage.uniform_filter1d(doubled[:, :half] ** 2, size, axis=0, mode="nearest")
    deviation = np.sqrt(np.maximum(square - mean[:, :half] ** 2, 0))
    return np.hstack([doubled, mean, deviation]).astype(np.float32)


def tags_of_what_plays(heads: tuple[str, ...]) -> list[int]:
    """Columns of the teacher's tags that tell of anything but voices."""
    voices = {head for head in heads if VOICE_WORDS & set(head.removeprefix(TAG).split())}
    return [i for i, head in enumerate(heads) if head.startswith(TAG) and head not in {*voices, STANDALONE}]


def stillness(row: Matrix, length: int) -> float:
    """What is added to the logit of music for how little changes in a clip of these inputs: `NONE`, or 0 if enough does.

    `length` is that of the clip in segments: in a second of music too little happens to tell.
    """
    change = row[len(schema.NAMES)]  # `BACKGROUND`, which follows the features
    return NONE if length >= LEAST_STILL and change < np.log1p(STILL_DB) else 0.0


def music_segments(heard: Rows, silent: Flags, heads: tuple[str, ...], music: float = 0.0) -> Flags:
    """Which segments are music, ``(segments,)``, in a clip that is music as a whole with this logit."""
    return np.asarray(~silent & (heard[:, heads.index(MUSIC)] + music > 0))


def voice_in(heard: Rows, heads: tuple[str, ...], song: float | Matrix = 0.0) -> Matrix:
    """The voice's logit, averaged over neighbouring segments and beside the minute around, ``(segments,)``, in what has this logit of a song."""
    voice = heard[:, heads.index(VOICE)].astype(np.float64)
    smooth = scipy.ndimage.uniform_filter1d(voice, VOICE_SMOOTHING, mode="nearest")
    surest = scipy.ndimage.percentile_filter(smooth, SUREST_PERCENTILE, MINUTE_SEGMENTS, mode="reflect")
    return np.asarray(smooth - TAKEN_OFF * surest + sung_as(song))


def sung_as(song: float | Matrix) -> Matrix:
    """What the logit of a song, of all or of each segment, adds to the voice's."""
    return np.asarray(SUNG_AS_SONG * np.clip(song, -SUREST_SONG, SUREST_SONG))


def spoken_around(heard: Rows, heads: tuple[str, ...]) -> Matrix:
    """The logit that someone speaks at or beside every segment, ``(segments,)``."""
    speech = heard[:, heads.index(SPEECH)].astype(np.float64)
    return np.asarray(scipy.ndimage.maximum_filter1d(speech, GLIMPSE_REACH, mode="nearest"))


def least_hidden(hidden: Matrix) -> Points:
    """The segments to glimpse at, by the logit that words hide each."""
    share, clear = int(GLIMPSE_SHARE * len(hidden)), int((hidden < 0).sum())
    count = min(max(LEAST_GLIMPSED, share, clear), MOST_GLIMPSED)
    return np.sort(np.argsort(hidden, kind="stable")[:count])


def most_changed(by_band: Matrix) -> float:
    """The mean of the bands with most, ``(bands,)``."""
    return float(np.sort(by_band)[-MOST_CHANGED:].mean())


BACKGROUND: Final = "background_change"
VOICE_SUMMARY: Final = ("mean", "low", "middle", "high", "surest_2s", "surest_10s", "changes")
SUREST_STRETCHES_S: Final = (2.0, 10.0)
SPEECH_SUMMARY: Final = ("evidence", "mean", "share", "low", "middle", "high")


def input_names(heads: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the decision's inputs: the clip features, then what the ear heard."""
    tags = [head for head in heads if head.startswith(TAG)]
    heard = [f"{tag}_{key}" for key in ("mean", "high", "std") for tag in tags]
    speech, voice = (f"speech_{key}" for key in SPEECH_SUMMARY), (f"voice_{key}" for key in VOICE_SUMMARY)
    return (*schema.NAMES, BACKGROUND, *heard, *speech, *voice)


def decision_row(features: Features, heard: Matrix, heads: tuple[str, ...]) -> Matrix:
    """The decision's inputs for one clip, in the order of `input_names`; of a long one the mean over its minutes."""
    sounding = np.flatnonzero(~features.silent | features.silent.all())
    minutes = np.array_split(sounding, max(1, round(len(sounding) / PART_SEGMENTS)))
    summary = np.mean([_summary(features.segments[m], heard[m], heads) for m in minutes], axis=0)
    return np.concatenate([features.clip, summary])


def _summary(segments: Array, sounding: Matrix, heads: tuple[str, ...]) -> Matrix:
    """What happens in some segments behind the words, and what the ear heard: the tags, then speech, then the voice."""
    background = _background_change(segments, spoken_around(sounding, heads))
    tags = sounding[:, [i for i, head in enumerate(heads) if head.startswith(TAG)]]
    summary = [tags.mean(axis=0), np.quantile(tags, 0.9, axis=0), tags.std(axis=0)]
    speech, voice = sounding[:, heads.index(SPEECH)], sounding[:, heads.index(VOICE)]
    return np.concatenate([[background], *summary, _speech_summary(speech), _voice_summary(voice)])


def _background_change(segments: Array, hidden: Matrix) -> float:
    """By how many dB the level changes where least is spoken, in the bands in which it does most; ln(1 + dB)."""
    levels_db = segments[least_hidden(hidden), :BANDS].astype(np.float64)
    low, high = np.percentile(levels_db, CHANGE_PERCENTILES, axis=0)
    return float(np.log1p(most_changed(high - low)))


def _speech_summary(logits: Matrix) -> Matrix:
    """Mean of the logits and of the probabilities, share, and quantiles of the logits."""
    quantiles = np.quantile(logits, (0.1, 0.5, 0.9))
    return np.array([logits.mean(), expit(logits).mean(), (logits > 0).mean(), *quantiles])


def _voice_summary(logits: Matrix) -> Matrix:
    """Mean, quantiles, surest stretches and unrest of the voice (after Bayle et al. 2017), none of which a hair's breadth makes jump."""
    voice = expit(logits)
    surest = (_highest_mean(voice, round(seconds / SEGMENT_S)) for seconds in SUREST_STRETCHES_S)
    changes = np.abs(np.diff(voice)).sum() / max(len(voice) - 1, 1)
    return np.array([voice.mean(), *np.quantile(voice, (0.1, 0.5, 0.9)), *surest, changes])


def _highest_mean(values: Matrix, length: int) -> float:
    """Over any so many neighbours, or all where there are fewer."""
    length = min(length, len(values))
    sums = np.cumsum(np.concatenate([[0.0], values]))
    return float((sums[length:] - sums[:-length]).max() / length)
