"""Files → results, by processes that may die on the way.

Conventions: a crew is handed as many files as it can take. Every local worker is an executor of its
own (loky, joblib's) that takes its files in order, so that one that dies takes nobody with it and it
is known which file it died of. A file that hangs is handled as one that kills: a watchdog in C ends
the worker's process after the time allowed, whatever its Python is waiting for. `cluster` has the
crew of other machines.
"""

from __future__ import annotations

import contextlib
import faulthandler
import math
import os
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from itertools import chain, islice
from typing import Final, Protocol, TypeAlias

from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor

from .errors import BatchError
from .feature_table import FEATURES_ID, Measured, attempt_to_measure
from .model import Model
from .prediction import Failure, Prediction, attempt

Result: TypeAlias = Prediction | Measured | Failure

TIMEOUT_S: Final = 600.0
PARENT_CHECK_S: Final = 1.0
FEEDER_S: Final = 5.0  # to wait for a thread that has been told to end
# The second file of a worker hides the way to it and back; a long one is better left for who is free first.
FILES_PER_HAND: Final = 2
QUICK_S: Final = 1.0
KEPT_BYTES, MAPPED_BYTES = 64 << 20, 32 << 20
# One BLAS thread per worker. The fault handler would print a page for every worker that dies. glibc would give
# the memory of a clip back to the system after every step, and every page of it costs time to get again.
ENVIRONMENT: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONFAULTHANDLER": "",
    "MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES),
    "MALLOC_MMAP_THRESHOLD_": str(MAPPED_BYTES),
}

_DIED: Final = (
    "{0}: the worker that analysed it died ({1}); out of memory, or a decoder crashed: check that the file "
    "plays, try fewer --jobs"
)
_TOO_LONG: Final = (
    "{0}: not done after {1:g} s and given up; check that the file plays, or allow more with --timeout"
)


@dataclass(frozen=True)
class Task:
    """What is done with every file; `key` tells it from other tasks, as the id of a model does."""

    key: str
    run: Callable[[str], Result] = field(repr=False)


def predicting(model: Model) -> Task:
    """Ask a model about every file."""
    return Task(model.model_id, partial(attempt, model=model))


def measuring() -> Task:
    """Take the features of every file."""
    return Task(FEATURES_ID, attempt_to_measure)


_held: dict[str, Task] = {}


class Again(Enum):
    """When to hand out once more what has no result, because a worker died."""

    NOW = "it died of another file"
    ALONE = "it may have died of this one: when nothing else is under way"


class Crew(Protocol):
    """Who does the work."""

    def size(self) -> int:
        """How many files may be with the crew at a time."""

    def submit(self, path: str) -> Future[Result]:
        """Hand out a file."""

    def settle(self, future: Future[Result], path: str) -> Result | Again:
        """The result of a file handed out, a `Failure` if its worker died of it."""

    def close(self) -> None:
        """Send everyone home at once, whatever they have in hand."""


def analyse(paths: Iterable[str], crew: Crew) -> Iterator[tuple[int, Result]]:
    """Results as they come, each with its place in `paths`.

    Raises
    ------
    BatchError : the crew cannot begin, or the cluster has gone.
    """
    suspects: list[tuple[int, str]] = []
    yield from _handed_out(enumerate(paths), crew, suspects)
    for suspect in suspects:
        yield from _handed_out(iter([suspect]), crew, [])


def _handed_out(
    tasks: Iterator[tuple[int, str]], crew: Crew, suspects: list[tuple[int, str]]
) -> Iterator[tuple[int, Result]]:
    """Keep the crew busy until all is done, but for new suspects."""
    busy: dict[Future[Result], tuple[int, str]] = {}
    finished: list[tuple[int, Result]] = []
    while True:
        for task in islice(tasks, max(0, crew.size() - len(busy))):
            busy[crew.submit(task[1])] = task
        yield from finished  # only now, so that nobody waits while the caller writes
        if not busy:
            return
        done, _ = wait(busy, return_when=FIRST_COMPLETED)
        finished = []
        for future in done:
            task = busy.pop(future)
            result = crew.settle(future, task[1])
            if result is Again.ALONE:
                suspects.append(task)
            elif result is Again.NOW:
                tasks = chain([task], tasks)
            else:
                finished.append((task[0], result))


def hold(task: Task) -> None:
    """In a worker: keep a task for all files to come."""
    _held[task.key] = task


def attempt_held(path: str, name: str, key: str, timeout_s: float | None) -> Result:
    """In a worker: the task held, under the watchdog; results speak of `name`."""
    if timeout_s is None:
        return _renamed(_held[key].run(path), path, name)
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(timeout_s, exit=True, file=nowhere)
        try:
            return _renamed(_held[key].run(path), path, name)
        finally:
            faulthandler.cancel_dump_traceback_later()


def _renamed(result: Result, path: str, name: str) -> Result:
    if isinstance(result, Failure):
        return Failure(name, result.error.replace(path, name))
    return replace(result, source=name)


def unforeseen(name: str, error: BaseException) -> Failure:
    """What no error of this library says of a file."""
    return Failure(name, f"{name}: could not be analysed ({error!r}); please report this with the file")


class LocalCrew:
    """Processes of this machine, one executor each; started when first needed, replaced when dead."""

    def __init__(self, task: Task, *, jobs: int | None = None, timeout_s: float | None = TIMEOUT_S) -> None:
        self._task, self._timeout_s = task, timeout_s
        self._jobs = cpu_count() if jobs == -1 else jobs or 1
        self._workers: list[_Worker] = []
        self._with: dict[Future[Result], _Worker] = {}

    def size(self) -> int:
        quick = any(worker.took_s < QUICK_S for worker in self._workers)
        return self._jobs * (FILES_PER_HAND if quick else 1)

    def submit(self, path: str) -> Future[Result]:
        worker = min(self._workers, key=lambda worker: len(worker.hand), default=None)
        if worker is None or (worker.hand and len(self._workers) < self._jobs):
            worker = _Worker(self._task)
            self._workers.append(worker)
        try:
            future = worker.send(attempt_held, os.path.abspath(path), path, self._task.key, self._timeout_s)
        except BrokenExecutor as error:  # it died meanwhile, perhaps with nothing in hand
            self._bury(worker, error)
            return self.submit(path)
        self._with[future] = worker
        return future

    def settle(self, future: Future[Result], path: str) -> Result | Again:
        worker = self._with.pop(future)
        try:
            return future.result()
        except BrokenExecutor as error:
            self._bury(worker, error)
            return self._death(worker, path, error) if worker.died_of is future else Again.NOW
        except Exception as error:  # whatever a decoder or a bug may raise costs its file only
            return unforeseen(path, error)

    def _death(self, worker: _Worker, path: str, error: BrokenExecutor) -> Failure:
        how = _signal(error)
        watchdog = "(-" not in how  # it sends no signal; the clock alone would count a slow start
        if watchdog and self._timeout_s is not None and worker.took_s >= self._timeout_s:
            return Failure(path, _TOO_LONG.format(path, self._timeout_s))
        return Failure(path, _DIED.format(path, how))

    def _bury(self, worker: _Worker, error: BrokenExecutor) -> None:
        """Let go of a dead worker; loky's thread, which is waited for, has then told it what it died of."""
        if worker not in self._workers:  # another of its files told of it
            return
        self._workers.remove(worker)
        worker.end()
        if worker.ready.exception() is not None:
            raise BatchError(
                f"a worker process could not start ({_signal(error)}); check the free memory, or use fewer --jobs"
            ) from error

    def close(self) -> None:
        # loky's manager stumbles over a task that it has not yet taken when it is told to kill.
        for future in (*self._with, *(worker.ready for worker in self._workers)):
            while not (future.running() or future.done()):
                time.sleep(0.001)
        for worker in self._workers:
            worker.end()


class _Worker:
    """One process.

    Attributes
    ----------
    ready : fails if it could not even start.
    hand : the files that are with it, the one it works on first.
    took_s : for its last file, or until its death.
    died_of : the file that it worked on then.
    """

    def __init__(self, task: Task) -> None:
        self.executor = ProcessPoolExecutor(1, initializer=_start, initargs=(os.getpid(),), env=ENVIRONMENT)
        with _ctrl_c_withheld():
            # Not by the initializer: the next worker could not start before this one has read all of the task.
            self.ready = self.executor.submit(hold, task)
        self.ready.add_done_callback(self._begin)
        self.hand: deque[Future[Result]] = deque()
        self.took_s = math.inf
        self.died_of: Future[Result] | None = None

    def send(self, work: Callable[..., Result], *arguments: object) -> Future[Result]:
        """Give it a file to work on after those in its hand."""
        future = self.executor.submit(work, *arguments)
        if not self.hand:
            self._begin()
        self.hand.append(future)
        future.add_done_callback(self._note)
        return future

    def end(self) -> None:
        """Kill it and wait for loky's threads, so that they let go of all that they hold before this process ends.

        The one that feeds the worker, for which loky does not wait, is the last to hold semaphores. Cut short
        between their removal and the note of it, it would leave a warning of a leak on the terminal.
        """
        feeder = self.executor._call_queue._thread
        self.executor.shutdown(kill_workers=True)
        if feeder is not None:
            feeder.join(FEEDER_S)

    def _begin(self, _: object = None) -> None:
        self._began = time.monotonic()

    def _note(self, future: Future[Result]) -> None:
        """As soon as a file is done, when the next one begins; or as soon as the worker has died."""
        if self.died_of is not None:
            return
        self.took_s = time.monotonic() - self._began
        self._begin()
        if isinstance(future.exception(), BrokenExecutor):
            self.died_of = self.hand[0]
        else:
            self.hand.popleft()


def _start(parent: int) -> None:
    """In a new local worker: leave Ctrl-C to the parent, end when it has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os._exit(1)


@contextlib.contextmanager
def _ctrl_c_withheld() -> Iterator[None]:
    """A process started within never hears Ctrl-C, not even before it can say that it ignores it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _signal(error: BaseException) -> str:
    """What loky says of the worker's end, such as SIGKILL(-9)."""
    code = re.search(r"exit codes of the workers are \{(.*)\}", str(error))
    return code[1] if code else "no exit code"
