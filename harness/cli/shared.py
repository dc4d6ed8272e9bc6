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
from contextlib import redirect_stderr
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from pkgutil import resolve_name
from shlex import quote
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from baselines import PRESETS
from harness.files import HarnessError, check_new, json_text
from submissions.report import plain, printable

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FOLDER.name = "folder"  # what help shows
ANYTHING = click.Path(exists=True, path_type=Path)
COUNT, SEED = click.IntRange(min=1), click.IntRange(min=0)
COUNT.name = SEED.name = "number"
FEW = 3  # names that are listed whatever was meant
FORCE = "astroboard.force"
TASKS = ("Begin", "Data", "Train", "Submit", "Judge", "Organise", "Research")
SHORT_HELP = 46  # characters of the line that a command has in the list, and a point
COLOURS = {"accepted": "green", "refused": "red", "cause": "red", "fault": "red", "warning": "yellow"}
VERDICTS = re.compile(rf"^({'|'.join(COLOURS)})\b", re.MULTILINE)
FRACTION = click.FloatRange(0, 1, min_open=True, max_open=True)
FRACTION.name = "fraction"
format_option = click.option(
    "--format", "kind", type=click.Choice(["png", "svg", "pdf"]),
    help="Format of the pictures; svg and pdf are sized for papers.  [default: png]",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print only JSON to stdout.")
seed_option = click.option(
    "--seed", default=0, show_default=True, type=SEED,
    help="Seed of all random numbers.",
)  # fmt: skip
metadata_option = click.option(
    "--metadata", multiple=True, metavar="NAME",
    help="Also hand out this metadata column, or a pattern such as 'feature_*'; it may reveal the truth. "
    "Can be repeated.",
)  # fmt: skip


class Name(click.ParamType):
    """A name out of some, completed by the shell, with those that are near if it is none of them.

    ``names`` may be a function, since finding them may import packages. With ``files`` the path of a file is
    taken, too.
    """

    def __init__(
        self, name: str, names: Sequence[str] | Callable[[], Sequence[str]], files: bool = False
    ) -> None:
        self.name, self.files = name, files
        self.names = names if callable(names) else lambda: names
        self.metavar = None if callable(names) else f"[{'|'.join([*names, *['FILE'] * files])}]"

    def get_metavar(self, *_: Any, **__: Any) -> str | None:
        """The names, where they are always the same."""
        return self.metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The value, if it is one of the names."""
        names = self.names()
        if value not in names and not (self.files and Path(value).is_file()):
            near = get_close_matches(value, names, 3) if len(names) > FEW else []
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}"
            file = "; it is no file, either" if self.files else ""
            self.fail(plain(f"there is no {self.name} {value!r}{file}; {hint}"), param, ctx)
        return str(value)

    def get_missing_message(self, *_: Any, **__: Any) -> str:
        """What the names are, for a call without one."""
        return f"There are: {', '.join(self.names())}"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str  # noqa: ARG002
    ) -> list[CompletionItem]:  # fmt: skip
        """The names that begin so; then the shell's own files."""
        found = [CompletionItem(name) for name in self.names() if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")] * self.files


PRESET = Name("preset", PRESETS)
preset_option = click.option(
    "--preset",
    default="laptop",
    show_default=True,
    type=Name("preset", PRESETS, files=True),
    help="Settings and size of the training, or your own TOML file.",
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
    help="Replace a setting, as in --set epochs=20. Can be repeated.",
)  # fmt: skip


class Output(click.Path):
    """A file or a folder to write. A command with one refuses what exists, unless it is called with --force.

    ``files`` gives the paths that are written for the value of the option: itself, if it is not named.
    """

    def __init__(
        self, files: Callable[[Path], Iterable[Path]] = lambda path: [path], name: str = "file"
    ) -> None:
        super().__init__(path_type=Path)
        self.files, self.name = files, name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, which has a name: that of the folder for ``.``."""
        path = Path(super().convert(value, param, ctx))  # type: ignore[arg-type]
        return path.resolve() if path.name in ("", "..") else path


NEW = Output()
NEW_FOLDER = Output(  # or an empty one
    lambda folder: folder.iterdir() if folder.is_dir() else [folder], "folder"
)
LATER = Output(lambda _: [])  # what exists is refused where it is known what is written


class Command(click.Command):
    """A command with an example, and with the options that all have: --force if it has an `Output`, --quiet.

    ``task`` is the heading that it has in the list of all commands. An output that is an argument, which is
    the last, can be named with --out as well.
    """

    def __init__(self, *words: Any, task: str = "", example: str = "", **options: Any) -> None:
        super().__init__(*words, **options)
        self.task, self.example = task, example
        outputs = [param for param in self.params if isinstance(param.type, Output)]
        self.output = next((param for param in outputs if isinstance(param, click.Argument)), None)
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
        ctx.meta[FORCE] = force = ctx.params.pop("force", False)
        quiet = ctx.params.pop("quiet")
        read: list[Path] = []
        named: list[Path] = []  # to be written
        written: list[Path] = []
        by_output: list[Iterable[Path]] = []
        for param in self.params:
            value = ctx.params.get(param.name or "")
            for path in value if isinstance(value, tuple) else [value]:
                if isinstance(path, Path) and isinstance(param.type, Output):
                    named.append(path)
                    files = [*param.type.files(path)]
                    written += files
                    by_output.append([path] if param.type is NEW_FOLDER else {path, *files})
                elif isinstance(path, Path) and path.exists():
                    read.append(path)
        check_new(*written, force=force)
        check_different(*by_output)
        for path in named + written:
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
    return bool(click.get_current_context().meta.get(FORCE))


def executor_options(
    workers: int | None = None, says: str = "Number of processes.", busy: int = 1
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options --workers and --dask, passed to the command as ``executor``.

    By default there is one process per ``busy`` processors, the number that each keeps busy.
    """
    by_default = str(workers or ("all processors" if busy == 1 else f"processors / {busy}"))

    def options(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--workers", default=workers, show_default=by_default, type=COUNT, help=says)
        @click.option(
            "--dask",
            metavar="ADDRESS",
            help="Use the Dask cluster of this scheduler instead of local processes.",
        )
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


class Refused(click.ClickException):
    """A fault with more to say of it in JSON than its message."""

    def __init__(self, message: str, value: Any) -> None:
        super().__init__(message)
        self.value = value


class Commands(click.Group):
    """A group that ends with one message and status 1 where data, a submission or a run is faulty."""

    command_class = Command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; with --json a fault is printed as JSON, too."""
        as_json = "--json" in ctx.args
        try:
            return self._invoke(ctx)
        except click.ClickException as error:
            if as_json:
                click.echo(json_text(getattr(error, "value", {"error": error.format_message()})), nl=False)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands, grouped by purpose."""
        for task in TASKS:
            commands = self.commands.items()
            rows = [
                (f"{name:{max(map(len, self.commands))}}", command.get_short_help_str(SHORT_HELP))
                for name, command in commands if getattr(command, "task", "") == task
            ]  # fmt: skip
            with formatter.section(task):
                formatter.write_dl(rows)

    def _invoke(self, ctx: click.Context) -> Any:
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
            from harness.cli.faults import of_extension
            from harness.extras import advice
            from submissions import SubmissionError

            if isinstance(error, ModuleNotFoundError) and error.name and "." not in error.name:
                raise click.ClickException(f"this command needs {advice([error.name])}") from error
            if not isinstance(error, (HarnessError, SubmissionError, BaselineError, OSError, MemoryError)):
                if fault := of_extension(error):
                    raise click.ClickException(plain(fault)) from error
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


TRACK = Name("track", lambda: resolve_name("harness.tracks:track_names")())
BASELINE = Name("baseline", lambda: resolve_name("harness.runs.registry:baseline_names")())
CLAIM = Name("claim", lambda: resolve_name("harness.claims.spec:names")())


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
            from harness.report.terminal import show

            show([item])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(None, "-V", "--version", package_name="astroboard")
def main() -> None:
    """Take part in, run and study two astronomy image competitions.

    Tracks: mass-mapping (dark matter from weak lensing) and stamps (early classification of alerts).

    `astroboard COMMAND --help` has the options of a command and an example.

    The shell completes commands, baselines, tracks, presets and claims after this line (or zsh, fish):

    \b
      eval "$(_ASTROBOARD_COMPLETE=bash_source astroboard)"
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
