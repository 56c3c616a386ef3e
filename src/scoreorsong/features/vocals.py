"""Spectra → evidence of a singing or rapping voice.

Conventions: a voice glides, so its partials move together on the log-frequency
axis, and it articulates, so its timbre varies at the rate of syllables. Nothing
here decides whether there is a voice: that is learnt, from these numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..spectra import FRAMES_PER_S, Array, Spectra
from .clip import Clip, moments
from .spectral import modulation_power
from .statistics import quantiles, smooth

VOCVAR_COEFFICIENTS = 5
VOCVAR_REACH = 5
VOICE_BANDS = slice(5, 52)  # of the mel axis: about 280 Hz to 3.3 kHz
HOLD_SEMITONES, LEAP_SEMITONES = 0.08, 0.8  # per frame: a held note, and no glide any more
STEP_SEMITONES, HELD_S, HARMONY_S = 0.35, (0.15, 0.3), 4.0
VIBRATO_HZ, SYLLABLE_HZ = (4.0, 8.0), (2.5, 6.0)


def describe(clip: Clip) -> dict[str, float]:
    """All vocal-presence features of a clip, by name."""
    return {
        **_fluctogram(clip),
        **_common_glide(clip),
        **_vocvar(clip),
        **_pitch(clip),
        **_syllables(clip),
    }


def movement(spectra: Spectra) -> Array:
    """Lag, its size and its square, each times the contraction, then the contraction, ``(4 × bands, frames)``."""
    lag, weight = spectra.fluctogram, spectra.contraction
    return np.vstack([lag * weight, np.abs(lag) * weight, lag**2 * weight, weight])


def glide(spectra: Spectra) -> Array:
    """How far all bands move together, ``(1, frames)`` in bins per frame; reliable bands count more."""
    weight = spectra.contraction + 1e-6
    common = (spectra.fluctogram * weight).sum(axis=0, keepdims=True) / weight.sum(axis=0)
    return np.asarray(common, dtype=np.float32)


def agreement(spectra: Spectra) -> Array:
    """How far the bands agree on the direction of a movement, ``(1, frames)``, 0 to 1."""
    directions = np.sign(spectra.fluctogram).mean(axis=0, keepdims=True)
    return np.asarray(np.abs(directions), dtype=np.float32)


def vocvar(spectra: Spectra) -> Array:
    """VOCVAR: log variance of MFCC 1-5 over ±5 frames, ``(5, frames)`` (Lehner et al. 2014)."""
    coefficients = spectra.mfcc[:VOCVAR_COEFFICIENTS].astype(np.float64)
    seconds = (2 * VOCVAR_REACH + 1) / FRAMES_PER_S
    variance = smooth(coefficients**2, seconds=seconds) - smooth(coefficients, seconds=seconds) ** 2
    return np.log10(np.maximum(variance, 0) + 0.1).astype(np.float32)


def voice_band(spectra: Spectra) -> Array:
    """Mean level in dB within the voice band and outside of it, ``(2, frames)``."""
    inside = spectra.mel_db[VOICE_BANDS].mean(axis=0)
    outside = np.vstack([spectra.mel_db[: VOICE_BANDS.start], spectra.mel_db[VOICE_BANDS.stop :]])
    return np.vstack([inside, outside.mean(axis=0)])


def held_pitch(clip: Clip) -> Array:
    """Whether the leading pitch is a note of the music, ``(5, frames)``: speech glides past the notes.

    Distance from the clip's semitones (0 to 0.5); log seconds for which the pitch is held, and
    whether for more than 0.15 and 0.3 s; how strong its pitch class is in the 4 s around (0 to 1).
    """
    pitch = clip.pitch.astype(np.float64)
    tuning = np.angle((clip.salience * np.exp(2j * np.pi * pitch)).sum()) / (2 * np.pi)
    note = np.round(pitch - tuning)
    away, held_s = np.abs(pitch - tuning - note), _held_s(pitch)
    around = _harmony_around(clip.spectra)
    fit = around[note.astype(np.intp) % 12, np.arange(len(note))] / (around.max(axis=0) + 1e-9)
    return np.vstack([away, np.log(held_s), *(held_s > s for s in HELD_S), fit]).astype(np.float32)


def _harmony_around(spectra: Spectra) -> Array:
    """Shares of the pitch classes in the seconds around, ``(12, frames)``."""
    return smooth(spectra.chroma / (spectra.chroma.sum(axis=0) + 1e-20), seconds=HARMONY_S)


def _held_s(pitch: npt.NDArray[np.float64]) -> Array:
    """Duration of the run of small steps that each frame lies in, in seconds, ``(frames,)``."""
    run = np.cumsum(np.abs(np.diff(pitch, prepend=pitch[:1])) >= STEP_SEMITONES)
    return np.asarray(np.bincount(run)[run] / FRAMES_PER_S, dtype=np.float32)


def _fluctogram(clip: Clip) -> dict[str, float]:
    """Movement per band, each frame counted by how reliable its contraction makes it."""
    signed, size, square, weight = moments(movement(clip.spectra)).mean.reshape(4, -1)
    whole = weight + 1e-9 / clip.n_frames
    mean = signed / whole
    spread = np.sqrt(np.maximum(square - 2 * mean * signed + mean**2 * weight, 0) / whole)
    rows = {
        "fluctogram_{}_move": size / whole,
        "fluctogram_{}_std": spread,
        "contraction_{}_mean": weight,
    }
    return {name.format(f"{i + 1:02d}"): float(v) for name, row in rows.items() for i, v in enumerate(row)}


def _common_glide(clip: Clip) -> dict[str, float]:
    common = glide(clip.spectra)[0]
    return {
        "glide_abs": float(np.abs(common).mean()),
        "glide_std": float(common.std()),
        "glide_agreement": float(moments(agreement(clip.spectra)).mean[0]),
        "glide_vibrato": _band_share(common, VIBRATO_HZ),
    }


def _vocvar(clip: Clip) -> dict[str, float]:
    return {
        f"vocvar_{i + 1}_q{round(at * 100)}": value
        for i, row in enumerate(vocvar(clip.spectra))
        for at, value in zip((0.25, 0.5, 0.9), quantiles(row, (0.25, 0.5, 0.9)), strict=True)
    }


def _pitch(clip: Clip) -> dict[str, float]:
    """How the most salient pitch moves: held, gliding or leaping, among the clearly pitched frames."""
    pitch, salience = clip.pitch, clip.salience
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


def _syllables(clip: Clip) -> dict[str, float]:
    """Whether the voice band swings at the rate of syllables, itself and against the rest."""
    inside, outside = voice_band(clip.spectra)
    return {
        "voiceband_syllable_share": _band_share(inside, SYLLABLE_HZ),
        "voiceband_excess": float((inside - outside).mean()),
        "voiceband_excess_std": float((inside - outside).std()),
        "voiceband_excess_syllable_share": _band_share(inside - outside, SYLLABLE_HZ),
    }


def _band_share(values: Array, band_hz: tuple[float, float]) -> float:
    """Share of the fluctuation above 0.5 Hz that lies within the band, 0 to 1."""
    power, hz = modulation_power(values)
    inside = (hz >= band_hz[0]) & (hz < band_hz[1])
    return float(power[inside].sum() / (power[hz >= 0.5].sum() + 1e-6))
