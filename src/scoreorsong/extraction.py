"""Source → Features: audio, spectra and features in one call, for prediction and training alike."""

from __future__ import annotations

import logging
import time

from . import spectra as sp
from .audio import Source, open_audio
from .features import Features, measure

log = logging.getLogger("scoreorsong")

SHORT_S = 5.0


def extract(
    source: Source,
    *,
    rate: float | None = None,
    offset_s: float = 0.0,
    max_s: float | None = None,
    windows: bool = True,
) -> Features:
    """The named numbers of a clip.

    Parameters
    ----------
    source : path, open binary file, or array shaped ``(frames,)`` or ``(frames, channels)``.
    rate : sample rate of an array in Hz.
    offset_s, max_s : the part to analyse, in seconds; by default all of it.
    windows : whether to measure every window of 10 s as well as the clip.

    Raises
    ------
    AudioError : the source cannot be read or holds too little sound.

    Examples
    --------
    >>> import numpy as np
    >>> features = extract(np.sin(2 * np.pi * 440 * np.arange(44100) / 22050), rate=22050)
    >>> round(features["pitch_median"])  # semitones above 110 Hz
    24
    """
    began = time.monotonic()
    audio = open_audio(source, rate=rate, offset_s=offset_s, max_s=max_s)
    spectra = sp.analyze(audio)
    if spectra.is_silent:
        audio.warn("nothing but silence")
    elif spectra.duration_s < SHORT_S:
        audio.warn(f"only {spectra.duration_s:.1f} s long; the call is unsure below {SHORT_S:g} s")
    features = measure(spectra, source=audio.name, warnings=tuple(audio.warnings), windows=windows)
    log.info(
        "%s: %.1f s of sound measured in %.2f s", audio.name, spectra.duration_s, time.monotonic() - began
    )
    return features
