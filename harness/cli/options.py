"""The types of arguments and options, and the options that several commands have."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Sequence
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
from submissions.report import plain

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FOLDER.name = "folder"  # what help shows
ANYTHING = click.Path(exists=True, path_type=Path)
COUNT, SEED = click.IntRange(min=1), click.IntRange(min=0)
COUNT.name = SEED.name = "number"
FRACTION = click.FloatRange(0, 1, min_open=True, max_open=True)
FRACTION.name = "fraction"
FEW = 3  # names that are listed whatever was meant


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
TRACK = Name("track", lambda: resolve_name("harness.tracks:track_names")())
BASELINE = Name("baseline", lambda: resolve_name("harness.runs.registry:baseline_names")())
CLAIM = Name("claim", lambda: resolve_name("harness.claims.spec:names")())


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


def zip_command(folder: Path) -> str:
    """The command that makes a submission of a folder with predictions."""
    folder = folder.resolve()  # the name of "." is that of the folder
    return f"cd {quote(str(folder.parent))} && zip -r {quote(folder.name + '.zip')} {quote(folder.name)}"


preset = click.option("--preset", default="laptop", type=Name("preset", PRESETS, files=True),
                      help="Settings and size of the training, or your own TOML file.")  # fmt: skip
picture_format = click.option(
    "--format", "kind", type=click.Choice(["png", "svg", "pdf"]),
    help="Format of the pictures; svg and pdf are sized for papers.  [default: png]",
)  # fmt: skip
seed = click.option("--seed", default=0, type=SEED, help="Seed of all random numbers.")
metadata = click.option(
    "--metadata", multiple=True, metavar="NAME",
    help="Also hand out this metadata column, or a pattern such as 'feature_*'; it may reveal the truth. "
    "Can be repeated.",
)  # fmt: skip


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


settings = click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", callback=assigned,
                        help="Replace a setting, as in --set epochs=20. Can be repeated.")  # fmt: skip


def executor(
    workers: int | None = None, says: str = "Number of processes.", busy: int = 1
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options --workers and --dask, passed to the command as ``executor``.

    By default there is one process per ``busy`` processors, the number that each keeps busy.
    """
    by_default = str(workers or ("all processors" if busy == 1 else f"processors / {busy}"))

    def options(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--workers", default=workers, show_default=by_default, type=COUNT, help=says)
        @click.option("--dask", metavar="ADDRESS",
                      help="Use the Dask cluster of this scheduler instead of local processes.")  # fmt: skip
        @click.pass_context
        @wraps(command)
        def with_executor(
            context: click.Context, *words: Any, workers: int | None, dask: str | None, **values: Any
        ) -> Any:
            if dask and context.get_parameter_source("workers") is not ParameterSource.DEFAULT:
                raise click.UsageError("--workers and --dask exclude each other: choose one")
            from harness.parallel import executor, processors

            with executor(workers or max(processors() // busy, 1), dask) as pool:
                return command(*words, executor=pool, **values)

        return with_executor

    return options
