"""Features → probabilities: what is learnt, and how it is applied.

Two stages. The *ear* (see `hearing`) says what every half second sounds like. The *decision*
(see `decision`) weighs the clip's own features together with a summary of what the ear heard.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

import numpy as np
from scipy.special import expit

from . import storage
from .decision import Decision, Matrix, Rows
from .errors import ModelError
from .features import SEGMENT_NUMBERS, Features, measured_by, schema
from .hearing import MUSIC, TAG, VOICE, Ear, Flags, input_names, music_segments, voice_in

log = logging.getLogger("scoreorsong")

DIMENSIONS: Final = {"projection": 2, "landmarks": 2, "weights": 2, "quantiles": 2}  # other arrays have one
# By which the memory of hearing half a second, or of a clip's ways through the trees, grows.
MOST: Final = {"landmarks": 20_000, "heads": 1_000, "roots": 10_000}
NUMBERS: Final = ("intercept", "gamma", "slope", "offset")


class Weighed(NamedTuple):
    """One clip, heard and weighed, before it is put into words.

    Attributes
    ----------
    heard : a logit per segment and head, ``(segments, heads)``.
    row, scores : the decision's inputs, as they are and as normal scores, ``(inputs,)``.
    song, music : the logits that it is a song, and that it is music as a whole.
    in_doubt : whether someone may be speaking, and the call would be another if so.
    """

    heard: Matrix
    row: Matrix
    scores: Matrix
    song: float
    music: float
    in_doubt: bool


@dataclass(frozen=True)
class Judgement:
    """What a model makes of one clip's features.

    Attributes
    ----------
    song_probability : calibrated, 0 to 1, given that there is music.
    fractions : share of the clip with music, and of the music with singing.
    dialogue : how surely someone speaks over the music, 0 to 1.
    in_doubt : whether someone may be speaking, and the call would be another if so.
    contributions : logit that each decision input adds, by name.
    deviations : the inputs in standard deviations from the usual, by name.
    """

    song_probability: float
    fractions: Mapping[str, float]
    dialogue: float
    in_doubt: bool
    contributions: Mapping[str, float] = field(repr=False)
    deviations: Mapping[str, float] = field(repr=False)


@dataclass(frozen=True)
class Model:
    """A trained model: one versioned unit with its card.

    Attributes
    ----------
    ear, decision : the two stages.
    voice_threshold : the logit from which half a second counts as sung.
    music_threshold : a clip with a smaller share of music is called no_music.
    band : probabilities between these two are called uncertain.
    card : what it was trained on and how it did; plain values.
    model_id : first 12 hex digits of the file's SHA-256, "unsaved" before it is saved.
    """

    ear: Ear
    decision: Decision
    voice_threshold: float
    music_threshold: float
    band: tuple[float, float]
    card: Mapping[str, Any] = field(repr=False)
    model_id: str = "unsaved"

    def weigh(self, clips: Sequence[Features]) -> list[Weighed]:
        """Hear the segments of every clip, then weigh all clips together."""
        hearings = [self.ear.hear(features) for features in clips]
        scores = self.decision.scores(np.stack([row for _, row in hearings]))
        songs = self.decision.of_scores(scores)
        doubts = self.decision.in_doubt(scores, songs)
        return [
            Weighed(heard, row, of_one, float(song), self.ear.music(row, len(heard)), bool(doubt))
            for (heard, row), of_one, song, doubt in zip(hearings, scores, songs, doubts, strict=True)
        ]

    def judge(self, features: Features) -> Judgement:
        """What it says of one clip, and why.

        Raises
        ------
        ModelError : no probability comes out, as of a file whose numbers no training gave.
        """
        with np.errstate(all="ignore"):  # what comes of absurd numbers is refused below
            (weighed,) = self.weigh([features])
            dialogue = float(self.decision.share(weighed.scores[None])[0])
            contributions = self.decision.contributions(weighed.scores)
        if not np.isfinite([weighed.song, weighed.music, dialogue, *contributions]).all():
            raise ModelError(
                f"model {self.model_id}: gives no number for {features.source}; get or train the model again"
            )
        names = input_names(self.ear.heads)
        return Judgement(
            song_probability=float(expit(weighed.song)),
            fractions=self.listen(weighed.heard, features.silent, weighed.song, weighed.music),
            dialogue=dialogue,
            in_doubt=weighed.in_doubt,
            contributions=dict(zip(names, contributions.tolist(), strict=True)),
            deviations=dict(zip(names, weighed.scores.tolist(), strict=True)),
        )

    def listen(self, heard: Matrix, silent: Flags, song: float = 0.0, music: float = 0.0) -> dict[str, float]:
        """Share of the clip with music, and share of the music with a singing voice; see `sung_segments`."""
        there = music_segments(heard, silent, self.ear.heads, music)
        sung = self.sung_segments(heard, silent, song, music)
        return {MUSIC: float(there.mean()), VOICE: float(sung.sum() / there.sum()) if there.any() else 0.0}

    def sung_segments(
        self, heard: Rows, silent: Flags, song: float | Matrix = 0.0, music: float = 0.0
    ) -> Flags:
        """Which segments are music with a singing voice, ``(segments,)``; `song` as for `sung_as`, `music` as for `music_segments`."""
        voice = voice_in(heard, self.ear.heads, song)
        there = music_segments(heard, silent, self.ear.heads, music)
        return np.asarray(there & (voice > self.voice_threshold))

    def call(
        self, song_probability: float, music_fraction: float, in_doubt: bool = False
    ) -> tuple[str, bool]:
        """The label, and whether it is a confident one, which no call `in_doubt` is."""
        if music_fraction < self.music_threshold:
            return "no_music", music_fraction < self.music_threshold / 2
        low, high = self.band
        sure = not (in_doubt or low <= song_probability <= high)
        return "song" if song_probability > 0.5 else "score", sure

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the model to one file; returns its id.

        Raises
        ------
        ModelError : the path cannot be written, or the card holds what the format cannot.
        """
        content = {
            name: getattr(self, name)
            for name in ("ear", "decision", "voice_threshold", "music_threshold", "band")
        }
        return storage.save(path, {**content, "settings": settings(), "card": dict(self.card)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model file; see `load_model`, also for what it raises."""
        content, model_id = storage.load(path)
        try:
            if not _as_here(content.get("settings")):
                raise ModelError(
                    f"{path}: was made for other features (settings {content.get('settings')}, "
                    f"expected {settings()}); train it again with this release"
                )
            model = cls._built(content, model_id)
        except (AttributeError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ModelError(f"{path}: is damaged ({error!r:.200}); get or train the model again") from error
        log.info("model %s of %s", model_id, path)
        return model

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        band: tuple[float, float],
        ear_of: Model,
        card: Mapping[str, Any] | None = None,
    ) -> Self:
        """A scikit-learn classifier of clip features in the place of the decision.

        What it says of a clip's probability is kept to 1e-6, in a file that needs no scikit-learn; the music, ``no_music``
        and the voice stay with the ear, to whose word on the voice the estimator's logit is added as ever (`sung_as`).

        Parameters
        ----------
        estimator : fitted on the matrix of `ClipFeatures`; see `estimators.decision_of`.
        band : probabilities between these two are called uncertain; choose it from
            predictions on groups that the estimator never met.
        ear_of : a model whose ear and thresholds are kept, such as `prediction.default_model`'s.
        card : what to write on the card, as plain values.

        Raises
        ------
        ModelError : it is not fitted, knows other classes or features, or a model file cannot hold it.
        """
        from .estimators import decision_of

        low, high = band
        if not 0 <= low <= 0.5 <= high <= 1:
            raise ModelError(f"band={band}: expected two probabilities with 0.5 between them")
        decision = decision_of(estimator, len(input_names(ear_of.ear.heads)))
        return cls(
            ear=ear_of.ear,
            decision=decision,
            voice_threshold=ear_of.voice_threshold,
            music_threshold=ear_of.music_threshold,
            band=(float(low), float(high)),
            card={"estimator": repr(estimator), "ear": f"of model {ear_of.model_id}", **(card or {})},
        )

    @classmethod
    def _built(cls, content: dict[str, Any], model_id: str) -> Self:
        ear, decision = content["ear"], content["decision"]
        _check_parts("ear", ear)
        _check_parts("decision", decision)
        low, high = content["band"]
        model = cls(
            ear=Ear.built(ear),
            decision=Decision.built(decision),
            voice_threshold=_number("voice_threshold", content["voice_threshold"]),
            music_threshold=_number("music_threshold", content["music_threshold"]),
            band=(_number("band", low), _number("band", high)),
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
        try:
            self.judge(nothing)
        except ModelError as error:
            raise ValueError("its numbers give no probability") from error
        with np.errstate(all="ignore"):
            heard = self.ear(segments)
        if heard.shape != (1, len(self.ear.heads)) or not np.isfinite(heard).all():
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
    names = hashlib.sha256("\n".join(input_names((TAG,))).encode()).hexdigest()[:12]
    return {**measured_by(), "inputs": names}


def _as_here(found: Any) -> bool:
    """Whether settings are those of this release; compared as written, since arrays may stand for numbers."""
    return isinstance(found, dict) and {k: repr(v) for k, v in found.items()} == {
        k: repr(v) for k, v in settings().items()
    }


def _number(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a {type(value).__name__}, no number")
    return float(value)


def _check_parts(name: str, part: Any) -> None:
    """Refuse what would grow when it is reckoned with: arrays of other dimensions or beyond reason, or for numbers, and lists of numbers."""
    if name in NUMBERS:
        _number(name, part)
    elif isinstance(part, dict):
        for key, value in part.items():
            _check_parts(key, value)
    elif isinstance(part, np.ndarray):
        if part.ndim != DIMENSIONS.get(name, 1) or len(part) > MOST.get(name, len(part)):
            raise ValueError(f"{name} has the shape {part.shape}")
    elif isinstance(part, list) and len(part) > MOST["heads"]:
        raise ValueError(f"{name} is a list of {len(part)} things")
    elif isinstance(part, list) and not all(isinstance(item, str) for item in part):
        raise ValueError(f"{name} is a list of other things than names")
