"""Files → results, by the workers of a running Dask scheduler.

Conventions: as for every crew, see `workers`. joblib's own Dask backend waits for ever for a task
whose workers died, and Dask's own executor where a worker dies while its result is fetched, so that
the cluster is asked through Dask's client itself.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any, Final

from .errors import BatchError
from .prediction import Failure
from .workers import FILES_PER_HAND, TIMEOUT_S, Again, Result, Task, attempt_held, hold, unforeseen

CONNECT_S: Final = 10.0
REFRESH_S: Final = 5.0

_DIED_ON_CLUSTER: Final = (
    "{0}: {1} workers died of it or were not done in time; check that the file plays, or allow more with "
    "--timeout"
)


class DaskCrew:
    """The workers of a running ``dask.distributed`` scheduler, those that join later too."""

    def __init__(self, address: str, task: Task, *, timeout_s: float | None = TIMEOUT_S) -> None:
        self._address, self._key, self._timeout_s = address, task.key, timeout_s
        self._client = _connected(address)
        try:
            self._prepare(task)
        except BaseException:
            self.close()
            raise
        self._suspects: set[str] = set()

    def _prepare(self, task: Task) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_S)
            self._client.register_plugin(_holder(task), name=f"score-or-song {task.key}")
        except Exception as error:  # also whatever a worker raises that lacks the package
            raise BatchError(
                f"{self._address}: no worker is ready ({error!r}); start `dask worker {self._address} "
                "--nthreads 1` where the same score-or-song is installed"
            ) from error
        self._refresh()

    def size(self) -> int:
        if time.monotonic() - self._refreshed > REFRESH_S:
            self._refresh()
        return FILES_PER_HAND * self._threads

    def _refresh(self) -> None:
        threads = self._client.nthreads()
        if self._timeout_s is not None and max(threads.values(), default=1) > 1:
            raise BatchError(
                f"{self._address}: has a worker of {max(threads.values())} threads; a file that hangs can only "
                "be given up with its process: start workers with --nthreads 1, or scan with --timeout 0"
            )
        self._refreshed, self._threads = time.monotonic(), max(1, sum(threads.values()))

    def submit(self, path: str) -> Future[Result]:
        arguments = os.path.abspath(path), path, self._key, self._timeout_s
        asked = self._client.submit(attempt_held, *arguments, pure=False)
        future = Future[Result]()
        asked.add_done_callback(partial(_pass_on, future))
        return future

    def settle(self, future: Future[Result], path: str) -> Result | Again:
        from distributed.scheduler import KilledWorker

        try:
            return future.result()
        except KilledWorker as error:
            if path not in self._suspects:  # another file with the same workers may have done it
                self._suspects.add(path)
                return Again.ALONE
            return Failure(path, _DIED_ON_CLUSTER.format(path, error.allowed_failures + 1))
        except CancelledError as error:
            raise BatchError(f"{self._address}: the scheduler has gone; start it and scan again") from error
        except Exception as error:  # whatever a decoder or a bug may raise costs its file only
            return unforeseen(path, error)

    def close(self) -> None:
        self._client.close(timeout=1)


def _pass_on(future: Future[Result], asked: Any) -> None:
    """What has come of Dask's future, which may still be an error once the result is fetched."""
    try:
        future.set_result(asked.result())
    except BaseException as error:
        future.set_exception(CancelledError() if asked.status == "cancelled" else error)


def _connected(address: str) -> Any:
    """A client of the scheduler at an address."""
    try:
        from distributed import Client
    except ImportError as error:
        raise BatchError(
            'dask is not installed; install the extra: pip install "score-or-song[dask]"'
        ) from error
    try:
        return Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise BatchError(
            f"{address}: no scheduler answers ({error}); expected the address that `dask scheduler` printed, "
            "such as tcp://10.0.0.1:8786"
        ) from error


def _holder(task: Task) -> Any:
    """A plugin that makes every worker of a cluster hold a task, those that join later too."""
    from distributed import WorkerPlugin

    class Holder(WorkerPlugin):  # type: ignore[misc]  # made here, because dask is an extra
        def setup(self, worker: Any) -> None:
            hold(task)

    return Holder()
