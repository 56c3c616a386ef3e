"""Features → probabilities: what is learnt, and how it is applied.

Two stages. The *ear* reads every half second within its 3.6 s of context and
says how much it sounds like singing, like music at all, like speech, and like
each of 50 tags that a teacher network knows. The *decision* weighs the clip's own
features together with a summary of what the ear heard: once linearly, once by
likeness to known clips; the mean of the two logits is calibrated.

Both are fitted by scikit-learn (see `training`) and applied from plain arrays, so
that a stored model means the same under every version of it. Conventions: a song
is the positive class; logits are natural logarithms of odds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from scipy.special import expit

from . import audio, spectra, storage
from .errors import ModelError
from .features import SEGMENT_FRAMES, SEGMENT_NUMBERS, Features, schema
from .spectra import Array

VOICE, MUSIC, SPEECH = "voice", "music", "speech"
TAG: Final = "tag_"  # how the heads of tags begin; a teacher has a tag "voice" too
CONTEXT_SEGMENTS: Final = 3  # to each side
LASTING_SPEECH: Final = 0.5  # share of the clip
OUTLIER: Final = 5.0  # standard deviations beyond which a value tells no more

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaler:
    """What scikit-learn's StandardScaler learnt; outliers are drawn in to ±`OUTLIER`."""

    mean: Matrix
    scale: Matrix

    def __call__(self, rows: npt.NDArray[Any]) -> Matrix:
        return np.asarray(np.clip((rows - self.mean) / self.scale, -OUTLIER, OUTLIER))


@dataclass(frozen=True)
class Kernel:
    """A radial-basis expansion, ``exp(-gamma |x - landmark|²) @ weights + bias``.

    The fitted form of scikit-learn's SVC as of Nystroem followed by a linear
    model: ``landmarks (n, inputs)``, ``weights (n, outputs)``, ``bias (outputs,)``.
    """

    landmarks: npt.NDArray[np.float32]
    weights: Matrix
    bias: Matrix
    gamma: float

    def __call__(self, rows: Matrix) -> Matrix:
        """Outputs for standardised rows, ``(rows, outputs)``."""
        return np.asarray(self._likeness(rows) @ self.weights + self.bias)

    def gradient(self, row: Matrix) -> Matrix:
        """Slope of the first output at one row, ``(inputs,)``."""
        pull = self._likeness(row[None])[0] * self.weights[:, 0]
        return np.asarray(2 * self.gamma * (pull @ self.landmarks - pull.sum() * row))

    def _likeness(self, rows: Matrix) -> Matrix:
        landmarks = self.landmarks.astype(np.float64)
        squared = (rows**2).sum(axis=1)[:, None] + (landmarks**2).sum(axis=1) - 2 * rows @ landmarks.T
        return np.asarray(np.exp(-self.gamma * np.maximum(squared, 0)))


@dataclass(frozen=True)
class Ear:
    """Hears singing, music, speech and tags in every half second."""

    scaler: Scaler
    kernel: Kernel
    heads: tuple[str, ...]

    def __call__(self, segments: Array) -> Matrix:
        """A logit per segment and head, ``(segments, heads)``."""
        return self.kernel(self.scaler(context(segments)))


@dataclass(frozen=True)
class Decision:
    """Score or song, from the clip vector and the summary of what the ear heard."""

    scaler: Scaler
    coefficients: Matrix
    intercept: float
    axes: npt.NDArray[np.float32]  # principal axes, (inputs, axes), on which the kernel looks
    kernel: Kernel
    slope: float = 1.0  # calibration
    offset: float = 0.0

    def __call__(self, rows: Matrix) -> Matrix:
        """The calibrated logit of each row, ``(rows,)``."""
        scaled = self.scaler(rows)
        linear = scaled @ self.coefficients + self.intercept
        return np.asarray(self.slope * (linear + self.kernel(scaled @ self.axes)[:, 0]) / 2 + self.offset)

    def contributions(self, row: Matrix) -> Matrix:
        """What each input adds to the logit: its slope times its distance from the usual, ``(inputs,)``."""
        scaled = self.scaler(row[None])[0]
        slope = self.coefficients + self.axes @ self.kernel.gradient(scaled @ self.axes)
        return np.asarray(self.slope * slope * scaled / 2)


@dataclass(frozen=True)
class Judgement:
    """What a model makes of one clip's features.

    Attributes
    ----------
    song_probability : calibrated, 0 to 1, given that there is music.
    fractions : shares of the clip with music and with speech, and of the music with singing.
    contributions : logit that each decision input adds, by name.
    deviations : the inputs in standard deviations from the usual, by name.
    """

    song_probability: float
    fractions: Mapping[str, float]
    contributions: Mapping[str, float] = field(repr=False)
    deviations: Mapping[str, float] = field(repr=False)


@dataclass(frozen=True)
class Model:
    """A trained model: one versioned unit with its card.

    Attributes
    ----------
    ear, decision : the two stages.
    music_threshold : a clip with a smaller share of music is called no_music.
    band : probabilities between these two are called uncertain.
    card : what it was trained on and how it did; plain values.
    model_id : first 12 hex digits of the file's SHA-256, "unsaved" before it is saved.
    """

    ear: Ear
    decision: Decision
    music_threshold: float
    band: tuple[float, float]
    card: Mapping[str, Any] = field(repr=False)
    model_id: str = "unsaved"

    def judge(self, features: Features) -> Judgement:
        """Hear the segments, then weigh the clip."""
        heard = self.ear(features.segments)
        fractions = listen(heard, features.silent, self.ear.heads)
        row = decision_row(features, heard, self.ear.heads)
        names = input_names(self.ear.heads)
        return Judgement(
            song_probability=float(expit(self.decision(row[None])[0])),
            fractions=fractions,
            contributions=dict(zip(names, self.decision.contributions(row).tolist(), strict=True)),
            deviations=dict(zip(names, self.decision.scaler(row).tolist(), strict=True)),
        )

    def call(self, song_probability: float, fractions: Mapping[str, float]) -> tuple[str, bool]:
        """The label, and whether it is a confident one.

        Under speech that lasts, the decision leans on the voice that speaks: never confident.
        """
        if fractions[MUSIC] < self.music_threshold:
            return "no_music", fractions[MUSIC] < self.music_threshold / 2
        low, high = self.band
        sure = not low <= song_probability <= high and fractions[SPEECH] < LASTING_SPEECH
        return ("song" if song_probability > 0.5 else "score"), sure

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the model to one file; returns its id."""
        content = {
            name: _plain(getattr(self, name)) for name in ("ear", "decision", "music_threshold", "band")
        }
        return storage.save(path, {**content, "settings": settings(), "card": dict(self.card)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model file; see `load_model`."""
        content, model_id = storage.load(path)
        try:
            if content.get("settings") != settings():
                raise ModelError(
                    f"{path}: was made for other features (settings {content.get('settings')}, "
                    f"expected {settings()}); train it again with this release"
                )
            return cls._built(content, model_id)
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise ModelError(f"{path}: is damaged ({error!r}); get or train the model again") from error

    @classmethod
    def _built(cls, content: dict[str, Any], model_id: str) -> Self:
        ear, decision = content["ear"], content["decision"]
        low, high = content["band"]
        model = cls(
            ear=Ear(Scaler(**ear["scaler"]), Kernel(**ear["kernel"]), tuple(ear["heads"])),
            decision=Decision(
                **{**decision, "scaler": Scaler(**decision["scaler"]), "kernel": Kernel(**decision["kernel"])}
            ),
            music_threshold=float(content["music_threshold"]),
            band=(float(low), float(high)),
            card=dict(content["card"]),
            model_id=model_id,
        )
        model._try_out()
        return model

    def _try_out(self) -> None:
        """A dry run on nothing: what does not fit together shows here, not at the first clip."""
        clip, silent = np.zeros(len(schema.NAMES), np.float32), np.ones(1, np.bool_)
        segments = np.zeros((1, SEGMENT_NUMBERS), np.float32)
        nothing = Features("", 0.0, clip, clip[None], segments, silent)
        with np.errstate(all="ignore"):
            heard, judgement = self.ear(segments), self.judge(nothing)
        numbers = [judgement.song_probability, *judgement.contributions.values(), *heard.ravel()]
        if heard.shape != (1, len(self.ear.heads)) or not np.isfinite(np.array(numbers, dtype=float)).all():
            raise ValueError("its parts do not fit together")


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model that `Model.save` wrote; loading runs none of its maker's code.

    Raises
    ------
    ModelError : missing, damaged, not a model, of a newer format, or made for other features.
    """
    return Model.load(path)


def settings() -> dict[str, Any]:
    """What a model's numbers depend on, beside its own: stored with it, checked on loading."""
    names = hashlib.sha256("\n".join(schema.NAMES).encode()).hexdigest()[:12]
    return {
        "schema_version": schema.SCHEMA_VERSION,
        "features": f"{len(schema.NAMES)}:{names}",
        "rate_hz": audio.RATE_HZ,
        "n_fft": spectra.N_FFT,
        "hop": spectra.HOP,
        "segment_frames": SEGMENT_FRAMES,
    }


def context(segments: Array) -> Array:
    """Every segment, and the mean and deviation of the seven around it, ``(segments, 2.5 × rows)``."""
    half, size = segments.shape[1] // 2, 2 * CONTEXT_SEGMENTS + 1
    doubled = segments.astype(np.float64)
    mean = scipy.ndimage.uniform_filter1d(doubled, size, axis=0, mode="nearest")
    square = scipy.ndimage.uniform_filter1d(doubled[:, :half] ** 2, size, axis=0, mode="nearest")
    deviation = np.sqrt(np.maximum(square - mean[:, :half] ** 2, 0))
    return np.hstack([doubled, mean, deviation]).astype(np.float32)


def listen(heard: Matrix, silent: npt.NDArray[np.bool_], heads: tuple[str, ...]) -> dict[str, float]:
    """Share of the clip with music and with speech, and share of the music with a singing voice."""
    sounding = ~silent
    music = sounding & (heard[:, heads.index(MUSIC)] > 0)
    speech = sounding & (heard[:, heads.index(SPEECH)] > 0)
    voice = sung_segments(heard, silent, heads)
    return {
        MUSIC: float(music.mean()),
        SPEECH: float(speech.mean()),
        VOICE: float(voice.sum() / music.sum()) if music.any() else 0.0,
    }


def sung_segments(
    heard: Matrix, silent: npt.NDArray[np.bool_], heads: tuple[str, ...]
) -> npt.NDArray[np.bool_]:
    """Which segments are music with a singing voice, ``(segments,)``."""
    music, voice = (heard[:, heads.index(head)] > 0 for head in (MUSIC, VOICE))
    return ~silent & music & voice


VOICE_SUMMARY: Final = ("mean", "share", "low", "middle", "high", "longest", "changes")


def input_names(heads: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the decision's inputs: the clip features, then what the ear heard."""
    tags = [head for head in heads if head.startswith(TAG)]
    heard = [f"{tag}_{key}" for key in ("mean", "high", "std") for tag in tags]
    return (*schema.NAMES, *heard, *(f"voice_{key}" for key in VOICE_SUMMARY))


def decision_row(features: Features, heard: Matrix, heads: tuple[str, ...]) -> Matrix:
    """The decision's inputs for one clip, in the order of `input_names`."""
    sounding = heard[~features.silent] if not features.silent.all() else heard
    tags = sounding[:, [i for i, head in enumerate(heads) if head.startswith(TAG)]]
    summary = np.concatenate([tags.mean(axis=0), np.quantile(tags, 0.9, axis=0), tags.std(axis=0)])
    return np.concatenate([features.clip, summary, _voice_summary(sounding[:, heads.index(VOICE)])])


def _voice_summary(logits: Matrix) -> Matrix:
    """Share, quantiles, longest run and changes of the voice (after Bayle et al. 2017)."""
    probability, sung = expit(logits), logits > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], sung.astype(np.int8), [0]])))
    longest = (edges[1::2] - edges[::2]).max(initial=0) / len(sung)
    changes = float(np.mean(sung[1:] != sung[:-1])) if len(sung) > 1 else 0.0
    quantiles = np.quantile(probability, (0.1, 0.5, 0.9))
    return np.array([probability.mean(), sung.mean(), *quantiles, longest, changes])


def _plain(part: Any) -> Any:
    """A dataclass as the tables and arrays that the storage holds."""
    if hasattr(part, "__dataclass_fields__"):
        return {f.name: _plain(getattr(part, f.name)) for f in fields(part)}
    return part
