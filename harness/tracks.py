"""The two competitions, each as one declarative object: its columns, its scores, how they are summed up.

Every score is a function of *sums over cases*: `by_case` gives columns with a row a case, `statistics`
turns them into a matrix (cases, S), and `summarise` turns sums of its rows, with the number of cases, into
the scores. So the score of any resampled set of cases is a matrix product away,
for means and for F-scores alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points

import numpy as np

import metrics
from harness.files import HarnessError
from submissions.formats import FORMATS, Format
from submissions.stamps import CLASSES

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Column:
    """One column of a dataset file: dtype and shape of a case's value."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Score:
    """One score of a track. ``column`` is the by-case column that it is the mean of, if it is a mean."""

    key: str
    title: str
    meaning: str
    lower_is_better: bool = True
    ranked: bool = False
    column: str | None = None
    digits: int = 4


@dataclass(frozen=True)
class Track:
    name: str
    title: str
    inputs: Column
    truth: Column
    scores: tuple[Score, ...]
    by_case: Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]
    statistics: Callable[[Columns], np.ndarray]
    summarise: Callable[[np.ndarray, np.ndarray], np.ndarray]
    format: Format
    classes: tuple[str, ...] = ()

    @property
    def ranked(self) -> tuple[Score, ...]:
        return tuple(score for score in self.scores if score.ranked)


MAP_SCORES = {
    "wmape": metrics.wmape,
    "dicee": metrics.dicee,
    "dpeaks": metrics.dpeaks,
    "l2_dpeaks": metrics.l2_dpeaks,
    "mae": metrics.mae,
    "wmse": metrics.wmse,
    "correlation": metrics.correlation,
}


def _map_columns(kappa: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
    scores = metrics.map_scores(kappa, predictions)
    return {key: scores[key] if key in scores else MAP_SCORES[key](kappa, predictions) for key in MAP_SCORES}


def _map_statistics(columns: Columns) -> np.ndarray:
    return np.stack([columns[key] for key in MAP_SCORES], axis=-1)


def _means(sums: np.ndarray, count: np.ndarray) -> np.ndarray:
    return sums / count[..., None]


MASS_MAPPING = Track(
    name="mass-mapping",
    title="Dark matter from weak lensing",
    inputs=Column("epsilon", "float16", (128, 128, 3)),
    truth=Column("kappa", "float16", (128, 128)),
    scores=(
        Score("wmape", "WMAPE", "Weighted mean of |error| / |truth| over the pixels, bright pixels counting "
              "up to twice. Pixels near zero dominate: an all-zero map scores 1.",
              ranked=True, column="wmape"),
        Score("dicee", "DICEE", "One minus the Dice overlap of the pixels above each map's own mean.",
              ranked=True, column="dicee"),
        Score("dpeaks", "DPEAKS", "Distance in pixels, rows plus columns, of the three highest peaks of the "
              "smoothed maps, paired by rank and added up.", ranked=True, column="dpeaks", digits=1),
        Score("l2_dpeaks", "L2DPEAKS", "Mean Euclidean distance in pixels of the three pairs of peaks.",
              column="l2_dpeaks", digits=1),
        Score("mae", "MAE", "Mean absolute error of the convergence.", column="mae"),
        Score("wmse", "WMSE", "Mean squared error, weighted up to twice where the true map is high.",
              column="wmse", digits=5),
        Score("correlation", "r", "Pearson's correlation of the pixels of a map with the truth.",
              lower_is_better=False, column="correlation"),
    ),
    by_case=_map_columns,
    statistics=_map_statistics,
    summarise=_means,
    format=FORMATS["mass-mapping"],
)  # fmt: skip

SUPERNOVA = CLASSES.index("SN")
CHALLENGE = (14966, 1620, 14996, 9899, 10763)  # alerts of each class in its data, as the survey finds them
PRIOR = np.array(CHALLENGE)[:, None] / sum(CHALLENGE)
THRESHOLDS = 200
CALIBRATION_BINS = 15
PARTS = (len(CLASSES) ** 2, 2 * (THRESHOLDS + 1), CALIBRATION_BINS, 4)  # columns of the statistics


def _stamp_columns(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
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


def _stamp_statistics(columns: Columns) -> np.ndarray:
    """What is summed of each case: where it is in the confusion matrix and in two histograms, and means.

    Average precision needs the cases between one supernova's probability and the next, so these are the
    edges of the first histogram: at 200 supernovae or less it is exact, and at more every nth is an edge.
    """
    label, confidence, probability = columns["label"], columns["confidence"], columns["sn_probability"]
    supernova = label == SUPERNOVA
    known = probability[supernova] if supernova.any() else np.zeros(1)
    edges = np.quantile(known, np.linspace(0, 1, THRESHOLDS), method="nearest")
    passed = THRESHOLDS - np.searchsorted(edges, probability, side="right")
    _, place, alike = np.unique(columns["group"], return_inverse=True, return_counts=True)

    statistics = np.zeros((len(label), sum(PARTS)))
    confusion, histogram, surplus, means = _parts(statistics)
    cases = np.arange(len(label))
    confusion[cases, label * len(CLASSES) + columns["predicted"]] = 1
    histogram[cases, 2 * passed + supernova] = 1
    surplus[cases, metrics.calibration_bins(confidence, CALIBRATION_BINS)] = confidence - columns["correct"]
    weight = 1 / alike[place]
    means[:] = np.transpose([weight, weight * columns["correct"], columns["log_loss"], columns["brier"]])
    return statistics


def _parts(sums: np.ndarray) -> list[np.ndarray]:
    return np.split(sums, np.cumsum(PARTS)[:-1], axis=-1)


def _stamp_summary(sums: np.ndarray, count: np.ndarray) -> np.ndarray:
    cells, histogram, surplus, means = _parts(sums)
    objects, correct, log_loss, brier = np.moveaxis(means, -1, 0)
    confusion = cells.reshape(*sums.shape[:-1], len(CLASSES), len(CLASSES))
    natural = metrics.normalise_rows(confusion) * PRIOR
    return np.stack(
        [
            metrics.accuracy_from_confusion(confusion),
            metrics.fbeta_from_confusion(confusion, 1, SUPERNOVA),
            metrics.fbeta_from_confusion(confusion, 2, SUPERNOVA),
            metrics.precision_from_confusion(confusion, SUPERNOVA),
            metrics.recall_from_confusion(confusion, SUPERNOVA),
            metrics.precision_from_confusion(natural, SUPERNOVA),
            metrics.average_precision_from_counts(histogram.reshape(*sums.shape[:-1], -1, 2)),
            metrics.balanced_accuracy_from_confusion(confusion),
            correct / objects,
            np.abs(surplus).sum(axis=-1) / count,
            log_loss / count,
            brier / count,
        ],
        axis=-1,
    )


STAMPS = Track(
    name="stamps",
    title="Early classification of alert stamps",
    inputs=Column("images", "float32", (63, 63, 3)),
    truth=Column("labels", "int8", ()),
    scores=(
        Score("accuracy", "accuracy", "Share of the alerts whose most probable class is the true one.",
              lower_is_better=False, ranked=True, column="correct"),
        Score("sn_f1", "SN F1", "Harmonic mean of precision and recall of the supernovae.",
              lower_is_better=False, ranked=True),
        Score("sn_f2", "SN F2", "The same with recall counting more than precision: F-beta with beta = 2.",
              lower_is_better=False, ranked=True),
        Score("sn_precision", "SN precision", "Share of supernovae among the alerts called one.",
              lower_is_better=False),
        Score("sn_recall", "SN recall", "Share of the supernovae that are called one.",
              lower_is_better=False),
        Score("sn_precision_natural", "SN prec. at 3.1 %", "SN precision if the classes were as frequent as "
              "in the survey, 3.1 % of them supernovae.", lower_is_better=False),
        Score("sn_average_precision", "SN AP", "Area under the curve of the supernovae's precision over "
              "their recall.", lower_is_better=False),
        Score("balanced_accuracy", "balanced acc.", "Mean over the classes of the recall of each.",
              lower_is_better=False),
        Score("object_accuracy", "by object", "Accuracy if each object counts once, however many its alerts.",
              lower_is_better=False),
        Score("calibration_error", "calibration", "Mean distance, over 15 bins, of the highest probability "
              "from how often it is right."),
        Score("log_loss", "log-loss", "Mean of minus the logarithm of the true class's probability.",
              column="log_loss"),
        Score("brier", "Brier", "Mean squared distance of the probabilities from certainty of the truth.",
              column="brier"),
    ),
    by_case=_stamp_columns,
    statistics=_stamp_statistics,
    summarise=_stamp_summary,
    format=FORMATS["stamps"],
    classes=CLASSES,
)  # fmt: skip

TRACKS = {track.name: track for track in (MASS_MAPPING, STAMPS)}
ENTRY_POINTS = "astroboard.tracks"


def track_names() -> list[str]:
    return sorted(TRACKS.keys() | entry_points(group=ENTRY_POINTS).names)


def get_track(name: str) -> Track:
    """The track of that name: one of these two, found without installation, or one that a package adds."""
    if name in TRACKS:
        return TRACKS[name]
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        track: Track = entry.load()
        return track
    raise HarnessError(f"there is no track {name!r}; there are: {', '.join(track_names())}")
