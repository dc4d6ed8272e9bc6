"""Classifying alerts, as brokers hand them out, with trained models: which are supernovae, and how surely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from baselines.protocol import Baseline, BaselineError, predict
from harness.data.sources.base import Cases, Problem, read_source
from harness.files import HarnessError
from harness.progress import ProgressCallback, no_progress
from harness.runs.folder import finished
from harness.runs.training import restored
from harness.tracks import get_track
from harness.tracks.stamps import PRIOR, STAMPS, SUPERNOVA

PICTURES = 60
"""As many of the likeliest supernovae keep their images, for the page."""
CUTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
SHOWN = {"ra": "ra", "dec": "dec", "magnitude": "magpsf", "filter": "fid", "jd": "jd"}
"""What is told of an alert, and the metadata that it is from."""


class Classified(NamedTuple):
    """Answers, why alerts and files were left out, and the images (63, 63, 3) of the first answers."""

    answers: list[dict[str, Any]]
    left_out: list[str]
    images: list[np.ndarray]


def classify(
    runs: Sequence[Path], sources: Sequence[Path], progress: ProgressCallback = no_progress
) -> Classified:
    """Classify the alerts in the sources with trained models, the most likely supernova first.

    An answer has the ``candid``, the ``objectId``, coordinates and brightness (None where unknown), the
    ``class``, the ``probabilities`` (the mean over the runs, at the survey's frequencies of the classes),
    ``by_run``, the probability of a supernova that each run gives, ``agree``, the number of runs whose
    most probable class is this one, and ``purity``, the expected share of supernovae in the list from its
    first alert to this one.

    Sources are what data sets of the track are packed from; they need no labels. An alert that comes again is
    left out. Raises HarnessError if a run is no classifier.
    """
    trained = [_shares(run) for run in runs]
    models: list[Baseline] = []
    answers: dict[str, dict[str, Any]] = {}  # by candid
    likeliest: list[tuple[dict[str, Any], np.ndarray]] = []  # with their images
    left_out: list[str] = []
    for source in sources:
        for alerts in read_source(STAMPS.sources, source):
            if isinstance(alerts, Problem):
                left_out += [str(alerts.error)] if alerts.error else []
                continue
            models = models or [restored(run, progress) for run in runs]  # when there is an alert at all
            images, metadata = alerts.columns[STAMPS.inputs.name], alerts.columns.get("metadata")
            try:
                by_run = np.stack([
                    at_frequencies(predict(model, images, metadata), shares)
                    for model, shares in zip(models, trained, strict=True)
                ])  # fmt: skip
            except BaselineError as error:  # these alerts lack what the model needs; those of others may not
                left_out.append(f"{source}: {error}")
                break
            new = []
            for answer, image in zip(_answers(alerts, by_run), images, strict=True):
                if answer["candid"] in answers:
                    left_out.append(f"alert {answer['candid']}: it comes twice, and counts once")
                    continue
                answers[answer["candid"]] = answer
                new.append((answer, image))
            likeliest = sorted(likeliest + new, key=lambda one: _rank(one[0]))[:PICTURES]
            # Copies: a view of one image keeps all images of its chunk in memory.
            likeliest = [(answer, np.array(image)) for answer, image in likeliest]
            progress(len(answers), 0, "alerts")
    ranked = sorted(answers.values(), key=_rank)
    totals = np.cumsum([answer["probabilities"]["SN"] for answer in ranked])
    for number, (answer, total) in enumerate(zip(ranked, totals, strict=True), 1):
        answer["purity"] = float(total / number)
    return Classified(ranked, left_out, [image for _, image in likeliest])


def _rank(answer: dict[str, Any]) -> tuple[float, str]:
    """The likeliest supernova first, equal ones by their candid."""
    return -answer["probabilities"]["SN"], answer["candid"]


def at_frequencies(
    probabilities: np.ndarray, trained: np.ndarray, frequencies: np.ndarray = PRIOR[:, 0]
) -> np.ndarray:
    """Probabilities (n, classes) of a model where the classes are as frequent as here, not as in training.

    By Bayes' theorem p'_k ∝ p_k · π'_k / π_k, with the frequencies π in training and π' here, if a class
    looks the same in both (Saerens, Latinne & Decaestecker 2002, Neural Computation 14, 21). A class without
    a case in training keeps the probability 0. Rows without any other stay as they are.
    """
    ratios = np.divide(frequencies, trained, out=np.zeros(len(trained)), where=np.asarray(trained) > 0)
    weighted = np.asarray(probabilities, np.float64) * ratios
    totals = weighted.sum(axis=-1, keepdims=True)
    return np.divide(weighted, totals, out=np.array(probabilities, np.float64), where=totals > 0)


def cuts(answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each of CUTS, what a list of the alerts above it has: ``alerts``, ``supernovae`` and ``purity``.

    The expected number of supernovae is the sum of their probabilities, the expected purity their mean; it
    is None of an empty list. ``completeness`` is the share of all expected supernovae.
    """
    probabilities = np.array([answer["probabilities"]["SN"] for answer in answers])
    table = []
    for cut in CUTS:
        above = probabilities[probabilities >= cut]
        table.append(
            {
                "cut": cut,
                "alerts": len(above),
                "supernovae": float(above.sum()),
                "purity": float(above.mean()) if len(above) else None,
                "completeness": float(above.sum() / probabilities.sum()) if probabilities.any() else None,
            }
        )
    return table


def _shares(run: Path) -> np.ndarray:
    """The shares of the classes that the probabilities of a run are for.

    A record without them is of a version whose classifiers saw all classes equally often.
    """
    record = finished(run)
    track = get_track(record["track"])
    if track.name != STAMPS.name:
        raise HarnessError(f"{run} must be a run of a classifier, got one of the track {track.name!r}")
    equal = [1 / len(STAMPS.classes)] * len(STAMPS.classes)
    return np.array(record["outcome"].get("class_shares", equal))


def _answers(alerts: Cases, by_run: np.ndarray) -> Iterator[dict[str, Any]]:
    """The answers for alerts, from the probabilities (runs, n, classes)."""
    mean, metadata = by_run.mean(axis=0), alerts.columns.get("metadata")
    columns = () if metadata is None else metadata.dtype.names or ()
    for row, (candid, name) in enumerate(zip(alerts.case_id, alerts.group, strict=True)):
        chosen = int(mean[row].argmax())
        values = {key: metadata[column][row] for key, column in SHOWN.items() if column in columns}  # type: ignore[index]
        yield {
            "candid": candid,
            "objectId": name,
            **{key: _finite(values.get(key)) for key in SHOWN},
            "class": STAMPS.classes[chosen],
            "probabilities": dict(zip(STAMPS.classes, mean[row].tolist(), strict=True)),
            "by_run": by_run[:, row, SUPERNOVA].tolist(),
            "agree": int((by_run[:, row].argmax(axis=-1) == chosen).sum()),
        }


def _finite(value: Any) -> float | None:
    """A number of the metadata, None where there is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
