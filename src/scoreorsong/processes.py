"""A function and items → what it gives for each, by processes of joblib's.

joblib keeps its processes for later calls, and they stay in the directory where the caller was when they
began; what a caller says since of paths would be looked for there. So every piece of work begins where
its caller is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

import joblib

Item = TypeVar("Item")
Given = TypeVar("Given")


def in_processes(
    function: Callable[[Item], Given], items: Iterable[Item], n_jobs: int | None
) -> Iterator[Given]:
    """What the function gives for every item, lazily, in their order.

    Parameters
    ----------
    n_jobs : processes; by default one, the caller's own; -1 for all cores.

    Examples
    --------
    >>> list(in_processes(abs, [-1, 2], None))
    [1, 2]
    """
    work = joblib.delayed(where_called(function))
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    return cast("Iterator[Given]", parallel(work(item) for item in items))


def where_called(function: Callable[[Item], Given]) -> Callable[[Item], Given]:
    """The function, which in any process begins in the directory where its caller is now."""
    return _Here(function)


def _directory() -> str | None:
    """Where this process is; None where that has been removed."""
    with suppress(FileNotFoundError):
        return os.getcwd()
    return None


@dataclass(frozen=True)
class _Here(Generic[Item, Given]):
    """The function, for a process that may be elsewhere."""

    function: Callable[[Item], Given]
    caller: int = field(default_factory=os.getpid)
    directory: str | None = field(default_factory=_directory)

    def __call__(self, item: Item) -> Given:
        if self.directory is not None and os.getpid() != self.caller:
            with suppress(OSError):  # another machine's process cannot come here
                os.chdir(self.directory)
        return self.function(item)
