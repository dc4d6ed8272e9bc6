"""Progress of long work: a bar on a terminal, and a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from submissions.report import printable

SECONDS_BETWEEN_LINES = 5.0

ProgressCallback = Callable[[int, int, str], None]
"""Called with what is done, the total (0 where it is unknown) and a few words."""


def no_progress(done: int, total: int, text: str) -> None:
    """A progress callback that does nothing."""


@contextmanager
def progress_bar(title: str) -> Iterator[ProgressCallback]:
    """A progress callback that writes to stderr: stdout is for results."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, note="")
        yield lambda done, total, text: bar.update(
            task, completed=done, total=total or None, note=printable(text)
        )


def _lines(title: str) -> ProgressCallback:
    last = time.monotonic()

    def progress(done: int, total: int, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            line = f"{title}: {done}{f' of {total}' if total else ''} {printable(text)}".rstrip()
            print(line, file=sys.stderr, flush=True)

    return progress
