"""Bytes → a file that is written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file by way of a temporary one beside it, which is removed where that fails.

    Whoever reads meanwhile sees the old file or the new one, never a part.

    Raises
    ------
    OSError : the folder does not exist or cannot be written to, or the disk is full.
    ValueError : there is a NUL in the path.
    """
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
