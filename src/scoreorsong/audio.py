"""File, stream or array → blocks of mono float32 at 22 050 Hz.

Conventions: samples lie in [-1, 1], channels are averaged, time is in seconds
from the start of the source. This is the only decoder of the library; it reads
block by block, so that memory does not grow with the length of the source.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from .errors import AudioError
from .media import STOPPED, RawBlocks, installed, media_blocks, reason
from .sound_files import open_sound

RATE_HZ = 22050
READ_S = 1.0  # a decoder that stumbles loses at most this much of what came before
MIN_S = 0.05
MIN_RATE_HZ, MAX_RATE_HZ = 2_000, 1_000_000
MAX_CHANNELS = 64
EXTRA = 'install the extra that reads it: pip install "score-or-song[media]"'
NOT_OF_ITS_NAME = 7  # libsndfile's word for .mp3 that is none is that there is no such file
LOUDEST = 1e6  # floats beyond full scale happen (unscaled integers); beyond this they are damage

Samples: TypeAlias = npt.NDArray[np.float32]
Source: TypeAlias = "str | os.PathLike[str] | BinaryIO | npt.NDArray[Any]"

# What libsndfile cannot open and PyAV can. The Ogg family stands here because
# libsndfile 1.2.2 gives up on some Opus files that other programs wrote.
MEDIA_ENDINGS = frozenset(
    [
        ".m4a",
        ".m4b",
        ".mp4",
        ".mov",
        ".mkv",
        ".mka",
        ".webm",
        ".weba",
        ".wma",
        ".wmv",
        ".asf",
        ".aac",
        ".ac3",
        ".avi",
        ".opus",
        ".ogg",
        ".oga",
    ]
)


@dataclass
class Audio:
    """An opened source; iterate over it once for its blocks.

    Attributes
    ----------
    name : what the source is called in results and messages.
    warnings : one sentence for each oddity; complete once the blocks are read.
    announced_s : how long it says it is, or seems to be, once the first block is read; 0 where it does not say.
    """

    name: str
    warnings: list[str] = field(default_factory=list)
    announced_s: float = 0.0
    _read: Callable[[Audio], RawBlocks] = field(default=lambda audio: iter(()), repr=False)

    def __iter__(self) -> Iterator[Samples]:
        """Yield mono float32 blocks at `RATE_HZ`, about `READ_S` long each.

        Raises
        ------
        AudioError : not audio, or shorter than `MIN_S`.
        """
        resampler: soxr.ResampleStream | None = None
        length = 0
        for raw, rate_hz in self._read(self):
            block = self._finite(_downmix(raw))
            if rate_hz != RATE_HZ:
                resampler = resampler or soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32")
                block = resampler.resample_chunk(block)
            length += len(block)
            yield block
        if resampler is not None:
            tail = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            length += len(tail)
            yield tail
        if length < MIN_S * RATE_HZ:
            raise AudioError(
                f"{self.name}: {length / RATE_HZ:.3g} s of sound in the part to analyse; expected at least "
                f"{MIN_S} s. Check that the export finished and that the offset lies inside."
            )

    def warn(self, sentence: str) -> None:
        """Note an oddity once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def _finite(self, block: Samples) -> Samples:
        sound = np.abs(block) < LOUDEST
        if sound.all():
            return block
        self.warn("NaN, infinite or absurdly large samples were taken as silence; the file may be damaged")
        return np.where(sound, block, np.float32(0))


def open_audio(
    source: Source,
    *,
    rate: float | None = None,
    offset_s: float = 0.0,
    max_s: float | None = None,
    track: int = 1,
) -> Audio:
    """Open a source for reading in blocks.

    Parameters
    ----------
    source : a path, an open binary file, or an array of samples shaped
        ``(frames,)`` or ``(frames, channels)``; integers are scaled to [-1, 1].
    rate : sample rate of an array in Hz; only an array takes it.
    offset_s, max_s : the part to read, in seconds; by default all of it.
    track : which sound track of a film, from 1.

    Raises
    ------
    AudioError : no such file, not readable, empty, or not a usable array. What
        only decoding can find is raised while the blocks are read; that there is
        no such track, with a list of those there are.

    Examples
    --------
    >>> import numpy as np
    >>> audio = open_audio(np.zeros(44100), rate=44100)
    >>> sum(len(block) for block in audio)
    22050
    """
    if not 0 <= offset_s < np.inf or not (max_s is None or 0 < max_s < np.inf):
        raise AudioError(
            f"offset_s={offset_s}, max_s={max_s}: expected seconds with offset_s >= 0 and max_s > 0; "
            "leave max_s out to read to the end"
        )
    if track < 1 or (track > 1 and isinstance(source, np.ndarray)):
        raise AudioError(
            f"track={track}: expected a number from 1; only a file has more than one sound track"
        )
    if isinstance(source, np.ndarray):
        samples = _checked_array(source, rate)
        return Audio(
            source_name(samples),
            announced_s=len(samples) / float(rate or 1),
            _read=lambda _: _array_blocks(samples, float(rate or 1), offset_s, max_s),
        )
    if rate is not None:
        raise AudioError(f"rate={rate}: only an array of samples takes rate=; a file knows its own")
    if isinstance(source, (str, os.PathLike)):
        path = _checked_path(Path(source))
        return Audio(str(path), _read=lambda audio: _file_blocks(path, audio, offset_s, max_s, track))
    _check_stream(source)
    name = source_name(source)
    return Audio(name, _read=lambda audio: _file_blocks(source, audio, offset_s, max_s, track))


def read_audio(
    source: Source, *, rate: float | None = None, offset_s: float = 0.0, max_s: float | None = None
) -> Samples:
    """All blocks of `open_audio` in one array, for clips that fit in memory."""
    return np.concatenate(list(open_audio(source, rate=rate, offset_s=offset_s, max_s=max_s)))


def source_name(source: Source) -> str:
    """What a source is called in results and messages."""
    if isinstance(source, np.ndarray):
        return "<array>"
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return _stream_name(source) or "<stream>"


def _checked_path(path: Path) -> Path:
    try:
        if path.is_dir():
            raise AudioError(f"{path}: is a folder, expected an audio file; name the files in it instead")
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file; check the spelling and the working directory") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{path}: cannot be read ({reason}); check its permissions") from error
    if empty:
        raise AudioError(f"{path}: the file is empty (0 bytes); copy or export it again")
    return path


def _check_stream(source: BinaryIO) -> None:
    try:
        usable = source.seekable() and isinstance(source.read(0), bytes)
    except (AttributeError, OSError, ValueError):  # no file at all, not open for reading, closed
        usable = False
    if not usable:
        raise AudioError(
            f"{_stream_name(source) or type(source).__name__}: cannot be read as a file; "
            "expected a path, an open binary file that can seek, or a NumPy array"
        )


def _stream_name(source: BinaryIO) -> str | None:
    """What an open file is called; one that never had a path may have a number or nothing."""
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else None


def _checked_array(samples: npt.NDArray[Any], rate: float | None) -> npt.NDArray[Any]:
    if rate is None or not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise AudioError(
            f"<array>: rate={rate}; expected rate=, the array's sample rate, "
            f"from {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
        )
    if samples.ndim not in (1, 2) or samples.shape[1:] == (0,) or samples.dtype.kind not in "fiu":
        raise AudioError(
            f"<array>: shape {samples.shape} of {samples.dtype}; "
            "expected real numbers shaped (frames,) or (frames, channels)"
        )
    if samples.ndim == 2 and samples.shape[1] > MAX_CHANNELS:
        raise AudioError(f"<array>: shape {samples.shape} means {samples.shape[1]} channels; pass samples.T")
    return samples


def _array_blocks(samples: npt.NDArray[Any], rate: float, offset_s: float, max_s: float | None) -> RawBlocks:
    start = round(offset_s * rate)
    stop = len(samples) if max_s is None else start + round(max_s * rate)
    part, step = samples[start:stop], int(READ_S * rate)
    for i in range(0, len(part), step):
        yield part[i : i + step], rate


def _file_blocks(
    source: Path | BinaryIO, audio: Audio, offset_s: float, max_s: float | None, track: int
) -> RawBlocks:
    """libsndfile's blocks; from where it gives up, and for all tracks but the first, PyAV's, if that is installed."""
    read_s, decode = 0.0, partial(media_blocks, source, audio, track=track)
    if track > 1:
        if not installed():
            raise AudioError(f"{audio.name}: to choose its sound track {track}, {EXTRA}")
        yield from decode(offset_s=offset_s, max_s=max_s)
        return
    try:
        for block, rate_hz in _sound_blocks(source, audio, offset_s, max_s):
            yield block, rate_hz
            read_s += len(block) / rate_hz
        return
    except soundfile.LibsndfileError as error:
        failure = error
    if _is_media(source) and installed():
        left_s = None if max_s is None else max_s - read_s
        yield from decode(offset_s=offset_s + read_s, max_s=left_s, began=read_s > 0)
    elif read_s > 0:
        # Many an MP3 ends amid its last frame, where the tag of a player stands; that takes the last block at most.
        if abs(audio.announced_s - offset_s - read_s) > READ_S:
            audio.warn(STOPPED.format(offset_s + read_s))
    else:
        wanted = "expected WAV, FLAC, Ogg, Opus, MP3 or AIFF; check that it is audio and complete"
        mend = EXTRA if _is_media(source) else wanted
        told = "Format not recognised" if failure.code == NOT_OF_ITS_NAME else reason(failure)
        raise AudioError(f"{audio.name}: {told}; {mend}") from failure


def _sound_blocks(source: Path | BinaryIO, audio: Audio, offset_s: float, max_s: float | None) -> RawBlocks:
    with open_sound(source) as file:
        rate_hz = file.samplerate
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            raise AudioError(
                f"{audio.name}: sample rate {rate_hz} Hz; expected {MIN_RATE_HZ} to {MAX_RATE_HZ}"
            )
        if file.channels > MAX_CHANNELS:
            raise AudioError(f"{audio.name}: {file.channels} channels; expected at most {MAX_CHANNELS}")
        audio.announced_s = file.announced / rate_hz
        first = round(offset_s * rate_hz)
        file.skip(first)
        limit = None if max_s is None else round(max_s * rate_hz)
        step, read = int(READ_S * rate_hz), 0
        while limit is None or read < limit:
            wanted = step if limit is None else min(step, limit - read)
            block = file.read(wanted, dtype="float32", always_2d=True)
            if not len(block):
                break
            read += len(block)
            yield block, float(rate_hz)
        oddity = file.oddity(first + read) if limit is None or read < limit else None
        if oddity:
            audio.warn(oddity)


def _is_media(source: Path | BinaryIO) -> bool:
    """Whether the ending speaks of a media container; a nameless stream may be one."""
    path = source if isinstance(source, Path) else _stream_name(source)
    return path is None or Path(path).suffix.lower() in MEDIA_ENDINGS


def _downmix(block: npt.NDArray[Any]) -> Samples:
    """The mean of the channels, as float32 in [-1, 1] but for damage."""
    if block.dtype.kind in "iu":
        info = np.iinfo(block.dtype)
        middle = 0 if block.dtype.kind == "i" else (info.max + 1) // 2
        block = (block.astype(np.float64) - middle) / (info.max - middle + 1)
    with np.errstate(over="ignore", invalid="ignore"):  # sums of absurd samples, which `_finite` drops
        if block.ndim == 2:
            n_channels = block.shape[
                1
            ]  # NumPy's mean over so short an axis takes longer than decoding an MP3
            block = block @ np.full(n_channels, 1 / n_channels, np.result_type(block, np.float32))
        return np.ascontiguousarray(block, dtype=np.float32)
