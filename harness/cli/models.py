"""Commands that train baselines and use the trained models."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, redirect_stdout
from functools import partial
from pathlib import Path
from shlex import join
from typing import Any

import click
from click.core import ParameterSource

from harness.cli import options
from harness.cli.shared import as_json, forced, list_items, main, print_result, say
from harness.progress import duration, progress_bar

data_option = click.option("--data", required=True, type=options.FOLDER,
                           help="Folder with train.h5 and validation.h5.")  # fmt: skip


@main.command(task="Begin", example="demo --out demo")
@click.option("--preset", default="smoke", type=options.PRESET, help="Size of the demonstration.")
@click.option("--out", default="astroboard-demo", type=options.LATER, metavar="FOLDER",
              help="Output folder. The same demonstration in it, if interrupted, is completed.")  # fmt: skip
@options.seed
def demo(preset: str, out: Path, seed: int) -> None:
    """Run the whole workflow on simulated data.

    Simulates data for both tracks, trains, submits, scores and ranks, and writes a page of leaderboards.
    `smoke` trains the quick baselines, the other presets all of them. After an interruption, the same command
    goes on.
    """
    from harness.demo import run_demo

    def run(words: list[str]) -> None:
        say(f"$ astroboard {join(words)}")
        main(words, standalone_mode=False)

    with redirect_stdout(sys.stderr) if as_json() else nullcontext():
        run_demo(out, preset, seed, run, partial(say, err=True), forced())
    if as_json():
        say((out / "leaderboard.json").read_text(encoding="utf-8"), nl=False)


@main.command(task="Train", example="baselines")
def baselines() -> None:
    """List the baselines, by track."""
    from harness.runs.registry import all_baselines

    found = all_baselines(partial(say, err=True))
    listed = [{"name": name, "track": kind.track, "summary": kind.summary} for name, kind in found.items()]
    rows = sorted((kind.track, name, kind.summary) for name, kind in found.items())
    print_result(listed, [("Baselines", ("track", "name", "what it does"), rows, 3)])


@main.command(task="Train", example="train ks93-masked --data data --out runs/masked")
@click.argument("baseline", type=options.BASELINE)
@data_option
@click.option("--out", required=True, type=options.NEW, metavar="RUN", help="Folder of the run, to be made.")
@options.preset
@options.seed
@click.option("--strategy", default="single", type=options.Name("strategy", ["single", "mirrored"]),
              help="mirrored distributes each batch of a network over all GPUs of the machine.")  # fmt: skip
@click.option("--start-from", "--start", "start", type=options.FOLDER, metavar="RUN",
              help="Finished run whose weights a network starts from.")  # fmt: skip
@click.option(
    "--sampling", type=options.Name("sampling", ["balanced", "balanced-once", "middle", "unchanged"]),
    help="stamps: resample classes to the largest size (each epoch, or once), to a middle size, or not.  "
    "[default: the preset's]",
)  # fmt: skip
@click.option("--tensorboard", is_flag=True, help="Write losses and scores of a network to RUN/tensorboard.")
@options.settings
def train(
    baseline: str, data: Path, out: Path, sampling: str | None, assignments: dict[str, Any], **chosen: Any
) -> None:
    """Train a baseline.

    `astroboard baselines` lists the baselines. The folder RUN gets the model and a record of the training.
    """
    from harness.runs import training

    settings = assignments | ({"sampling": sampling} if sampling else {})

    def tell(line: str) -> None:
        say(f"{baseline}: {line}", err=True)

    with progress_bar(baseline) as progress:
        record = training.train(
            baseline, data, out, progress=progress, settings=settings, tell=tell, force=forced(), **chosen
        )
    lines = [f"{out}: {baseline} trained on {record['cases']} cases in {duration(record['seconds'])}"]
    lines += [f"  {key}: {_in_words(value)}" for key, value in record["outcome"].items()]
    lines += [f"see {out / 'history.png'}"] if (out / "history.png").is_file() else []
    inputs = ["--inputs", str(data / "test-inputs.h5")]
    lines.append(f"next: astroboard submit {join([str(out), *inputs, '--team', 'NAME', f'{out}.zip'])}")
    print_result(record, lines)


def _in_words(value: Any) -> str:
    """A value of a record: numbers in four digits, the entries of a table one after the other."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_in_words(entry)}" for key, entry in value.items())
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


@main.command(task="Submit", example="submit runs/masked --inputs data/test-inputs.h5 --team us us.zip")
@click.argument("runs", nargs=-1, required=True, type=options.FOLDER, metavar="RUN...")
@click.option("--inputs", required=True, type=options.FILE,
              help="test-inputs.h5, or any data set with inputs.")  # fmt: skip
@click.option("--team", required=True, envvar="ASTROBOARD_TEAM", show_envvar=True, metavar="NAME",
              help="Name of your team on the leaderboard.")  # fmt: skip
@click.option("--method", metavar="NAME", help="Name of the method.  [default: the names of the baselines]")
@click.option(
    "--average-symmetries", is_flag=True,
    help="Average over the eight orientations of the square, which needs eight predictions of each case.",
)  # fmt: skip
@click.option("--link", metavar="URL", help="Address of your code or paper, for the board: https://…")
@click.argument("out", type=options.NEW, metavar="OUT.zip")
def submit(runs: tuple[Path, ...], inputs: Path, team: str, out: Path, **chosen: Any) -> None:
    """Predict cases, and write a submission.

    RUN is the folder of a trained baseline. OUT.zip is a submission in the format of the competition.

    The predictions of several runs, for example of several seeds, are averaged.
    """
    from harness.runs import training

    with progress_bar("predicting") as progress:
        manifest = training.submit(runs, inputs, team, out, progress=progress, **chosen)
    line = f"{out}: {len(manifest['files'])} file(s) by {manifest['team']}, method {manifest['method']}"
    print_result(manifest, [line])


@main.command(task="Data", example="show data.h5 --out pictures")
@click.argument("source", type=options.ANYTHING, metavar="RUN|DATA.h5")
@click.option(
    "--case", "case_id", metavar="ID",
    help="Id of the case to draw.  [default: the first, or without a run and --weights all of DATA.h5]",
)  # fmt: skip
@click.option(
    "--inputs", "--data", "data", type=options.FILE, metavar="DATA.h5",
    help="Data set with the case; for maps, with the truth.  [default: the data of RUN]",
)  # fmt: skip
@click.option(
    "--out", type=options.LATER, metavar="FILE.png|svg|pdf",
    help="Picture to write, or folder for an overview.  [default: in RUN, or in DATA.pictures]",
)  # fmt: skip
@click.option("--weights", is_flag=True, help="Draw the pixel weights of the MultiFocal loss.")
@options.picture_format
def show(
    source: Path, case_id: str | None, data: Path | None, out: Path | None, weights: bool, kind: str | None
) -> None:
    """Draw a case, or an overview of a data set.

    For a RUN: the prediction of its model for the case, beside the truth. For DATA.h5: the inputs and the
    truth of the case, or without --case a table of its contents, the number of cases per class, and samples.
    """
    from harness.runs import pictures

    if data and source.is_file():
        raise click.UsageError("--inputs goes with a RUN: a data set is drawn from itself")
    summary = None
    if source.is_file() and case_id is None and not weights:
        from harness.data.inspection import inspect_dataset
        from harness.data.store import open_dataset
        from harness.report.terminal import data_table

        with open_dataset(source) as dataset, progress_bar("reading") as progress:
            summary, track = inspect_dataset(dataset, progress), dataset.track
        if not as_json():
            print_result(summary, [data_table(source.name, track, summary)])
    drawn = []
    for picture in pictures.show(source, data, case_id, out, weights, forced(), kind):
        drawn.append(str(picture))
        if not as_json():
            say(f"picture: {picture}")
    print_result({"pictures": drawn, "data": summary}, [])


@main.command(task="Train", example="tune cnn --data data --out tuned --trials 20")
@click.argument("baseline", type=options.BASELINE)
@data_option
@click.option("--out", required=True, type=options.NEW, metavar="FOLDER", help="Output folder, to be made.")
@options.preset
@click.option("--trials", type=options.COUNT, help="Number of trials.  [default: the preset's]")
@options.seed
@click.option(
    "--space", type=options.FILE, metavar="FILE.toml",
    help="Ranges to search; docs/tuning.md has the format.  [default: those of the baseline]",
)  # fmt: skip
@click.option("--epochs-only", is_flag=True, help="Search only the number of epochs, with several runs.")
@click.option("--runs", type=options.COUNT,
              help="With --epochs-only: runs, each with its own seed.  [default: 4]")  # fmt: skip
@click.option("--epochs", type=options.COUNT,
              help="With --epochs-only: the epochs of each run.  [default: 40]")  # fmt: skip
def tune(
    baseline: str, data: Path, out: Path, preset: str, seed: int, epochs_only: bool, **search: Any
) -> None:
    """Search good settings of a baseline.

    The best settings are written to best.toml, a preset for `astroboard train --preset`.

    With --epochs-only, several runs are trained with the settings of the preset, which may be your own TOML
    file. The result is the epoch with the best mean validation accuracy (for maps, validation loss).
    """
    context = click.get_current_context()
    groups = ("trials", "space"), ("runs", "epochs")
    for name in groups[not epochs_only]:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            relation = "exclude each other" if epochs_only else "go together"
            raise click.UsageError(f"--{name} and --epochs-only {relation}")
    given = {name: search[name] for name in groups[epochs_only] if search[name] is not None}
    given |= {"seed": seed, "force": forced()}
    if epochs_only:
        from harness.runs import epochs

        with progress_bar(f"training {baseline}") as progress:
            record = epochs.find_epochs(baseline, data, out, preset, progress=progress, **given)
        print_result(record, _epochs_text(record, data, out))
        return
    from baselines.presets import searched
    from harness.extras import require
    from harness.runs.registry import baseline_class
    from harness.runs.training import open_split
    from harness.tracks import get_track

    # What is wrong is refused before Keras is loaded.
    searched(baseline, preset, given.get("space"))
    require("tune", "keras", "keras_tuner")
    with open_split(data, get_track(baseline_class(baseline).track)):
        pass
    from harness.runs import tuning

    options.PRESET.convert(preset, None, context)
    with progress_bar(f"tuning {baseline}") as progress:
        record = tuning.tune(baseline, data, out, preset, progress=progress, **given)
    print_result(record, _trials_text(record, data, out))


def _epochs_text(record: dict[str, Any], data: Path, out: Path) -> Iterator[Any]:
    """The curve as a table, and how to use the best number of epochs."""
    from harness.runs.epochs import table

    rows = [(str(epoch), *(f"{value:.4g}" for value in values)) for epoch, *values in table(record)]
    header = ("epoch", "mean", *(f"seed {record['seed'] + run}" for run in range(record["runs"])))
    yield f"{record['baseline']}, {record['monitor']}", header, rows, 0
    yield f"best: {record['best']['epochs']} epochs, mean {record['monitor']} {record['best']['mean']:.4g}"
    yield _train_with(record["baseline"], data, out)


def _train_with(baseline: str, data: Path, out: Path) -> str:
    """The command that trains with the best settings that were found."""
    words = ["--data", str(data), "--preset", str(out / "best.toml"), "--out", f"{out}-{baseline}"]
    return f"next: astroboard train {join([baseline, *words])}"


def _trials_text(record: dict[str, Any], data: Path, out: Path) -> Iterator[Any]:
    """The trials as a table, those that failed, and how to use the best; a worker has only their number."""
    if "worker" in record:
        yield f"{record['worker']}: {record['trials']} trials; the chief has the result"
        return
    from harness.report.cells import significant

    trials = sorted(record["trials"], key=lambda trial: trial["objective"])
    settings, scores = (tuple(trials[0][name]) for name in ("values", "scores"))
    rows = [
        (
            str(trial["trial"]),
            *(_in_words(trial["values"][name]) for name in settings),
            *(significant(each) for each in (trial["objective"], *(trial["scores"][key] for key in scores))),
        )
        for trial in trials
        if trial["scores"]
    ]
    yield f"{record['baseline']}: trials, best first", ("trial", *settings, "objective", *scores), rows, 0
    yield from (f"trial {trial['trial']} failed: {trial['failure']}" for trial in trials if trial["failure"])
    yield f"see {out / 'trials.png'}"
    yield _train_with(record["baseline"], data, out)


SHOWN_ALERTS = 20  # in the terminal, where the whole list is in a file


@main.command(task="Submit", example="classify alerts/ --model runs/cnn --out tonight")
@click.argument("sources", nargs=-1, required=True, type=options.ANYTHING, metavar="ALERTS...")
@click.option("--model", "runs", required=True, multiple=True, type=options.FOLDER, metavar="RUN",
              help="Trained run. Repeat the option to average several.")  # fmt: skip
@click.option("--out", type=options.NEW_FOLDER, help="Folder for alerts.csv and a page with the stamps.")
def classify(sources: tuple[Path, ...], runs: tuple[Path, ...], out: Path | None) -> None:
    """Find likely supernovae among alerts.

    Lists the alerts by their probability of being a supernova, with the expected purity of cuts.
    Probabilities are for the class frequencies of the survey (3.1 % supernovae), not for those of the
    training set.

    ALERTS is a ZTF alert packet (Avro), a .tar, .tar.gz or folder of packets, or a pickle like that of the
    challenge. Alerts that cannot be used are listed on stderr.
    """
    from harness.runs import classification

    with progress_bar("classifying") as progress:
        answers, left_out, images = classification.classify(runs, sources, progress)
    list_items("left out", by_reason(left_out), most=len(left_out))
    if not answers:
        raise click.ClickException("there is no alert that can be classified")
    table = classification.cuts(answers)
    if out:
        from harness.report.alerts_page import FILES, write_alerts

        write_alerts(answers, images, table, names_of(runs), len(left_out), out)
        say(f"written: {', '.join(str(out / name) for name in FILES)}", err=True)
    from harness.report.cells import number

    several, rows = len(runs) > 1, []
    for answer in answers if not out else answers[:SHOWN_ALERTS]:
        numbers = [*answer["probabilities"].values(), answer["purity"]]
        ids = (str(answer["candid"]), str(answer["objectId"]), answer["class"])
        rows.append((*ids, *(number(each, 3) for each in numbers), *[str(answer["agree"])] * several))
    header = ("candid", "object", "class", *answers[0]["probabilities"], "purity", *["agree"] * several)
    of_cuts = [
        (str(row["cut"]), number(row["alerts"], 0), number(row["supernovae"], 1), number(row["purity"], 2))
        for row in table
    ]
    cut_header = ("P(SN) from", "alerts", "expected supernovae", "expected purity")
    legend = ["purity: expected share of supernovae among this alert and those above it"]
    legend += ["agree: number of runs whose most probable class is this one"] * several
    print_result(answers, [("Alerts", header, rows, 3), *legend, ("Cuts", cut_header, of_cuts, 0)])


def names_of(runs: Sequence[Path]) -> list[str]:
    """Names for runs: that of the folder or, if two have the same, the path as it was given."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def by_reason(left_out: list[str]) -> list[str]:
    """The reasons that alerts are left out, those that many share once with their number."""
    alerts: dict[str, list[str]] = {}
    for text in left_out:
        alert, colon, reason = text.partition(": ")
        named = bool(colon) and alert.startswith("alert ")
        alerts.setdefault(reason if named else text, []).append(text)
    return [
        f"{len(texts)} alerts: {reason}" if len(texts) > 1 else texts[0] for reason, texts in alerts.items()
    ]
