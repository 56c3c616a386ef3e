"""Takes → Model: fits the ear, the decision and its calibration.

Conventions: whatever is learnt from a clip is never asked about that clip's own
groups while training: the ear's summaries that the decision learns from, and the
logits that the calibration learns from, come from inner folds by group. Every
random choice follows from `random_state`. Takes for checking teach nothing at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .dataset import Example
from .model import (
    MUSIC,
    SPEECH,
    TAG,
    VOICE,
    VOICE_SUMMARY,
    Decision,
    Ear,
    Kernel,
    Matrix,
    Model,
    Scaler,
    context,
    decision_row,
    listen,
)
from .takes import Take

INNER_FOLDS: Final = 4
RARE: Final = ""  # kind of the voices and clips without music that are too few to be spread evenly
EAR_LANDMARKS: Final = 800
EAR_GAMMA: Final = 0.4  # over the number of inputs, as scikit-learn's "auto" is 1.0
DECISION_C, KERNEL_C, KERNEL_AXES = 0.003, 2.0, 100
# Every how many segments of a take the ear learns from; what varies less counts less.
EAR_STRIDE: Final = {"original": 2, "over music": 2, "speech 0": 6}
OTHER_STRIDE: Final = 8
DECISION_VARIANTS: Final = ("original", "varied", "noise")
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
    """Nystroem features with a ridge for the tags and a logistic regression for each question."""
    rows, known, tag_rows, tag_values = _ear_table(takes, random_state)
    scaler = _fit_scaler(rows)
    scaled = scaler(rows)
    gamma = EAR_GAMMA / scaled.shape[1]
    sample = np.random.default_rng(random_state).permutation(len(scaled))[:20000]
    nystroem = Nystroem(gamma=gamma, n_components=min(EAR_LANDMARKS, len(sample)), random_state=random_state)
    mapped = nystroem.fit(scaled[sample]).transform(scaled)
    heads = [Ridge(1.0).fit(mapped[tag_rows], tag_values)]
    for question in (VOICE, MUSIC, SPEECH):
        sure = np.isfinite(known[question])
        regression = LogisticRegression(C=3.0, class_weight="balanced", max_iter=300)
        heads.append(regression.fit(mapped[sure], known[question][sure]))
    weights = np.vstack([head.coef_ for head in heads])
    bias = np.concatenate([np.atleast_1d(head.intercept_) for head in heads])
    # Nystroem maps with K @ normalization.T; folding that into the weights leaves a plain kernel expansion.
    kernel = Kernel(
        landmarks=nystroem.components_.astype(np.float32),
        weights=nystroem.normalization_.T @ weights.T,
        bias=bias,
        gamma=gamma,
    )
    return Ear(scaler, kernel, (*(TAG + tag for tag in tags), VOICE, MUSIC, SPEECH))


def _ear_table(takes: Sequence[Take], random_state: int) -> tuple[Matrix, dict[str, Matrix], Matrix, Matrix]:
    """Rows of context, what is known about them, which have tags, and these tags."""
    random = np.random.default_rng(random_state)
    rows, tags = [], []
    known: dict[str, list[Matrix]] = {question: [] for question in (VOICE, MUSIC, SPEECH)}
    for take in takes:
        stride = EAR_STRIDE.get(take.variant, OTHER_STRIDE) if isinstance(take.example, Example) else 2
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


def fit_decision(rows: Matrix, takes: Sequence[Take], random_state: int) -> Decision:
    """A logistic regression and a support vector machine side by side, not calibrated yet."""
    is_song = np.array([t.label == "song" for t in takes]).astype(int)
    weights = balanced_weights(takes)
    scaler = _fit_scaler(rows)
    scaled = scaler(rows)
    linear = LogisticRegression(C=DECISION_C, max_iter=3000).fit(scaled, is_song, sample_weight=weights)
    n_axes = min(KERNEL_AXES, *scaled.shape)
    axes = (
        PCA(n_axes, svd_solver="full", random_state=random_state).fit(scaled).components_.T.astype(np.float32)
    )
    gamma = 1 / scaled.shape[1]
    machine = SVC(C=KERNEL_C, gamma=gamma).fit(scaled @ axes, is_song, sample_weight=weights)
    # The machine's margin is about half as steep as the other's logit.
    kernel = Kernel(
        landmarks=machine.support_vectors_.astype(np.float32),
        weights=2 * machine.dual_coef_.T,
        bias=2 * machine.intercept_,
        gamma=gamma,
    )
    return Decision(scaler, linear.coef_[0], float(linear.intercept_[0]), axes, kernel)


def balanced_weights(takes: Sequence[Take]) -> Matrix:
    """Weights of equal sum per class; a group of n takes counts as much as the root of n."""
    sizes = Counter(t.group for t in takes)
    weights = np.array([t.weight / np.sqrt(sizes[t.group]) for t in takes])
    for label in {t.label for t in takes}:
        mine = np.array([t.label == label for t in takes])
        weights[mine] /= weights[mine].sum()
    return weights * len(weights) / 2


def fit(
    takes: Sequence[Take], tags: Sequence[str], *, ear: Ear | None = None, random_state: int = 0
) -> tuple[Model, LogisticRegression]:
    """The model of the learnable takes, its card still empty, and the vocals-only baseline.

    With a ready-made `ear`, which never met these takes, only the rest is learnt. The
    baseline is a regression on `VOICE_SUMMARY`: the decision of one who only hears
    whether someone sings.
    """
    takes = learnable(takes)
    fold_of = fold_of_groups(takes, INNER_FOLDS, random_state)
    music, rows = _inner_hearing(takes, tags, fold_of, ear, random_state)
    ear = ear or fit_ear(takes, tags, random_state)
    deciding = [i for i in rows if takes[i].variant.startswith(DECISION_VARIANTS)]
    decision = _fit_decision(rows, takes, deciding, random_state)
    logits, is_song = _inner_logits(rows, takes, deciding, fold_of, random_state)
    calibration = LogisticRegression(C=1e6).fit(logits[:, None], is_song)
    decision = replace(
        decision, slope=float(calibration.coef_[0, 0]), offset=float(calibration.intercept_[0])
    )
    probabilities = expit(decision.slope * logits + decision.offset)
    model = Model(ear, decision, _music_threshold(takes, music), _uncertain_band(probabilities), {})
    return model, _voice_baseline(rows, takes, deciding)


def _inner_hearing(
    takes: Sequence[Take], tags: Sequence[str], fold_of: dict[str, int], ear: Ear | None, random_state: int
) -> tuple[dict[int, float], dict[int, Matrix]]:
    """By index of the take: its share of music and, for score and songs, the decision's inputs."""
    music, rows = {}, {}
    for fold in sorted(set(fold_of.values())):
        inner = ear or fit_ear(without(takes, fold_of, fold), tags, random_state)
        for i, take in enumerate(takes):
            if fold_of[take.group] != fold:
                continue
            logits = inner(take.features.segments)
            music[i] = listen(logits, take.features.silent, inner.heads)[MUSIC]
            if take.label != "no_music" and isinstance(take.example, Example):
                rows[i] = decision_row(take.features, logits, inner.heads)
    return music, rows


def _fit_decision(
    rows: dict[int, Matrix], takes: Sequence[Take], chosen: Sequence[int], random_state: int
) -> Decision:
    return fit_decision(np.stack([rows[i] for i in chosen]), [takes[i] for i in chosen], random_state)


def _inner_logits(
    rows: dict[int, Matrix],
    takes: Sequence[Take],
    deciding: Sequence[int],
    fold_of: dict[str, int],
    random_state: int,
) -> tuple[Matrix, Matrix]:
    """Logits of the original clips from decisions that never met their groups, and whether they are songs."""
    logits, is_song = [], []
    for fold in sorted(set(fold_of.values())):
        others = [i for i in deciding if fold_of[takes[i].group] != fold]
        tested = [i for i in deciding if fold_of[takes[i].group] == fold and takes[i].variant == "original"]
        if tested:
            decision = _fit_decision(rows, takes, others, random_state)
            logits.append(decision(np.stack([rows[i] for i in tested])))
            is_song += [takes[i].label == "song" for i in tested]
    return np.concatenate(logits), np.array(is_song, dtype=float)


def _uncertain_band(probabilities: Matrix) -> tuple[float, float]:
    """The band about one half that holds `UNSURE_SHARE` of the clips."""
    half = float(np.quantile(np.abs(probabilities - 0.5), UNSURE_SHARE))
    return 0.5 - half, 0.5 + half


def _music_threshold(takes: Sequence[Take], music: dict[int, float]) -> float:
    """The share of music that finds most clips without music and loses next to none with it."""
    originals = [i for i in music if takes[i].variant == "original"]
    with_music = np.array([music[i] for i in originals if takes[i].label in ("score", "song")])
    without_music = np.array([music[i] for i in originals if takes[i].label == "no_music"])
    harmless = [t for t in THRESHOLDS if (with_music < t).mean() <= MOST_MUSIC_LOST]
    if not harmless or not len(without_music):
        return THRESHOLDS[0]
    return max(harmless, key=lambda t: float((without_music < t).mean()))


def _voice_baseline(
    rows: dict[int, Matrix], takes: Sequence[Take], deciding: Sequence[int]
) -> LogisticRegression:
    chosen = [takes[i] for i in deciding]
    summaries = np.stack([rows[i][-len(VOICE_SUMMARY) :] for i in deciding])
    is_song = np.array([t.label == "song" for t in chosen])
    return LogisticRegression().fit(summaries, is_song, sample_weight=balanced_weights(chosen))
