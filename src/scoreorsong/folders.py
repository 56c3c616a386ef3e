"""Folder → the audio files in it, each once, in a stable order.

Conventions: names are as the user would write them (the folder as given, then what lies below
it), sorted as text. Hidden files and folders are left out. Links are followed; a file that can
be reached in several ways counts once, by its own place before any link to it.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from .errors import BatchError
from .label_rows import has_audio_name

Fingerprint: TypeAlias = tuple[int, int]
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # in full width too
UNKNOWN: Final[Fingerprint] = (-1, -1)


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes
    ----------
    files : by name, size in bytes and time of change in ns; `UNKNOWN` where a link leads nowhere.
    closed : by name, why a folder in it could not be read.
    """

    files: dict[str, Fingerprint]
    closed: dict[str, str]


def find_files(folder: str | os.PathLike[str], *, pattern: str = "*", recursive: bool = True) -> Found:
    """The audio files of a folder.

    Parameters
    ----------
    pattern : as in a shell; matched with the name, or where it holds a slash with the path
        below the folder, in which ``*`` spans folders too.
    recursive : whether to look into the folders below.

    Raises
    ------
    BatchError : no folder, not readable, or nothing in it fits.
    """
    root = no_formula(os.fspath(folder))
    walk = _Walk(root, pattern, recursive)
    files = dict(sorted(walk.run()))
    if root in walk.closed:
        raise BatchError(f"{root}: {walk.closed[root]}; expected a folder that you may read")
    if not files and not walk.closed:
        raise BatchError(
            f"{root}: no audio in this folder fits the pattern {pattern!r}; check the folder, "
            "the pattern and the endings of the files"
        )
    return Found(files, walk.closed)


def found_files(sources: Iterable[str | os.PathLike[str]]) -> Found:
    """The files named, whatever their endings, and the audio of the folders named.

    Raises
    ------
    BatchError : a folder cannot be read, or has no audio in it.
    """
    files, closed = dict[str, Fingerprint](), dict[str, str]()
    for source in (no_formula(os.fspath(source)) for source in sources):
        if os.path.isdir(source):
            found = find_files(source)
            files.update(found.files)
            closed.update(found.closed)
        else:
            files[source] = fingerprint(source)
    return Found(dict(sorted(files.items())), closed)


def fingerprint(path: str) -> Fingerprint:
    """Size in bytes and time of change in ns; `UNKNOWN` where there is no such file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return UNKNOWN
    return found.st_size, found.st_mtime_ns


def no_formula(path: str) -> str:
    """The same path, led by ``./`` where a spreadsheet would take its first character for a formula's."""
    return os.path.join(os.curdir, path) if path.startswith(FORMULA) else path


class _Walk:
    """One pass over the folders: those that lie there first, then those that links lead to."""

    def __init__(self, root: str, pattern: str, recursive: bool) -> None:
        self.root, self.pattern, self.recursive = root, pattern, recursive
        self.closed: dict[str, str] = {}
        self.folders, self.linked_folders = [root], list[str]()
        self.linked_files: list[str] = []
        self.seen: set[str] = set()

    def run(self) -> Iterator[tuple[str, Fingerprint]]:
        while self.folders or self.linked_folders:
            folder = self.folders.pop() if self.folders else self.linked_folders.pop()
            real = os.path.realpath(folder)
            if real not in self.seen:
                self.seen.add(real)
                yield from self._files(folder, real)
        for name in sorted(self.linked_files):
            yield from self._once(name, os.path.realpath(name))

    def _files(self, folder: str, real: str) -> Iterator[tuple[str, Fingerprint]]:
        try:
            with os.scandir(folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            self.closed[folder] = f"cannot be read ({error.strerror})"
            return
        for entry in visible:
            name = os.path.join(folder, entry.name)
            linked = entry.is_symlink()
            if os.path.isdir(name) if linked else entry.is_dir():  # isdir: no error where links go in circles
                self._note_folder(name, linked=linked)
            elif has_audio_name(name) and self._fits(name):
                if linked:
                    self.linked_files.append(name)
                else:
                    yield from self._once(name, os.path.join(real, entry.name))

    def _note_folder(self, name: str, *, linked: bool) -> None:
        if self.recursive:
            (self.linked_folders if linked else self.folders).append(name)
            self.linked_folders.sort(reverse=True)

    def _fits(self, name: str) -> bool:
        below = os.path.relpath(name, self.root) if "/" in self.pattern else os.path.basename(name)
        return fnmatch.fnmatch(below, self.pattern)

    def _once(self, name: str, real: str) -> Iterator[tuple[str, Fingerprint]]:
        if real in self.seen:
            return
        self.seen.add(real)
        try:
            found = os.stat(name)
        except OSError:
            yield name, UNKNOWN  # listed all the same, so that it becomes a row that says so
            return
        if stat.S_ISREG(found.st_mode):
            yield name, (found.st_size, found.st_mtime_ns)
