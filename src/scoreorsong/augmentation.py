"""Audio → the same audio as it might have reached us: variants to train on, and checks.

Conventions: mono float32 at `RATE_HZ` in, the same out; whatever varies is told
its random generator, so that a seed gives the same variant. The checks leave
nothing to chance: files written in memory, that our own reader reads back. They
are for evaluation only. Nothing here is used for prediction.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import scipy.fft
import scipy.signal
import soundfile
import soxr

from .audio import RATE_HZ, Samples, read_audio

Random = np.random.Generator
Writer = Callable[[Samples], io.BytesIO]

EXCERPT_CHANCE: Final = 0.7
ROOM_S, FADE_S = (0.2, 3.0), (1.0, 12.0)
CLICKS_PER_S: Final = (0.5, 30.0)
CLICK: Final = round(0.001 * RATE_HZ)  # samples
TURN_S, REST_S = (1.5, 8.0), (0.3, 6.0)
MOST_FASTER: Final = 1.15  # whoever is heard again speaks as much faster or slower at most
# Whoever acts speaks higher or lower throughout, and swings in pitch and loudness from syllable to syllable and word to word.
MOST_HIGHER, MOST_SWING, MOST_LOUDER_DB = 1.25, 1.35, 8.0
SWING_S, LOUDER_S = 0.3, 1.0
MP3_KBITS: Final = 64
MP3_KBITS_RANGE: Final = (8, 160)  # what MPEG-2 Layer III, the MP3 of rates up to 24 kHz, allows
LEFT_RIGHT: Final = (0.8, 0.3)  # gains
LOW_RATE_HZ: Final = 16_000
END: Final = 20 * RATE_HZ  # samples


def vary(samples: Samples, random: Random) -> Samples:
    """A plausible other copy: equalised, in a room, saturated, faded, worn, coded; each by chance."""
    steps: dict[Callable[[Samples, Random], Samples], float] = {
        equalise: 0.7,
        limit_band: 0.4,
        reverberate: 0.25,
        saturate: 0.3,
        fade: 0.15,
        hiss: 0.2,
        crackle: 0.15,
        code_mp3: 0.15,
    }
    for step, chance in steps.items():
        if random.random() < chance:
            samples = step(samples, random)
    return samples


def excerpt(length: int, random: Random) -> slice:
    """8 to 45 s from anywhere in so many samples or, by chance, all of them."""
    if random.random() >= EXCERPT_CHANCE:
        return slice(0, length)
    shorter = min(length, round(RATE_HZ * np.exp(random.uniform(np.log(8), np.log(45)))))
    start = int(random.integers(0, length - shorter + 1))
    return slice(start, start + shorter)


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
    """A room or hall of 0.2 to 3 s, mixed in 0 to 20 dB under the direct sound."""
    rt60_s, wet_db = np.exp(random.uniform(*np.log(ROOM_S))), random.uniform(-20, 0)
    return in_room(samples, random, rt60_s=rt60_s, under_db=-wet_db)


def in_room(samples: Samples, random: Random, *, rt60_s: float, under_db: float) -> Samples:
    """With what a room of this reverberation time gives back, so many dB under the direct sound."""
    time_s = np.arange(round(rt60_s * RATE_HZ)) / RATE_HZ
    tail = random.standard_normal(len(time_s)) * 10 ** (-3 * time_s / rt60_s)
    wet = scipy.signal.oaconvolve(samples, tail.astype(np.float32))[: len(samples)]
    return mix(samples, wet.astype(np.float32), under_db)


def saturate(samples: Samples, random: Random) -> Samples:
    """Soft clipping, as a loud master has it."""
    drive = np.float32(random.uniform(1, 4) / max(float(np.quantile(np.abs(samples[::7]), 0.99)), 1e-4))
    return np.tanh(samples * drive)


def fade(samples: Samples, random: Random) -> Samples:
    """In over 1 to 12 s, out over as many, or both; over half of the samples each at most."""
    gains = np.ones_like(samples)
    ends = [gains, gains[::-1]]
    for end in ends if random.random() < 0.5 else [ends[random.integers(2)]]:
        length = min(round(RATE_HZ * np.exp(random.uniform(*np.log(FADE_S)))), len(samples) // 2)
        end[:length] *= np.linspace(0, 1, length, dtype=np.float32) ** 2
    return samples * gains


def hiss(samples: Samples, random: Random) -> Samples:
    """Steady noise of any colour from white to brown, 15 to 45 dB under the music."""
    slope = random.uniform(-6, 0)
    noise = random.standard_normal(len(samples), np.float32)
    coloured = _filtered(noise, lambda hz: slope * np.log2(np.maximum(hz, 50) / 1000))
    return mix(samples, coloured, random.uniform(15, 45))


def crackle(samples: Samples, random: Random) -> Samples:
    """Clicks of a millisecond, as of a worn record: one in two seconds to thirty a second, 15 dB under the music to 12 over it."""
    struck = random.random(len(samples)) < np.exp(random.uniform(*np.log(CLICKS_PER_S))) / RATE_HZ
    heights = struck * random.standard_normal(len(samples), np.float32)
    click = random.standard_normal(CLICK) * np.hanning(CLICK + 2)[1:-1]
    clicks = scipy.signal.oaconvolve(heights, click.astype(np.float32))[: len(samples)]
    gain = active_rms(samples) * 10 ** (random.uniform(-15, 12) / 20)
    return (samples + gain * clicks).astype(np.float32)


def code_mp3(samples: Samples, random: Random) -> Samples:
    """Through an MP3 encoder and back."""
    file = io.BytesIO()
    peak = max(float(np.abs(samples).max(initial=0)), 1e-6)
    level = float(random.uniform(0.3, 0.95))
    soundfile.write(file, samples / peak * 0.9, RATE_HZ, format="MP3", compression_level=level)
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def mix(music: Samples, other: Samples, ratio_db: float) -> Samples:
    """`other`, as long as the music, under or over it: the active level of the music stands `ratio_db` above it."""
    gain = active_rms(music) / active_rms(other) * 10 ** (-ratio_db / 20)
    return (music + other * gain).astype(np.float32)


def laid(samples: Samples, length: int, random: Random) -> Samples:
    """Cut to a length, or heard `again` and again up to it with a second of rest in between."""
    rest = np.zeros(RATE_HZ, np.float32)
    parts, left = [samples], length - len(samples)
    while left > 0:
        parts += [rest, again(samples, random)]
        left -= len(rest) + len(parts[-1])
    return np.concatenate(parts)[:length]


def by_turns(voices: Sequence[Samples], length: int, random: Random) -> Samples:
    """So many samples of the voices, all as loud, speaking by turns with rests in between."""
    scene = np.zeros(length, np.float32)
    voices = [voice / active_rms(voice) for voice in voices]
    start = turn = 0
    while start < length:
        voice = again(voices[turn % len(voices)], random)
        said = min(len(voice), round(RATE_HZ * random.uniform(*TURN_S)), length - start)
        first = int(random.integers(0, len(voice) - said + 1))
        scene[start : start + said] = voice[first : first + said]
        start += said + round(RATE_HZ * np.exp(random.uniform(*np.log(REST_S))))
        turn += 1
    return scene


def again(samples: Samples, random: Random) -> Samples:
    """The same faster or slower, and so higher or lower: what came back to the letter would be known by that."""
    speed = float(np.exp(random.uniform(-1, 1) * np.log(MOST_FASTER)))
    return soxr.resample(samples, RATE_HZ * speed, RATE_HZ).astype(np.float32, copy=False)


def acted(samples: Samples, random: Random) -> Samples:
    """Speech as another might act it, who reads out nothing: higher or lower, faster or slower, with swings of both and of loudness."""
    higher = random.uniform(-1, 1) * np.log(MOST_HIGHER)
    swing = random.uniform(0, np.log(MOST_SWING)) * _wandering(len(samples), SWING_S, random)
    at = np.cumsum(np.exp(higher + swing))
    spoken = np.interp(at[at < len(samples) - 1], np.arange(len(samples)), samples)
    gains_db = random.uniform(0, MOST_LOUDER_DB) * _wandering(len(spoken), LOUDER_S, random)
    return (spoken * 10 ** (gains_db / 20)).astype(np.float32)


def _wandering(length: int, seconds: float, random: Random) -> np.ndarray:
    """So many numbers on the way from one to the next of those between -1 and 1 that are drawn as often as every so many seconds."""
    at = np.arange(length) / (seconds * RATE_HZ)
    drawn = random.uniform(-1, 1, int(length / (seconds * RATE_HZ)) + 2)
    return np.interp(at, np.arange(len(drawn)), drawn)


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


def checks(samples: Samples) -> Iterator[tuple[str, Samples]]:
    """By name, what our reader makes of every file in `CHECKS`; the two ends only where they do not overlap."""
    for name, write in CHECKS.items():
        if name not in ENDS or len(samples) >= 2 * END:
            yield name, read_audio(write(samples))


def quiet_wav(samples: Samples) -> io.BytesIO:
    """20 dB down, in 16 bits."""
    return _wav(samples * 0.1, subtype="PCM_16")


def constant_mp3(samples: Samples) -> io.BytesIO:
    """`MP3_KBITS` kbit/s throughout; libsndfile's level runs from the most bits, 0, to the fewest, 1."""
    file = io.BytesIO()
    fewest, most = MP3_KBITS_RANGE
    level = (most - MP3_KBITS) / (most - fewest)
    soundfile.write(file, samples, RATE_HZ, format="MP3", bitrate_mode="CONSTANT", compression_level=level)
    return file


def stereo_wav(samples: Samples) -> io.BytesIO:
    """Two channels, the left one louder."""
    return _wav(np.outer(samples, np.array(LEFT_RIGHT, np.float32)))


def low_rate_wav(samples: Samples) -> io.BytesIO:
    """At 16 kHz, with nothing left above 8 kHz."""
    return _wav(soxr.resample(samples, RATE_HZ, LOW_RATE_HZ), rate_hz=LOW_RATE_HZ)


def first_wav(samples: Samples) -> io.BytesIO:
    """The first 20 s."""
    return _wav(samples[:END])


def last_wav(samples: Samples) -> io.BytesIO:
    """The last 20 s."""
    return _wav(samples[-END:])


def _wav(samples: Samples, *, rate_hz: int = RATE_HZ, subtype: str = "FLOAT") -> io.BytesIO:
    """A WAV; in floats by default, since a decoded clip may peak over full scale, where integers clip."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype=subtype)
    return file


COPIES: Final[Mapping[str, Writer]] = {
    "at -20 dB": quiet_wav,
    "as MP3 64 kbit/s": constant_mp3,
    "in stereo": stereo_wav,
    "from 16 kHz": low_rate_wav,
}
FIRST, LAST = "first 20 s", "last 20 s"
ENDS: Final[Mapping[str, Writer]] = {FIRST: first_wav, LAST: last_wav}
CHECKS: Final = {**COPIES, **ENDS}
