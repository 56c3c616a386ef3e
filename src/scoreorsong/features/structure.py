"""Spectra → pulse, harmony, repetition, sections, and how the clip develops.

Conventions: rhythm is read off the onset envelope, lags are in seconds, pulses
in beats per minute. Similarity compares points of half a second.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from ..spectra import FRAMES_PER_S, Array, Spectra
from .clip import Clip, moments, points
from .statistics import quantiles, slope_per_minute, smooth

REGIONS = {"low": slice(0, 8), "mid": slice(8, 36), "high": slice(36, 72)}
PULSE_WINDOW_S, SHORTEST_LAG_S, LONGEST_LAG_S = 8.0, 0.25, 2.0
CHANGE_S = 0.5
N_TIMBRE = 13
PATH_POINTS, FAR_POINTS, NOVELTY_POINTS = 8, 8, 10
# Krumhansl and Kessler (1982): how well each pitch class fits a major and a minor key.
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def describe(clip: Clip) -> dict[str, float]:
    """All structural features of a clip, by name."""
    strengths, chroma = onsets(clip.spectra), points(clip.spectra.chroma)
    return {
        **_onsets(strengths, clip.duration_s),
        **_pulse(strengths),
        **_percussion(clip),
        **_harmony(chroma),
        **_similarity(chroma, points(clip.spectra.mfcc[:N_TIMBRE])),
        **_development(clip, strengths[0]),
    }


def frames(spectra: Spectra) -> Array:
    """Percussion by region; entropy, peak and change of the pitch classes, ``(6, frames)``."""
    share = spectra.chroma / (spectra.chroma.sum(axis=0) + 1e-20)
    entropy = -(share * np.log(share + 1e-9)).sum(axis=0) / np.log(len(share))
    slow, lag = smooth(share, seconds=CHANGE_S), round(CHANGE_S * FRAMES_PER_S)
    before = np.pad(slow, ((0, 0), (lag, 0)), mode="edge")[:, : slow.shape[1]]
    change = np.abs(slow - before).sum(axis=0) / 2
    return np.vstack([by_region(spectra.percussive), entropy, share.max(axis=0), change]).astype(np.float32)


def onsets(spectra: Spectra) -> Array:
    """Strength of onsets over all bands, then by region, ``(4, frames)``."""
    return np.vstack([spectra.onsets.mean(axis=0), *by_region(spectra.onsets)])


def by_region(matrix: Array) -> Array:
    """Means over the mel bands of each of the `REGIONS`, ``(3, frames)``."""
    return np.vstack([matrix[bands].mean(axis=0) for bands in REGIONS.values()])


def percussion(spectra: Spectra) -> Array:
    """Share of percussion, louder bands counting more, ``(1, frames)``."""
    amplitude = np.sqrt(spectra.mel_power)
    weighted = (spectra.percussive * amplitude).sum(axis=0, keepdims=True)
    return np.asarray(weighted / np.maximum(amplitude.sum(axis=0), 1e-15))


def brightness(spectra: Spectra) -> Array:
    """Centre of the mel axis, weighted by level, ``(1, frames)``."""
    bands = np.arange(len(spectra.mel_db), dtype=np.float32)[None]
    weight = np.maximum(spectra.mel_db + 60, 0)
    return np.asarray(bands @ weight / (weight.sum(axis=0) + 1e-6))


def _onsets(strengths: Array, duration_s: float) -> dict[str, float]:
    envelope, *regions = strengths
    centred = envelope - envelope.mean()
    spread = float(envelope.std()) + 1e-6
    peaks = (envelope > smooth(envelope, seconds=1.0) + spread) & (
        envelope == scipy.ndimage.maximum_filter1d(envelope, 7)
    )
    return {
        "onset_mean": float(envelope.mean()),
        "onset_std": spread,
        "onset_skewness": float(np.clip((centred**3).mean() / spread**3, -20, 20)),
        "onset_rate": float(peaks.sum() / duration_s),
        **{f"onset_{name}": float(row.mean()) for name, row in zip(REGIONS, regions, strict=True)},
    }


def _pulse(strengths: Array) -> dict[str, float]:
    """Pulse clarity (after Lartillot et al. 2008): how high the onset envelope's autocorrelation rises."""
    envelope, *by_name = strengths
    tempogram, lags_s = _tempogram(envelope)
    whole = tempogram.mean(axis=1)
    clarity, local = float(whole.max()), float(tempogram.max(axis=0).mean())
    best = int(whole.argmax())
    share = np.maximum(whole, 0) / (np.maximum(whole, 0).sum() + 1e-4)
    regions = {
        f"pulse_{name}": float(_tempogram(row)[0].mean(axis=1).max())
        for name, row in zip(REGIONS, by_name, strict=True)
    }
    return {
        "pulse_clarity": clarity,
        "pulse_clarity_local": local,
        "pulse_stability": float(np.clip(clarity / max(local, 1e-3), -1, 1)),
        "pulse_median": float(np.median(whole)),
        "pulse_entropy": float(-(share * np.log(share + 1e-9)).sum() / np.log(len(share))),
        "tempo": float(60 / lags_s[best]),
        "tempo_drift": float(np.log2(lags_s[tempogram.argmax(axis=0)]).std()),
        **regions,
    }


def _tempogram(envelope: Array) -> tuple[Array, npt.NDArray[np.float64]]:
    """Autocorrelation at `SHORTEST_LAG_S` to `LONGEST_LAG_S` in windows of 8 s, ``(lags, windows)``."""
    size = round(PULSE_WINDOW_S * FRAMES_PER_S)
    padded = np.pad(envelope - envelope.mean(), (0, max(0, size - len(envelope))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[:: size // 2]
    first, last = round(SHORTEST_LAG_S * FRAMES_PER_S), round(LONGEST_LAG_S * FRAMES_PER_S)
    return _autocorrelation(windows)[:, first : last + 1].T, np.arange(first, last + 1) / FRAMES_PER_S


def _autocorrelation(windows: Array) -> Array:
    """Of every window, tapered, by lag in frames, ``(windows, lags)``; 1 at none."""
    size = windows.shape[1]
    tapered = (windows - windows.mean(axis=1, keepdims=True)) * np.hanning(size)
    spectrum = np.abs(scipy.fft.rfft(tapered, 2 * size, axis=1)) ** 2
    correlation = scipy.fft.irfft(spectrum, axis=1)
    return np.asarray(correlation / (correlation[:, :1] + 1e-6 * size), dtype=np.float32)


def _percussion(clip: Clip) -> dict[str, float]:
    weighted, regions = percussion(clip.spectra)[0], moments(by_region(clip.spectra.percussive)).mean
    return {
        "percussive_mean": float(weighted.mean()),
        "percussive_std": float(weighted.std()),
        "percussive_peak": float(np.quantile(weighted, 0.95)),
        **{f"percussive_{name}": float(mean) for name, mean in zip(REGIONS, regions, strict=True)},
    }


@cache
def _key_profiles() -> npt.NDArray[np.float64]:
    """The 24 key profiles, centred and of unit length, ``(24, 12)``."""
    profiles = np.array([np.roll(mode, tonic) for mode in (MAJOR, MINOR) for tonic in range(12)])
    profiles -= profiles.mean(axis=1, keepdims=True)
    return np.asarray(profiles / np.linalg.norm(profiles, axis=1, keepdims=True))


def _harmony(chroma: Array) -> dict[str, float]:
    """Pitch classes: how few, how clear a key, how soon they change."""
    chroma = np.sqrt(chroma)
    chroma = chroma / (chroma.sum(axis=0) + 1e-12)
    whole = chroma.mean(axis=1)
    keys = _key_profiles() @ _unit_deviation(whole)
    local = _key_profiles() @ _unit_deviation(chroma)
    change = 0.5 * np.abs(np.diff(chroma, axis=1, prepend=chroma[:, :1])).sum(axis=0)
    return {
        "chroma_entropy": _entropy(whole[:, None]),
        "chroma_entropy_local": _entropy(chroma),
        "chroma_change": float(change.mean()),
        "chroma_change_std": float(change.std()),
        "chroma_peak": float(chroma.max(axis=0).mean()),
        "key_clarity": float(keys.max()),
        "key_clarity_local": float(local.max(axis=0).mean()),
        "key_mode": float(keys[:12].max() - keys[12:].max()),
    }


def _unit_deviation(shares: Array) -> Array:
    """Every column's deviation from its mean, at unit length; near zero where all shares are alike."""
    deviation = shares - shares.mean(axis=0)
    return np.asarray(deviation / (np.linalg.norm(deviation, axis=0) + 1e-6), dtype=np.float32)


def _entropy(shares: npt.NDArray[np.floating]) -> float:
    """Mean entropy of the columns, 0 (one pitch class) to 1 (all alike)."""
    return float(-(shares * np.log(shares + 1e-12)).sum(axis=0).mean() / np.log(len(shares)))


def _similarity(chroma: Array, timbre: Array) -> dict[str, float]:
    """Self-similarity of harmony and of timbre: what returns, what is alike, where it turns."""
    matrices = {
        "harmony": _cosine(np.sqrt(chroma / (chroma.sum(axis=0) + 1e-12))),
        "timbre": _cosine(
            (timbre - timbre.mean(axis=1, keepdims=True)) / (timbre.std(axis=1, keepdims=True) + 1.0)
        ),
    }
    return {
        f"{key}_{name}": value
        for name, matrix in matrices.items()
        for key, value in (_repetition(matrix) | _novelty(matrix)).items()
    }


def _cosine(columns: Array) -> Array:
    unit = columns / (np.linalg.norm(columns, axis=0) + 1e-6)
    return np.asarray(unit.T @ unit, dtype=np.float32)


def _repetition(similarity: Array) -> dict[str, float]:
    """How well each stretch of 4 s matches another one at least 4 s away (libfmp's path idea)."""
    n = len(similarity)
    if n < 2 * NOVELTY_POINTS:
        return dict.fromkeys(("repeat_best", "repeat_usual", "repeat_lag", "alike_mean", "alike_std"), 0.0)
    shifts = [similarity[i : n - PATH_POINTS + i, i : n - PATH_POINTS + i] for i in range(PATH_POINTS)]
    path = np.mean(shifts, axis=0)
    lag = np.subtract.outer(np.arange(len(path)), np.arange(len(path)))
    far = np.abs(lag) >= FAR_POINTS
    best = np.where(far, path, -1).max(axis=1)
    diagonals = [float(np.diagonal(path, k).mean()) for k in range(FAR_POINTS, len(path) * 3 // 4)]
    return {
        "repeat_best": float(best.mean()),
        "repeat_usual": float(path[far].mean()) if far.any() else 0.0,
        "repeat_lag": (max(diagonals) - float(np.mean(diagonals))) if diagonals else 0.0,
        "alike_mean": float(similarity.mean()),
        "alike_std": float(similarity.std()),
    }


def _novelty(similarity: Array) -> dict[str, float]:
    """Checkerboard novelty along the diagonal (Foote 2000), 5 s to either side."""
    n, reach = len(similarity), NOVELTY_POINTS
    if n < 2 * reach:
        return {"novelty_mean": 0.0, "novelty_peak": 0.0}
    sign = np.repeat([1.0, -1.0], reach)
    taper = np.outer(sign, sign) * np.outer(np.hanning(2 * reach + 2)[1:-1], np.hanning(2 * reach + 2)[1:-1])
    windows = (similarity[i : i + 2 * reach, i : i + 2 * reach] for i in range(n - 2 * reach + 1))
    novelty = np.array([(window * taper).sum() for window in windows]) / np.abs(taper).sum()
    return {"novelty_mean": float(novelty.mean()), "novelty_peak": float(novelty.max())}


def _development(clip: Clip, density: Array) -> dict[str, float]:
    """Trends and drift over the clip of brightness, density and level."""
    level = clip.level_db
    courses = {
        "brightness": brightness(clip.spectra)[0],
        "density": density,
        "level": level,
    }
    slow = {name: smooth(row, seconds=5.0) for name, row in courses.items()}
    drift = {f"{name}_drift": float(row.std()) for name, row in slow.items()}
    slopes = {f"{name}_slope": slope_per_minute(slow[name]) for name in ("brightness", "density")}
    ends = quantiles(slow["level"], (0.9,))[0]
    edge = max(1, clip.n_frames // 20)
    return (
        drift
        | slopes
        | {
            "level_start": float(level[:edge].mean() - ends),
            "level_end": float(level[-edge:].mean() - ends),
        }
    )
