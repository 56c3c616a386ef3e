"""Spectra → timbre and dynamics: what it sounds like, how even it is.

Conventions: levels are in decibels relative to the clip itself, so that gain
changes nothing; statistics run over frames of 23 ms unless a name says more.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.fft

from ..spectra import FRAMES_PER_S, Array, Spectra
from .statistics import quantiles, slope_per_minute, smooth

N_MFCC = 20
CONTRAST_GROUPS = 6
MODULATION_EDGES_HZ = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
MODULATION_GROUPS = ("low", "lowmid", "highmid", "high")
# Regions of the mel axis: to about 220, 500, 1 300, 3 000 and 7 600 Hz.
POWER_BANDS = {"bass": (0, 3), "low": (3, 10), "mid": (10, 30), "high": (30, 50), "treble": (50, 72)}


def describe(spectra: Spectra) -> dict[str, float]:
    """All timbre and dynamics features of the spectra, by name."""
    return {
        **_mfcc(spectra),
        **_shape(spectra),
        **_balance(spectra),
        **_flatness(spectra),
        **_contrast(spectra),
        **_dynamics(spectra),
        **_modulation(spectra),
    }


def mfcc(spectra: Spectra) -> Array:
    """Mel-frequency cepstral coefficients 1 to `N_MFCC`, ``(N_MFCC, frames)``; 0 (the level) is left out."""
    return np.asarray(scipy.fft.dct(spectra.mel_db, axis=0, norm="ortho")[1 : N_MFCC + 1], dtype=np.float32)


def _mfcc(spectra: Spectra) -> dict[str, float]:
    coefficients = mfcc(spectra)
    deltas = np.diff(coefficients, axis=1, prepend=coefficients[:, :1])
    rows = {
        "mean": coefficients.mean(axis=1),
        "std": coefficients.std(axis=1),
        "delta_std": deltas.std(axis=1),
    }
    return {f"mfcc_{i + 1:02d}_{key}": float(row[i]) for key, row in rows.items() for i in range(N_MFCC)}


def _shape(spectra: Spectra) -> dict[str, float]:
    """Centroid, spread and roll-off on the mel axis (in bands), and flux."""
    power = spectra.mel_power + 1e-16 * spectra.mel_power.max() + 1e-30
    share = power / power.sum(axis=0)
    bands = np.arange(len(share), dtype=np.float32)
    centroid = bands @ share
    spread = np.sqrt(np.maximum(bands**2 @ share - centroid**2, 0))
    rolloff = (np.cumsum(share, axis=0) < 0.85).sum(axis=0)
    flux = np.abs(np.diff(np.sqrt(share), axis=1, prepend=np.sqrt(share[:, :1]))).sum(axis=0)
    frames = {"centroid": centroid, "spread": spread, "rolloff": rolloff, "flux": flux}
    means = {f"{name}_mean": float(row.mean()) for name, row in frames.items()}
    return means | {f"{name}_std": float(row.std()) for name, row in frames.items()}


def _balance(spectra: Spectra) -> dict[str, float]:
    """Power of five regions relative to the whole, in dB."""
    power = spectra.mel_power.sum(axis=1, dtype=np.float64)
    whole = power.sum() + 1e-20
    return {
        f"balance_{name}": float(10 * np.log10(power[first:last].sum() / whole + 1e-6))
        for name, (first, last) in POWER_BANDS.items()
    }


def _flatness(spectra: Spectra) -> dict[str, float]:
    rows = {"mean": spectra.flatness.mean(axis=1), "std": spectra.flatness.std(axis=1)}
    return {f"flatness_{i + 1}_{key}": float(v) for key, row in rows.items() for i, v in enumerate(row)}


def _contrast(spectra: Spectra) -> dict[str, float]:
    """Peaks against valleys among the mel bands of six regions, in dB (after Jiang et al. 2002)."""
    groups = np.sort(spectra.mel_db.reshape(CONTRAST_GROUPS, -1, spectra.n_frames), axis=1)
    contrast = groups[:, -3:].mean(axis=1) - groups[:, :3].mean(axis=1)
    rows = {"mean": contrast.mean(axis=1), "std": contrast.std(axis=1)}
    return {f"contrast_{i + 1}_{key}": float(v) for key, row in rows.items() for i, v in enumerate(row)}


def level_db(spectra: Spectra) -> Array:
    """Level of every frame in dB under the loudest, at least -60."""
    power = spectra.mel_power.sum(axis=0)
    level = 10 * np.log10(np.maximum(power / max(float(power.max()), 1e-20), 1e-7))
    return np.asarray(np.maximum(level, -60), dtype=np.float32)


def _dynamics(spectra: Spectra) -> dict[str, float]:
    """Spread of the level over frames, over 3 s (EBU Tech 3342 in spirit) and over the clip."""
    level = level_db(spectra)
    slow = 10 * np.log10(smooth(10 ** (level / 10), seconds=3.0))
    p5, p10, p50, p95 = quantiles(level, (0.05, 0.1, 0.5, 0.95))
    slow10, slow95 = quantiles(slow, (0.1, 0.95))
    return {
        "level_range": p95 - p10,
        "level_floor": p5 - p95,
        "level_median": p50 - p95,
        "level_std": float(level.std()),
        "level_delta": float(np.abs(np.diff(level, prepend=level[:1])).mean()),
        "loudness_range": slow95 - slow10,
        "dynamic_complexity": float(np.abs(slow - slow.mean()).mean()),
        "quiet_share": float((level < p95 - 20).mean()),
        "level_slope": slope_per_minute(slow),
    }


def _modulation(spectra: Spectra) -> dict[str, float]:
    """Share of the envelope's fluctuation per modulation band in four regions, and its depth."""
    groups = spectra.mel_db.reshape(len(MODULATION_GROUPS), -1, spectra.n_frames).mean(axis=1)
    power, hz = modulation_power(groups)
    whole = power[:, hz >= MODULATION_EDGES_HZ[0]].sum(axis=1) + 1e-6
    shares = {
        f"modulation_{group}_{low:g}_{high:g}hz": float(power[i, (hz >= low) & (hz < high)].sum() / whole[i])
        for i, group in enumerate(MODULATION_GROUPS)
        for low, high in pairwise(MODULATION_EDGES_HZ)
    }
    depths = {
        f"modulation_{group}_depth": float(groups[i].std()) for i, group in enumerate(MODULATION_GROUPS)
    }
    return shares | depths


def modulation_power(envelopes: Array) -> tuple[Array, npt.NDArray[np.float64]]:
    """Power spectrum of every envelope's fluctuation about its mean, and its frequencies in Hz."""
    window = np.hanning(envelopes.shape[1] + 2)[1:-1]
    centred = (envelopes - envelopes.mean(axis=1, keepdims=True)) * window
    n_fft = max(int(scipy.fft.next_fast_len(envelopes.shape[1])), 128)
    power = np.abs(scipy.fft.rfft(centred, n_fft, axis=1)) ** 2
    return power.astype(np.float32), scipy.fft.rfftfreq(n_fft, 1 / FRAMES_PER_S)
