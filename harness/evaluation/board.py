"""A leaderboard as values: the board, its rows and their cells. docs/leaderboard.schema.json defines it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from harness.evaluation.records import Record
from harness.evaluation.rounding import to_step
from harness.schemas import LEADERBOARD
from harness.tracks import ScoreInfo


@dataclass(frozen=True)
class Value(Record):
    """A score over all cases. None: not defined, or not known with so few groups.

    ``std`` is the standard deviation over the cases, for scores that are means over cases; ``low`` and
    ``high`` are the bounds of the 95 % interval (bootstrap over groups).
    """

    mean: float
    std: float | None
    low: float | None
    high: float | None

    def rounded(self, step: float) -> Self:
        """The same with its numbers rounded to multiples of the step."""
        numbers = {name: getattr(self, name) for name in ("mean", "std", "low", "high")}
        known = {name: float(to_step(number, step)) for name, number in numbers.items() if number is not None}
        return replace(self, **known)


@dataclass(frozen=True)
class Cell(Value):
    """A score of a row, the mean over its seeds, and its rank by this score; None for one that does not rank.

    ``seed_std`` is the standard deviation over the seeds. ``rank_low`` and ``rank_high`` bound the interval
    of the rank; ``wilcoxon`` is the corrected p-value against the row below, and ``p_better_than_next`` the
    probability of being better than it.
    """

    seed_std: float | None
    rank: int | None
    rank_low: int | None
    rank_high: int | None
    wilcoxon: float | None
    p_better_than_next: float | None


@dataclass(frozen=True)
class Seed(Record):
    """One submission of a row and its scores, by key."""

    file: str
    seed: int | None
    submission_sha256: str
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Facts(Record):
    """What a submission says of its method: see `submissions.manifest.Manifest`."""

    link: str | None = None
    training_data: str | None = None
    parameters: int | None = None
    training_seconds: float | None = None
    hardware: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row(Record):
    """One method of one team; ``metrics`` has a cell for each score of the board, by key.

    File, checksum and source are those of the first seed. ``rank`` is by the mean of the ranks
    (``mean_rank``), ``rank_of_means`` by the mean of the normalised scores (``normalised_mean``). Rows with
    the same ``group`` do not differ significantly from the first of them. ``p_better`` has the probability
    of being better than each row of the board, in their order. ``public_rank`` is that on the public cases,
    where this is the board of the others; a ``baseline`` is one of the organiser's. ``facts`` are what the
    manifest of the first seed says of the method. docs/ranking.md explains the ranks.
    """

    file: str
    source: Literal["submission", "card", "ladder"]
    team: str
    method: str
    cases: int
    groups: int
    submission_sha256: str
    truth_fingerprint: str
    seeds: tuple[Seed, ...]
    metrics: Mapping[str, Cell]
    rank: int
    rank_low: int | None
    rank_high: int | None
    mean_rank: float
    rank_of_means: int
    normalised_mean: float
    group: int | None
    p_better_than_next: float | None
    p_better: tuple[float, ...] | None = None
    public_rank: int | None = None
    baseline: bool = False
    facts: Facts | None = None

    def to_json(self) -> dict[str, Any]:
        """As of any record; rows of a ladder keep the order of keys that they always had."""
        value = super().to_json()
        if self.source != "ladder":
            return value
        first = ("file", "submission_sha256", "cases", "groups", "truth_fingerprint", "source")
        seeds = [{"file": "", "submission_sha256": ""} | seed for seed in value["seeds"]]
        return {key: value[key] for key in first} | value | {"seeds": seeds}


@dataclass(frozen=True)
class NotRanked(Record):
    """A file that is listed below the rows, and why; team and method are empty where it cannot be read."""

    file: str
    team: str
    method: str
    reason: str


@dataclass(frozen=True)
class Reference(Record):
    """Published scores, by key, which are shown and not ranked: what they are of, and where they stand."""

    name: str
    scores: Mapping[str, float]
    source: str = ""
    link: str = ""


@dataclass(frozen=True)
class Board(Record):
    """A leaderboard: rows, best first, and what they have in common.

    ``part`` says which part of the groups was scored, None for all. A board of a ``ladder`` shows released
    scores only. ``classes`` has the number of cases of each true class, where there are classes, all scores
    are shown and the cases are not public. ``kendall_tau`` compares the orders by ``mean_rank`` and by
    ``normalised_mean``.
    """

    SCHEMA = LEADERBOARD

    track: str
    title: str
    cases: int
    groups: int
    truth_fingerprint: str | None
    level: float
    resamples: int
    part: Literal["public", "private"] | None
    ladder: bool
    wilcoxon: bool
    kendall_tau: float | None
    scores: tuple[ScoreInfo, ...]
    rows: tuple[Row, ...]
    not_ranked: tuple[NotRanked, ...]
    classes: Mapping[str, int] | None = None
    references: tuple[Reference, ...] = ()

    def deterministic(self, row: Row) -> bool:
        """Whether the row has several seeds, all with the same scores; rounded public ones do not tell."""
        if len(row.seeds) == 1 or self.part == "public":
            return False
        return all((cell.seed_std or 0) <= 1e-12 * abs(cell.mean) for cell in row.metrics.values())
