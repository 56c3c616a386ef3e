"""The tone of a made room hums, and nothing happens in it."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import RATE_HZ

from scoreorsong import room_tone as room
from scoreorsong.room_tone import room_tone

SECONDS = 10


def seeded(seed):
    return np.random.default_rng(seed)


def levels_db(samples):
    """Of every half second."""
    return [10 * np.log10(np.mean(half.astype(float) ** 2)) for half in np.split(samples, 2 * SECONDS)]


@pytest.mark.parametrize("seed", range(8))
def test_a_room_is_steady_and_as_loud_as_told(seed):
    tone = room_tone(SECONDS * RATE_HZ, seeded(seed))
    assert tone.dtype == np.float32
    assert tone.std() == pytest.approx(1, abs=1e-3)
    assert np.ptp(levels_db(tone)) < 8
    np.testing.assert_array_equal(tone, room_tone(SECONDS * RATE_HZ, seeded(seed)))


def test_no_room_is_like_another():
    rooms = [np.abs(np.fft.rfft(room_tone(SECONDS * RATE_HZ, seeded(seed)))) for seed in range(8)]
    alike = np.corrcoef([np.log(np.add.reduceat(r, np.arange(50, len(r), 2000))) for r in rooms])
    assert np.median(alike[np.triu_indices(8, 1)]) < 0.95


def test_what_hums_keeps_its_pitch(monkeypatch):
    monkeypatch.setattr(room, "HUM_HZ", (440.0, 440.001))
    hum = room._hum(SECONDS * RATE_HZ, seeded(3))
    loudest = [
        np.abs(np.fft.rfft(part))[10:].argmax() + 10 for part in np.split(hum, SECONDS)
    ]  # bins of 1 Hz
    assert all(abs(hz / 440 - round(hz / 440)) < 0.01 for hz in loudest)
    assert np.ptp(levels_db(hum)) < 8


def test_nothing_hums_beyond_half_of_the_rate(monkeypatch):
    monkeypatch.setattr(room, "HUM_HZ", (2000.0, 2000.001))
    power = np.abs(np.fft.rfft(room._hum(SECONDS * RATE_HZ, seeded(1)))) ** 2
    assert power[: 9500 * SECONDS].sum() / power.sum() > 0.999
