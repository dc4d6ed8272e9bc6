"""The group of all commands: what they have in common, how they print results, how faults are reported."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import redirect_stderr
from itertools import chain
from pathlib import Path
from typing import Any

import click

from harness.cli.options import NEW_FOLDER, Output
from harness.files import HarnessError, check_new, json_text
from submissions.report import plain, printable

FORCE, JSON = "astroboard.force", "astroboard.json"
TASKS = ("Begin", "Data", "Train", "Submit", "Judge", "Organise", "Research")
SHORT_HELP = 46  # characters of the line that a command has in the list, and a point
COLOURS = {"accepted": "green", "refused": "red", "cause": "red", "fault": "red", "warning": "yellow"}
VERDICTS = re.compile(rf"^({'|'.join(COLOURS)})\b", re.MULTILINE)
LONGEST_ITEM = 500


class Command(click.Command):
    """A command with an example, and with the options that all have: --json, --force if it writes, --quiet.

    ``task`` is the heading that it has in the list of all commands. An output that is an argument, which is
    the last, can be named with --out as well.
    """

    def __init__(self, *words: Any, task: str = "", example: str = "", **options: Any) -> None:
        super().__init__(*words, **options)
        self.task, self.example = task, example
        outputs = [param for param in self.params if isinstance(param.type, Output)]
        self.output = next((param for param in outputs if isinstance(param, click.Argument)), None)
        self.params.append(click.Option(["--json"], is_flag=True, help="Print only JSON to stdout."))
        if self.output:
            says = f"The same as {self.output.make_metavar(click.Context(self))}."
            self.params.append(click.Option(["--out", "_out"], metavar="PATH", expose_value=False, help=says))
        if outputs:
            self.params.append(click.Option(["--force"], is_flag=True, help="Replace existing output."))
        self.params.append(
            click.Option(["--quiet", "-q"], is_flag=True, help="Print results and errors, but no progress.")
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of a call."""
        if self.output:
            args = [
                part for word in args for part in (word.split("=", 1) if word[:6] == "--out=" else [word])
            ]
            while "--out" in args[:-1]:
                index = args.index("--out")
                args = [*args[:index], *args[index + 2 :], args[index + 1]]
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the example, as it is to be typed."""
        with formatter.section("Example"):
            formatter.write(f"  astroboard {self.example}\n")

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, if it may write its outputs."""
        ctx.meta[FORCE] = ctx.params.pop("force", False)
        ctx.meta[JSON] = ctx.params.pop("json")
        quiet = ctx.params.pop("quiet")
        given = [(param.type, ctx.params.get(param.name or "")) for param in self.params]
        outputs = [
            (kind, path, [*kind.files(path)]) for kind, path in given if isinstance(kind, Output) and path
        ]
        written = [file for _, _, files in outputs for file in files]
        inputs = (value for kind, value in given if not isinstance(kind, Output))
        words = chain.from_iterable(value if isinstance(value, tuple) else [value] for value in inputs)
        read = [path for path in words if isinstance(path, Path) and path.exists()]
        check_new(*written, force=ctx.meta[FORCE])
        check_different(*([path] if kind is NEW_FOLDER else [path, *files] for kind, path, files in outputs))
        for path in [path for _, path, _ in outputs] + written:
            if path.is_file() and any(map(path.samefile, read)):
                raise HarnessError(f"what is written must differ from what is read, got {path} for both")
        if not quiet:
            return super().invoke(ctx)
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):  # noqa: PTH123
            return super().invoke(ctx)


def check_different(*outputs: Iterable[Path]) -> None:
    """Raise HarnessError for a path that several outputs of a command have."""
    seen: set[Path] = set()
    for paths in outputs:
        places = {path.resolve() for path in paths}
        if double := places & seen:
            raise HarnessError(f"outputs must be different files, got {min(double)} twice")
        seen |= places


def forced() -> bool:
    """Whether the command that runs was called with --force."""
    return bool(click.get_current_context().meta[FORCE])


def as_json() -> bool:
    """Whether the command that runs was called with --json."""
    return bool(click.get_current_context().meta[JSON])


class Refused(click.ClickException):
    """A fault with more to say of it in JSON than its message."""

    def __init__(self, message: str, value: Any) -> None:
        super().__init__(message)
        self.value = value


class Commands(click.Group):
    """A group that ends with one message and status 1 where data, a submission or a run is faulty."""

    command_class = Command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; faults of the user's files become a `ClickException`, with --json also in JSON.

        SIGTERM ends it as Ctrl-C does, so that nothing that is half-written stays; the status is 143 or 130.
        """
        in_json = "--json" in ctx.args
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _terminated)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted", err=True)
            sys.exit(128 + signal.SIGINT)
        except Exception as error:
            fault = _fault(error)
            if in_json and isinstance(fault, click.ClickException):
                click.echo(json_text(getattr(fault, "value", {"error": fault.format_message()})), nl=False)
            if fault is error:
                raise
            raise fault from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands, grouped by purpose."""
        for task in TASKS:
            rows = [
                (f"{name:{max(map(len, self.commands))}}", command.get_short_help_str(SHORT_HELP))
                for name, command in self.commands.items() if getattr(command, "task", "") == task
            ]  # fmt: skip
            with formatter.section(task):
                formatter.write_dl(rows)


def _fault(error: Exception) -> Exception:
    """A `ClickException` where files or packages of the user are at fault, else the error itself."""
    if isinstance(error, (click.ClickException, click.exceptions.Exit, click.Abort)):
        return error
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return error  # the reader of a pipe is gone, and click ends quietly
    from baselines.protocol import BaselineError
    from harness.cli.faults import of_extension
    from harness.extras import advice
    from submissions import SubmissionError

    if isinstance(error, ModuleNotFoundError) and error.name and "." not in error.name:
        return click.ClickException(f"this command needs {advice([error.name])}")
    if isinstance(error, (HarnessError, SubmissionError, BaselineError, OSError, MemoryError)):
        return click.ClickException(plain(str(error)) or type(error).__name__)
    fault = of_extension(error)
    return click.ClickException(plain(fault)) if fault else error


def _terminated(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: what follows only cleans up
    sys.exit(128 + number)


def say(text: str, err: bool = False, nl: bool = True) -> None:
    """Print a text, in which names may come from files of strangers: nothing in it steers the terminal.

    The words of a verdict are in colour, which `click.echo` takes away where no terminal is.
    """
    coloured = VERDICTS.sub(lambda found: click.style(found[0], COLOURS[found[0]], bold=True), plain(text))
    click.echo(coloured, err=err, nl=nl, color=False if os.environ.get("NO_COLOR") else None)


def list_items(title: str, items: list[str], most: int = 20) -> None:
    """List items on stderr, no more than ``most`` of them."""
    if items:
        say(f"{title} ({len(items)}):", err=True)
        for item in items[:most]:
            say(f"  {printable(item, LONGEST_ITEM)}", err=True)
        if len(items) > most:
            say(f"  and {len(items) - most} more", err=True)


def print_result(value: Any, text: Iterable[Any]) -> None:
    """Print a result on stdout: as JSON if the command was called with --json, else as text.

    The items of the text are lines, things that Rich prints, and tables as (title, header, rows, number of
    columns that hold text).
    """
    if as_json():
        click.echo(json_text(value), nl=False)
        return
    for item in text:
        if isinstance(item, str):
            say(item)
        else:
            from harness.report.terminal import show

            show([item])


def print_parts(summary: dict[str, Any], parts: Iterable[str], *further: str) -> None:
    """Print the size of each part that cases were divided into, further lines, and on stderr the notes."""
    for note in () if as_json() else summary["notes"]:
        say(f"note: {note}", err=True)
    sizes = ["{}: {cases} cases in {groups} groups".format(name, **summary[name]) for name in parts]
    print_result(summary, [*sizes, *further])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100,
                                             "show_default": True})  # fmt: skip
@click.version_option(None, "-V", "--version", package_name="astroboard")
def main() -> None:
    """Take part in, run and study two astronomy image competitions.

    Tracks: mass-mapping (dark matter from weak lensing) and stamps (early classification of alerts).

    `astroboard COMMAND --help` has the options of a command and an example.

    The shell completes commands, baselines, tracks, presets and claims after this line (or zsh, fish):

    \b
      eval "$(_ASTROBOARD_COMPLETE=bash_source astroboard)"
    """
