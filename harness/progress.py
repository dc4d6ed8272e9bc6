"""Telling a person how far long work is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from baselines.protocol import Progress as Report
from baselines.protocol import silent as silent

QUIET_SECONDS = 5.0


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """A report for one piece of work, on stderr, so that stdout stays for results."""
    if sys.stderr.isatty():
        with _bar(title) as report:
            yield report
    else:
        yield _lines(title)


@contextmanager
def _bar(title: str) -> Iterator[Report]:
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
        yield lambda done, total, text: bar.update(task, completed=done, total=total or None, note=text)


def _lines(title: str) -> Report:
    last = time.monotonic()

    def report(done: int, total: int, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= QUIET_SECONDS:
            last = now
            print(
                f"{title}: {done}{f' of {total}' if total else ''} {text}".rstrip(),
                file=sys.stderr,
                flush=True,
            )

    return report
