"""Source → Features: audio, spectra and features in one call, for prediction and training alike."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator

from .audio import Audio, Samples, Source, open_audio
from .blas import one_blas_thread
from .features import Features, measure
from .spectra import stream
from .spool import Spool

log = logging.getLogger("scoreorsong")

SHORT_S = 5.0


def extract(
    source: Source,
    *,
    rate: float | None = None,
    offset_s: float = 0.0,
    max_s: float | None = None,
    windows: bool = True,
    listener: Callable[[Samples], object] | None = None,
) -> Features:
    """The named numbers of a clip.

    Parameters
    ----------
    source : path, open binary file, or array shaped ``(frames,)`` or ``(frames, channels)``.
    rate : sample rate of an array in Hz.
    offset_s, max_s : the part to analyse, in seconds; by default all of it.
    windows : whether to measure every window of 10 s as well as the clip.
    listener : is given every block of samples as it is decoded.

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
    # One thread: with others the last bits of the features are others.
    with (
        one_blas_thread(),
        Spool(stream(audio if listener is None else _overheard(audio, listener))) as spool,
    ):
        warn_if_odd(audio, spool.duration_s, silent=spool.is_silent)
        features = measure(spool, source=audio.name, warnings=tuple(audio.warnings), windows=windows)
    seconds = time.monotonic() - began
    log.info("%s: %.1f s of sound measured in %.2f s", audio.name, features.duration_s, seconds)
    return features


def warn_if_odd(audio: Audio, duration_s: float, *, silent: bool) -> None:
    """Note that there is nothing to hear, or too little to be sure."""
    if silent:
        audio.warn("nothing but silence")
    elif duration_s < SHORT_S:
        audio.warn(f"only {duration_s:.1f} s long; the call is unsure below {SHORT_S:g} s")


def _overheard(blocks: Iterable[Samples], listener: Callable[[Samples], object]) -> Iterator[Samples]:
    for block in blocks:
        listener(block)
        yield block
