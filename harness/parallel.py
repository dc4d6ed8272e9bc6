"""Where tasks run: in this process, in several processes of this machine, or on a Dask cluster.

Every function that takes an `Executor` takes None too, which means this process; the result is the same.
A task is a module-level function and an argument that pickles. A cluster repeats the tasks of a worker that
died, so a task may run twice: it writes a file under another name and renames it at the end.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

from harness.extras import require
from harness.files import HarnessError

Task = TypeVar("Task")
Result = TypeVar("Result")
TASKS_AHEAD = 64  # enough to keep many workers busy, while their results fit in memory
CONNECT_TIMEOUT_S = 10
THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
                 "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")  # fmt: skip


def executor(workers: int | None = None, dask: str | None = None) -> AbstractContextManager[Executor | None]:
    """Processes (as many as processors, if None), or the Dask cluster with a scheduler at ``dask``.

    One worker is this process: None. Raises HarnessError where no scheduler answers within CONNECT_TIMEOUT_S
    seconds, and in place of what the block raises when workers died.
    """
    if dask is not None:
        return _cluster(dask)
    workers = workers or processors()
    return nullcontext() if workers == 1 else _processes(workers)


def in_order(
    pool: Executor | None, function: Callable[[Task], Result], tasks: Iterable[Task], ahead: int = TASKS_AHEAD
) -> Iterator[Result]:
    """The results of the tasks, in the order of the tasks.

    No more than ``ahead`` tasks are submitted and not yet consumed, which bounds the memory. An exception of
    the function is raised when the turn of its task has come; tasks that wait behind it are cancelled.
    """
    if pool is None:
        yield from map(function, tasks)
        return
    waiting: deque[Future[Result]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        if not isinstance(pool, ProcessPoolExecutor):  # `_processes` terminates its own, cancelled or not
            for future in waiting:
                future.cancel()


def unless_few(pool: Executor | None, tasks: int, few: int) -> Executor | None:
    """The pool, but None for processes of this machine if there are only ``few`` tasks or fewer.

    A process has to import what a task needs, which can take longer than the tasks themselves.
    """
    return None if isinstance(pool, Processes) and tasks <= few else pool


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Processes(ProcessPoolExecutor):
    """So many processes of this machine. None starts before the first task.

    They are spawned, not forked: a fork of a process in which TensorFlow runs threads can hang.
    """

    def __init__(self, workers: int) -> None:
        super().__init__(workers, get_context("spawn"), initializer=_start_worker)
        self.workers = workers


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    others = set(active_children())
    with Processes(workers) as pool:
        try:
            yield pool
            pool.shutdown(cancel_futures=True)
        except BaseException as error:
            for child in set(active_children()) - others:
                child.terminate()  # what still runs is of no use, and could take minutes
            if isinstance(error, BrokenExecutor):
                raise HarnessError(
                    f"one of the {workers} processes ended abruptly: it was killed, or the memory is too "
                    "small for so many; try again with fewer --workers"
                ) from error
            raise


def _start_worker() -> None:
    """Prepare a process before it imports NumPy: it uses one thread and does not outlive its parent."""
    for name in THREAD_COUNTS:
        os.environ.setdefault(name, "1")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets Ctrl-C, too, and terminates this process
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    require("--dask", "distributed")
    from distributed import Client, KilledWorker

    try:  # first without a Client, which logs at length when no scheduler answers
        with ThreadPoolExecutor(1) as thread:  # this thread may have a running loop, as in a notebook
            thread.submit(_check_scheduler, address).result()
        client = Client(address, set_as_default=False)
    except (OSError, ValueError, MemoryError) as error:  # the last from what other servers say
        raise HarnessError(
            f"no Dask scheduler answers at {address!r} ({str(error) or type(error).__name__}); "
            "an address such as tcp://HOST:8786 was expected, as `dask scheduler` prints it"
        ) from error
    with client:
        check_versions(client.run(_astroboard_version))
        try:
            yield client.get_executor(pure=False)  # files of one name may have changed since the last run
        except (KilledWorker, CancelledError) as error:
            raise HarnessError(
                f"the Dask cluster at {address} failed: {str(error) or 'its scheduler has gone'}. "
                "Its workers may lack memory, see their logs"
            ) from error


def _astroboard_version() -> str:
    try:
        return version("astroboard")
    except PackageNotFoundError:
        return "none"


def check_versions(of_workers: dict[str, str]) -> None:
    """Raise HarnessError if a worker, by its address, has another version of this package than is here."""
    here = _astroboard_version()
    for worker, there in of_workers.items():
        if there != here:
            raise HarnessError(
                f"{worker} must have astroboard {here}, got {there}; install it on all workers"
            )


def _check_scheduler(address: str) -> None:
    """Raise an OSError or a ValueError unless a Dask scheduler says who it is."""
    import asyncio

    from distributed import Security
    from distributed.core import rpc

    async def identity() -> Any:
        async with rpc(address, connection_args=Security().get_connection_args("client")) as scheduler:
            return await scheduler.identity()

    asyncio.run(asyncio.wait_for(identity(), CONNECT_TIMEOUT_S))
