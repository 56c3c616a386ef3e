"""Features → what is heard: every half second, and a clip's inputs of the decision.

The *ear* reads every half second within its 3.6 s of context and says how much it sounds like
singing, like speech, like music at all, like each of 50 tags that a teacher network knows, and like a song.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from scipy.special import expit

from . import storage
from .decision import Kernel, Linear, Matrix, Rows, Scaler
from .features import PART_SEGMENTS, SEGMENT_S, Features, schema
from .spectra import Array

Flags = npt.NDArray[np.bool_]

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
SUREST_MUSIC: Final = 3.0  # held within which the logit that a clip is music is added to that of its segments
VOICE_SMOOTHING: Final = 3  # segments over which the voice's logit is averaged before it is believed
# Songs are sung and most scores are not: so much of the logit of a song, held within ±`SUREST_SONG`, is added to the voice's.
SUNG_AS_SONG: Final = 0.8
SUREST_SONG: Final = 2.0
# Singers differ in how surely they are heard: so much of what the ear says where it is surest, that is of this
# percentile of the minute around, is taken off the voice's logit.
TAKEN_OFF: Final = 0.5
SUREST_PERCENTILE: Final = 90
MINUTE_SEGMENTS: Final = round(60 / SEGMENT_S)


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

    def music(self, row: Matrix) -> float:
        """The logit that a clip of these inputs is music as a whole; 0 where nothing is known of that."""
        return 0.0 if self.overall is None else float(self.overall(row[None])[0])

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


def music_segments(heard: Rows, silent: Flags, heads: tuple[str, ...], music: float = 0.0) -> Flags:
    """Which segments are music, ``(segments,)``, in a clip that is music as a whole with this logit."""
    added = float(np.clip(music, -SUREST_MUSIC, SUREST_MUSIC))
    return np.asarray(~silent & (heard[:, heads.index(MUSIC)] + added > 0))


def voice_in(heard: Rows, heads: tuple[str, ...], song: float | Matrix = 0.0) -> Matrix:
    """The voice's logit, averaged over neighbouring segments and beside the minute around, ``(segments,)``, in what has this logit of a song."""
    voice = heard[:, heads.index(VOICE)].astype(np.float64)
    smooth = scipy.ndimage.uniform_filter1d(voice, VOICE_SMOOTHING, mode="nearest")
    surest = scipy.ndimage.percentile_filter(smooth, SUREST_PERCENTILE, MINUTE_SEGMENTS, mode="reflect")
    return np.asarray(smooth - TAKEN_OFF * surest + sung_as(song))


def sung_as(song: float | Matrix) -> Matrix:
    """What the logit of a song, of all or of each segment, adds to the voice's."""
    return np.asarray(SUNG_AS_SONG * np.clip(song, -SUREST_SONG, SUREST_SONG))


VOICE_SUMMARY: Final = ("mean", "low", "middle", "high", "surest_2s", "surest_10s", "changes")
SUREST_STRETCHES_S: Final = (2.0, 10.0)
SPEECH_SUMMARY: Final = ("evidence", "mean", "share", "low", "middle", "high")


def input_names(heads: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the decision's inputs: the clip features, then what the ear heard."""
    tags = [head for head in heads if head.startswith(TAG)]
    heard = [f"{tag}_{key}" for key in ("mean", "high", "std") for tag in tags]
    speech, voice = (f"speech_{key}" for key in SPEECH_SUMMARY), (f"voice_{key}" for key in VOICE_SUMMARY)
    return (*schema.NAMES, *heard, *speech, *voice)


def decision_row(features: Features, heard: Matrix, heads: tuple[str, ...]) -> Matrix:
    """The decision's inputs for one clip, in the order of `input_names`; of a long one the mean over its minutes."""
    sounding = heard[~features.silent] if not features.silent.all() else heard
    minutes = np.array_split(sounding, max(1, round(len(sounding) / PART_SEGMENTS)))
    summary = np.mean([_summary(minute, heads) for minute in minutes], axis=0)
    return np.concatenate([features.clip, summary])


def _summary(sounding: Matrix, heads: tuple[str, ...]) -> Matrix:
    """What the ear heard in some segments: the tags, then speech, then the voice."""
    tags = sounding[:, [i for i, head in enumerate(heads) if head.startswith(TAG)]]
    summary = [tags.mean(axis=0), np.quantile(tags, 0.9, axis=0), tags.std(axis=0)]
    speech, voice = sounding[:, heads.index(SPEECH)], sounding[:, heads.index(VOICE)]
    return np.concatenate([*summary, _speech_summary(speech), _voice_summary(voice)])


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
