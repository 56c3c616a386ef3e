"""Chance → the tone of a room in which nothing happens.

Conventions: mono float32 at `RATE_HZ`.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from .audio import RATE_HZ, Samples

Random = np.random.Generator

# Steady noise of any colour, and how far it stands over what hums in it.
DB_PER_OCTAVE, UNEVEN_DB, OVER_HUM_DB = (-9.0, -1.0), 8.0, (-8.0, 25.0)
MOST_HUMS, MOST_OVERTONES, HUM_HZ = 3, 12, (25.0, 2000.0)
WAVE_POINTS = 4096  # of one turn of it
WAVER_S, MOST_WAVER_DB, MOST_WAVER = 4.0, 3.0, 0.002


def room_tone(length: int, random: Random) -> Samples:
    """So many samples with an RMS of 1."""
    n_fft = scipy.fft.next_fast_len(length, real=True)
    octaves = np.log2(np.maximum(scipy.fft.rfftfreq(n_fft, 1 / RATE_HZ), 40) / 1000)
    uneven_db = np.interp(octaves, np.linspace(-4.6, 3.5, 12), random.uniform(-UNEVEN_DB, UNEVEN_DB, 12))
    gains = 10 ** ((random.uniform(*DB_PER_OCTAVE) * octaves + uneven_db) / 20)
    noise = scipy.fft.irfft(scipy.fft.rfft(random.standard_normal(length), n_fft) * gains, n_fft)[:length]
    room = noise / noise.std()
    for _ in range(random.integers(MOST_HUMS + 1)):
        room += _hum(length, random) * 10 ** (-random.uniform(*OVER_HUM_DB) / 20)
    return (room / room.std()).astype(np.float32)


def _hum(length: int, random: Random) -> np.ndarray:
    """As of mains, lamps or fans, with an RMS of 1: overtones of one pitch, which hardly waver."""
    hz, fall = np.exp(random.uniform(*np.log(HUM_HZ))), random.uniform(0.5, 2.5)
    turns = hz * np.cumsum(1 + random.uniform(0, MOST_WAVER) * _wavering(length, random)) / RATE_HZ
    count = max(1, min(int(random.integers(1, MOST_OVERTONES + 1)), int(0.4 * RATE_HZ / hz)))
    phase, wave = np.linspace(0, 2 * np.pi, WAVE_POINTS), np.zeros(WAVE_POINTS)
    for order in range(1, count + 1):
        wave += random.uniform(0.2, 1) / order**fall * np.sin(order * phase + random.uniform(0, 2 * np.pi))
    hum = np.interp(2 * np.pi * (turns % 1), phase, wave)
    hum *= 10 ** (random.uniform(0, MOST_WAVER_DB) * _wavering(length, random) / 20)
    return hum / hum.std()


def _wavering(length: int, random: Random) -> np.ndarray:
    """Numbers that go from one to the next of those drawn between -1 and 1."""
    at = np.arange(length) / (WAVER_S * RATE_HZ)
    drawn = random.uniform(-1, 1, int(at[-1]) + 2)
    return np.interp(at, np.arange(len(drawn)), drawn)
