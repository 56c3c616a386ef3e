"""The decision's parts say what scikit-learn's say, and a gate chooses between two experts."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit, ndtri
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVC

from scoreorsong.decision import (
    BLUR,
    EXTREME,
    OUTLIER,
    SUREST_SHARE,
    Decision,
    Dialogue,
    Expert,
    Forest,
    Kernel,
    Linear,
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


def small_forest():
    """Two trees: one asks input 3, and input 0 of what exceeds 0.5 there; the other is a single leaf."""
    return Forest(
        roots=np.array([0, 5]),
        inputs=np.array([3, 0, 0, 0, 0, 0], np.int16),
        thresholds=np.array([0.5, 0, -1, 0, 0, 0], np.float32),
        skips=np.array([2, 0, 2, 0, 0, 0], np.int16),
        shares=np.array([0.5, 0.25, 0.75, 0.5, 1.0, 0.5], np.float16),
    )


@pytest.fixture
def decision():
    """Two experts of different minds, and a gate that is neither open nor shut."""
    quantiles = np.sort(rows_like(40), axis=0).T.astype(np.float32)
    gate, expert = np.random.default_rng(7).standard_normal((2, WIDTH))
    dialogue = Dialogue(Linear(gate, 0.1), Linear(expert, -0.2), Linear(np.zeros(WIDTH), -1.0))
    return Decision(NormalScores(quantiles), small_expert(), dialogue)


def gated(decision, intercept):
    """With a gate that is as far open for every clip."""
    return replace(decision, dialogue=replace(decision.dialogue, gate=Linear(np.zeros(WIDTH), intercept)))


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


# ---- trees


@pytest.mark.parametrize(
    ("third", "first", "share"),
    [(-1.5, 9, 0.375), (2.5, -3, 0.5), (2.5, 1, 0.75), (0.5, 9, 0.5625), (0.5, -3, 0.4375)],
)
def test_a_forest_leads_every_row_to_its_leaves(third, first, share):
    """What equals a threshold goes both ways alike; the mean of both trees counts."""
    row, other = np.zeros((2, WIDTH))
    row[[3, 0]] = third, first
    other[3] = -1.5
    forest = small_forest()
    np.testing.assert_allclose(forest(np.stack([row, other])), 2 * logit([share, 0.375]), atol=1e-7)
    added = forest.contributions(row)
    assert added.sum() == pytest.approx(2 * logit(share), abs=1e-7)  # the roots' share is one half
    assert set(np.flatnonzero(added)) <= {3, 0}


def test_a_small_change_of_a_score_is_a_small_one_of_the_answer():
    """Across both thresholds, where trees without blur would jump."""
    rows = np.zeros((2001, WIDTH))
    rows[:, 3] = rows[:, 0] = np.linspace(-2, 2, 2001)
    share = expit(small_forest()(rows) / 2)
    assert share.max() - share.min() > 0.3
    assert np.abs(np.diff(share)).max() < 0.002 / (4 * BLUR)  # the steepest that a blurred step of 1 is


def test_a_path_through_a_forest_credits_what_it_asks():
    row = np.zeros(WIDTH)
    row[[3, 0]] = 2.5, 1.0  # first to 0.75, then by input 0 to 1.0: half each
    added = small_forest().contributions(row)
    assert added[3] == pytest.approx(added[0])
    assert added[3] > 0


def test_trees_that_say_nothing_add_nothing():
    forest = replace(small_forest(), shares=np.full(6, 0.5, np.float16))
    np.testing.assert_array_equal(forest.contributions(np.ones(WIDTH)), 0)


def test_no_trees_agreement_is_beyond_reason():
    forest = replace(small_forest(), shares=np.ones(6, np.float16))
    assert forest(np.zeros((1, WIDTH)))[0] == pytest.approx(2 * logit(SUREST_SHARE))


def test_a_forest_weighs_as_much_as_the_two_others():
    alone, forest, rows = replace(small_expert(), slope=1.7, offset=0.3), small_forest(), rows_like(6, seed=5)
    both = replace(alone, forest=forest)
    np.testing.assert_allclose(both(rows), (alone(rows) + 1.7 * forest(rows) + 0.3) / 2)
    np.testing.assert_allclose(
        both.contributions(rows[0]),
        (alone.contributions(rows[0]) + 1.7 * forest.contributions(rows[0])) / 2,
    )


@pytest.mark.parametrize(
    ("part", "hostile"),
    [
        ("roots", np.array([0, 6])),
        ("roots", np.array([0, -1])),
        ("roots", np.array([0.0, 5.0])),
        ("inputs", np.full(6, WIDTH, np.int16)),
        ("inputs", np.full(6, -1, np.int16)),
        ("inputs", np.zeros(5, np.int16)),
        ("thresholds", np.zeros(7, np.float32)),
        ("skips", np.array([2, 0, 2, 0, 0, 1], np.int16)),
        ("skips", np.array([2, 0, 9, 0, 0, 0], np.int16)),
        ("skips", np.array([2, 0, -2, 0, 0, 0], np.int16)),
        ("shares", np.zeros(4, np.float16)),
    ],
)
def test_a_forest_with_a_way_out_is_refused(part, hostile):
    """A path that goes back would never end, one beyond the end would fail in the middle of a scan."""
    with pytest.raises(ValueError, match="leads out of its forest"):
        replace(small_expert(), forest=replace(small_forest(), **{part: hostile}))


@pytest.mark.parametrize(
    ("part", "hostile"),
    [
        ("skips", np.array([2, 0, 1, 0, 0, 0], np.int16)),
        ("skips", np.array([2, 2, 2, 0, 0, 0], np.int16)),
        ("roots", np.array([0, 4])),
        ("roots", np.array([0])),
        ("roots", np.array([0, 5, 5])),
    ],
)
def test_a_forest_whose_paths_meet_is_refused(part, hostile):
    """Where ways meet again and again, there are more of them than anyone can go."""
    with pytest.raises(ValueError, match="meet or miss a node"):
        replace(small_expert(), forest=replace(small_forest(), **{part: hostile}))


# ---- slopes and contributions


@pytest.mark.parametrize("seed", range(5))
def test_a_kernels_gradient_is_its_slope(seed):
    kernel, row, step = small_kernel(2), rows_like(1, seed=seed)[0], 1e-5
    slopes = [
        (kernel((row + d)[None]) - kernel((row - d)[None]))[0, 0] / (2 * step) for d in step * np.eye(WIDTH)
    ]
    np.testing.assert_allclose(kernel.gradient(row), slopes, atol=1e-8)


def slopes_of(asked, row, step=1e-4):
    """The slope along every input, by finite differences."""
    steps = step * np.eye(WIDTH)
    return (asked(row + steps) - asked(row - steps)) / (2 * step)


def test_contributions_are_slope_times_distance():
    expert = replace(small_expert(), slope=1.7, offset=-0.4)
    for row in rows_like(6, seed=5):
        np.testing.assert_allclose(expert.contributions(row), slopes_of(expert, row) * row, atol=1e-6)


def test_with_the_gate_held_contributions_are_slope_times_distance(decision):
    """What opens the gate gives no reason: a speaker says nothing about the music."""
    for row in rows_like(6, seed=5):
        share = float(decision.share(row[None])[0])
        slopes = slopes_of(gated(decision, float(logit(share))).of_scores, row)
        np.testing.assert_allclose(decision.contributions(row), slopes * row, atol=1e-6)


def test_a_linear_experts_contributions_add_up_to_its_logit():
    """But for what it says of the usual clip."""
    expert = small_expert()
    straight = replace(expert, kernel=replace(expert.kernel, weights=np.zeros((60, 1))), slope=1.7)
    for row in rows_like(6, seed=5):
        total = straight(row[None])[0] - straight(np.zeros((1, WIDTH)))[0]
        assert straight.contributions(row).sum() == pytest.approx(total)


def test_contributions_to_a_linear_logit_add_up_to_it():
    linear = Linear(np.arange(WIDTH) / 9, 0.3)
    for row in rows_like(6, seed=5):
        assert linear.contributions(row).sum() + 0.3 == pytest.approx(linear(row[None])[0])


def test_the_usual_clip_has_no_reasons(decision):
    np.testing.assert_array_equal(decision.contributions(np.zeros(WIDTH)), 0)


@pytest.mark.parametrize("plain", [small_expert(), Linear(np.arange(WIDTH) / 9, 0.3)])
def test_calibration_stretches_the_logit(plain):
    rows, stretched = rows_like(5, seed=3), plain.calibrated(2.0, 0.5)
    np.testing.assert_allclose(stretched(rows), 2 * plain(rows) + 0.5)
    np.testing.assert_allclose(stretched.contributions(rows[0]), 2 * plain.contributions(rows[0]))


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.4, -1.3)])
def test_an_expert_is_the_calibrated_mean_of_two(slope, offset):
    rows, asked = rows_like(), rows_like(seed=2)
    is_song = rows[:, 0] * rows[:, 1] > 0
    linear, machine = LogisticRegression().fit(rows, is_song), SVC(gamma=0.07).fit(rows, is_song)
    landmarks = machine.support_vectors_.astype(np.float16)
    kernel = Kernel(landmarks, 2 * machine.dual_coef_.T, 2 * machine.intercept_, 0.07)
    expert = Expert(linear.coef_[0], float(linear.intercept_[0]), kernel, slope, offset)
    mean = (linear.decision_function(asked) + 2 * machine.decision_function(asked)) / 2
    np.testing.assert_allclose(expert(asked), slope * mean + offset, atol=1e-9)


# ---- who decides


def test_a_shut_gate_leaves_the_clear_expert_alone(decision):
    rows = rows_like(4, seed=3)
    shut = gated(decision, -100.0)
    np.testing.assert_allclose(shut(rows), decision.clear(decision.scores(rows)))
    np.testing.assert_allclose(shut(rows), replace(decision, dialogue=None)(rows))
    np.testing.assert_allclose(
        shut.contributions(rows[0]), replace(decision, dialogue=None).contributions(rows[0])
    )


def test_an_open_gate_lets_the_expert_for_dialogue_decide(decision):
    rows = rows_like(4, seed=3)
    wide = gated(decision, 100.0)
    np.testing.assert_allclose(wide(rows), decision.dialogue.expert(decision.scores(rows)))
    np.testing.assert_allclose(wide.share(decision.scores(rows)), 1)


def test_half_an_open_gate_is_the_mean(decision):
    rows = rows_like(4, seed=3)
    half = gated(decision, 0.0)
    scores = decision.scores(rows)
    np.testing.assert_allclose(half(rows), (decision.clear(scores) + decision.dialogue.expert(scores)) / 2)


def test_the_gate_is_a_logistic_regression(decision):
    rows, asked = rows_like(), rows_like(seed=2)
    gate = LogisticRegression().fit(rows, rows[:, 0] > 0.5)
    linear = Linear(gate.coef_[0], float(gate.intercept_[0]))
    share = replace(decision, dialogue=replace(decision.dialogue, gate=linear)).share(asked)
    np.testing.assert_allclose(share, gate.predict_proba(asked)[:, 1])


def test_the_decision_is_the_mixture(decision):
    rows = rows_like(50, seed=3)
    scores = decision.scores(rows)
    share = expit(decision.dialogue.gate(scores))
    assert share.min() < 0.1 < 0.9 < share.max()
    expected = (1 - share) * decision.clear(scores) + share * decision.dialogue.expert(scores)
    np.testing.assert_allclose(decision(rows), expected)
    np.testing.assert_array_equal(decision(rows), decision.of_scores(scores))


def test_without_an_expert_for_dialogue_the_clear_one_decides(decision):
    alone, rows = replace(decision, dialogue=None), rows_like(4, seed=3)
    scores = decision.scores(rows)
    np.testing.assert_array_equal(alone(rows), decision.clear(scores))
    np.testing.assert_array_equal(alone.share(scores), np.zeros(4))
    np.testing.assert_array_equal(alone.contributions(scores[0]), decision.clear.contributions(scores[0]))


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


def test_values_outside_the_known_are_extremes():
    known = np.sort(rows_like(), axis=0)
    scores = NormalScores(known.T.astype(np.float32))
    np.testing.assert_array_equal(scores(known[-1:] + 1), EXTREME)
    np.testing.assert_array_equal(scores(known[:1] - 1), -EXTREME)
    np.testing.assert_array_equal(scores(np.full((1, WIDTH), 1e300)), EXTREME)


def test_a_higher_value_never_scores_lower():
    known = np.round(np.sort(rows_like(40, 1), axis=0), 1)
    asked = np.sort(np.concatenate([known, known + 0.01, np.linspace(-4, 4, 99)[:, None]]), axis=0)
    assert (np.diff(NormalScores(known.T.astype(np.float32))(asked)[:, 0]) >= 0).all()


def test_a_value_that_most_clips_share_has_the_middle_of_their_ranks():
    scores = NormalScores(np.array([[0.0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5]], np.float32))
    assert scores(np.zeros((1, 1)))[0, 0] == pytest.approx(ndtri(0.25))


def test_a_hair_above_the_lowest_is_the_lowest():
    scores = NormalScores(np.array([[0.0, *np.linspace(0.3, 1.2, 49)]], np.float32))
    assert scores(np.array([[1e-20]]))[0, 0] == -EXTREME


def test_what_all_clips_share_says_nothing():
    assert NormalScores(np.full((1, 11), 0.5, np.float32))(np.full((1, 1), 0.5))[0, 0] == 0


@pytest.mark.parametrize("step", [1 / 3, 1 / 58, 0.1])
def test_shared_values_that_single_precision_rounds_have_the_middle_of_their_ranks_too(step):
    """Shares and runs of a voice are such fractions: of the 58 half seconds of a clip."""
    rows = step * np.repeat(np.arange(4.0), 25)[:, None]
    fitted = QuantileTransformer(n_quantiles=100, subsample=None).fit(rows)
    got = NormalScores(fitted.quantiles_.T.astype(np.float32))(rows)
    middles = ndtri(np.repeat([0.125, 0.375, 0.625, 0.875], 25))[:, None]
    np.testing.assert_allclose(got, middles, atol=0.02)


def test_a_kernel_travels_without_what_follows_from_it():
    kernel = Kernel(np.ones((3, 2), np.float16), np.ones((3, 1)), np.zeros(1), 0.5)
    rows = np.zeros((1, 2))
    before, expected = len(pickle.dumps(kernel)), kernel(rows)
    assert len(pickle.dumps(kernel)) == before
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(kernel))(rows), expected)


@pytest.mark.parametrize("spoken", [-1.0, 1.0])
@pytest.mark.parametrize("clear", [-1.0, 1.0])
@pytest.mark.parametrize("gate", [-9.0, 9.0])
@pytest.mark.parametrize("hint", [-1.0, 1.0])
def test_a_call_is_in_doubt_where_speech_would_change_it(decision, hint, gate, clear, spoken):
    """Where there is a hint of speech, and the expert for dialogue would call it otherwise but does not decide."""
    told = decision.clear(decision.scores(rows_like(1)))[0]
    dialogue = Dialogue(*(Linear(np.zeros(WIDTH), logit) for logit in (gate, spoken, hint)))
    so = replace(decision, clear=replace(decision.clear, offset=clear - told), dialogue=dialogue)
    scores = so.scores(rows_like(1))
    logits = so.of_scores(scores)
    assert so.in_doubt(scores, logits).tolist() == [hint > 0 > gate and clear != spoken]
    assert not replace(so, dialogue=None).in_doubt(scores, logits).any()
