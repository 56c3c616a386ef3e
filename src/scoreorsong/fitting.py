"""Takes → Model: fits the ear, the decision and its calibration.

Conventions: whatever is learnt from a clip is never asked about that clip's own
groups while training: the ear's summaries that the decision learns from, and the
logits that the calibration learns from, come from inner folds by group. Every
random choice follows from `random_state`. Takes for checking teach nothing at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVC

from .dataset import Example
from .decision import Decision, Dialogue, Expert, Forest, Kernel, Matrix, NormalScores, Scaler
from .metric import Question, expansion, learn_projection
from .model import (
    MUSIC,
    SPEECH,
    TAG,
    VOICE,
    VOICE_SUMMARY,
    Ear,
    Model,
    context,
    decision_row,
    music_segments,
    sung_as,
    voice_in,
)
from .takes import Take

Flags = npt.NDArray[np.bool_]

INNER_FOLDS: Final = 3
RARE: Final = ""  # kind of the voices and clips without music that are too few to be spread evenly
EAR_LANDMARKS, EAR_AXES = 1000, 64
EAR_GAMMA: Final = 0.2  # over the number of inputs, as scikit-learn's "auto" is 1.0
QUESTIONS: Final = (VOICE, SPEECH, MUSIC)
QUESTION_WEIGHT: Final = 1 / 3  # of each in the ear's metric, beside the tags
RANKS: Final = 50  # quantiles by which an input's rank is told
LINEAR_C, KERNEL_C, GATE_C = 0.003, 5.0, 0.1
# Trees of the expert for clear music, the share of the inputs that each split may choose from, and the least
# share of all weight in a leaf, which bounds a tree's size whatever the corpus.
N_TREES, TREE_INPUTS, SMALLEST_LEAF = 100, 0.25, 0.003
# Share of the loud dialogues for which the gate to their expert may stay shut. Few songs are half
# spoken: what share of them opens it hangs on one singer, and is no measure to set it by.
DIALOGUES_LEFT_CLEAR: Final = 0.14
GATE_STEEPNESS: Final = 3.0
# Every how many segments of a clip's variant the ear learns from; of a voice, every `VOICE_STRIDE`.
EAR_STRIDE: Final = {"original": 2, "varied": 4, "speech": 4, "noise": 8}
VOICE_STRIDE: Final = 2
CLEAR_VARIANTS: Final = ("original", "varied", "noise")
DIALOGUE_VARIANTS: Final = ("speech",)
LOUD_DIALOGUE: Final = "speech 0"
VOICE_FALSE_ALARMS: Final = 0.04  # share of the half seconds of scores without voices
UNSURE_SHARE: Final = 0.2  # of the clips, the least certain: they set the uncertain band
MOST_MUSIC_LOST: Final = 0.003
THRESHOLDS: Final = tuple(i / 20 for i in range(1, 11))


def fold_of_groups(takes: Sequence[Take], most_folds: int, random_state: int) -> dict[str, int]:
    """Which fold each group is tested in; clips are spread evenly by slice.

    There are `most_folds` folds, or fewer where a class has fewer groups; slices too rare
    for that many folds count as their class, so that every fold leaves both classes to learn from.
    """
    fewest = min(len({t.group for t in takes if t.label == label}) for label in ("score", "song"))
    n_folds = max(2, min(most_folds, fewest))
    clips = [t for t in takes if t.variant == "original"]
    groups = np.array([min(t.groups) for t in clips])
    kinds = [t.slice for t in clips]
    for coarser in ([t.label for t in clips], [RARE] * len(clips)):
        groups_in = Counter(kind for kind, _ in set(zip(kinds, groups.tolist(), strict=True)))
        kinds = [k if groups_in[k] >= n_folds else c for k, c in zip(kinds, coarser, strict=True)]
    spread = np.array(kinds) != RARE
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=random_state)
    splits = splitter.split(groups[spread], np.array(kinds)[spread], groups[spread])
    fold_of = {str(g): fold for fold, (_, test) in enumerate(splits) for g in groups[spread][test]}
    rest = sorted(set(groups.tolist()) - set(fold_of))
    return fold_of | {group: i % n_folds for i, group in enumerate(rest)}


def without(takes: Sequence[Take], fold_of: dict[str, int], fold: int) -> list[Take]:
    """The takes that have nothing to do with the fold."""
    return [t for t in takes if all(fold_of[g] != fold for g in t.groups)]


def learnable(takes: Sequence[Take]) -> list[Take]:
    """The takes that may be learnt from: all but those for checking."""
    return [t for t in takes if not t.checking]


def fit_ear(takes: Sequence[Take], tags: Sequence[str], random_state: int) -> Ear:
    """A learnt metric, then Nystroem features with a ridge for the tags and a logistic regression for each question."""
    rows, known, tag_rows, tag_values = _ear_table(takes, random_state)
    scaler = _fit_scaler(rows)
    scaled = scaler(rows)
    gamma = EAR_GAMMA / scaled.shape[1]
    sure = {question: np.isfinite(values) for question, values in known.items()}
    questions = [Question(scaled[tag_rows], tag_values, 1.0)]
    questions += [Question(scaled[sure[q]], known[q][sure[q], None], QUESTION_WEIGHT) for q in QUESTIONS]
    projection = learn_projection(questions, gamma=gamma, axes=EAR_AXES, random_state=random_state)
    projected = scaled @ projection
    sample = np.random.default_rng(random_state).permutation(len(projected))[:20000]
    nystroem = Nystroem(gamma=gamma, n_components=min(EAR_LANDMARKS, len(sample)), random_state=random_state)
    mapped = nystroem.fit(_halved(projected[sample])).transform(projected)
    heads = [Ridge(1.0).fit(mapped[tag_rows], tag_values)]
    for question in QUESTIONS:
        regression = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300)
        heads.append(regression.fit(mapped[sure[question]], known[question][sure[question]]))
    weights = np.vstack([head.coef_ for head in heads])
    kernel = expansion(nystroem, weights, np.concatenate([np.atleast_1d(h.intercept_) for h in heads]))
    kernel = replace(
        kernel, landmarks=kernel.landmarks.astype(np.float16), weights=kernel.weights.astype(np.float32)
    )
    return Ear(scaler, projection, kernel, (*(TAG + tag for tag in tags), *QUESTIONS))


def _halved(rows: Matrix) -> Matrix:
    """Rounded as landmarks are stored: a nearly singular kernel would magnify a later rounding."""
    return rows.astype(np.float16).astype(np.float64)


def _ear_table(takes: Sequence[Take], random_state: int) -> tuple[Matrix, dict[str, Matrix], Matrix, Matrix]:
    """Rows of context, what is known about them, which have tags, and these tags."""
    random = np.random.default_rng(random_state)
    rows, tags = [], []
    known: dict[str, list[Matrix]] = {question: [] for question in QUESTIONS}
    for take in takes:
        stride = EAR_STRIDE[take.variant.split()[0]] if isinstance(take.example, Example) else VOICE_STRIDE
        part = slice(int(random.integers(stride)), None, stride)
        rows.append(context(take.features.segments)[part])
        for question, values in known.items():
            values.append(take.known[question][part])
        tags.append(take.tags[part] if take.tags is not None else None)
    width = next(t.shape[1] for t in tags if t is not None)
    filled = [np.full((len(r), width), np.nan) if t is None else t for r, t in zip(rows, tags, strict=True)]
    table = np.vstack(filled)
    with_tags = np.isfinite(table[:, 0])
    return np.vstack(rows), {q: np.concatenate(v) for q, v in known.items()}, with_tags, table[with_tags]


def _fit_scaler(rows: Matrix) -> Scaler:
    fitted = StandardScaler().fit(rows.astype(np.float64))
    return Scaler(fitted.mean_, fitted.scale_)


def fit_expert(scores: Matrix, takes: Sequence[Take], *, n_trees: int = 0) -> Expert:
    """A logistic regression, a support vector machine and, if any, trees side by side, not calibrated yet."""
    is_song = _is(takes, "song")
    weights = balanced_weights(takes, is_song)
    linear = LogisticRegression(C=LINEAR_C, max_iter=3000).fit(scores, is_song, sample_weight=weights)
    gamma = 1 / scores.shape[1]
    machine = SVC(C=KERNEL_C, gamma=gamma).fit(_halved(scores), is_song, sample_weight=weights)
    # The machine's margin is about half as steep as the other's logit.
    kernel = Kernel(
        landmarks=machine.support_vectors_.astype(np.float16),
        weights=2 * machine.dual_coef_.T,
        bias=2 * machine.intercept_,
        gamma=gamma,
    )
    forest = _fit_forest(scores, is_song, weights, n_trees) if n_trees else None
    return Expert(linear.coef_[0], float(linear.intercept_[0]), kernel, forest=forest)


def _fit_forest(scores: Matrix, is_song: Flags, weights: Matrix, n_trees: int) -> Forest:
    """Extremely randomised trees, one after another; scikit-learn puts the node for less right after the one that asks."""
    fitted = ExtraTreesClassifier(
        n_trees, max_features=TREE_INPUTS, min_weight_fraction_leaf=SMALLEST_LEAF, random_state=0
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


def balanced_weights(takes: Sequence[Take], positive: Flags) -> Matrix:
    """Weights of equal sum on both sides; a group of n takes counts as much as the root of n."""
    sizes = Counter(t.group for t in takes)
    weights = np.array([t.weight / np.sqrt(sizes[t.group]) for t in takes])
    for side in (positive, ~positive):
        weights[side] /= weights[side].sum()
    return weights * len(weights) / 2


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
    takes = learnable(takes)
    fold_of = fold_of_groups([*takes, *(h.take for h in added)], INNER_FOLDS, random_state)
    heard = [*inner_hearing(takes, tags, fold_of, ear, random_state), *added]
    decided = [h for h in heard if h.row is not None]
    rows = np.stack([h.row for h in decided if h.row is not None])
    table = Table([h.take for h in decided], np.array([fold_of[h.take.group] for h in decided]))
    decision, logits = fit_decision(rows, table)
    model = Model(
        ear=ear or fit_ear(takes, tags, random_state),
        decision=decision,
        voice_threshold=_voice_threshold([h for h in decided if h.take.variant == "original"], logits),
        music_threshold=_music_threshold(heard),
        band=_uncertain_band(expit(logits)),
        card={},
    )
    return model, _voice_baseline(rows, table)


@dataclass(frozen=True)
class Heard:
    """What an ear that never met a take's group made of it; `row` are the decision's inputs, for score and songs."""

    take: Take
    music: float
    voice: Matrix  # of the segments that sound
    row: Matrix | None


@dataclass(frozen=True)
class Table:
    """The takes that the decision learns from, and the inner fold that each is tested in."""

    takes: list[Take]
    folds: npt.NDArray[np.int_]

    def of(self, variants: tuple[str, ...]) -> Flags:
        """Which takes are of such variants, ``(takes,)``."""
        return np.array([t.variant.startswith(variants) for t in self.takes])

    def left_in_every_fold(self, flags: Flags) -> bool:
        """Whether there are such takes to learn from, whichever fold is tested."""
        return all((flags & (self.folds != fold)).any() for fold in np.unique(self.folds))

    def chosen(self, flags: Flags) -> list[Take]:
        """Some of the takes."""
        return [t for t, flag in zip(self.takes, flags, strict=True) if flag]


def inner_hearing(
    takes: Sequence[Take], tags: Sequence[str], fold_of: dict[str, int], ear: Ear | None, random_state: int
) -> list[Heard]:
    """What is heard in every take by ears that never met its group, in the order of the takes."""
    inner = {
        fold: ear or fit_ear(without(takes, fold_of, fold), tags, random_state)
        for fold in sorted(set(fold_of.values()))
    }
    return [_hear(take, inner[fold_of[take.group]]) for take in takes]


def _hear(take: Take, ear: Ear) -> Heard:
    heard, silent = ear(take.features.segments), take.features.silent
    decides = take.label != "no_music" and isinstance(take.example, Example)
    return Heard(
        take,
        music=float(music_segments(heard, silent, ear.heads).mean()),
        voice=voice_in(heard, ear.heads)[~silent],
        row=decision_row(take.features, heard, ear.heads) if decides else None,
    )


def fit_decision(rows: Matrix, table: Table) -> tuple[Decision, Matrix]:
    """The decision, and the logits that its inner folds give to the originals."""
    fitted = QuantileTransformer(n_quantiles=min(RANKS, len(rows)), subsample=None).fit(rows)
    known = NormalScores(fitted.quantiles_.T.astype(np.float32))
    scores = known(rows)
    originals = table.of(("original",))
    clear, logits = _fit_calibrated(scores, table, table.of(CLEAR_VARIANTS), originals, n_trees=N_TREES)
    return Decision(known, clear, _fit_dialogue(scores, table)), logits


def _fit_dialogue(scores: Matrix, table: Table) -> Dialogue | None:
    """The gate and the expert for dialogue; None where too few takes are under dialogue to learn from."""
    spoken, loud, is_song = table.of(DIALOGUE_VARIANTS), _loud_dialogue(table), _is(table.takes, "song")
    if not all(table.left_in_every_fold(part) for part in (loud, spoken & is_song, spoken & ~is_song)):
        return None
    expert, _ = _fit_calibrated(scores, table, spoken, spoken)
    return Dialogue(*_fit_gate(scores, table, loud), expert)


def _loud_dialogue(table: Table) -> Flags:
    """Loud speech over clips that are known to be without voices, or over any if that is known of none."""
    loud = table.of((LOUD_DIALOGUE,))
    unsung = loud & np.array(
        [isinstance(t.example, Example) and t.example.vocals == "no" for t in table.takes]
    )
    return unsung if unsung.any() else loud


def _fit_calibrated(
    scores: Matrix, table: Table, chosen: Flags, asked: Flags, *, n_trees: int = 0
) -> tuple[Expert, Matrix]:
    """An expert on the chosen takes, and its calibrated logits, from inner folds, of those asked about."""
    logits = np.full(len(scores), np.nan)
    for fold in np.unique(table.folds):
        others, tested = chosen & (table.folds != fold), asked & (table.folds == fold)
        if tested.any():
            logits[tested] = fit_expert(scores[others], table.chosen(others), n_trees=n_trees)(scores[tested])
    is_song = _is(table.chosen(asked), "song")
    calibration = LogisticRegression(C=1e6).fit(logits[asked, None], is_song)
    slope, offset = float(calibration.coef_[0, 0]), float(calibration.intercept_[0])
    expert = fit_expert(scores[chosen], table.chosen(chosen), n_trees=n_trees)
    return replace(expert, slope=slope, offset=offset), slope * logits[asked] + offset


def _fit_gate(scores: Matrix, table: Table, spoken: Flags) -> tuple[Matrix, float]:
    """Coefficients and intercept that tell loud dialogue from all clear music."""
    known = spoken | table.of(CLEAR_VARIANTS)

    def regression(chosen: Flags) -> LogisticRegression:
        weights = balanced_weights(table.chosen(chosen), spoken[chosen])
        gate = LogisticRegression(C=GATE_C, max_iter=3000)
        return gate.fit(scores[chosen], spoken[chosen], sample_weight=weights)

    logits = np.full(len(scores), np.nan)
    for fold in np.unique(table.folds):
        tested = spoken & (table.folds == fold)
        if tested.any():
            logits[tested] = regression(known & (table.folds != fold)).decision_function(scores[tested])
    gate = regression(known)
    threshold = float(np.quantile(logits[spoken], DIALOGUES_LEFT_CLEAR))
    return GATE_STEEPNESS * gate.coef_[0], GATE_STEEPNESS * (float(gate.intercept_[0]) - threshold)


def _is(takes: Sequence[Take], label: str) -> Flags:
    return np.array([t.label == label for t in takes])


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
    is_song = _is(table.chosen(clear), "song")
    weights = balanced_weights(table.chosen(clear), is_song)
    return LogisticRegression().fit(rows[clear, -len(VOICE_SUMMARY) :], is_song, sample_weight=weights)
