"""Spectra → timbre and dynamics: what it sounds like, how even it is.

Conventions: levels are in decibels relative to the clip itself, so that gain
changes nothing; statistics run over frames of 23 ms unless a name says more.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.fft

from ..spectra import FRAMES_PER_S, N_MFCC, Array, Spectra
from .clip import Clip, moments
from .statistics import quantiles, slope_per_minute, smooth

CONTRAST_GROUPS = 6
MODULATION_EDGES_HZ = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
MODULATION_GROUPS = ("low", "lowmid", "highmid", "high")
# Regions of the mel axis: to about 220, 500, 1 300, 3 000 and 7 600 Hz.
POWER_BANDS = {"bass": (0, 3), "low": (3, 10), "mid": (10, 30), "high": (30, 50), "treble": (50, 72)}


def describe(clip: Clip) -> dict[str, float]:
    """All timbre and dynamics features of a clip, by name."""
    return {
        **_mfcc(clip),
        **_shape(clip),
        **_balance(clip),
        **_flatness(clip),
        **_contrast(clip),
        **_dynamics(clip),
        **_modulation(clip),
    }


def mfcc_delta(spectra: Spectra) -> Array:
    """Step of every cepstral coefficient from frame to frame, ``(N_MFCC, frames)``."""
    return np.diff(spectra.mfcc, axis=1, prepend=spectra.mfcc[:, :1])


def shape(spectra: Spectra) -> Array:
    """Centroid, spread and roll-off on the mel axis (in bands), and flux, ``(4, frames)``."""
    power = spectra.mel_power + np.float32(1e-16 * spectra.scale.peak + 1e-30)
    share = power / power.sum(axis=0)
    bands = np.arange(len(share), dtype=np.float32)
    centroid = bands @ share
    spread = np.sqrt(np.maximum(bands**2 @ share - centroid**2, 0))
    rolloff = (np.cumsum(share, axis=0) < 0.85).sum(axis=0)
    flux = np.abs(np.diff(np.sqrt(share), axis=1, prepend=np.sqrt(share[:, :1]))).sum(axis=0)
    return np.vstack([centroid, spread, rolloff, flux]).astype(np.float32)


def contrast(spectra: Spectra) -> Array:
    """Peaks against valleys among the mel bands of six regions, in dB (after Jiang et al. 2002)."""
    groups = np.sort(spectra.mel_db.reshape(CONTRAST_GROUPS, -1, spectra.n_frames), axis=1)
    return np.asarray(groups[:, -3:].mean(axis=1) - groups[:, :3].mean(axis=1))


def envelopes(spectra: Spectra) -> Array:
    """Mean level in dB of four regions of the mel axis, ``(4, frames)``."""
    return np.asarray(spectra.mel_db.reshape(len(MODULATION_GROUPS), -1, spectra.n_frames).mean(axis=1))


def _mfcc(clip: Clip) -> dict[str, float]:
    rows = {**moments(clip.spectra.mfcc)._asdict(), "delta_std": moments(mfcc_delta(clip.spectra)).std}
    return {f"mfcc_{i + 1:02d}_{key}": float(row[i]) for key, row in rows.items() for i in range(N_MFCC)}


def _shape(clip: Clip) -> dict[str, float]:
    names = ("centroid", "spread", "rolloff", "flux")
    rows = moments(shape(clip.spectra))._asdict()
    return {f"{name}_{key}": float(row[i]) for key, row in rows.items() for i, name in enumerate(names)}


def _balance(clip: Clip) -> dict[str, float]:
    """Power of five regions relative to the whole, in dB."""
    power = moments(clip.spectra.mel_power).mean * clip.n_frames
    whole = power.sum() + 1e-20
    return {
        f"balance_{name}": float(10 * np.log10(power[first:last].sum() / whole + 1e-6))
        for name, (first, last) in POWER_BANDS.items()
    }


def _flatness(clip: Clip) -> dict[str, float]:
    rows = moments(clip.spectra.flatness)._asdict()
    return {f"flatness_{i + 1}_{key}": float(v) for key, row in rows.items() for i, v in enumerate(row)}


def _contrast(clip: Clip) -> dict[str, float]:
    rows = moments(contrast(clip.spectra))._asdict()
    return {f"contrast_{i + 1}_{key}": float(v) for key, row in rows.items() for i, v in enumerate(row)}


def _dynamics(clip: Clip) -> dict[str, float]:
    """Spread of the level over frames, over 3 s (EBU Tech 3342 in spirit) and over the clip."""
    level = clip.level_db
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


def _modulation(clip: Clip) -> dict[str, float]:
    """Share of the envelope's fluctuation per modulation band in four regions, and its depth."""
    described: dict[str, float] = {}
    for group, envelope in zip(MODULATION_GROUPS, envelopes(clip.spectra), strict=True):
        power, hz = modulation_power(envelope)
        whole = power[hz >= MODULATION_EDGES_HZ[0]].sum() + 1e-6
        for low, high in pairwise(MODULATION_EDGES_HZ):
            inside = (hz >= low) & (hz < high)
            described[f"modulation_{group}_{low:g}_{high:g}hz"] = float(power[inside].sum() / whole)
        described[f"modulation_{group}_depth"] = float(envelope.std())
    return described


def modulation_power(envelope: Array) -> tuple[Array, npt.NDArray[np.float64]]:
    """Power spectrum of an envelope's fluctuation about its mean, and its frequencies in Hz."""
    centred = (envelope - envelope.mean()) * np.hanning(len(envelope) + 2)[1:-1]
    n_fft = max(int(scipy.fft.next_fast_len(len(envelope))), 128)
    power = np.abs(scipy.fft.rfft(centred, n_fft)) ** 2
    return power.astype(np.float32), scipy.fft.rfftfreq(n_fft, 1 / FRAMES_PER_S)
