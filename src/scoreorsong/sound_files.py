"""File → libsndfile's decoder of it, mended where that loses or bends what is there.

Conventions: lengths are in frames, one sample of each channel; what is odd about a
file's end is told in a sentence for the user.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import soundfile

from .media import BREAKS_OFF, opened

RUN_UP_S: Final = 7.0  # an MP3 frame may borrow bits from the 255 frames before it, which is up to 6.1 s
# Shares of its length by which a file may claim to be longer: one under the 1 % that libsndfile's decoder complains of on
# stderr, and one beyond all that bit rates can differ by.
A_LITTLE, FAR = 0.005, 1000.0
WHOLE: Final = 0.98  # of what is announced; headers are often off by a little
SIZES: Final = r"(\d+) \(should be (\d+)\)"
FOLLOWS: Final = "more follows after {:.1f} s, in a second stream that was not read"


class SoundFile(soundfile.SoundFile):  # type: ignore[misc]
    """Reads straight on, where soundfile seeks after every read of a file that can seek.

    At a seek an MP3 decoder loses the bits that the next frame borrows from those before,
    so that every block would begin with a glitch, and libsndfile loses its way in some
    Opus files that it can read in one go.
    """

    run_up_s = 0.0
    told = True  # whether `announced` is more than a guess

    @property
    def announced(self) -> int:
        """How long it says it is."""
        return int(self.frames)

    def seekable(self) -> bool:
        return False

    def skip(self, frames: int) -> None:
        """Drop frames, by a seek where the format can."""
        run_up = round(self.run_up_s * self.samplerate)
        if frames > run_up and super().seekable():
            frames -= self.seek(min(frames - run_up, self.frames))
        while frames > 0:
            skipped = len(self.read(min(frames, 1 << 16)))
            frames = frames - skipped if skipped else 0

    def oddity(self, read: int) -> str | None:
        """What is odd about the end of a file that was read up to there."""
        if self._breaks_off(read):
            return BREAKS_OFF.format(read / self.samplerate)
        return FOLLOWS.format(read / self.samplerate) if self._more_follows() else None

    def _breaks_off(self, read: int) -> bool:
        """Whether more was announced, which libsndfile only notes in its log."""
        sizes = [(int(said), int(found)) for said, found in re.findall(SIZES, self.extra_info)]
        missing = any(found < WHOLE * said and not _from_a_pipe(said) for said, found in sizes)
        ends = "lacks an end-of-stream" not in self.extra_info
        return missing or not ends or (self.told and read < WHOLE * self.announced)

    def _more_follows(self) -> bool:
        """Whether an Ogg stream is chained to this one."""
        return "Junk after the last page" in self.extra_info


def _from_a_pipe(size: int) -> bool:
    """Whether a WAV says this of its size because its writer could not go back to tell: just under 2 or 4 GiB."""
    return -size % (1 << 31) <= 4096


class Mp3File(SoundFile):
    """An MP3, which need not say how long it is.

    Where it does not, libsndfile goes by the bit rate of its beginning, and never reads beyond the length that comes of
    this, be it a tenth of the file (https://github.com/libsndfile/libsndfile/issues/1001). A length that grows with the bytes
    that there seem to be is such a guess; with bytes enough, the file is read to its end.
    """

    run_up_s = RUN_UP_S

    def __init__(self, raw: BinaryIO, said: int) -> None:
        with soundfile.SoundFile(_View(raw, longer=A_LITTLE)) as longer:
            self.told = longer.frames == said
        self._raw, self._said = raw, said
        self._view = _View(raw, longer=0.0 if self.told else FAR)
        super().__init__(self._view)

    @property
    def announced(self) -> int:
        """How long it says, or else seems to be."""
        return self._said

    def _more_follows(self) -> bool:
        """Whether another second can be heard from where this one was read to, as of MP3s joined end to end."""
        try:
            with SoundFile(_View(self._raw, first=self._view.tell())) as rest:
                return len(rest.read(rest.samplerate)) == rest.samplerate
        except soundfile.LibsndfileError:
            return False


class _View:
    """A file from its `first` byte on that claims to be longer, by a share of its length: so it says wherever its end is asked for."""

    def __init__(self, raw: BinaryIO, *, longer: float = 0.0, first: int = 0) -> None:
        self._raw, self._first = raw, first
        self._size = raw.seek(0, os.SEEK_END) - first
        self._more = math.ceil(longer * self._size)
        self.seek(0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = self._raw.tell() - self._first
        self._raw.seek(self._first + max(0, offset + (0, at, self._size)[whence]))
        self._beyond = self._more if whence == os.SEEK_END else 0
        return self.tell()

    def tell(self) -> int:
        return self._raw.tell() - self._first + self._beyond

    def readinto(self, buffer: bytearray) -> int:
        self._beyond = 0
        return int(self._raw.readinto(buffer))  # type: ignore[attr-defined]  # else `read` is asked

    def read(self, size: int) -> bytes:
        self._beyond = 0
        return self._raw.read(size)


@contextmanager
def open_sound(source: Path | BinaryIO) -> Iterator[SoundFile]:
    """libsndfile's view of a file from its start.

    Raises
    ------
    soundfile.LibsndfileError : it is none that libsndfile knows.
    """
    if not isinstance(source, Path):
        source.seek(0)
    with SoundFile(nameable(source) if isinstance(source, Path) else source) as file:
        if file.format != "MP3":
            yield file
            return
        said = file.announced
    with opened(source) as raw, Mp3File(raw, said) as file:
        yield file


def nameable(path: Path) -> Path | bytes:
    """A path as soundfile takes it: as bytes it may be any that the system allows, where text is encoded strictly."""
    return os.fsencode(path) if os.name == "posix" else path
