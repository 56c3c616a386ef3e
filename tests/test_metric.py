"""A learnt metric looks where the answers change, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import rbf_kernel

from scoreorsong.metric import Question, expansion, fit_nystroem, learn_projection

TELLING = [3, 7]


@pytest.fixture
def question():
    """Thirty inputs, of which two tell."""
    rows = np.random.default_rng(0).standard_normal((1500, 30))
    return Question(rows, np.sin(rows[:, TELLING]), 1.0)


def test_what_tells_nothing_is_left_out(question):
    projection = learn_projection([question], gamma=0.2 / 30, axes=5, random_state=0)
    weights = (projection**2).sum(axis=1)
    assert projection.shape == (30, 5)
    assert weights.sum() == pytest.approx(30, rel=1e-5)
    assert weights[TELLING].sum() > 0.9 * 30


def test_every_question_counts_by_its_weight(question):
    other = question._replace(answers=np.tanh(question.rows[:, [20]]), weight=0.1)
    projection = learn_projection([question, other], gamma=0.2 / 30, axes=5, random_state=0)
    weights = (projection**2).sum(axis=1)
    assert set(np.argsort(-weights)[:3]) == {*TELLING, 20}
    assert weights[20] < weights[TELLING].min()


def test_the_same_seed_gives_the_same_projection(question):
    one, two = (learn_projection([question], gamma=0.01, axes=5, random_state=1) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_an_answer_that_never_changes_harms_nothing(question):
    constant = question._replace(answers=np.hstack([question.answers, np.ones((1500, 1))]))
    assert np.isfinite(learn_projection([constant], gamma=0.01, axes=5, random_state=0)).all()


def test_rows_that_repeat_are_one_landmark(question):
    """Two of a kind make the kernel singular, and the root of its inverse magnifies rounding a million times."""
    rows = question.rows[:200]
    nystroem = fit_nystroem(np.tile(rows, (3, 1)), gamma=0.02, landmarks=600, random_state=0)
    np.testing.assert_array_equal(
        np.unique(nystroem.components_, axis=0), np.unique(rows.astype(np.float32), axis=0)
    )
    assert np.abs(nystroem.normalization_).max() < 100
    mapped = nystroem.transform(rows.astype(np.float32))
    np.testing.assert_allclose(mapped @ mapped.T, rbf_kernel(rows, gamma=0.02), atol=1e-4)


def test_an_expansion_says_what_its_linear_model_says(question):
    nystroem = Nystroem(gamma=0.02, n_components=80, random_state=0)
    mapped = nystroem.fit_transform(question.rows)
    regression = Ridge(1.0).fit(mapped, question.answers)
    kernel = expansion(nystroem, regression.coef_, regression.intercept_)
    np.testing.assert_allclose(kernel(question.rows), regression.predict(mapped), atol=1e-6)


def test_gradients_are_those_of_the_outputs(question):
    nystroem = Nystroem(gamma=0.02, n_components=80, random_state=0)
    regression = Ridge(1.0).fit(nystroem.fit_transform(question.rows), question.answers)
    kernel = expansion(nystroem, regression.coef_, regression.intercept_)
    row, step = question.rows[0], 1e-5
    measured = [
        (kernel(row[None] + step * axis)[0] - kernel(row[None] - step * axis)[0]) / (2 * step)
        for axis in np.eye(30)
    ]
    gradients = kernel.gradients(row, kernel.likeness(row[None])[0])
    np.testing.assert_allclose(gradients, np.transpose(measured), atol=1e-6)
