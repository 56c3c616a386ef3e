"""Takes → ears and what they hear: one ear is taught by all takes, and for every fold one that is not taught by the fold.

Conventions: the ears of one lesson share what they hear by, a learnt metric and landmarks in it, since the
decision learns from what those of the folds say and is then asked about what the one of all says: it must mean
the same. What they answer, their heads, is learnt for each of them. Metric and landmarks are of all takes: whoever
needs an ear that never met a take gives the lesson without it.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from .dataset import Example
from .decision import Linear, Matrix, Rows, Scaler
from .folds import INNER_FOLDS, Table, by_others, fold_of_groups, labelled, learnable, table_of
from .hearing import (
    MUSIC,
    SPEECH,
    STANDALONE,
    TAG,
    VOICE,
    Ear,
    Flags,
    Overall,
    context,
    music_segments,
    stillness,
    voice_in,
)
from .metric import Question, expansion, fit_nystroem, learn_projection
from .takes import Take

LANDMARKS, AXES = 1000, 64
GAMMA: Final = 0.2  # over the number of inputs, as scikit-learn's "auto" is 1.0
QUESTIONS: Final = (VOICE, SPEECH, MUSIC)
QUESTION_WEIGHT: Final = 1 / 3  # of each in the metric, beside the tags
MOST_COMMONER: Final = 2  # of one answer to a question for each of the other, since more tell no more
# The metric is not asked about `STANDALONE`, since all ears share that: those of the folds would know by it the labels
# that they must not.
STANDALONE_ALPHA: Final = 0.3
CLEAR_VARIANTS: Final = ("original", "varied", "noise")  # in which nobody speaks
# Every how many segments of a clip's variant the ear learns from; of a voice, every `VOICE_STRIDE`.
STRIDE: Final = {"original": 2, "varied": 8, "speech": 4, "noise": 8}
VOICE_STRIDE: Final = 2
OVERALL_C: Final = 0.1  # of the regression that tells what is music as a whole


class Ears(NamedTuple):
    """The ear that is `whole` is taught by all takes; that `apart` for a fold by those that have nothing to do with it."""

    whole: Ear
    apart: Mapping[int, Ear]


class Lesson(NamedTuple):
    """Segments to learn from.

    Attributes
    ----------
    rows : ``(rows, inputs)`` of `context`.
    take : ``(rows,)`` the position among `takes` of the one that each is of.
    answers : what is true there, NaN where nobody knows: the teacher's tags ``(rows, tags)``, then
        to each of `QUESTIONS` 0 or 1, ``(rows, 1)``.
    song : 1 in songs, -1 in scores, NaN in anything else, ``(rows,)``.
    """

    takes: Sequence[Take]
    rows: npt.NDArray[np.float32]
    take: npt.NDArray[np.intp]
    answers: list[Matrix]
    song: Matrix

    def sure(self) -> list[Flags]:
        """Where each of the answers is known, ``(rows,)``."""
        return [np.isfinite(answers[:, 0]) for answers in self.answers]

    def balanced(self, rows: Flags) -> Matrix:
        """What each of these rows weighs in telling songs from scores: their takes as `balanced_weights` has it, the mean row 1."""
        counts = np.bincount(self.take[rows], minlength=len(self.takes))
        met = [take for take, count in zip(self.takes, counts, strict=True) if count]
        of_take = np.zeros(len(counts))
        of_take[counts > 0] = balanced_weights(met, np.array([t.label == "song" for t in met]))
        weights = (of_take / np.maximum(counts, 1))[self.take[rows]]
        return np.asarray(weights / weights.mean())


def fit_ears(
    takes: Sequence[Take], tags: Sequence[str], fold_of: Mapping[str, int], random_state: int
) -> Ears:
    """A learnt metric, then Nystroem features with ridges for the tags and a logistic regression for each question.

    Parameters
    ----------
    fold_of : by group, the fold of a take.
    """
    lesson = lesson_of(takes, random_state)
    scaler = _fit_scaler(lesson.rows)
    scaled = scaler(lesson.rows).astype(np.float32)
    gamma = GAMMA / scaled.shape[1]
    weights = (1.0, *(QUESTION_WEIGHT for _ in QUESTIONS))
    questions = [
        Question(scaled[sure], answers[sure], weight)
        for answers, sure, weight in zip(lesson.answers, lesson.sure(), weights, strict=True)
    ]
    projection = learn_projection(questions, gamma=gamma, axes=AXES, random_state=random_state)
    projected = scaled @ projection
    sample = np.random.default_rng(random_state).permutation(len(projected))[:20000]
    nystroem = fit_nystroem(
        halved(projected[sample]), gamma=gamma, landmarks=LANDMARKS, random_state=random_state
    )
    mapped = nystroem.transform(projected)
    names = (*(TAG + tag for tag in tags), *QUESTIONS, STANDALONE)

    def ear(taught: Flags) -> Ear:
        kernel = expansion(nystroem, *_fit_heads(mapped, lesson, taught[lesson.take]))
        landmarks, weights = kernel.landmarks.astype(np.float16), kernel.weights.astype(np.float32)
        return Ear(scaler, projection, replace(kernel, landmarks=landmarks, weights=weights), names)

    return Ears(
        ear(np.ones(len(takes), np.bool_)),
        {
            fold: ear(np.array([all(fold_of[g] != fold for g in t.groups) for t in takes]))
            for fold in sorted({fold_of[t.group] for t in takes})
        },
    )


def _fit_heads(mapped: npt.NDArray[np.float32], lesson: Lesson, chosen: Flags) -> tuple[Matrix, Matrix]:
    """Coefficients ``(heads, features)`` and intercepts ``(heads,)`` of the linear models that the chosen rows teach."""
    tags, *questions = (chosen & sure for sure in lesson.sure())
    heads: list[Any] = [Ridge(1.0).fit(mapped[tags], lesson.answers[0][tags])]
    for sure, answers in zip(questions, lesson.answers[1:], strict=True):
        rows = thinned(sure, answers[:, 0] == 1)
        regression = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300)
        heads.append(regression.fit(mapped[rows], answers[rows, 0]))
    of_either = chosen & np.isfinite(lesson.song)
    standalone = Ridge(STANDALONE_ALPHA)
    heads.append(standalone.fit(mapped[of_either], lesson.song[of_either, None], lesson.balanced(of_either)))
    return np.vstack([h.coef_ for h in heads]), np.concatenate([h.intercept_ for h in heads])


def thinned(rows: Flags, positive: Flags) -> npt.NDArray[np.intp]:
    """Positions of these rows; those of the commoner answer thinned evenly to `MOST_COMMONER` times as many as of the rarer."""
    rarer, commoner = sorted((np.flatnonzero(rows & side) for side in (positive, ~positive)), key=len)
    count = min(len(commoner), MOST_COMMONER * len(rarer))
    kept = commoner[np.linspace(0, len(commoner) - 1, count).astype(np.intp)]
    return np.sort(np.concatenate([rarer, kept]))


def halved(rows: Rows) -> Matrix:
    """Rounded as landmarks are stored: a nearly singular kernel would magnify a later rounding."""
    return rows.astype(np.float16).astype(np.float64)


def lesson_of(takes: Sequence[Take], random_state: int) -> Lesson:
    """Some segments of every take, more of those that tell more."""
    random = np.random.default_rng(random_state)
    width = next(t.tags.shape[1] for t in takes if t.tags is not None)
    rows, counts, answers = list[Rows](), list[int](), list[list[Matrix]]()
    for take in takes:
        stride = STRIDE[take.variant.split()[0]] if isinstance(take.example, Example) else VOICE_STRIDE
        part = slice(int(random.integers(stride)), None, stride)
        rows.append(context(take.features.segments)[part])
        counts.append(len(rows[-1]))
        tags = take.tags[part] if take.tags is not None else np.full((counts[-1], width), np.nan)
        answers.append([tags, *(take.known[question][part, None] for question in QUESTIONS)])
    return Lesson(
        takes,
        np.vstack(rows),
        np.repeat(np.arange(len(takes)), counts),
        [np.vstack(some) for some in zip(*answers, strict=True)],
        np.repeat([_song(take) for take in takes], counts),
    )


def _song(take: Take) -> float:
    """1 for a clear song, -1 for a clear score, NaN for anything else."""
    clear = isinstance(take.example, Example) and take.variant.startswith(CLEAR_VARIANTS)
    return {"score": -1.0, "song": 1.0}.get(take.label, np.nan) if clear else np.nan


def balanced_weights(takes: Sequence[Take], positive: Flags) -> Matrix:
    """Weights of equal sum on both sides; a group of n takes counts as much as the root of n."""
    sizes = Counter(t.group for t in takes)
    weights = np.array([t.weight / np.sqrt(sizes[t.group]) for t in takes])
    for side in (positive, ~positive):
        weights[side] /= weights[side].sum()
    return weights * len(weights) / 2


def balanced_regression(rows: Matrix, takes: Sequence[Take], positive: Flags, c: float) -> LogisticRegression:
    """What tells the positive takes from the others, with `balanced_weights`."""
    weights = balanced_weights(takes, positive)
    return LogisticRegression(C=c, max_iter=3000).fit(rows, positive, sample_weight=weights)


def _fit_scaler(rows: Rows) -> Scaler:
    fitted = StandardScaler().fit(rows.astype(np.float64))
    return Scaler(fitted.mean_, fitted.scale_)


@dataclass(frozen=True)
class Heard:
    """What an ear that a take's group did not teach made of it; `row` are the decision's inputs, for score and songs."""

    take: Take
    music: float  # the share of it
    voice: Matrix  # of the segments that sound
    row: Matrix | None


class Hearing(NamedTuple):
    """What there is to learn the decision from.

    Attributes
    ----------
    ear : taught by all takes.
    heard : of every take, by ears that its group did not teach; then what was added.
    rows, table : of the scores and songs among them, ``(rows, inputs)``.
    """

    ear: Ear
    heard: list[Heard]
    rows: Matrix
    table: Table


def hear(
    takes: Sequence[Take],
    tags: Sequence[str],
    *,
    ear: Ear | None = None,
    added: Sequence[Heard] = (),
    random_state: int = 0,
) -> Hearing:
    """Teach the ears with the learnable takes and hear these by them; the parameters are those of `fit`."""
    takes = learnable(takes)
    fold_of = fold_of_groups([*takes, *(h.take for h in added)], INNER_FOLDS, random_state)
    # By the half second a room sounds like a score that drones: only a clip as a whole tells them apart.
    teaching = [take for take in takes if not take.room]
    whole, apart = (ear, {}) if ear else fit_ears(teaching, tags, fold_of, random_state)
    sounds = [_listen(take, apart.get(fold_of[take.group], whole)) for take in takes]
    rows, lengths = [sound.row for sound in sounds], [len(take.features.silent) for take in takes]
    if ear:
        overall = list(map(ear.music, rows, lengths))
    else:
        whole, known = _with_overall(whole, np.stack(rows), table_of(takes, fold_of))
        overall = list(map(operator.add, known, map(stillness, rows, lengths)))
    heard = [*map(_heard, takes, sounds, overall), *added]
    decided = [(h.take, h.row) for h in heard if h.row is not None]
    table = table_of([take for take, _ in decided], fold_of)
    return Hearing(whole, heard, np.stack([row for _, row in decided]), table)


class _Sound(NamedTuple):
    """What an ear makes of a take before it is known whether that is music as a whole; `there` are the logits of its head for music."""

    there: Matrix
    voice: Matrix
    row: Matrix


def _listen(take: Take, ear: Ear) -> _Sound:
    heard, row = ear.hear(take.features)
    voice = voice_in(heard, ear.heads)[~take.features.silent]
    return _Sound(heard[:, [ear.heads.index(MUSIC)]], voice, row)


def _heard(take: Take, sound: _Sound, overall: float) -> Heard:
    decides = take.label != "no_music" and isinstance(take.example, Example)
    music = music_segments(sound.there, take.features.silent, (MUSIC,), overall)
    return Heard(take, float(music.mean()), sound.voice, sound.row if decides else None)


def _with_overall(ear: Ear, rows: Matrix, table: Table) -> tuple[Ear, Matrix]:
    """The ear that has learnt what is music as a whole, and the logits of that for all takes, from inner folds."""
    music = ~labelled(table.takes, "no_music")
    if not (table.left_in_every_fold(music) and table.left_in_every_fold(~music)):
        return ear, np.zeros(len(rows))

    def learn(chosen: Flags) -> Overall:
        scaler = _fit_scaler(rows[chosen])
        fitted = balanced_regression(scaler(rows[chosen]), table.chosen(chosen), music[chosen], OVERALL_C)
        return Overall(scaler, Linear(fitted.coef_[0], float(fitted.intercept_[0])))

    everything = np.ones(len(rows), np.bool_)
    return replace(ear, overall=learn(everything)), by_others(learn, rows, table, everything, everything)
