"""Film or phone file → the sound of one of its tracks, decoded by PyAV.

PyAV (extra ``[media]``) reads what libsndfile cannot. Time zero is where the whole file begins: a
sound track that begins later than the picture has silence before it, so that times are those
of the film.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from .errors import AudioError

HEADERLESS = frozenset(["aac", "ac3", "eac3", "mp3", "mpegts"])
LATE_S = 0.1  # encoders shift a track by a frame or two, which is no late beginning
SILENCE_S = 1.0
STOPPED = "the file breaks off after {:.1f} s and was analysed up to there"
BREAKS_OFF = "the file breaks off after {:.1f} s, before its announced end, and was analysed up to there"

RawBlocks: TypeAlias = Iterator[tuple[npt.NDArray[Any], float]]


class Told(Protocol):
    """What a decoder tells of the source it reads."""

    name: str
    announced_s: float

    def warn(self, sentence: str) -> None: ...


def installed() -> bool:
    return importlib.util.find_spec("av") is not None


def media_blocks(
    source: Path | BinaryIO,
    audio: Told,
    *,
    track: int = 1,
    offset_s: float = 0.0,
    max_s: float | None = None,
    began: bool = False,
) -> RawBlocks:
    """Samples shaped ``(frames, channels)`` with their rate in Hz; what cannot be read ends them.

    Parameters
    ----------
    audio : has the name for messages, and is told what is odd and how long the track should be.
    track : which sound track, from 1.
    offset_s, max_s : the part to read.
    began : whether another decoder has read what lies before, so that a failure is only the end.

    Raises
    ------
    AudioError : nothing could be read, or there is no such sound track.
    """
    import av

    read_s, end_s = 0.0, np.inf if max_s is None else offset_s + max_s
    try:
        # FFmpeg never gets a name, which it might take for a protocol.
        with opened(source) as file, _container(file) as media:
            stream = _chosen(media, audio.name, track)
            audio.announced_s = _announced_s(media, stream)
            for samples, rate in _decoded(media, stream):
                first, last = (round((s - read_s) * rate) for s in (offset_s, min(end_s, 1e9)))
                read_s += len(samples) / rate
                part = samples[max(first, 0) : max(last, 0)]
                began = began or len(part) > 0
                if len(part):
                    yield part, rate
                if read_s >= end_s:
                    return
            if read_s < 0.98 * audio.announced_s:
                audio.warn(BREAKS_OFF.format(read_s))
    except (av.FFmpegError, OSError) as error:
        if not began:
            raise AudioError(
                f"{audio.name}: {reason(error)}; expected an audio or video file with sound, "
                "check that it is complete"
            ) from error
        audio.warn(STOPPED.format(read_s))


def opened(source: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    """The file at its start."""
    if isinstance(source, Path):
        return source.open("rb")
    source.seek(0)
    return nullcontext(source)


def _container(file: BinaryIO) -> Any:
    """A PyAV container that reads this file and, whatever a playlist in it asks for, no other."""
    import av

    options = {"protocol_whitelist": "none"}
    try:
        return av.open(file, options=options, metadata_errors="ignore")
    except TypeError:  # PyAV 19 is lenient with tags by itself
        return av.open(file, options=options)


def _chosen(media: Any, name: str, track: int) -> Any:
    tracks = media.streams.audio
    if not tracks:
        raise AudioError(f"{name}: holds no sound track; expected a file with audio")
    if track > len(tracks):
        there = ", ".join(f"{number} ({_described(stream)})" for number, stream in enumerate(tracks, 1))
        raise AudioError(f"{name}: has no sound track {track}; there is {there}")
    if tracks[track - 1].codec_context is None:
        raise AudioError(
            f"{name}: its sound is in a coding that FFmpeg does not know; "
            "check that it is complete, or convert it to FLAC"
        )
    return tracks[track - 1]


def _described(stream: Any) -> str:
    """What tells one track from another: language and title as the file has them, codec and channels."""
    told, coder = (stream.metadata.get("language"), stream.metadata.get("title")), stream.codec_context
    coding = f"{coder.name}, {coder.layout.name}" if coder else "unknown coding"
    return ", ".join([*filter(None, told), coding])


def _decoded(media: Any, stream: Any) -> RawBlocks:
    """All of a track from the beginning of the file on."""
    import av

    silent = round(_late_s(media, stream) * stream.rate)
    step = max(round(SILENCE_S * stream.rate), 1)  # a damaged header may claim a rate of 0
    for start in range(0, silent, step):
        yield np.zeros((min(step, silent - start), 1), np.float32), float(stream.rate)
    resampler = av.AudioResampler(format="fltp")
    for frame in media.decode(stream):
        for part in resampler.resample(frame):
            yield part.to_ndarray().T, float(part.sample_rate)


def _late_s(media: Any, stream: Any) -> float:
    """How much later than the file the track begins; 0 where that is unknown or within reason for an encoder."""
    if stream.start_time is None or media.start_time is None or not media.duration:
        return 0.0
    late_s = float(stream.start_time * stream.time_base) - media.start_time / 1e6
    return late_s if LATE_S < late_s < media.duration / 1e6 else 0.0


def _announced_s(media: Any, stream: Any) -> float:
    """Length of the sound by the header; 0 where there is none and ffmpeg guesses from the bit rate."""
    if media.format.name in HEADERLESS:
        return 0.0
    return float(stream.duration * stream.time_base if stream.duration else (media.duration or 0) / 1e6)


def reason(error: Exception) -> str:
    """What a decoder said, as part of a sentence."""
    return str(getattr(error, "error_string", None) or getattr(error, "strerror", None) or error).rstrip(". ")
