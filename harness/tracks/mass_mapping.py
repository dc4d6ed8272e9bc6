"""The track of the convergence maps."""

from __future__ import annotations

import numpy as np

import metrics
from harness.tracks.base import Column, Columns, Score, Track
from submissions.formats.registry import FORMATS

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
    sources=("harness.data.sources.map_archives",),
    simulator="harness.data.simulate.mass_mapping:simulate",
    simulator_options={"noise": ("sparse", "dense"), "boundary": ("periodic", "field")},
    splitter="harness.data.split:split_groups",
    drawing="harness.report.drawing.mass_mapping",
    diagnostics="harness.claims.diagnostics:MASS_MAPPING",
    claim_cases={"smoke": 160, "laptop": 1600, "paper": 60000},
    demo_cases={"smoke": 400, "laptop": 4000, "paper": 60000},
)  # fmt: skip
