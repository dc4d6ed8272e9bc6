"""Where tasks run: in this process, in several processes of this machine, or on a Dask cluster.

Whatever takes an `Executor` takes None too, which is this process, and its result is the same with each.
A task is a function of a module and arguments that pickle. It may run twice, since a cluster repeats the
tasks of a worker that died: what it writes, it writes beside and renames.
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
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

from harness.files import HarnessError

Task = TypeVar("Task")
Result = TypeVar("Result")
TASKS_AHEAD = 64  # enough to keep many workers busy, while their results fit in memory
CONNECT_TIMEOUT_S = 10
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
           "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")  # fmt: skip


@contextmanager
def executor(workers: int | None = None, dask: str | None = None) -> Iterator[Executor | None]:
    """Processes (all processors, if None), or the Dask cluster whose scheduler has the address ``dask``.

    One worker is this process: None. Raises HarnessError where there is no cluster to be had, and in place
    of what the block raises when workers died.
    """
    if dask is not None:
        with _cluster(dask) as pool:
            yield pool
    elif (workers or processors()) == 1:
        yield None
    else:
        with _processes(workers or processors()) as pool:
            yield pool


def in_order(
    pool: Executor | None, function: Callable[[Task], Result], tasks: Iterable[Task], ahead: int = TASKS_AHEAD
) -> Iterator[Result]:
    """The function of each task, in the order of the tasks; no more than ``ahead`` of them are held at once.

    Raises what the function raised, when its turn has come; tasks that wait behind it are cancelled.
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
        if not isinstance(pool, ProcessPoolExecutor):  # `_processes` ends these, which may not be cancelled
            for future in waiting:
                future.cancel()


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Processes(ProcessPoolExecutor):
    """So many processes of this machine. None starts before the first task.

    They are spawned, not forked: a fork of a process in which TensorFlow runs threads can hang.
    """

    def __init__(self, workers: int) -> None:
        super().__init__(workers, get_context("spawn"), initializer=_begin)
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


def _begin() -> None:
    """What each process does first, before it imports NumPy: one thread each, and no outliving the parent."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, too, which ends this one
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise HarnessError(
            "--dask needs the package distributed: install astroboard with its extra `cluster`"
        ) from error
    try:  # a Client that finds nobody complains for long; this does not
        with ThreadPoolExecutor(1) as thread:  # this one may have a running loop, as in a notebook
            thread.submit(_reach, address).result()
        client = Client(address, set_as_default=False)
    except (OSError, ValueError, MemoryError) as error:  # the last from what other servers say
        raise HarnessError(
            f"no Dask scheduler answers at {address!r} ({str(error) or type(error).__name__}); "
            "an address such as tcp://HOST:8786 was expected, as `dask scheduler` prints it"
        ) from error
    with client:
        _check_versions(client)
        try:
            yield client.get_executor(pure=False)  # files of one name may have changed since the last run
        except (KilledWorker, CancelledError) as error:
            raise HarnessError(
                f"the Dask cluster at {address} gave the work up: {str(error) or 'its scheduler has gone'}. "
                "Its workers may lack memory, see their logs"
            ) from error


def _check_versions(client: Any) -> None:
    """Raise HarnessError if a worker that is there has another version of this package, or none."""
    ours = version("astroboard")
    try:
        theirs = client.run(version, "astroboard")
    except PackageNotFoundError:
        theirs = {"a worker": "none"}
    for worker, found in theirs.items():
        if found != ours:
            raise HarnessError(f"{worker} has astroboard {found}: install {ours} on all workers, as here")


def _reach(address: str) -> None:
    import asyncio

    asyncio.run(asyncio.wait_for(_identity(address), CONNECT_TIMEOUT_S))


async def _identity(address: str) -> Any:
    from distributed import Security
    from distributed.core import rpc

    async with rpc(address, connection_args=Security().get_connection_args("client")) as scheduler:
        return await scheduler.identity()
