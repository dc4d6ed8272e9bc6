"""The group of all commands, how it reports faults, and the types of options that commands share."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import threading
import tomllib
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from pkgutil import resolve_name
from shlex import quote
from typing import Any

import click
from click.core import ParameterSource

from harness.files import HarnessError, check_new, json_text
from submissions.report import plain, printable

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ANYTHING = click.Path(exists=True, path_type=Path)
COUNT = click.IntRange(min=1)
FORCE = "astroboard.force"
COLOURS = {"accepted": "green", "refused": "red", "cause": "red", "fault": "red", "warning": "yellow"}
VERDICTS = re.compile(rf"^({'|'.join(COLOURS)})\b", re.MULTILINE)
FRACTION = click.FloatRange(0, 1, min_open=True, max_open=True)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")
seed_option = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0),
    help="Number that all randomness follows from.",
)  # fmt: skip
metadata_option = click.option(
    "--metadata", multiple=True, metavar="NAME",
    help="Hand out this column of the metadata, too, or those like 'feature_*', although it may tell the "
    "truth. Can be repeated.",
)  # fmt: skip
PRESET = click.Choice(["smoke", "laptop", "night", "gpu", "paper"])
preset_option = click.option(
    "--preset",
    default="laptop",
    show_default=True,
    help="smoke, laptop, night, gpu, paper, or a TOML file.",
)


def assigned(context: click.Context, option: click.Parameter, words: tuple[str, ...]) -> dict[str, Any]:  # noqa: ARG001
    """The values of NAME=VALUE words, written as in TOML; a text needs no quotes."""
    values = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"NAME=VALUE was expected, got {word!r}")
        try:
            values[name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[name] = text
    return values


set_option = click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", callback=assigned,
    help="Another value of a setting, as --set epochs=20; may be given several times.",
)  # fmt: skip


class Output(click.Path):
    """A file or a folder to write. A command with one refuses what exists, unless it is called with --force.

    ``files`` gives the paths that are written for the value of the option: itself, if it is not named.
    """

    def __init__(self, files: Callable[[Path], Iterable[Path]] = lambda path: [path]) -> None:
        super().__init__(path_type=Path)
        self.files = files


NEW = Output()
NEW_FOLDER = Output(lambda folder: folder.iterdir() if folder.is_dir() else [folder])  # or an empty one
LATER = Output(lambda _: [])  # what exists is refused where it is known what is written


class Command(click.Command):
    """A command that gets the option --force if it has an `Output`."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        if any(isinstance(param.type, Output) for param in self.params):
            self.params.append(click.Option(["--force"], is_flag=True, help="Replace what exists already."))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, if it may write its outputs."""
        ctx.meta[FORCE] = force = ctx.params.pop("force", False)
        read: list[Path] = []
        named: list[Path] = []  # to be written
        written: list[Path] = []
        for param in self.params:
            value = ctx.params.get(param.name or "")
            for path in value if isinstance(value, tuple) else [value]:
                if isinstance(path, Path) and isinstance(param.type, Output):
                    named.append(path)
                    written += param.type.files(path)
                elif isinstance(path, Path) and path.exists():
                    read.append(path)
        check_new(*written, force=force)
        for path in named + written:
            if path.is_file() and any(map(path.samefile, read)):
                raise HarnessError(f"what is written must differ from what is read, got {path} for both")
        return super().invoke(ctx)


def forced() -> bool:
    """Whether the command that runs was called with --force."""
    return bool(click.get_current_context().meta.get(FORCE))


def executor_options(
    workers: int | None = None, says: str = "Processes.", busy: int = 1
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options --workers and --dask, which a command gets as its ``executor``.

    Without a number of ``workers`` there is one for every ``busy`` processors: so many it keeps busy.
    """
    by_default = str(workers or ("all processors" if busy == 1 else f"processors / {busy}"))

    def options(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--workers", default=workers, show_default=by_default, type=COUNT, help=says)
        @click.option("--dask", metavar="ADDRESS", help="Use the Dask cluster of this scheduler instead.")
        @click.pass_context
        @wraps(command)
        def with_executor(
            context: click.Context, *words: Any, workers: int | None, dask: str | None, **options: Any
        ) -> Any:
            if dask and context.get_parameter_source("workers") is not ParameterSource.DEFAULT:
                raise click.UsageError("--workers and --dask exclude each other: choose one")
            from harness.parallel import executor, processors

            with executor(workers or max(processors() // busy, 1), dask) as pool:
                return command(*words, executor=pool, **options)

        return with_executor

    return options


class Commands(click.Group):
    """A group that ends with one message and status 1 where data, a submission or a run is faulty."""

    command_class = Command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; faults of the user's files become a `ClickException`.

        SIGTERM ends it as Ctrl-C does, so that nothing that is half-written stays; the status is 143 or 130.
        """
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _terminated)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            say("interrupted", err=True)
            sys.exit(128 + signal.SIGINT)
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of a pipe is gone, and click ends quietly
            from baselines.protocol import BaselineError
            from harness.extras import advice
            from submissions import SubmissionError

            if isinstance(error, ModuleNotFoundError) and error.name and "." not in error.name:
                raise click.ClickException(f"this command needs {advice([error.name])}") from error
            if not isinstance(error, (HarnessError, SubmissionError, BaselineError, OSError, MemoryError)):
                raise
            raise click.ClickException(plain(str(error)) or type(error).__name__) from error


def _terminated(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: what follows only cleans up
    sys.exit(128 + number)


def say(text: str, err: bool = False, nl: bool = True) -> None:
    """Print a text, in which names may come from files of strangers: nothing in it steers the terminal."""
    click.echo(_coloured(plain(text)), err=err, nl=nl, color=False if os.environ.get("NO_COLOR") else None)


def _coloured(text: str) -> str:
    """The text with the words of a verdict in colour, which `click.echo` takes away where no terminal is."""
    return VERDICTS.sub(lambda found: click.style(found[0], COLOURS[found[0]], bold=True), text)


def zip_command(folder: Path) -> str:
    """The command that makes a submission of a folder with predictions."""
    folder = folder.resolve()  # the name of "." is that of the folder
    return f"cd {quote(str(folder.parent))} && zip -r {quote(folder.name + '.zip')} {quote(folder.name)}"


class SubmissionPath(click.Path):
    """A file, where somebody may name the folder that is to become a submission.

    With ``dir_okay`` also a folder that holds submissions.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, if it is that of a file, or of a folder that may be named."""
        from harness.evaluation.entries import submissions_in

        if Path(value).is_dir() and not (self.dir_okay and submissions_in(Path(value))):
            message = f"{value} must be a zip, got a folder; make one: {zip_command(Path(value))}"
            self.fail(plain(message), param, ctx)
        return super().convert(value, param, ctx)


SUBMISSION = SubmissionPath(exists=True, dir_okay=False, path_type=Path)


class LazyChoice(click.ParamType):
    """click.Choice whose choices are computed when they are needed, since that imports packages."""

    def __init__(self, name: str, choices: Callable[[], Sequence[str]]) -> None:
        self.name, self.choices = name, choices

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The value, if it is one of the choices."""
        choices = self.choices()
        if value not in choices:
            self.fail(f"{value!r} is none of: {', '.join(choices)}", param, ctx)
        return str(value)


TRACK = LazyChoice("track", lambda: resolve_name("harness.tracks:track_names")())
BASELINE = LazyChoice("baseline", lambda: resolve_name("harness.runs.registry:baseline_names")())
CLAIM = LazyChoice("claim", lambda: resolve_name("harness.claims.spec:names")())


def print_result(value: Any, as_json: bool, text: Iterable[Any]) -> None:
    """Print a result on stdout: as JSON, or as text.

    The items of the text are lines, things that Rich prints, and tables as (title, header, rows, number of
    columns that hold text).
    """
    if as_json:
        click.echo(json_text(value), nl=False)
        return
    for item in text:
        if isinstance(item, str):
            say(item)
        else:
            from harness.report.terminal import console, table

            console().print(table(*item) if isinstance(item, tuple) else item)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="astroboard")
def main() -> None:
    """Take part in, run and study two astronomy image competitions.

    Tracks: mass-mapping (dark matter from weak lensing) and stamps (early classification of alerts).

    \b
    See everything at work, on simulated data:   astroboard demo
    Score a submission:                          astroboard score SUBMISSION.zip --truth test-truth.h5
    Make one:                                    astroboard train, then astroboard submit
    """


LONGEST_ITEM = 500


def list_items(title: str, items: list[str], most: int = 20) -> None:
    """List items on stderr, no more than ``most`` of them."""
    if items:
        say(f"{title} ({len(items)}):", err=True)
        for item in items[:most]:
            say(f"  {printable(item, LONGEST_ITEM)}", err=True)
        if len(items) > most:
            say(f"  and {len(items) - most} more", err=True)
