"""Spectra → the same, out of the way, however long the source is.

A clip's lies in memory; a film's, the spectra of which take 1.2 MB per minute, goes to a temporary
file that has no name and is gone when it is closed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields
from typing import Final

import numpy as np

from .errors import ScoreOrSongError
from .spectra import FRAMES_PER_S, SILENCE_POWER, Array, Spectra

MEMORY_BYTES: Final = 16 << 20  # of spectra
NAMES: Final = tuple(f.name for f in fields(Spectra))


class Spool(AbstractContextManager["Spool"]):
    """Consecutive parts of spectra as one, to be sliced; close it, or use it in a ``with``.

    Raises
    ------
    ScoreOrSongError : the temporary file cannot be written.
    """

    def __init__(self, parts: Iterable[Spectra] = ()) -> None:
        self.n_frames = 0
        self.peak = 0.0
        self._file = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - closed on exit
        try:
            for part in parts:
                self.append(part)
        except BaseException:
            self._file.close()
            raise

    @property
    def duration_s(self) -> float:
        return self.n_frames / FRAMES_PER_S

    @property
    def is_silent(self) -> bool:
        return self.peak < SILENCE_POWER

    def __getitem__(self, frames: slice) -> Spectra:
        """The spectra of some of the frames, in memory."""
        start, stop, _ = frames.indices(self.n_frames)
        n_bytes = 4 * self._edges[-1]
        self._file.seek(start * n_bytes)
        rows = np.frombuffer(self._file.read((stop - start) * n_bytes), np.float32).reshape(stop - start, -1)
        matrices = [np.ascontiguousarray(m) for m in np.split(rows.T, self._edges[:-1])]
        return Spectra(**dict(zip(NAMES, matrices, strict=True)))

    def append(self, part: Spectra) -> None:
        """Add what follows."""
        matrices: list[Array] = [getattr(part, name) for name in NAMES]
        self._edges = np.cumsum([len(matrix) for matrix in matrices])
        self.n_frames += part.n_frames
        self.peak = max(self.peak, float(part.mel_power.max(initial=0)))
        with _telling_of_space():
            self._file.write(np.ascontiguousarray(np.vstack(matrices).T).tobytes())

    def __exit__(self, *_: object) -> None:
        self._file.close()


@contextmanager
def _telling_of_space() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ScoreOrSongError(
            f"what a long source is measured from cannot be kept in a temporary file ({error.strerror or error}); "
            "free some space, or let TMPDIR name a folder that has some"
        ) from error
