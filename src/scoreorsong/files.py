"""Bytes → a file that is written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
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
    mode = stat.S_IMODE(target.stat().st_mode) if target.is_file() else 0o644
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
