"""What changes behind the words, and where least of it is hidden."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import RATE_HZ, noise, score, small_model, speech

from scoreorsong.extraction import extract
from scoreorsong.hearing import BACKGROUND, BANDS, _background_change, input_names, most_changed
from scoreorsong.room_tone import room_tone

SECONDS = 20.0


def change_db(samples):
    """As it stands in the decision's row."""
    ear = small_model().ear
    _, row = ear.hear(extract(samples, rate=RATE_HZ, windows=False))
    return float(np.expm1(row[input_names(ear.heads).index(BACKGROUND)]))


def hum(seed):
    return 0.1 * room_tone(round(SECONDS * RATE_HZ), np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(4))
def test_in_a_room_nothing_changes_but_music_does(seed):
    assert change_db(hum(seed)) < 1.5
    assert change_db(noise(seed, SECONDS)) < 1
    assert change_db(score(seed, SECONDS)) > 4


def test_words_are_not_behind_themselves():
    """Where someone speaks in half of a room, the other half tells."""
    spoken = hum(0)
    spoken[: len(spoken) // 2] += speech(1, SECONDS / 2).astype(np.float32)
    assert change_db(spoken) < 2


def test_it_is_the_change_in_the_bands_that_change_most():
    levels_db = np.zeros((101, 2 * BANDS))
    levels_db[:, 3] = np.linspace(0, 20, 101)  # 9 dB from percentile 20 to 65
    levels_db[:, 8] = np.linspace(7, 0, 101)
    levels_db[:, BANDS:] = np.linspace(0, 99, 101)[:, None]  # deviations, not levels
    change = _background_change(levels_db.astype(np.float32), np.full(101, -1.0))
    assert np.expm1(change) == pytest.approx((9 + 3.15) / 4, abs=1e-3)
    hidden = np.where(np.arange(101) < 20, -1.0, 1.0)
    assert np.expm1(_background_change(levels_db.astype(np.float32), hidden)) < 1


def test_of_few_bands_most_is_all():
    assert most_changed(np.array([1.0, 2.0])) == 1.5
    assert most_changed(np.arange(10.0)) == 7.5


def test_silence_and_a_moment_have_a_number():
    assert change_db(np.zeros(RATE_HZ)) == 0
    assert change_db(score(1, 0.6)) >= 0
