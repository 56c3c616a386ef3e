"""The decision's parts say what scikit-learn's say, and a gate chooses between two experts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVC

from scoreorsong.decision import (
    EXTREME,
    OUTLIER,
    Decision,
    Dialogue,
    Expert,
    Kernel,
    NormalScores,
    Scaler,
)

WIDTH = 12


def rows_like(n=60, width=WIDTH, seed=0):
    """Random rows that half precision holds without loss, as landmarks are stored."""
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float16).astype(np.float64)


def small_kernel(outputs=1, seed=1):
    weights = np.random.default_rng(seed).standard_normal((60, outputs))
    return Kernel(rows_like().astype(np.float16), weights, np.full(outputs, 0.3), 0.05)


def small_expert(seed=1):
    return Expert(np.random.default_rng(seed).standard_normal(WIDTH), 0.2, small_kernel(seed=seed))


@pytest.fixture
def decision():
    """Two experts of different minds, and a gate that is neither open nor shut."""
    quantiles = np.sort(rows_like(40), axis=0).T.astype(np.float32)
    gate = np.random.default_rng(7).standard_normal(WIDTH)
    return Decision(NormalScores(quantiles), small_expert(1), Dialogue(gate, 0.1, small_expert(2)))


# ---- the same as scikit-learn


def test_a_kernel_is_a_support_vector_machine():
    rows, asked = rows_like(), rows_like(seed=2)
    machine = SVC(C=2.0, gamma=0.07).fit(rows, rows[:, 0] * rows[:, 1] > 0)
    kernel = Kernel(
        machine.support_vectors_.astype(np.float16), machine.dual_coef_.T, machine.intercept_, 0.07
    )
    np.testing.assert_allclose(kernel(asked)[:, 0], machine.decision_function(asked), atol=1e-9)


def test_a_kernel_is_nystroem_with_a_ridge():
    rows, asked = rows_like(), rows_like(seed=2)
    nystroem = Nystroem(gamma=0.07, n_components=30, random_state=0).fit(rows)
    ridge = Ridge(1.0).fit(nystroem.transform(rows), rows[:, :3] ** 2)
    kernel = Kernel(
        nystroem.components_.astype(np.float16),
        nystroem.normalization_.T @ ridge.coef_.T,
        ridge.intercept_,
        0.07,
    )
    np.testing.assert_allclose(kernel(asked), ridge.predict(nystroem.transform(asked)), atol=1e-9)


def test_a_scaler_is_the_standard_one_but_for_outliers():
    rows = 3 + 2 * rows_like()
    fitted = StandardScaler().fit(rows)
    scaler = Scaler(fitted.mean_, fitted.scale_)
    np.testing.assert_allclose(scaler(rows), fitted.transform(rows), atol=1e-12)
    np.testing.assert_array_equal(scaler(np.full((1, WIDTH), 1e9)), OUTLIER)
    np.testing.assert_array_equal(scaler(np.full((1, WIDTH), -1e9)), -OUTLIER)


# ---- slopes and contributions


@pytest.mark.parametrize("seed", range(5))
def test_a_kernels_gradient_is_its_slope(seed):
    kernel, row, step = small_kernel(2), rows_like(1, seed=seed)[0], 1e-5
    slopes = [
        (kernel((row + d)[None]) - kernel((row - d)[None]))[0, 0] / (2 * step) for d in step * np.eye(WIDTH)
    ]
    np.testing.assert_allclose(kernel.gradient(row), slopes, atol=1e-8)


def test_contributions_are_slope_times_distance(decision):
    step = 1e-4
    for row in rows_like(6, seed=5):
        slopes = [
            (decision.of_scores((row + d)[None]) - decision.of_scores((row - d)[None]))[0] / (2 * step)
            for d in step * np.eye(WIDTH)
        ]
        shut = replace(decision, dialogue=None)
        alone = [
            (shut.of_scores((row + d)[None]) - shut.of_scores((row - d)[None]))[0] / (2 * step)
            for d in step * np.eye(WIDTH)
        ]
        assert len(slopes) == WIDTH
        np.testing.assert_allclose(shut.contributions(row), alone * row, atol=1e-6)


def test_the_usual_clip_has_no_reasons(decision):
    np.testing.assert_array_equal(decision.contributions(np.zeros(WIDTH)), 0)


def test_calibration_stretches_the_logit():
    plain, rows = small_expert(), rows_like(5, seed=3)
    stretched = replace(plain, slope=2.0, offset=0.5)
    np.testing.assert_allclose(stretched(rows), 2 * plain(rows) + 0.5)
    np.testing.assert_allclose(stretched.contributions(rows[0]), 2 * plain.contributions(rows[0]))


def test_an_expert_is_the_mean_of_two(decision):
    rows, asked = rows_like(), rows_like(seed=2)
    is_song = rows[:, 0] * rows[:, 1] > 0
    linear, machine = LogisticRegression().fit(rows, is_song), SVC(gamma=0.07).fit(rows, is_song)
    kernel = Kernel(machine.support_vectors_, machine.dual_coef_.T, machine.intercept_, 0.07)
    expert = Expert(linear.coef_[0], float(linear.intercept_[0]), kernel)
    expected = (linear.decision_function(asked) + machine.decision_function(asked)) / 2
    np.testing.assert_allclose(expert(asked), expected, atol=1e-9)


# ---- who decides


def test_a_shut_gate_leaves_the_clear_expert_alone(decision):
    rows = rows_like(4, seed=3)
    shut = replace(decision, dialogue=replace(decision.dialogue, intercept=-100.0))
    np.testing.assert_allclose(shut(rows), decision.clear(decision.scores(rows)))
    np.testing.assert_allclose(shut(rows), replace(decision, dialogue=None)(rows))
    np.testing.assert_allclose(
        shut.contributions(rows[0]), replace(decision, dialogue=None).contributions(rows[0])
    )


def test_an_open_gate_lets_the_expert_for_dialogue_decide(decision):
    rows = rows_like(4, seed=3)
    wide = replace(decision, dialogue=replace(decision.dialogue, intercept=100.0))
    np.testing.assert_allclose(wide(rows), decision.dialogue.expert(decision.scores(rows)))
    np.testing.assert_allclose(wide.share(decision.scores(rows)), 1)


def test_half_an_open_gate_is_the_mean(decision):
    rows = rows_like(4, seed=3)
    half = replace(decision, dialogue=replace(decision.dialogue, coefficients=np.zeros(WIDTH), intercept=0.0))
    scores = decision.scores(rows)
    np.testing.assert_allclose(half(rows), (decision.clear(scores) + decision.dialogue.expert(scores)) / 2)


# ---- ranks


@pytest.mark.parametrize("step", [1e-9, 0.5], ids=["all different", "many alike"])
def test_normal_scores_are_scikit_learns(step):
    rows = np.round(rows_like(300) / step) * step
    fitted = QuantileTransformer(n_quantiles=50, output_distribution="normal", subsample=None).fit(rows)
    scores = NormalScores(fitted.quantiles_.T)
    asked = np.vstack(
        [np.round(rows_like(50, seed=4) / step) * step, np.full((1, WIDTH), 99.0), np.full((1, WIDTH), -99.0)]
    )
    # scikit-learn sends the lowest and the highest known value out to infinity, however many share it.
    inner = (asked != rows.min(axis=0)) & (asked != rows.max(axis=0))
    expected = np.clip(fitted.transform(asked), -EXTREME, EXTREME)
    np.testing.assert_allclose(scores(asked)[inner], expected[inner], atol=1e-6)


def test_a_value_that_most_clips_share_has_the_middle_of_their_ranks():
    scores = NormalScores(np.array([[0.0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5]], np.float32))
    assert -1 < scores(np.zeros((1, 1)))[0, 0] < 0
