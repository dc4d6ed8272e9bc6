"""The track of the alert stamps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

import metrics
from harness.tracks.base import Column, Columns, Score, Statistic, Sums, Track
from submissions.formats.registry import FORMATS
from submissions.formats.stamps import CLASSES

SUPERNOVA = CLASSES.index("SN")
CHALLENGE = (14966, 1620, 14996, 9899, 10763)  # alerts of each class in its data, as the survey finds them
PRIOR = np.array(CHALLENGE)[:, None] / sum(CHALLENGE)
# What a packet measures of the alert, its nearest sources and its place. Not its names, its dates, the
# history of its object, matches with known asteroids, or scores of other classifiers: with the way the alerts
# were collected and labelled, those tell the class.
TEST_METADATA = (
    "fid isdiffpos magpsf sigmapsf magap sigmagap magdiff magapbig sigmagapbig diffmaglim fwhm classtar "
    "elong aimage bimage nneg nbad chinr sharpnr distnr magnr sigmagnr neargaia maggaia neargaiabright "
    "maggaiabright sgscore1 sgscore2 sgscore3 distpsnr1 distpsnr2 distpsnr3 sgmag1 srmag1 simag1 szmag1 "
    "ra dec glat glon gal_lat gal_lng ecl_lat ecl_lng"
)
THRESHOLDS = 200
CALIBRATION_BINS = 15


def _columns(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    predicted = probabilities.argmax(axis=1)
    return {
        "label": labels.astype(np.int64),
        "predicted": predicted,
        "correct": (predicted == labels).astype(np.float64),
        "confidence": probabilities.max(axis=1),
        "sn_probability": probabilities[:, SUPERNOVA],
        "log_loss": metrics.log_loss_by_case(labels, probabilities),
        "brier": metrics.brier_by_case(labels, probabilities),
    }


def _statistics(columns: Columns, groups: np.ndarray) -> dict[str, Statistic]:
    """Each case's entry in the confusion matrix and in two histograms, and its share of its object.

    Average precision needs the numbers of supernovae and of others between one supernova's probability and
    the next, so these probabilities are the edges of the histogram ``sn_probability``. Up to 200 supernovae
    it is exact; with more every nth is an edge. ``surplus`` is confidence minus correctness, by bins of
    confidence. An object has weight 1, which its alerts share.

    A case has one entry in each of them, so they are sparse: dense ones of a large test set fill the memory.
    """
    labels, confidence, probability = columns["label"], columns["confidence"], columns["sn_probability"]
    supernova = labels == SUPERNOVA
    edges = np.quantile(probability[supernova] if supernova.any() else np.zeros(1),
                        np.linspace(0, 1, THRESHOLDS), method="nearest")  # fmt: skip
    passed = THRESHOLDS - np.searchsorted(edges, probability, side="right")
    bins = metrics.calibration_bins(confidence, CALIBRATION_BINS)
    _, index, alerts = np.unique(groups, return_inverse=True, return_counts=True)
    cases, ones, weight = np.arange(len(labels)), np.ones(len(labels)), 1 / alerts[index]

    def entries(values: np.ndarray, *places: np.ndarray, shape: tuple[int, ...]) -> sparse.coo_array:
        return sparse.coo_array((values, (cases, *places)), shape=(len(cases), *shape))

    return {
        "confusion": entries(ones, labels, columns["predicted"], shape=(len(CLASSES), len(CLASSES))),
        "sn_probability": entries(ones, passed, supernova.astype(int), shape=(THRESHOLDS + 1, 2)),
        "surplus": entries(confidence - columns["correct"], bins, shape=(CALIBRATION_BINS,)),
        "objects": weight,
        "correct_objects": weight * columns["correct"],
    }


def _of_confusion(score: Callable[..., Any], *arguments: float) -> Callable[[Sums, np.ndarray], np.ndarray]:
    """The summary that is a function of the confusion matrix."""
    return lambda sums, _: score(sums["confusion"], *arguments)


def _either(sums: Sums, _: np.ndarray) -> np.ndarray:
    """The alerts that are supernovae or are called one: F-scores depend on no others."""
    confusion = sums["confusion"]
    true, called = confusion[..., SUPERNOVA, :].sum(axis=-1), confusion[..., SUPERNOVA].sum(axis=-1)
    return np.asarray(true + called - confusion[..., SUPERNOVA, SUPERNOVA])


def _fbeta_of_share(beta: float) -> Callable[[float], tuple[float, float]]:
    """F-beta for a share of right ones among those of `_either`: the wrong are all missed, or all false.

    With TP right and FN missed, FP false ones, F = (1 + β²) TP / ((1 + β²) TP + β² FN + FP).
    """
    right = 1 + beta**2
    weights = max(beta**2, 1), min(beta**2, 1)

    def extremes(share: float) -> tuple[float, float]:
        low, high = (right * share / (right * share + weight * (1 - share)) for weight in weights)
        return low, high

    return extremes


POSITIVE = (0.0, np.inf)
_share = partial(Score, lower_is_better=False, within=(0.0, 1.0))
STAMPS = Track(
    name="stamps",
    title="Early classification of alert stamps",
    noun="alerts",
    inputs=Column("images", "float32", (63, 63, 3)),
    truth=Column("labels", "int8", ()),
    scores=(
        _share("accuracy", "accuracy", "Share of the alerts whose most probable class is the true one.",
               ranked=True, mean_of="correct", trials=lambda _, cases: cases,
               summary=_of_confusion(metrics.accuracy_from_confusion)),
        _share("sn_f1", "SN F1", "Harmonic mean of precision and recall of the supernovae.", ranked=True,
               of="SN", trials=_either, of_share=_fbeta_of_share(1),
               summary=_of_confusion(metrics.fbeta_from_confusion, 1, SUPERNOVA)),
        _share("sn_f2", "SN F2", "The same with recall counting more than precision: F-beta with beta = 2.",
               ranked=True, of="SN", trials=_either, of_share=_fbeta_of_share(2),
               summary=_of_confusion(metrics.fbeta_from_confusion, 2, SUPERNOVA)),
        _share("sn_precision", "SN precision", "Share of supernovae among the alerts called one.",
               in_tables=True, of="SN", summary=_of_confusion(metrics.precision_from_confusion, SUPERNOVA),
               trials=lambda sums, _: sums["confusion"][..., SUPERNOVA].sum(axis=-1)),
        _share("sn_recall", "SN recall", "Share of the supernovae that are called one.",
               in_tables=True, of="SN", summary=_of_confusion(metrics.recall_from_confusion, SUPERNOVA),
               trials=lambda sums, _: sums["confusion"][..., SUPERNOVA, :].sum(axis=-1)),
        _share("sn_precision_natural", "SN prec. at 3.1 %", "SN precision if the classes were as frequent as "
               "in the survey, 3.1 % of them supernovae.", of="SN",
               summary=lambda sums, _: metrics.precision_from_confusion(
                   metrics.normalise_rows(sums["confusion"]) * PRIOR, SUPERNOVA)),
        _share("sn_average_precision", "SN AP", "Area under the curve of the supernovae's precision over "
               "their recall.", of="SN",
               summary=lambda sums, _: metrics.average_precision_from_counts(sums["sn_probability"])),
        _share("balanced_accuracy", "balanced acc.", "Mean over the classes of the recall of each.",
               summary=_of_confusion(metrics.balanced_accuracy_from_confusion)),
        _share("object_accuracy", "by object", "Accuracy if each object counts once, however many its "
               "alerts.", trials=lambda sums, _: sums["objects"],
               summary=lambda sums, _: sums["correct_objects"] / sums["objects"]),
        Score("calibration_error", "calibration", "Mean distance, over 15 bins, of the highest probability "
              "from how often it is right.", within=(0.0, 1.0),
              summary=lambda sums, cases: np.abs(sums["surplus"]).sum(axis=-1) / cases),
        Score("log_loss", "log-loss", "Mean of minus the logarithm of the true class's probability.",
              mean_of="log_loss", spread=1, within=POSITIVE),
        Score("brier", "Brier", "Mean squared distance of the probabilities from certainty of the truth.",
              mean_of="brier", within=POSITIVE),
    ),
    format=FORMATS["stamps"],
    columns=_columns,
    further_statistics=_statistics,
    classes=CLASSES,
    label="label",
    answer="predicted",
    constant_prediction=1 / len(CLASSES),
    test_metadata=tuple(TEST_METADATA.split()),
    sources=("harness.data.sources.alert_pickle", "harness.data.sources.avro_alerts"),
    simulator="harness.data.simulate.stamps:simulate",
    splitter="harness.data.split:split_balanced",
    shares=("validation_cases", "test_cases"),
    symmetries="baselines.stamps.preparation:views",
    drawing="harness.report.drawing.stamps",
    diagnostics="harness.claims.diagnostics:STAMPS",
    claim_cases={"smoke": 600, "laptop": 6000, "night": 52244, "gpu": 52244, "paper": 52244},
    demo_cases={"smoke": 2000, "laptop": 12000, "night": 52244, "gpu": 52244, "paper": 52244},
)  # fmt: skip
