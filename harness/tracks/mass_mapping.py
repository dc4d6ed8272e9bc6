"""The track of the convergence maps."""

from __future__ import annotations

import numpy as np

import metrics
from harness.tracks.base import Column, Score, Track
from submissions.formats.registry import FORMATS

POSITIVE = (0.0, np.inf)
SCORES = (
    Score("wmape", "WMAPE", "Weighted mean of |error| / |truth| over the pixels, bright pixels counting "
          "up to twice. Pixels near zero dominate: an all-zero map scores 1.",
          ranked=True, spread=0.5, by_case=metrics.wmape, within=POSITIVE),
    Score("dicee", "DICEE", "One minus the Dice overlap of the pixels above each map's own mean.",
          ranked=True, spread=0.1, by_case=metrics.dicee, within=POSITIVE),
    Score("dpeaks", "DPEAKS", "Distance in pixels, rows plus columns, of the three highest peaks of the "
          "smoothed maps, paired by rank and added up.", ranked=True, digits=1, spread=80,
          by_case=metrics.dpeaks, within=POSITIVE),
    Score("l2_dpeaks", "L2DPEAKS", "Mean Euclidean distance in pixels of the three pairs of peaks.",
          digits=1, spread=20, by_case=metrics.l2_dpeaks, within=POSITIVE),
    Score("mae", "MAE", "Mean absolute error of the convergence.", spread=0.01,
          within=POSITIVE, by_case=metrics.mae),
    Score("wmse", "WMSE", "Mean squared error, weighted up to twice where the true map is high.",
          digits=5, spread=0.001, by_case=metrics.wmse, within=POSITIVE),
    Score("correlation", "r", "Pearson's correlation of the pixels of a map with the truth.",
          lower_is_better=False, spread=0.1, by_case=metrics.correlation,
          within=(-1.0, 1.0)),
)  # fmt: skip


def _map_scores(targets: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
    """The scores that can be computed in one pass over the maps, which is several times as fast."""
    scores = metrics.map_scores(targets, predictions)
    return {score.key: np.asarray(scores[score.key]) for score in SCORES if score.key in scores}


MASS_MAPPING = Track(
    name="mass-mapping",
    title="Dark matter from weak lensing",
    noun="maps",
    inputs=Column("epsilon", "float16", (128, 128, 3)),
    truth=Column("kappa", "float16", (128, 128)),
    scores=SCORES,
    format=FORMATS["mass-mapping"],
    columns=_map_scores,
    sources=("harness.data.sources.map_archives",),
    simulator="harness.data.simulate.mass_mapping:simulate",
    simulator_options={
        "noise": ("sparse", "dense"),
        "boundary": ("periodic", "field"),
        "spectrum": ("challenge", "ray-traced"),
    },
    simulator_defaults={"dense": {"spectrum": "ray-traced"}},
    splitter="harness.data.split:split_groups",
    shares=("validation_part", "test_part"),
    symmetries="baselines.mass_mapping.symmetries:views",
    drawing="harness.report.drawing.mass_mapping",
    diagnostics="harness.claims.diagnostics:MASS_MAPPING",
    claim_cases={"smoke": 160, "laptop": 9600, "night": 24000, "gpu": 60000, "paper": 60000},
    demo_cases={"smoke": 400, "laptop": 8000, "night": 24000, "gpu": 60000, "paper": 60000},
)
