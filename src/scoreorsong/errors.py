"""Nothing → the exceptions that every other module raises.

One root class, so that ``except ScoreOrSongError`` catches whatever the library
raises on purpose. A message names the file, says what was found, what was
expected and how it is likely mended.
"""

from __future__ import annotations

import unicodedata


class ScoreOrSongError(Exception):
    """Root of everything that this library raises on purpose."""


class AudioError(ScoreOrSongError):
    """A source could not be read as audio, or holds nothing to analyse."""


class LabelsError(ScoreOrSongError):
    """A labels file or folder cannot be used; lists every finding at once."""


class ModelError(ScoreOrSongError):
    """A model file is missing, damaged, of another format or not to be trusted."""


class BatchError(ScoreOrSongError):
    """A whole batch cannot begin or go on: its folder, its results file or its workers."""


class ResultsError(ScoreOrSongError):
    """A results table cannot be read, or its report cannot be written."""


class ExportError(ScoreOrSongError):
    """A timeline cannot be written: an option, an extra that is not installed, or the file."""


class ReportError(ScoreOrSongError):
    """The report of an evaluation cannot be made: its ending, its folder, or nothing to draw with."""


def readable(text: str) -> str:
    """`text` as one line that a terminal only shows.

    What it would obey instead, such as the end of a line, a colour or a change of direction in
    the name of a file, is spelt out.

    Examples
    --------
    >>> readable("a\\nb \\x1b[31m.wav")
    'a\\\\nb \\\\x1b[31m.wav'
    """
    return "".join(char.encode("unicode_escape").decode() if _acts(char) else char for char in text)


def _acts(char: str) -> bool:
    kind = unicodedata.category(char)
    return kind.startswith("C") or kind in ("Zl", "Zp")
