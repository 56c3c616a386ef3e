"""Work in any number of Python threads → one BLAS thread for it.

A clip is too little work to share: BLAS threads would only wait for one another. Their number
belongs to the process, and whoever is done with it sets back what was there when he came. So of
several Python threads only the first one in holds it; a second one that stayed longer would set
back the first one's 1, for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Final

from threadpoolctl import ThreadpoolController

_held: Final = Lock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold the number of BLAS threads at one, unless another Python thread holds it already.

    Examples
    --------
    >>> with one_blas_thread():
    ...     pass
    """
    if not _held.acquire(blocking=False):
        yield
        return
    try:
        with _libraries().limit(limits=1):
            yield
    finally:
        _held.release()


@cache
def _libraries() -> ThreadpoolController:
    """Those whose threads are counted; to look for them at every clip would take a millisecond of it."""
    return ThreadpoolController()
