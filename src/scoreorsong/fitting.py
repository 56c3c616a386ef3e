"""Takes → Model: fits the ear, the decision and its calibration.

Conventions: whatever is learnt from a clip is never asked about that clip's own
groups while training: the ear's summaries that the decision learns from, and the
logits that the calibration learns from, come from inner folds by group. Excepted are what all ears
of a lesson share (see `ears`) and what a pupil is told: the expert that speaks of one clip met
those that the pupil is then asked about. Every random choice follows from `random_state`. Takes
for checking teach nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np
from scipy.special import expit, logit
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import QuantileTransformer
from sklearn.svm import SVC

from .dataset import Example
from .decision import Decision, Dialogue, Expert, Forest, Kernel, Linear, Matrix, NormalScores
from .ears import CLEAR_VARIANTS, Heard, balanced_regression, balanced_weights, halved, hear
from .features import schema
from .folds import Table, by_others, labelled
from .hearing import VOICE, VOICE_SUMMARY, Ear, Flags, sung_as
from .model import Model
from .takes import LOUD_DIALOGUE, Take

RANKS: Final = 50  # quantiles by which an input's rank is told
LINEAR_C, KERNEL_C, GATE_C, DIALOGUE_ALPHA = 0.003, 5.0, 0.1, 300.0
# Trees of the expert for clear music, the share of the inputs that each split may choose from, and the least
# share of all weight in a leaf, which bounds a tree's size whatever the corpus.
N_TREES, TREE_INPUTS, SMALLEST_LEAF = 100, 0.25, 0.003
# Share of the loud dialogues for which the gate to their expert may stay shut, and of all dialogues of which there may be
# no hint. Few songs are half spoken: what share of them opens it hangs on one singer, and is no measure to set it by.
LOUD_MISSED, UNHINTED = 0.16, 0.1
GATE_STEEPNESS: Final = 3.0
DIALOGUE_VARIANTS: Final = ("speech",)
# Of the music that people speak over in films, the share that are taken to be songs, whatever it is among the clips under dialogue.
SPOKEN_SONGS: Final = 0.25
VOICE_FALSE_ALARMS: Final = 0.04  # share of the half seconds of scores without voices
UNSURE_SHARE: Final = 0.2  # of the clips, the least certain: they set the uncertain band
MOST_MUSIC_LOST: Final = 0.003
THRESHOLDS: Final = tuple(i / 20 for i in range(1, 11))

Learnt = TypeVar("Learnt", Expert, Linear)


def fit_expert(scores: Matrix, takes: Sequence[Take]) -> Expert:
    """A logistic regression, a support vector machine and trees side by side, not calibrated yet."""
    is_song = labelled(takes, "song")
    weights = balanced_weights(takes, is_song)
    linear = LogisticRegression(C=LINEAR_C, max_iter=3000).fit(scores, is_song, sample_weight=weights)
    gamma = 1 / scores.shape[1]
    machine = SVC(C=KERNEL_C, gamma=gamma).fit(halved(scores), is_song, sample_weight=weights)
    # The machine's margin is about half as steep as the other's logit.
    kernel = Kernel(
        landmarks=machine.support_vectors_.astype(np.float16),
        weights=2 * machine.dual_coef_.T,
        bias=2 * machine.intercept_,
        gamma=gamma,
    )
    forest = _fit_forest(scores, is_song, weights)
    return Expert(linear.coef_[0], float(linear.intercept_[0]), kernel, forest=forest)


def _fit_forest(scores: Matrix, is_song: Flags, weights: Matrix) -> Forest:
    """Extremely randomised trees, one after another; scikit-learn puts the node for less right after the one that asks."""
    fitted = ExtraTreesClassifier(
        N_TREES, max_features=TREE_INPUTS, min_weight_fraction_leaf=SMALLEST_LEAF, random_state=0
    ).fit(scores, is_song, sample_weight=weights)
    trees = [tree.tree_ for tree in fitted.estimators_]
    leaves = np.concatenate([t.children_right < 0 for t in trees])
    skips = np.concatenate([t.children_right - np.arange(t.node_count) for t in trees])
    shares = np.concatenate([t.value[:, 0, 1] / t.value[:, 0].sum(axis=1) for t in trees])
    return Forest(
        roots=np.cumsum([0, *(t.node_count for t in trees[:-1])], dtype=np.int64),
        inputs=np.where(leaves, 0, np.concatenate([t.feature for t in trees])).astype(np.int16),
        thresholds=np.where(leaves, 0, np.concatenate([t.threshold for t in trees])).astype(np.float32),
        skips=np.where(leaves, 0, skips).astype(np.int16),
        shares=shares.astype(np.float16),
    )


def fit(
    takes: Sequence[Take],
    tags: Sequence[str],
    *,
    ear: Ear | None = None,
    added: Sequence[Heard] = (),
    random_state: int = 0,
) -> tuple[Model, LogisticRegression]:
    """The model of the learnable takes, its card still empty, and the vocals-only baseline.

    With a ready-made `ear`, which never met these takes, only the rest is learnt; then what was
    heard by it in further takes may be `added`. The
    baseline is a regression on `VOICE_SUMMARY`: the decision of one who only hears
    whether someone sings.
    """
    lesson = hear(takes, tags, ear=ear, added=added, random_state=random_state)
    decision, logits = fit_decision(lesson.rows, lesson.table)
    originals = [h for h in lesson.heard if h.row is not None and h.take.variant == "original"]
    model = Model(
        ear=lesson.ear,
        decision=decision,
        voice_threshold=_voice_threshold(originals, logits),
        music_threshold=_music_threshold(lesson.heard),
        band=_uncertain_band(expit(logits)),
        card={},
    )
    return model, _voice_baseline(lesson.rows, lesson.table)


def fit_decision(rows: Matrix, table: Table) -> tuple[Decision, Matrix]:
    """The decision, and the logits that its inner folds give to the originals."""
    fitted = QuantileTransformer(n_quantiles=min(RANKS, len(rows)), subsample=None).fit(rows)
    known = NormalScores(fitted.quantiles_.T.astype(np.float32))
    scores = known(rows)
    clear, logits = _fit_clear(scores, table)
    return Decision(known, clear, _fit_dialogue(scores, table, logits)), logits


def _fit_clear(scores: Matrix, table: Table) -> tuple[Expert, Matrix]:
    """The expert for clear music, and what its inner folds say of the originals."""

    def learn(chosen: Flags) -> Expert:
        return fit_expert(scores[chosen], table.chosen(chosen))

    return _fit_calibrated(learn, scores, table, table.of(CLEAR_VARIANTS), table.of(("original",)))


def _fit_dialogue(scores: Matrix, table: Table, logits: Matrix) -> Dialogue | None:
    """The gate and the expert for dialogue; None where too few takes are under dialogue to learn from.

    `logits` are what the expert for clear music says of the originals, in their inner folds.
    """
    spoken, loud, is_song = table.of(DIALOGUE_VARIANTS), _loud_dialogue(table), labelled(table.takes, "song")
    if not all(table.left_in_every_fold(part) for part in (loud, spoken & is_song, spoken & ~is_song)):
        return None
    originals = table.chosen(table.of(("original",)))
    told = {take.example: p for take, p in zip(originals, expit(logits), strict=True)}
    clear = np.array([told[take.example] for take in table.takes])

    def learn(chosen: Flags) -> Linear:
        return fit_pupil(scores[chosen], table.chosen(chosen), clear[chosen])

    expert, _ = _fit_calibrated(learn, scores, table, spoken, spoken)
    prior = float(logit(SPOKEN_SONGS) - logit(is_song[spoken].mean()))
    gate = _fit_teller(scores, table, loud, missed=LOUD_MISSED).calibrated(GATE_STEEPNESS, 0.0)
    return Dialogue(
        gate, expert.calibrated(1.0, prior), hint=_fit_teller(scores, table, spoken, missed=UNHINTED)
    )


def fit_pupil(scores: Matrix, takes: Sequence[Take], told: Matrix) -> Linear:
    """A ridge regression on what is `told` of each clip by one who hears it clearly, not calibrated yet.

    Told is the probability that it is a song, ``(takes,)``. It says more than the label: how far the music
    sounds like one (distillation of privileged information, Lopez-Paz et al. 2016).
    """
    weights = balanced_weights(takes, labelled(takes, "song"))
    ridge = Ridge(DIALOGUE_ALPHA).fit(scores, told, sample_weight=weights)
    return Linear(ridge.coef_, float(ridge.intercept_))


def _loud_dialogue(table: Table) -> Flags:
    """Loud speech over clips that are known to be without voices, or over any if that is known of none."""
    loud = table.of((LOUD_DIALOGUE,))
    unsung = loud & np.array(
        [isinstance(t.example, Example) and t.example.vocals == "no" for t in table.takes]
    )
    return unsung if unsung.any() else loud


def _fit_calibrated(
    learn: Callable[[Flags], Learnt], scores: Matrix, table: Table, chosen: Flags, asked: Flags
) -> tuple[Learnt, Matrix]:
    """What is learnt from the chosen takes, calibrated, and its logits, from inner folds, of those asked about."""
    told = by_others(learn, scores, table, chosen, asked)[:, None]
    calibration = LogisticRegression(C=1e6).fit(told, labelled(table.chosen(asked), "song"))
    slope, offset = float(calibration.coef_[0, 0]), float(calibration.intercept_[0])
    return learn(chosen).calibrated(slope, offset), calibration.decision_function(told)


def _fit_teller(scores: Matrix, table: Table, spoken: Flags, *, missed: float) -> Linear:
    """What tells these dialogues from all clear music by its voices, positive for all but the share of them that may be missed."""
    known, telling = spoken | table.of(CLEAR_VARIANTS), _of_voices(scores.shape[1])
    voices = scores[:, telling]

    def regression(chosen: Flags) -> LogisticRegression:
        return balanced_regression(voices[chosen], table.chosen(chosen), spoken[chosen], GATE_C)

    logits = by_others(lambda some: regression(some).decision_function, voices, table, known, spoken)
    teller, threshold = regression(known), float(np.quantile(logits, missed))
    coefficients = np.zeros(len(telling))
    coefficients[telling] = teller.coef_[0]
    return Linear(coefficients, float(teller.intercept_[0]) - threshold)


def _of_voices(n_inputs: int) -> Flags:
    """Which of the decision's inputs tell of voices: the vocal features, what changes behind the words and what the ear heard; how music is built says nothing of who speaks."""
    flags = np.ones(n_inputs, np.bool_)
    flags[: len(schema.FEATURES)] = [feature.family == "vocals" for feature in schema.FEATURES]
    return flags


def _uncertain_band(probabilities: Matrix) -> tuple[float, float]:
    """The band about one half that holds `UNSURE_SHARE` of the clips."""
    half = float(np.quantile(np.abs(probabilities - 0.5), UNSURE_SHARE))
    return 0.5 - half, 0.5 + half


def _voice_threshold(heard: Sequence[Heard], songs: Matrix) -> float:
    """The voice logit that few of the half seconds of scores without voices exceed; `songs` as for `sung_as`."""
    unsung = [
        h.voice + sung_as(song)
        for h, song in zip(heard, songs, strict=True)
        if h.take.label == "score" and (h.take.known[VOICE] == 0).all()
    ]
    voices = np.concatenate([np.empty(0), *unsung])
    return float(np.quantile(voices, 1 - VOICE_FALSE_ALARMS)) if len(voices) else 0.0


def _music_threshold(heard: Sequence[Heard]) -> float:
    """The share of music that finds most clips without music and loses next to none with it."""
    originals = [h for h in heard if h.take.variant == "original"]
    with_music = np.array([h.music for h in originals if h.take.label in ("score", "song")])
    without_music = np.array([h.music for h in originals if h.take.label == "no_music"])
    harmless = [t for t in THRESHOLDS if (with_music < t).mean() <= MOST_MUSIC_LOST]
    if not harmless or not len(without_music):
        return THRESHOLDS[0]
    return max(harmless, key=lambda t: float((without_music < t).mean()))


def _voice_baseline(rows: Matrix, table: Table) -> LogisticRegression:
    clear = table.of(CLEAR_VARIANTS)
    is_song = labelled(table.chosen(clear), "song")
    weights = balanced_weights(table.chosen(clear), is_song)
    return LogisticRegression().fit(rows[clear, -len(VOICE_SUMMARY) :], is_song, sample_weight=weights)
