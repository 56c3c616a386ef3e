"""Novelty where the sound changes; the likeliest runs, against every other sequence there is."""

from itertools import pairwise, product

import numpy as np
import pytest

from scoreorsong.decoding import decode, novelty, unlikeness


@pytest.mark.parametrize("at", [7, 12, 20])
def test_novelty_peaks_where_the_sound_changes(at):
    rows = np.zeros((30, 2))
    rows[:at, 0] = rows[at:, 1] = 1
    values = novelty(rows, 5)
    assert values.argmax() == at
    assert values.max() == pytest.approx(0.5)
    assert values[: at - 5].max(initial=0) == values[at + 5 :].max(initial=0) == pytest.approx(0)


def test_novelty_is_one_between_opposites_and_none_in_silence():
    rows = np.repeat([[1.0, -1.0], [-1.0, 1.0]], 10, axis=0)
    assert novelty(rows, 4).max() == pytest.approx(1)
    assert not novelty(np.zeros((9, 3)), 4).any()


def test_unlikeness_is_how_far_apart_the_two_sides_are():
    rows = np.repeat([[1.0, 5.0], [-1.0, 5.0]], 20, axis=0)
    values = unlikeness(rows, 8)
    assert values.argmax() == 20
    assert values[20] == pytest.approx(np.sqrt((2**2 + 0) / 2), rel=0.01)
    assert values[:12] == pytest.approx(np.zeros(12))
    np.testing.assert_allclose(unlikeness(3 * rows + 7, 8), 3 * values, atol=1e-9)


def test_novelty_is_the_checkerboard_of_cosine_similarities():
    rows, reach = np.random.default_rng(0).standard_normal((30, 6)), 4
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    taper = np.hanning(2 * reach + 2)[1:-1] * np.repeat([1, -1], reach)
    at = slice(15 - reach, 15 + reach)
    board = (np.outer(taper, taper) * (units @ units.T)[at, at]).sum() / np.abs(taper).sum() ** 2
    assert novelty(rows, reach)[15] == pytest.approx(board)


def worth(runs, gains, costs):
    total = sum(gains[start:end, state].sum() for start, end, state in runs)
    return total - sum(costs[b[0], a[2], b[2]] for a, b in pairwise(runs))


def every_path(n, states, shortest):
    """All sequences of runs that keep the shortest lengths."""
    if n == 0:
        yield []
    for length, state in product(range(1, n + 1), range(states)):
        if length >= shortest[state]:
            for before in every_path(n - length, states, shortest):
                yield [*before, (n - length, n, state)]


@pytest.mark.parametrize("seed", range(8))
def test_no_other_path_is_worth_more(seed):
    random, n, shortest = np.random.default_rng(seed), 7, (2, 3, 1)
    gains, costs = random.normal(size=(n, 3)), random.uniform(-0.3, 1.5, (n, 3, 3))
    found = decode(gains, costs, shortest)
    assert found in list(every_path(n, 3, shortest))
    best = max(worth(path, gains, costs) for path in every_path(n, 3, shortest))
    assert worth(found, gains, costs) == pytest.approx(best)


def test_a_flicker_is_shorter_than_its_cost():
    gains = np.zeros((40, 2))
    gains[:, 0], gains[18:21, 1] = 0.5, 1.0
    costs = np.full((40, 2, 2), 3.0)
    assert decode(gains, costs, (1, 1)) == [(0, 40, 0)]
    assert decode(gains, costs / 10, (1, 1)) == [(0, 18, 0), (18, 21, 1), (21, 40, 0)]


def test_a_short_source_is_one_run_however_long_runs_must_be():
    assert decode(np.array([[0.0, 1.0]] * 3), np.zeros((3, 2, 2)), (8, 8)) == [(0, 3, 1)]


def test_what_costs_infinity_never_happens():
    gains, costs = np.zeros((12, 2)), np.full((12, 2, 2), np.inf)
    gains[6:, 1] = 5.0
    assert decode(gains, costs, (1, 1)) == [(0, 12, 1)]
