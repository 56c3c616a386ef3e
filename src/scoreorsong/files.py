"""Bytes → a file that is written whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file as `whole` does."""
    with whole(path) as file:
        file.write(data)


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to: a temporary one, which takes its place at the end and is removed where that fails.

    Whoever reads meanwhile sees the old file or the new one, never a part.

    Raises
    ------
    OSError : the folder does not exist or cannot be written to, or the disk is full.
    ValueError : there is a NUL in the path.
    """
    target = Path(path)
    mode = stat.S_IMODE(target.stat().st_mode) if target.is_file() else None
    temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    file = _new(temporary, 0o666 if mode is None else mode)
    try:
        with file:
            yield file
        if mode is not None:
            os.chmod(temporary, mode)  # of which the umask may have taken something
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _new(path: Path, mode: int) -> BinaryIO:
    """A file where nothing was, neither a file nor a link; the umask has its say, as with any other file."""
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode))
