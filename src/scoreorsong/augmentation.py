"""Audio → the same audio as it might have reached us: training variants.

Conventions: mono float32 at `RATE_HZ` in, the same out; every function is told
its random generator, so that a seed gives the same variant. Nothing here is
used for prediction.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import scipy.fft
import scipy.signal
import soundfile

from .audio import RATE_HZ, Samples

Random = np.random.Generator


def vary(samples: Samples, random: Random) -> Samples:
    """A plausible other copy: an excerpt, equalised, in a room, saturated, coded; each by chance."""
    steps: dict[Callable[[Samples, Random], Samples], float] = {
        excerpt: 0.7,
        equalise: 0.7,
        limit_band: 0.4,
        reverberate: 0.2,
        saturate: 0.3,
        code_mp3: 0.3,
    }
    for step, chance in steps.items():
        if random.random() < chance:
            samples = step(samples, random)
    return samples


def excerpt(samples: Samples, random: Random) -> Samples:
    """8 to 45 s from anywhere inside."""
    length = min(len(samples), round(RATE_HZ * np.exp(random.uniform(np.log(8), np.log(45)))))
    start = random.integers(0, len(samples) - length + 1)
    return samples[start : start + length]


def equalise(samples: Samples, random: Random) -> Samples:
    """A tilt of up to ±3 dB per octave about 1 kHz and a wavy curve of ±4 dB."""
    tilt, waves = random.uniform(-3, 3), random.uniform(-4, 4, size=8)

    def gain_db(hz: np.ndarray) -> np.ndarray:
        octaves = np.log2(np.maximum(hz, 50) / 1000)
        return tilt * octaves + np.interp(octaves, np.linspace(-4.5, 3.5, len(waves)), waves)

    return _filtered(samples, gain_db)


def limit_band(samples: Samples, random: Random) -> Samples:
    """Cut lows under 30-200 Hz and highs over 3.5-10 kHz, at 24 dB per octave."""
    low_hz, high_hz = np.exp(random.uniform(np.log([30, 3500]), np.log([200, 10000])))

    def gain_db(hz: np.ndarray) -> np.ndarray:
        under, over = np.log2(low_hz / np.maximum(hz, 1)), np.log2(np.maximum(hz, 1) / high_hz)
        return -24 * (np.maximum(under, 0) + np.maximum(over, 0))

    return _filtered(samples, gain_db)


def reverberate(samples: Samples, random: Random) -> Samples:
    """A room of 0.2 to 1.5 s, mixed in 6 to 20 dB under the direct sound."""
    rt60_s, wet_db = random.uniform(0.2, 1.5), random.uniform(-20, -6)
    time_s = np.arange(round(rt60_s * RATE_HZ)) / RATE_HZ
    tail = random.standard_normal(len(time_s)) * 10 ** (-3 * time_s / rt60_s)
    wet = scipy.signal.oaconvolve(samples, tail.astype(np.float32))[: len(samples)]
    return mix(samples, wet.astype(np.float32), -wet_db)


def saturate(samples: Samples, random: Random) -> Samples:
    """Soft clipping, as a loud master has it."""
    drive = np.float32(random.uniform(1, 4) / max(float(np.quantile(np.abs(samples[::7]), 0.99)), 1e-4))
    return np.tanh(samples * drive)


def code_mp3(samples: Samples, random: Random) -> Samples:
    """Through an MP3 encoder and back."""
    file = io.BytesIO()
    peak = max(float(np.abs(samples).max(initial=0)), 1e-6)
    level = float(random.uniform(0.3, 0.95))
    soundfile.write(file, samples / peak * 0.9, RATE_HZ, format="MP3", compression_level=level)
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def mix(music: Samples, other: Samples, ratio_db: float) -> Samples:
    """`other` under or over the music, whose active level stands `ratio_db` above it; length of the music.

    A shorter `other` is repeated with a second of rest in between.
    """
    rest = np.concatenate([other, np.zeros(RATE_HZ, np.float32)])
    laid = np.tile(rest, -(-len(music) // len(rest)))[: len(music)]
    gain = active_rms(music) / active_rms(other) * 10 ** (-ratio_db / 20)
    return (music + laid * gain).astype(np.float32)


def active_rms(samples: Samples) -> float:
    """Root mean square over the half-seconds within 30 dB of the loudest one."""
    size = RATE_HZ // 2
    padded = np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
    power = (padded.astype(np.float64) ** 2).mean(axis=1)
    return float(np.sqrt(power[power >= power.max() / 1000].mean())) + 1e-9


def _filtered(samples: Samples, gain_db: Callable[[np.ndarray], np.ndarray]) -> Samples:
    n_fft = scipy.fft.next_fast_len(len(samples), real=True)
    gains = 10 ** (gain_db(scipy.fft.rfftfreq(n_fft, 1 / RATE_HZ)) / 20)
    spectrum = scipy.fft.rfft(samples, n_fft) * gains.astype(np.float32)
    return scipy.fft.irfft(spectrum, n_fft)[: len(samples)].astype(np.float32)
