"""Work in any number of Python threads → one BLAS thread for it.

A clip is too little work to share: BLAS threads would only wait for one another, and the last bits of
a sum may depend on how many there are. Their number belongs to the process: the first Python thread to
come in sets it, and the last one to leave sets it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import OpenBLASController, ThreadpoolController

_door, _held = Lock(), ExitStack()
_inside = 0  # how often Python threads are in


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold the number of BLAS threads at one, as long as any Python thread is in here.

    Examples
    --------
    >>> with one_blas_thread():
    ...     pass
    """
    global _inside
    with _door:
        if not _inside:
            _held.enter_context(_libraries().limit(limits=1))
        _inside += 1
    try:
        yield
    finally:
        with _door:
            _inside -= 1
            if not _inside:
                # Only who set it may set it back, as threadpoolctl has it, and that may have been another.
                OpenBLASController.clear_controlling_thread(force=True)
                _held.close()


@cache
def _libraries() -> ThreadpoolController:
    """Those whose threads are counted; to look for them at every clip would take a millisecond of it."""
    return ThreadpoolController()
