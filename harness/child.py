"""Reading an untrusted file in a child process with limited time and memory.

A library may crash on a file that was made for it, or never return, deaf even to Ctrl-C. In a child process
that is a fault of the file. What the child finds comes back as JSON and as arrays of plain values, one item
after another: a child that a file has taken over cannot make this process run anything.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from pkgutil import resolve_name
from threading import Event, Thread
from typing import IO, Any

import numpy as np

from harness.files import HarnessError
from submissions.report import printable

MAX_HEADER = 1 << 26  # bytes of JSON in front of the arrays of an item
MEMORY_FOR_A_MESSAGE = 1 << 26
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# A child that waits, for a disk or because others compute, may take so many times its time on a processor.
PATIENCE = 10
HOME = str(Path(__file__).parents[1])
CHILD = "import sys; sys.path[:] = {path!r}; from harness.child import _serve; _serve()"

Item = tuple[Any, Sequence[np.ndarray]]
"""A JSON value, and arrays of plain values."""


def items(function: str, path: Path, seconds: int, memory: int) -> Generator[Item, None, None]:
    """Yield the items of ``function(path)``, computed in a child process on demand.

    ``function`` is named "module:function". Up to each item the child may compute for ``seconds``, and it may
    have ``memory`` bytes beside its code (where the system can limit them). Raises HarnessError with the
    message of the child's own, or if it takes more, or crashes.
    """
    path_of_child = [HOME, *map(str, sys.path)]  # first ours: a user's folder may have a harness, too
    command = [sys.executable, "-c", CHILD.format(path=path_of_child)]
    job = json.dumps([function, str(path), seconds, memory])
    with subprocess.Popen(
        [*command, job],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | ONE_THREAD,
    ) as child:
        watch = _Watch(child, PATIENCE * seconds)
        try:
            while item := watch.receive(memory):
                yield item
        except (EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            cause = _cause_of_death(child, watch.late.is_set(), seconds)
            raise HarnessError(f"{path}: {cause}") from error
        finally:
            watch.over.set()
            child.kill()


class _Watch:
    """Receives what a child sends, and kills it when that takes too long."""

    def __init__(self, child: subprocess.Popen[bytes], patience: float) -> None:
        self.child, self.patience = child, patience
        self.deadline = math.inf
        self.over, self.late = Event(), Event()
        Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self.over.wait(0.5):
            if time.monotonic() > self.deadline:
                self.late.set()
                self.child.kill()
                return

    def receive(self, memory: int) -> Item | None:
        """The next item, or None at the end. Raises EOFError, ValueError, … where the child has died."""
        assert self.child.stdout
        self.deadline = time.monotonic() + self.patience
        try:
            return _received(self.child.stdout, memory)
        finally:
            self.deadline = math.inf  # what is done with an item may take its time


def _received(stream: IO[bytes], memory: int) -> Item | None:
    header = json.loads(stream.readline(MAX_HEADER))
    if "error" in header:
        raise HarnessError(str(header["error"]))
    if "end" in header:
        return None
    arrays = []
    for description, shape in header["arrays"]:
        dtype = np.lib.format.descr_to_dtype(description)
        if dtype.hasobject:  # whose bytes are addresses in this process
            raise ValueError("objects are announced")
        size = math.prod(shape) * dtype.itemsize
        if not 0 <= size <= memory:
            raise ValueError(f"{size:,} bytes are announced")
        values = bytearray(size)
        if stream.readinto(values) < size:  # type: ignore[attr-defined]
            raise EOFError
        arrays.append(np.ndarray(shape, dtype, values))
    return header["item"], arrays


def _cause_of_death(child: subprocess.Popen[bytes], late: bool, seconds: int) -> str:
    try:
        status = child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        status = 0
    if late or status == -getattr(signal, "SIGXCPU", 0):
        return (
            f"it must be read within {seconds} seconds, got no end; it is damaged, or made to take for ever"
        )
    if status == -getattr(signal, "SIGKILL", 0):
        return "the process that read it was killed; free some memory, and try again"
    ended = signal.Signals(-status).name if status < 0 else f"status {status}"
    return f"what read it crashed ({ended}); it is damaged, or made to do that"


def _serve() -> None:
    """The main loop of the child."""
    function, path, seconds, memory = json.loads(sys.argv[1])
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no item
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    end: dict[str, Any] = {"end": True}
    try:
        read = resolve_name(function)
        _limit(seconds, memory)
        for item, arrays in read(Path(path)):
            _send(stream, item, arrays)
            _limit(seconds)
    except HarnessError as error:
        end = {"error": str(error)}
    except MemoryError:
        _limit(seconds, MEMORY_FOR_A_MESSAGE)
        end = {
            "error": f"{path}: it must be read with {memory >> 20:,} MiB of memory, got one that needs more"
        }
    except Exception as error:  # damaged and hostile files make libraries raise anything at all
        end = {"error": f"{path} cannot be read: {type(error).__name__}: {printable(error)}"}
    with suppress(BrokenPipeError):
        stream.write(json.dumps(end).encode() + b"\n")
        stream.flush()
    os._exit(0)  # without an account of what broken values leave behind


def _send(stream: IO[bytes], item: Any, arrays: Sequence[np.ndarray]) -> None:
    described = [(np.lib.format.dtype_to_descr(array.dtype), array.shape) for array in arrays]
    stream.write(json.dumps({"item": item, "arrays": described}).encode() + b"\n")
    for array in arrays:
        stream.write(array.tobytes())
    stream.flush()


def _limit(seconds: int, memory: int | None = None) -> None:
    """Limit the further CPU time and memory of this process; not possible on Windows."""
    try:
        import resource
    except ImportError:
        return
    limits = {resource.RLIMIT_CPU: math.ceil(time.process_time()) + seconds}
    if memory is not None:
        statm = Path("/proc/self/statm")
        mapped = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 1 << 30
        limits |= {resource.RLIMIT_AS: mapped + memory, resource.RLIMIT_CORE: 0}
    for kind, limit in limits.items():
        with suppress(ValueError, OSError):  # where the system has a lower one, or none
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))
