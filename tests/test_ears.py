"""An ear hears what it was taught, and an ear apart from a fold was taught nothing by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import TAGS, small_model, small_takes
from sklearn.linear_model import LogisticRegression, Ridge

from scoreorsong import ears, hearing
from scoreorsong.dataset import Example
from scoreorsong.ears import MOST_COMMONER, QUESTIONS, STANDALONE, fit_ears, hear, lesson_of
from scoreorsong.folds import INNER_FOLDS, fold_of_groups, learnable
from scoreorsong.hearing import TAG, VOICE, context, input_names
from scoreorsong.metric import fit_nystroem

OTHER = {"score": "song", "song": "score"}


@pytest.fixture(scope="module")
def takes():
    """Without scenes and half of the copies: these clips are so like themselves there that single precision of the weights would tell."""
    left_out = ("speech 2", "speech 3", "varied 3", "varied 4", "varied 5")
    return [t for t in learnable(small_takes()[0]) if t.variant not in left_out]


@pytest.fixture(scope="module")
def fold_of(takes):
    return fold_of_groups(takes, INNER_FOLDS, 0)


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def both(takes, fold_of):
    return fit_ears(takes, TAGS, fold_of, 0)


def mapped_by(ear, rows):
    """The rows by Nystroem's features in the ear's metric, in single precision as it learns from them, and in double."""
    scaled = ear.scaler(rows).astype(np.float32) @ ear.projection
    sample = np.random.default_rng(0).permutation(len(scaled))[:20000]
    landmarks = scaled[sample].astype(np.float16).astype(float)
    nystroem = fit_nystroem(landmarks, gamma=ear.kernel.gamma, landmarks=ears.LANDMARKS, random_state=0)
    mapped = nystroem.transform(scaled)
    for part in ("components_", "normalization_"):
        setattr(nystroem, part, getattr(nystroem, part).astype(float))
    return mapped, nystroem.transform(ear.scaler(rows) @ ear.projection)


def taught_by(takes, fold_of, fold):
    return np.array([all(fold_of[group] != fold for group in t.groups) for t in takes])


@pytest.mark.parametrize("fold", [None, 0, 2])
def test_an_ear_is_scikit_learns_pipeline(takes, fold_of, both, fold):
    """Folding Nystroem's normalization into the weights changes nothing."""
    lesson = lesson_of(takes, 0)
    ear = both.whole if fold is None else both.apart[fold]
    taught = taught_by(takes, fold_of, fold)[lesson.take]
    mapped, asked = mapped_by(ear, lesson.rows)
    heard = ear.kernel(ear.scaler(lesson.rows) @ ear.projection)
    tags, *known = lesson.answers
    tagged, *sure = (taught & there for there in lesson.sure())
    expected = Ridge(1.0).fit(mapped[tagged], tags[tagged]).predict(asked)
    weighed = ear.kernel.likeness(ear.scaler(lesson.rows) @ ear.projection) @ np.abs(ear.kernel.weights)
    rounded = np.finfo(np.float32).eps / 2 * weighed[:, : len(TAGS)]  # as the weights are stored, at worst
    assert (np.abs(heard[:, : len(TAGS)] - expected) <= rounded + 1e-8).all()
    for question, there, truth in zip(QUESTIONS, sure, known, strict=True):
        at = ears.thinned(there, truth[:, 0] == 1)
        regression = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300)
        expected = regression.fit(mapped[at], truth[at, 0]).decision_function(asked)
        np.testing.assert_allclose(heard[:, ear.heads.index(question)], expected, atol=5e-3)
    labelled = taught & np.isfinite(lesson.song)
    standalone = Ridge(ears.STANDALONE_ALPHA)
    standalone.fit(mapped[labelled], lesson.song[labelled], lesson.balanced(labelled))
    expected = standalone.predict(asked)
    np.testing.assert_allclose(heard[:, ear.heads.index(STANDALONE)], expected, atol=1e-5)


def test_there_is_an_ear_apart_for_every_fold_and_all_share_a_metric(both, fold_of):
    assert set(both.apart) == set(fold_of.values())
    for ear in both.apart.values():
        assert ear.projection is both.whole.projection
        np.testing.assert_array_equal(ear.kernel.landmarks, both.whole.kernel.landmarks)


def test_what_is_true_of_a_fold_teaches_its_ear_nothing(takes, fold_of, monkeypatch):
    """All answers of a fold turned round, in a metric that asks for none: whoever meets the fold says otherwise, its own ear does not."""
    monkeypatch.setattr(ears, "learn_projection", first_axes)
    before = fit_ears(takes, TAGS, fold_of, 0)
    for fold in (0, 2):
        met = ~taught_by(takes, fold_of, fold)
        assert 0 < met.sum() < len(takes)
        spoilt = [turned(t) if touched else t for t, touched in zip(takes, met.tolist(), strict=True)]
        after = fit_ears(spoilt, TAGS, fold_of, 0)
        np.testing.assert_array_equal(before.apart[fold].kernel.weights, after.apart[fold].kernel.weights)
        np.testing.assert_array_equal(before.apart[fold].kernel.bias, after.apart[fold].kernel.bias)
        others = [(before.whole, after.whole)]
        others += [(before.apart[n], after.apart[n]) for n in before.apart if n != fold]
        assert all(np.abs(a.kernel.weights - b.kernel.weights).max() > 0.01 for a, b in others)


def first_axes(questions, *, axes, **_):
    return np.eye(questions[0].rows.shape[1], axes, dtype=np.float32)


def turned(take):
    known = {question: 1 - values for question, values in take.known.items()}
    example = take.example
    if isinstance(example, Example) and example.label in OTHER:
        example = replace(example, label=OTHER[example.label])
    return replace(take, example=example, known=known, tags=None if take.tags is None else -take.tags)


def test_the_ear_hears_what_it_learnt(takes, model):
    for question in QUESTIONS:
        right = []
        for take in takes:
            truth = take.known[question]
            sure = np.isfinite(truth)
            heard = model.ear(take.features.segments)[:, model.ear.heads.index(question)]
            right += ((heard > 0) == truth)[sure].tolist()
        assert np.mean(right) > 0.9


def test_rooms_teach_only_what_is_music_as_a_whole(takes):
    rooms = [take for take in takes if take.room]
    met, spared = (hear(some, TAGS).ear for some in (takes, [t for t in takes if not t.room]))
    assert replace(met, overall=None).ear_id == replace(spared, overall=None).ear_id
    assert all(met.overall(met.hear(room.features)[1][None])[0] < 0 for room in rooms)
    assert met.ear_id != spared.ear_id


@pytest.mark.parametrize("ready", [False, True])
def test_where_nothing_changes_an_ear_hears_no_music(takes, model, monkeypatch, ready):
    """Whether it is learnt just now or was ready before: the threshold for music is set by what both hear."""
    monkeypatch.setattr(hearing, "STILL_DB", 1e6)
    monkeypatch.setattr(hearing, "LEAST_STILL", 0)
    heard = hear(takes, TAGS, ear=model.ear if ready else None).heard
    assert {h.music for h in heard} == {0.0}


def test_heads_are_the_tags_and_the_questions(model):
    assert model.ear.heads == (*(TAG + tag for tag in TAGS), *QUESTIONS, STANDALONE)
    assert f"{STANDALONE}_mean" in input_names(model.ear.heads)
    assert len(set(input_names(model.ear.heads))) == len(input_names(model.ear.heads))


def test_segments_that_nobody_knows_teach_nothing(takes):
    """A lesson has NaN where nobody knows, and tags only on music that nothing is mixed into."""
    lesson = lesson_of(takes, 0)
    assert lesson.rows.shape == (len(lesson.take), context(takes[0].features.segments).shape[1])
    assert [a.shape for a in lesson.answers] == [
        (len(lesson.rows), width) for width in (len(TAGS), *(1 for _ in QUESTIONS))
    ]
    assert np.isnan(lesson.answers[1 + QUESTIONS.index(VOICE)]).any()
    tagged = lesson.sure()[0]
    assert np.isfinite(lesson.answers[0][tagged]).all()
    assert 0 < tagged.mean() < 0.5
    assert all(t.tags is not None for t in (takes[i] for i in set(lesson.take[tagged].tolist())))


def test_every_take_teaches(takes):
    lesson = lesson_of(takes, 0)
    assert sorted(set(lesson.take.tolist())) == list(range(len(takes)))


def test_only_clear_songs_and_scores_tell_what_stands_alone(takes):
    lesson = lesson_of(takes, 0)
    for i, take in enumerate(takes):
        clear = isinstance(take.example, Example) and take.variant.startswith(("original", "varied", "noise"))
        truth = {"score": -1.0, "song": 1.0}.get(take.label, np.nan) if clear else np.nan
        np.testing.assert_array_equal(lesson.song[lesson.take == i], truth)


def test_a_take_weighs_the_same_however_long_it_is(takes):
    """And a group of n takes as much as the root of n, both classes the same, the mean row 1."""
    lesson = lesson_of(takes, 0)
    known = np.isfinite(lesson.song)
    weights = lesson.balanced(known)
    sums = np.bincount(lesson.take[known], weights)
    of = {label: [i for i in set(lesson.take[known].tolist()) if takes[i].label == label] for label in OTHER}
    for label in OTHER:
        assert np.ptp(sums[of[label]]) < 1e-9  # groups of as many takes each
    assert sums[of["song"]].sum() == pytest.approx(sums[of["score"]].sum())
    assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("turned", [False, True])
def test_of_the_commoner_answer_only_so_many_teach(turned):
    random = np.random.default_rng(0)
    rows, positive = random.random(5000) < 0.8, random.random(5000) < 0.1
    kept = ears.thinned(rows, ~positive if turned else positive)
    assert (np.diff(kept) > 0).all()
    assert rows[kept].all()
    assert positive[kept].sum() == (rows & positive).sum()
    assert (~positive[kept]).sum() == MOST_COMMONER * (rows & positive).sum()
    halves = np.searchsorted(kept[~positive[kept]], (1250, 2500, 3750)) / (~positive[kept]).sum()
    np.testing.assert_allclose(halves, (0.25, 0.5, 0.75), atol=0.05)


def test_of_answers_that_are_nearly_as_common_all_teach():
    rows, positive = np.ones(5000, np.bool_), np.random.default_rng(0).random(5000) < 0.4
    np.testing.assert_array_equal(ears.thinned(rows, positive), np.arange(5000))
