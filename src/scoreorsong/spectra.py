"""Audio → Spectra: the only STFT, and all that is derived from it once.

Conventions: matrices are shaped ``(bands, frames)`` in float32; a frame is
`HOP` samples (23.2 ms). ``magnitude`` is |STFT| and ``power`` its square, never
one for the other. Nothing above `FMAX_HZ` is looked at: there the codec and the
sample rate of a file speak louder than the music.

The STFT itself lives for one batch of frames only; what stays is small (about
1.2 MB per minute).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from .audio import RATE_HZ, Samples
from .median import running_median

N_FFT = 2048
HOP = 512
FRAMES_PER_S = RATE_HZ / HOP
BATCH_FRAMES = 256  # small enough that a batch stays in a core's cache

FMIN_HZ, FMAX_HZ = 40.0, 7600.0
N_BINS = math.ceil(FMAX_HZ * N_FFT / RATE_HZ)  # of the STFT, under `FMAX_HZ`
N_MELS = 72
MEL_HZ, MEL_LOG_STEP = 200 / 3, math.log(6.4) / 27  # Slaney's scale: linear up to 1 kHz, logarithmic above
N_MFCC = 20

# Log-frequency axis for everything that follows pitch (fluctogram, salience).
BINS_PER_OCTAVE = 36
LOG_FMIN_HZ = 110.0
N_LOG_BINS = 216  # six octaves, up to 7 040 Hz
HARMONIC_FRAMES, PERCUSSIVE_BANDS = 17, 13
FLUCTOGRAM_BINS, FLUCTOGRAM_STEP, MAX_LAG = 48, 14, 5
LOWEST_PITCH, PITCH_BINS = (
    -24,
    144,
)  # fundamental between 69 Hz (two thirds of an octave under the axis) and 1.1 kHz
HARMONICS, HARMONIC_DECAY = 10, 0.84  # after Hermes (1988)

# Edges of the bands in which flatness tells tone from noise, in Hz.
FLATNESS_EDGES_HZ = (100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 7600.0)
FLATNESS_FLOOR = 1e-16  # of a frame's strongest bin, so that gain changes nothing; less than float32 resolves

SILENCE_POWER = 1e-10  # of the mel spectrum: an amplitude of about one 16-bit step

Array = npt.NDArray[np.float32]


class Scale(NamedTuple):
    """Power of the loudest mel band of any frame, and the power that is taken as 0 dB."""

    peak: float
    reference: float


@dataclass(frozen=True)
class Spectra:
    """What the features are made of; every matrix has one column per frame.

    Attributes
    ----------
    mel_power : ``(N_MELS, frames)`` power per mel band, `FMIN_HZ` to `FMAX_HZ`.
    chroma : ``(12, frames)`` power per pitch class, A first, 110 Hz to 7 kHz.
    flatness : ``(6, frames)`` geometric over arithmetic mean of the power in each
        band between `FLATNESS_EDGES_HZ`, 0 (tone) to 1 (noise).
    fluctogram : ``(bands, frames)`` lag in log-frequency bins, -5 to 5, that best
        maps a frame onto the next one (Lehner, Widmer and Sonnleitner 2014).
    contraction : ``(bands, frames)`` share of a band's energy near its centre, 0 to 1;
        where it is low the fluctogram is unreliable (same paper).
    pitch : ``(1, frames)`` most salient fundamental in semitones above 110 Hz, -8 to 40.
    salience : ``(1, frames)`` share of the harmonic sum that this pitch explains, 0 to 1.
    """

    mel_power: Array
    chroma: Array
    flatness: Array
    fluctogram: Array
    contraction: Array
    pitch: Array
    salience: Array

    @property
    def n_frames(self) -> int:
        return int(self.mel_power.shape[1])

    @property
    def duration_s(self) -> float:
        return self.n_frames / FRAMES_PER_S

    @cached_property
    def power(self) -> Array:
        """Of all mel bands together, ``(frames,)``."""
        return np.asarray(self.mel_power.sum(axis=0))

    @cached_property
    def scale(self) -> Scale:
        """What counts as loud; where next to nothing sounds, the reference stands 40 dB under the peak."""
        peak, usual = float(self.mel_power.max()), float(np.percentile(self.mel_power, 99))
        return Scale(peak, max(usual, 1e-4 * peak, 1e-24))

    @cached_property
    def mel_db(self) -> Array:
        """The mel spectrum in dB over its own 99th percentile, -80 to 40.

        Relative on purpose: nothing derived from it changes with the gain of a file.
        """
        ratio = self.mel_power / np.float32(self.scale.reference)
        return np.asarray(10 * np.log10(np.maximum(ratio, 1e-8)), dtype=np.float32)

    @cached_property
    def onsets(self) -> Array:
        """``(N_MELS, frames)`` rise of `mel_db` from frame to frame; librosa's onset strength is its mean."""
        rise = np.diff(self.mel_db, axis=1, prepend=self.mel_db[:, :1])
        return np.maximum(rise, 0)

    @cached_property
    def percussive(self) -> Array:
        """``(N_MELS, frames)`` share of percussion, 0 to 1, by median filtering (after FitzGerald 2010)."""
        amplitude = np.sqrt(self.mel_power / np.float32(self.scale.peak + 1e-20))
        along = running_median(amplitude, HARMONIC_FRAMES, axis=1) ** 2
        across = running_median(amplitude, PERCUSSIVE_BANDS, axis=0) ** 2
        return np.asarray(across / (along + across + 1e-9), dtype=np.float32)

    @cached_property
    def mfcc(self) -> Array:
        """Mel-frequency cepstral coefficients 1 to `N_MFCC`, ``(N_MFCC, frames)``; 0 (the level) is left out."""
        return np.asarray(scipy.fft.dct(self.mel_db, axis=0, norm="ortho")[1 : N_MFCC + 1], dtype=np.float32)

    @property
    def is_silent(self) -> bool:
        return bool(self.scale.peak < SILENCE_POWER)

    def __getitem__(self, frames: slice) -> Self:
        """The same spectra over some of the frames."""
        return replace(self, **{f.name: getattr(self, f.name)[:, frames] for f in fields(self)})


def analyze(blocks: Iterable[Samples]) -> Spectra:
    """One pass over the blocks of a source.

    Frames are centred as librosa centres them: the signal is padded by half a
    window of silence at both ends.

    Parameters
    ----------
    blocks : mono float32 at `RATE_HZ`, e.g. an `Audio`.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)
    >>> spectra = analyze([tone])
    >>> spectra.mel_power.shape
    (72, 44)
    >>> float(np.median(spectra.pitch).round(1))  # semitones above 110 Hz
    24.0
    """
    return joined(list(stream(blocks)))


def mel_power(blocks: Iterable[Samples]) -> Array:
    """Only that of `analyze`, in a fraction of the time."""
    return np.hstack([_mel_power(magnitude**2) for magnitude in _magnitudes(blocks)])


def stream(blocks: Iterable[Samples]) -> Iterator[Spectra]:
    """The same in consecutive parts, for sources that do not fit in memory."""
    last = None
    for magnitude in _magnitudes(blocks):
        log_frequency = _to_log_axis(magnitude)
        yield _derive(magnitude, log_frequency, last)
        last = log_frequency[:, -1:]


def joined(parts: Sequence[Spectra]) -> Spectra:
    """Consecutive parts as one."""
    return Spectra(**{f.name: np.hstack([getattr(p, f.name) for p in parts]) for f in fields(Spectra)})


def _magnitudes(blocks: Iterable[Samples]) -> Iterator[Array]:
    """|STFT| up to `FMAX_HZ` in batches of at most `BATCH_FRAMES`, shaped (frames, N_BINS)."""
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    windowed = np.empty((BATCH_FRAMES, N_FFT), np.float32)
    for samples in _overlapping(_with_margins(blocks)):
        frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP]
        np.multiply(frames, window, out=windowed[: len(frames)])
        yield np.abs(scipy.fft.rfft(windowed[: len(frames)], axis=1)[:, :N_BINS])


def _overlapping(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """The samples of `BATCH_FRAMES` frames at a time, and of those that are left."""
    step, pending = BATCH_FRAMES * HOP, np.zeros(0, np.float32)
    for block in blocks:
        pending = np.concatenate([pending, block])
        while len(pending) >= step + N_FFT - HOP:
            yield pending[: step + N_FFT - HOP]
            pending = pending[step:]
    if len(pending) >= N_FFT:
        yield pending


def _with_margins(blocks: Iterable[Samples]) -> Iterator[Samples]:
    margin = np.zeros(N_FFT // 2, np.float32)
    yield margin
    yield from blocks
    yield margin


def _derive(magnitude: Array, log_frequency: Array, before: Array | None) -> Spectra:
    power = magnitude**2
    fluctogram, contraction = _fluctogram(log_frequency, before)
    pitch, salience = _pitch(log_frequency)
    return Spectra(
        mel_power=_mel_power(power),
        chroma=chroma_fold() @ log_frequency**2,
        flatness=_flatness(power),
        fluctogram=fluctogram,
        contraction=contraction,
        pitch=pitch,
        salience=salience,
    )


def _mel_power(power: Array) -> Array:
    return mel_filters() @ power.T


@cache
def mel_filters() -> Array:
    """librosa's mel filter bank (Slaney scale and area), ``(N_MELS, N_BINS)``.

    Computed here, because importing librosa takes longer and more memory than a prediction.
    Scaled so that a full-scale sine has a mel power near one.
    """
    lowest, highest = (_hz_to_mel(hz) for hz in (FMIN_HZ, FMAX_HZ))
    edges_hz = _mel_to_hz(np.linspace(lowest, highest, N_MELS + 2))
    away_hz = edges_hz[:, None] - np.fft.rfftfreq(N_FFT, 1 / RATE_HZ)[:N_BINS]
    widths_hz = np.diff(edges_hz)[:, None]
    rising, falling = -away_hz[:-2] / widths_hz[:-1], away_hz[2:] / widths_hz[1:]
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    triangles *= 2 / (edges_hz[2:] - edges_hz[:-2])[:, None]
    return np.asarray(triangles * (4 / N_FFT) ** 2 * 50, dtype=np.float32)


def _hz_to_mel(hz: float) -> float:
    return hz / MEL_HZ if hz < 1000 else 15 + math.log(hz / 1000) / MEL_LOG_STEP


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mel < 15, mel * MEL_HZ, 1000 * np.exp(MEL_LOG_STEP * (mel - 15)))


@cache
def log_axis() -> tuple[npt.NDArray[np.intp], Array]:
    """For every bin of the log-frequency axis the STFT bin under it, and how far above that it lies, 0 to 1."""
    hz = LOG_FMIN_HZ * 2 ** (np.arange(N_LOG_BINS) / BINS_PER_OCTAVE)
    position = hz * N_FFT / RATE_HZ
    below = position.astype(np.intp)
    return below, (position - below).astype(np.float32)


def _to_log_axis(magnitude: Array) -> Array:
    """Linear interpolation of |STFT| onto the log-frequency axis, ``(N_LOG_BINS, frames)``."""
    below, above = log_axis()
    return np.ascontiguousarray((magnitude[:, below] * (1 - above) + magnitude[:, below + 1] * above).T)


@cache
def chroma_fold() -> Array:
    """Sums the log axis into semitones and octaves into pitch classes, ``(12, N_LOG_BINS)``, A first."""
    semitone = np.round(np.arange(N_LOG_BINS) * 12 / BINS_PER_OCTAVE).astype(np.intp) % 12
    return np.eye(12, dtype=np.float32)[:, semitone]


@cache
def fluctogram_bands() -> Array:
    """Triangular weights over the log axis, ``(bands, N_LOG_BINS)``, `MAX_LAG` clear of its ends."""
    starts = range(MAX_LAG, N_LOG_BINS - MAX_LAG - FLUCTOGRAM_BINS + 1, FLUCTOGRAM_STEP)
    bands = np.zeros((len(starts), N_LOG_BINS), np.float32)
    for band, start in zip(bands, starts, strict=True):
        band[start : start + FLUCTOGRAM_BINS] = np.bartlett(FLUCTOGRAM_BINS + 2)[1:-1]
    return bands


@cache
def _energy_weights() -> Array:
    """Bands at every lag, then their middles, then all of them: what energy is summed up by, in one product."""
    bands = fluctogram_bands()
    lagged = [np.roll(bands, lag, axis=1) for lag in range(-MAX_LAG, MAX_LAG + 1)]
    return np.vstack([*lagged, bands**4, bands > 0]).astype(np.float32)


def _fluctogram(now: Array, before: Array | None) -> tuple[Array, Array]:
    """Lag and contraction of every frame; the lag leads from the frame before to this one."""
    earlier = np.hstack([now[:, :1] if before is None else before, now[:, :-1]])[MAX_LAG:-MAX_LAG]
    bands = np.ascontiguousarray(fluctogram_bands()[:, MAX_LAG:-MAX_LAG])
    *energy, middle, whole = (_energy_weights() @ now**2).reshape(2 * MAX_LAG + 3, len(bands), -1)
    correlation = np.empty((2 * MAX_LAG + 1, *middle.shape), np.float32)
    for start in range(2 * MAX_LAG + 1):
        later = now[start : start + len(earlier)]
        correlation[start] = bands @ (earlier * later) / np.sqrt(energy[start] + 1e-20)
    correlation[MAX_LAG] = correlation[MAX_LAG] * (1 + 1e-5) + 1e-20  # silence: all lags alike, no move
    lag = correlation.argmax(axis=0).astype(np.float32) - MAX_LAG
    return lag, middle / np.maximum(whole, 1e-20)


@cache
def flatness_edges() -> npt.NDArray[np.intp]:
    """STFT bins at which the flatness bands begin and the last one ends."""
    return np.round(np.array(FLATNESS_EDGES_HZ) * N_FFT / RATE_HZ).astype(np.intp)


def _flatness(power: Array) -> Array:
    first, *inner, last = flatness_edges()
    starts = [0, *(int(edge - first) for edge in inner)]
    widths = np.diff(flatness_edges())
    part = power[:, first:last]
    part = part + (FLATNESS_FLOOR * part.max(axis=1, keepdims=True) + 1e-30)
    geometric = np.exp(np.add.reduceat(np.log(part), starts, axis=1) / widths)
    return np.asarray(geometric / (np.add.reduceat(part, starts, axis=1) / widths), dtype=np.float32).T


def _pitch(log_frequency: Array) -> tuple[Array, Array]:
    """The most salient fundamental by subharmonic summation (Hermes 1988), and its share of the sum."""
    compressed = np.sqrt(log_frequency)
    compressed = np.maximum(0, compressed - 1.0001 * _running_mean(compressed))  # a flat one leaves nothing
    total = np.zeros((PITCH_BINS, log_frequency.shape[1]), np.float32)
    for harmonic in range(1, HARMONICS + 1):
        shift = LOWEST_PITCH + round(BINS_PER_OCTAVE * np.log2(harmonic))  # of the lowest pitch's harmonic
        start, stop = max(shift, 0), min(PITCH_BINS + shift, N_LOG_BINS)
        total[start - shift : stop - shift] += compressed[start:stop] * HARMONIC_DECAY ** (harmonic - 1)
    best, columns = total.argmax(axis=0), np.arange(total.shape[1])
    around = total[np.clip(best + np.array([[-1], [0], [1]]), 0, PITCH_BINS - 1), columns]
    bend = np.maximum(2 * around[1] - around[0] - around[2], 1e-9)
    offset = np.clip(0.5 * (around[2] - around[0]) / bend, -0.5, 0.5)
    semitones = (LOWEST_PITCH + best + offset) * 12 / BINS_PER_OCTAVE
    share = around.sum(axis=0) / np.maximum(total.sum(axis=0), 1e-9)
    return semitones[None].astype(np.float32), np.minimum(share, 1)[None].astype(np.float32)


def _running_mean(matrix: Array, *, reach: int = 6) -> Array:
    """Mean over `reach` bins to each side along the frequency axis, edges repeated."""
    return np.asarray(scipy.ndimage.uniform_filter1d(matrix, 2 * reach + 1, axis=0, mode="nearest"))
