"""Source → Prediction: what a user asks for, with reasons.

Conventions: a failure is never a value: `predict` raises, `predict_many` yields a
`Failure` in the place of the source that failed and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any, Final

from .audio import Source, source_name
from .blas import one_blas_thread
from .cohesion import descriptor_of
from .errors import BatchError, ModelError, ScoreOrSongError, readable
from .extraction import extract
from .features import Features, schema
from .hearing import BACKGROUND, MUSIC, VOICE
from .model import Judgement, Model, load_model
from .processes import in_processes

_loading: Final = Lock()

N_REASONS: Final = 5
SMALLEST_REASON: Final = 0.05

# What the inputs of the decision are about, by how their names begin.
TOPICS: Final = {
    "timbre": ("mfcc_",),
    "the spectrum": ("centroid_", "spread_", "rolloff_", "flux_", "balance_", "flatness_", "contrast_"),
    "the dynamics": ("level_", "loudness_", "dynamic_", "quiet_"),
    "the swing of the sound": ("modulation_",),
    "gliding": ("fluctogram_", "contraction_", "glide_"),
    "articulation": ("vocvar_", "voiceband_"),
    "the leading pitch": ("salience_", "pitch_"),
    "the attack": ("onset_", "percussive_"),
    "the pulse": ("pulse_", "tempo"),
    "the harmony": ("chroma_", "key_"),
    "repetition and sections": ("repeat_", "alike_", "novelty_"),
    "the development": ("brightness_", "density_", BACKGROUND),
    "the voice": ("voice_",),
    "speech": ("speech_",),
    "the likeness to known songs": ("tag_standalone song_",),
    "the impression": ("tag_",),
}
HEARD_VOICES: Final = {"voice": "singing voice", "speech": "speech"}
_VOICES = ["female", "male", "man", "no", "opera", "singing", "vocal", "voice", "woman", "choir", "choral"]
VOICE_TAGS: Final = tuple(f"tag_{word}" for word in _VOICES)


@dataclass(frozen=True)
class Reason:
    """One contribution: `weight` is what it adds to the logit, above 0 towards song."""

    family: str
    feature: str
    weight: float
    sentence: str


@dataclass(frozen=True)
class Prediction:
    """What the model says of one source.

    Attributes
    ----------
    source : path or name of what was analysed.
    label : "score", "song" or "no_music".
    song_probability : calibrated, 0 to 1, given that there is music.
    confident : whether the probability lies outside the band that the model calls uncertain, and no speech that
        may be in it would change the call.
    vocal_fraction : share of the music in which someone sings or raps, 0 to 1.
    music_fraction : share of the source with music, 0 to 1.
    duration_s : length of what was analysed, in seconds.
    reasons : the strongest contributions, strongest first; none without music.
    warnings : what was odd about the source.
    model_id : of the model that said so.
    descriptor : how it sounds, for `summarize` to compare; see `cohesion`. Not in `to_dict`.
    """

    source: str
    label: str
    song_probability: float
    confident: bool
    vocal_fraction: float
    music_fraction: float
    duration_s: float
    reasons: tuple[Reason, ...] = field(repr=False)
    warnings: tuple[str, ...]
    model_id: str
    descriptor: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        sure = "" if self.confident else "  (unsure)"
        odd = "".join(f"  [{warning}]" for warning in self.warnings)
        source = readable(self.source)
        if self.label == "no_music":
            return f"{source}: no_music  music {self.music_fraction:.0%}{sure}{odd}"
        return (
            f"{source}: {self.label}  p(song) {self.song_probability:.2f}  "
            f"voice {self.vocal_fraction:.0%}{sure}{odd}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        plain = asdict(self)
        del plain["descriptor"]
        return plain | {"reasons": [asdict(r) for r in self.reasons], "warnings": list(self.warnings)}


@dataclass(frozen=True)
class Failure:
    """A source that could not be analysed, in the place of its `Prediction`."""

    source: str
    error: str

    def __str__(self) -> str:
        return readable(self.error if self.error.startswith(self.source) else f"{self.source}: {self.error}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def predict(source: Source, *, model: Model | None = None, rate: float | None = None) -> Prediction:
    """Say whether a clip is score or song, how surely, and why.

    Parameters
    ----------
    source : path, open binary file, or array of samples shaped ``(frames,)`` or
        ``(frames, channels)``.
    model : by default the one that ships with the package.
    rate : sample rate of an array in Hz.

    Raises
    ------
    AudioError : the source cannot be read or holds too little sound.
    ModelError : the shipped model is missing, or a model of one's own gives no number.

    Examples
    --------
    >>> import numpy as np
    >>> predict(np.zeros(44100), rate=22050).label
    'no_music'
    """
    model = model or default_model()
    with one_blas_thread():
        features = extract(source, rate=rate, windows=False)
        return _prediction(features, model.judge(features), model)


def predict_many(
    sources: Iterable[Source], *, jobs: int | None = None, model: Model | None = None
) -> Iterator[Prediction | Failure]:
    """Predict many sources, lazily, in their order; what fails becomes a `Failure`.

    Parameters
    ----------
    jobs : worker processes; by default one, in this process; -1 for all cores. Open
        files cannot be sent to other processes: give paths or arrays' predictions one by one.

    Raises
    ------
    BatchError : a worker process died, which ends them all; `predict_folder` goes on instead.
    ModelError : the shipped model is missing.
    """
    model = model or default_model()
    try:
        yield from in_processes(partial(attempt, model=model), sources, jobs)
    except BrokenExecutor as error:
        raise BatchError(
            "a worker process died: out of memory, or a decoder crashed; scan or predict_folder find the file "
            "and go on after it"
        ) from error


def attempt(source: Source, model: Model) -> Prediction | Failure:
    """`predict`, with a `Failure` in the place of an error of this library."""
    try:
        return predict(source, model=model)
    except ScoreOrSongError as error:
        return Failure(source_name(source), str(error))


def default_model() -> Model:
    """The model that ships with the package, loaded once.

    Raises
    ------
    ModelError : it is missing or damaged.
    """
    with _loading:  # threads that ask at the same time get the same one
        return _default_model()


@cache
def _default_model() -> Model:
    return load_model(default_model_path())


def default_model_path() -> Path:
    """Where the shipped model lies: in the package, or in a checkout's ``models/``.

    Raises
    ------
    ModelError : in neither.
    """
    here = Path(__file__).parent
    for folder in (here / "models", here.parents[1] / "models"):
        if (folder / "default.model").is_file():
            return folder / "default.model"
    raise ModelError(
        f"{here / 'models' / 'default.model'}: the shipped model is missing; install score-or-song again"
    )


def _prediction(features: Features, judgement: Judgement, model: Model) -> Prediction:
    fractions = judgement.fractions
    label, confident = model.call(judgement.song_probability, fractions[MUSIC], judgement.in_doubt)
    warnings = list(features.warnings)
    if label != "no_music" and judgement.dialogue > 0.5:
        warnings.append("someone speaks over the music: judged by what is heard beneath, less surely")
    elif label != "no_music" and judgement.in_doubt:
        other = {"song": "a score", "score": "a song"}[label]
        warnings.append(f"someone may be speaking over the music; if so, it sounds like {other}")
    return Prediction(
        source=features.source,
        label=label,
        song_probability=judgement.song_probability,
        confident=confident,
        vocal_fraction=fractions[VOICE],
        music_fraction=fractions[MUSIC],
        duration_s=features.duration_s,
        reasons=_reasons(judgement) if label != "no_music" else (),
        warnings=tuple(warnings),
        model_id=model.model_id,
        descriptor=descriptor_of(judgement.deviations[name] for name in schema.NAMES),
    )


def _reasons(judgement: Judgement) -> tuple[Reason, ...]:
    """The strongest topics, each with the feature that moves it most.

    Features of one topic say much the same and partly cancel, so that only their sum speaks.
    """
    topics: dict[str, dict[str, float]] = {}
    for name, weight in judgement.contributions.items():
        topics.setdefault(topic(name), {})[name] = weight
    totals = sorted(((sum(parts.values()), name) for name, parts in topics.items()), key=lambda t: -abs(t[0]))
    return tuple(
        _reason(name, total, topics[name], judgement)
        for total, name in totals[:N_REASONS]
        if abs(total) >= SMALLEST_REASON
    )


def _reason(name: str, total: float, parts: dict[str, float], judgement: Judgement) -> Reason:
    strongest = max(parts, key=lambda part: parts[part] * total)
    family, meaning = describe_input(strongest)
    degree = "higher" if judgement.deviations[strongest] > 0 else "lower"
    side = "song" if total > 0 else "score"
    return Reason(
        family, strongest, total, f"{name} speaks for {side}; most of all {meaning}, {degree} than usual"
    )


@cache
def topic(name: str) -> str:
    """What an input of the decision is about."""
    if name.startswith(VOICE_TAGS):
        return "the voice"
    return next(about for about, starts in TOPICS.items() if name.startswith(starts))


def describe_input(name: str) -> tuple[str, str]:
    """Family and meaning of an input of the decision."""
    if name in schema.INDEX:
        feature = schema.FEATURES[schema.INDEX[name]]
        return feature.family, feature.meaning
    if name == BACKGROUND:
        return "structure", "change of the level where least is spoken"
    kind, _, rest = name.partition("_")
    what, _, statistic = rest.rpartition("_")
    if kind in HEARD_VOICES:
        return "vocals", f"{HEARD_VOICES[kind]} ({rest})"
    how = {"mean": "on the whole", "high": "at its strongest", "std": "in its changes"}[statistic]
    return "tags", f"sounds like '{what}' {how}"
