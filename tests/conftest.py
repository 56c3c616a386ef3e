"""Signals with known answers, seeded, as fixtures that make them."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from scoreorsong import metric

RATE_HZ = 22050

Samples = npt.NDArray[np.float32]
Maker = Callable[..., Samples]


def pytest_configure() -> None:
    """Let the programs that tests start hear Ctrl-C, also where a shell began the tests in its background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def few_gradients() -> Iterator[None]:
    """The ears of tests learn from little, so that an eighth of the gradients tells them as much."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metric, "N_GRADIENTS", metric.N_GRADIENTS // 8)
        yield


def make_tone(
    seconds: float = 6.0, *, hz: float = 440.0, rate_hz: int = RATE_HZ, gain: float = 0.5
) -> Samples:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (gain * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def make_noise(seconds: float = 6.0, *, gain: float = 0.1, seed: int = 0) -> Samples:
    return (gain * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def make_clicks(seconds: float = 12.0, *, bpm: float = 120.0, seed: int = 0) -> Samples:
    """Short bursts of noise, all alike, in silence."""
    samples = np.zeros(round(seconds * RATE_HZ), np.float32)
    burst = 0.5 * np.exp(-np.arange(800) / 100) * np.random.default_rng(seed).standard_normal(800)
    for at_s in np.arange(0, seconds - 0.1, 60 / bpm):
        start = round(at_s * RATE_HZ)
        samples[start : start + 800] += burst.astype(np.float32)
    return samples


def make_harmonics(hz: npt.NDArray[np.float64], *, partials: int = 15, gain: float = 0.2) -> Samples:
    """A tone with partials 1/k that follows the fundamental `hz`, one value per sample."""
    phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
    return (gain * sum(np.sin(k * phase) / k for k in range(1, partials + 1))).astype(np.float32)


def make_voice(
    seconds: float = 6.0, *, hz: float = 220.0, vibrato_hz: float = 6.0, semitones: float = 0.6
) -> Samples:
    """A harmonic tone with vibrato, as a held sung vowel has it; steady with semitones=0."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return make_harmonics(hz * 2 ** (semitones / 12 * np.sin(2 * np.pi * vibrato_hz * time_s)))


def make_glide(seconds: float = 3.0, *, octaves: float = 1.0, hz: float = 220.0) -> Samples:
    """A harmonic tone that moves steadily by `octaves`."""
    return make_harmonics(hz * 2 ** np.linspace(0, octaves, round(seconds * RATE_HZ)))


def make_silence(seconds: float = 6.0) -> Samples:
    return np.zeros(round(seconds * RATE_HZ), np.float32)


def make_mix() -> Samples:
    """40 s of everything: voice, clicks over a tone, swelling noise, a rest, a tone."""
    swell = np.linspace(0, 1, 10 * RATE_HZ, dtype=np.float32)
    middle = make_clicks(10) + 0.2 * make_tone(10)
    return np.concatenate([make_voice(10), middle, make_noise(10) * swell, make_silence(3), make_tone(7)])


@pytest.fixture
def tone() -> Maker:
    return make_tone


@pytest.fixture
def noise() -> Maker:
    return make_noise


@pytest.fixture
def clicks() -> Maker:
    return make_clicks


@pytest.fixture
def voice() -> Maker:
    return make_voice


@pytest.fixture
def glide() -> Maker:
    return make_glide


@pytest.fixture
def silence() -> Maker:
    return make_silence


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium, or a skip that says why there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser, driver = next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("no Chromium with its driver here (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    with webdriver.Chrome(options, service) as started:
        yield started
