"""Progress of long work: a bar on a terminal, and a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from submissions.report import printable

SECONDS_BETWEEN_LINES = 5.0
SHARE_BETWEEN_LINES = 0.1
"""Of the time since the start: the log of a night has no thousand lines."""

ProgressCallback = Callable[[float, int, str], None]
"""Called with what is done, the total (0 where it is unknown) and a few words."""


def no_progress(done: float, total: int, text: str) -> None:
    """A progress callback that does nothing."""


@contextmanager
def progress_bar(title: str) -> Iterator[ProgressCallback]:
    """A progress callback that writes to stderr: stdout is for results.

    What is printed while there is a bar stays above it.
    """
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[note]}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
        console=Console(stderr=True), transient=True, expand=True, speed_estimate_period=600,
    ) as bar:  # fmt: skip
        task = bar.add_task(title, total=None, note="")
        yield lambda done, total, text: bar.update(
            task, completed=done, total=total or None, note=printable(text)
        )


def _lines(title: str) -> ProgressCallback:
    started = last = time.monotonic()
    first: tuple[float, float] | None = None  # a time and what was done then, to estimate the rest

    def progress(done: float, total: int, text: str) -> None:
        nonlocal first, last
        now = time.monotonic()
        first = first or ((now, done) if total else None)
        announced = not (done or total)  # what is only waited for, such as an import
        if announced or now - last >= max(SECONDS_BETWEEN_LINES, SHARE_BETWEEN_LINES * (now - started)):
            last = now
            count = "" if announced else f"{int(done)}{f' of {total}' if total else ''} "
            line = f"{title}: {count}{printable(text)}".rstrip()
            if first and total and first[1] < done < total:
                line += f", {duration((now - first[0]) * (total - done) / (done - first[1]))} left"
            print(line, file=sys.stderr, flush=True)

    return progress


def duration(seconds: float) -> str:
    """A time in words: ``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
