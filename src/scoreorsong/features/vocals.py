"""Spectra → evidence of a singing or rapping voice.

Conventions: a voice glides, so its partials move together on the log-frequency
axis, and it articulates, so its timbre varies at the rate of syllables. Nothing
here decides whether there is a voice: that is learnt, from these numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..spectra import FRAMES_PER_S, Array, Spectra
from .spectral import mfcc, modulation_power
from .statistics import quantiles, smooth

VOCVAR_COEFFICIENTS = 5
VOCVAR_REACH = 5
VOICE_BANDS = slice(5, 52)  # of the mel axis: about 280 Hz to 3.3 kHz
HOLD_SEMITONES, LEAP_SEMITONES = 0.08, 0.8  # per frame: a held note, and no glide any more
STEP_SEMITONES, HELD_S, HARMONY_S = 0.35, (0.15, 0.3), 4.0
VIBRATO_HZ, SYLLABLE_HZ = (4.0, 8.0), (2.5, 6.0)


def describe(spectra: Spectra) -> dict[str, float]:
    """All vocal-presence features of the spectra, by name."""
    return {
        **_fluctogram(spectra),
        **_common_glide(spectra),
        **_vocvar(spectra),
        **_pitch(spectra),
        **_syllables(spectra),
    }


def glide(spectra: Spectra) -> Array:
    """How far all bands move together, ``(frames,)`` in bins per frame; reliable bands count more."""
    weight = spectra.contraction + 1e-6
    return np.asarray((spectra.fluctogram * weight).sum(axis=0) / weight.sum(axis=0), dtype=np.float32)


def agreement(spectra: Spectra) -> Array:
    """How far the bands agree on the direction of a movement, ``(frames,)``, 0 to 1."""
    return np.asarray(np.abs(np.sign(spectra.fluctogram).mean(axis=0)), dtype=np.float32)


def vocvar(spectra: Spectra) -> Array:
    """VOCVAR: log variance of MFCC 1-5 over ±5 frames, ``(5, frames)`` (Lehner et al. 2014)."""
    coefficients = mfcc(spectra)[:VOCVAR_COEFFICIENTS].astype(np.float64)
    seconds = (2 * VOCVAR_REACH + 1) / FRAMES_PER_S
    variance = smooth(coefficients**2, seconds=seconds) - smooth(coefficients, seconds=seconds) ** 2
    return np.log10(np.maximum(variance, 0) + 0.1).astype(np.float32)


def held_pitch(spectra: Spectra) -> Array:
    """Whether the leading pitch is a note of the music: speech glides past the notes, ``(5, frames)``.

    Distance from the clip's semitones (0 to 0.5); log seconds for which the pitch is held, and
    whether for more than 0.15 and 0.3 s; how strong its pitch class is in the 4 s around (0 to 1).
    """
    pitch, salience = spectra.pitch[0].astype(np.float64), spectra.salience[0]
    tuning = np.angle((salience * np.exp(2j * np.pi * pitch)).sum()) / (2 * np.pi)
    note = np.round(pitch - tuning)
    held_s = _held_s(pitch)
    around = smooth(spectra.chroma / (spectra.chroma.sum(axis=0) + 1e-20), seconds=HARMONY_S)
    fit = around[note.astype(np.intp) % 12, np.arange(len(note))] / (around.max(axis=0) + 1e-9)
    rows = [np.abs(pitch - tuning - note), np.log(held_s), *(held_s > s for s in HELD_S), fit]
    return np.vstack(rows).astype(np.float32)


def _held_s(pitch: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Duration of the run of small steps that each frame lies in, in seconds, ``(frames,)``."""
    run = np.cumsum(np.abs(np.diff(pitch, prepend=pitch[:1])) >= STEP_SEMITONES)
    return np.asarray(np.bincount(run)[run] / FRAMES_PER_S)


def _fluctogram(spectra: Spectra) -> dict[str, float]:
    """Movement per band, each frame counted by how reliable its contraction makes it."""
    weight = spectra.contraction / (spectra.contraction.sum(axis=1, keepdims=True) + 1e-9)
    move = (np.abs(spectra.fluctogram) * weight).sum(axis=1)
    mean = (spectra.fluctogram * weight).sum(axis=1, keepdims=True)
    spread = np.sqrt(((spectra.fluctogram - mean) ** 2 * weight).sum(axis=1))
    rows = {
        "fluctogram_{}_move": move,
        "fluctogram_{}_std": spread,
        "contraction_{}_mean": spectra.contraction.mean(axis=1),
    }
    return {name.format(f"{i + 1:02d}"): float(v) for name, row in rows.items() for i, v in enumerate(row)}


def _common_glide(spectra: Spectra) -> dict[str, float]:
    common = glide(spectra)
    return {
        "glide_abs": float(np.abs(common).mean()),
        "glide_std": float(common.std()),
        "glide_agreement": float(agreement(spectra).mean()),
        "glide_vibrato": _band_share(common, VIBRATO_HZ),
    }


def _vocvar(spectra: Spectra) -> dict[str, float]:
    values = vocvar(spectra)
    return {
        f"vocvar_{i + 1}_q{round(at * 100)}": value
        for i, row in enumerate(values)
        for at, value in zip((0.25, 0.5, 0.9), quantiles(row, (0.25, 0.5, 0.9)), strict=True)
    }


def _pitch(spectra: Spectra) -> dict[str, float]:
    """How the most salient pitch moves: held, gliding or leaping, among the clearly pitched frames."""
    pitch, salience = spectra.pitch[0], spectra.salience[0]
    clear = salience >= np.median(salience)
    step = np.abs(np.diff(pitch, prepend=pitch[:1]))
    held = clear & (step <= HOLD_SEMITONES)
    gliding = clear & (step > HOLD_SEMITONES) & (step < LEAP_SEMITONES)
    low, middle, high = quantiles(pitch[clear], (0.1, 0.5, 0.9))
    wobble = np.clip(pitch - smooth(pitch, seconds=0.4), -LEAP_SEMITONES, LEAP_SEMITONES)
    return {
        "salience_mean": float(salience.mean()),
        "salience_std": float(salience.std()),
        "pitch_median": middle,
        "pitch_range": high - low,
        "pitch_hold_share": float(held.sum() / clear.sum()),
        "pitch_glide_share": float(gliding.sum() / clear.sum()),
        "pitch_vibrato": _band_share(wobble, VIBRATO_HZ),
        "pitch_wobble": float(np.abs(wobble[clear]).mean()),
    }


def _syllables(spectra: Spectra) -> dict[str, float]:
    """Whether the voice band swings at the rate of syllables, itself and against the rest."""
    inside = spectra.mel_db[VOICE_BANDS].mean(axis=0)
    outside = np.vstack([spectra.mel_db[: VOICE_BANDS.start], spectra.mel_db[VOICE_BANDS.stop :]]).mean(
        axis=0
    )
    return {
        "voiceband_syllable_share": _band_share(inside, SYLLABLE_HZ),
        "voiceband_excess": float((inside - outside).mean()),
        "voiceband_excess_std": float((inside - outside).std()),
        "voiceband_excess_syllable_share": _band_share(inside - outside, SYLLABLE_HZ),
    }


def _band_share(values: Array, band_hz: tuple[float, float]) -> float:
    """Share of the fluctuation above 0.5 Hz that lies within the band, 0 to 1."""
    power, hz = modulation_power(values[None])
    inside = (hz >= band_hz[0]) & (hz < band_hz[1])
    return float(power[0, inside].sum() / (power[0, hz >= 0.5].sum() + 1e-6))
