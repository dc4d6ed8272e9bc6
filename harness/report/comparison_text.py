"""The sentences of a comparison, for the terminal and its page."""

from harness.evaluation.bootstrap import MIN_GROUPS_FOR_INTERVAL, MIN_GROUPS_FOR_RANKS
from harness.evaluation.comparison import Comparison, ScoreDifference
from harness.report.cells import chance, number, significant, supported, with_arrow, with_interval


def better(score: ScoreDifference) -> str:
    """``A`` or ``B``, the one that is better in all of the interval; empty where neither is."""
    if score.low is None or score.high is None or score.low <= 0 <= score.high:
        return ""
    return "A" if (score.high < 0) == score.lower_is_better else "B"


def verdict(comparison: Comparison) -> list[str]:
    """Who is better in the scores that rank, and what is not known of few groups: a sentence each."""
    ranked = [score for score in comparison.scores if score.ranked]
    groups = comparison.groups
    if all(score.difference == 0 for score in comparison.scores) and not comparison.cases:
        return ["A and B have the same scores in every case."]
    if groups < MIN_GROUPS_FOR_INTERVAL:
        return [
            f"No interval is given: it needs {MIN_GROUPS_FOR_INTERVAL} groups of cases or more, got {groups}."
        ]
    parts = []
    for name in ("A", "B"):
        won = [f"{score.title}{_chance(score, name)}" for score in ranked if better(score) == name]
        parts += [f"{name} is better in {_listed(won)}"] if won else []
    tied = [score.title for score in ranked if not better(score)]
    parts += [f"no significant difference in {_listed(tied)}"] if tied else []
    text = "; ".join(parts) + "."
    sentences = [text[0].upper() + text[1:]]
    if groups < MIN_GROUPS_FOR_RANKS:
        sentences.append(
            f"No probability is given: it needs {MIN_GROUPS_FOR_RANKS} groups of cases or more, got {groups}."
        )
    return sentences


def sides(score: ScoreDifference) -> list[str]:
    """The scores of A and B, to the digits that the interval of their difference supports."""
    digits = supported(score.difference, score.low, score.high, score.digits)
    return [number(each, digits) for each in (score.a, score.b)]


def scores_table(comparison: Comparison) -> tuple[tuple[str, ...], list[tuple[str, ...]], int]:
    """The scores of both: a header, rows, and how many columns hold text."""
    rows = []
    for score in comparison.scores:
        difference = with_interval(score.difference, score.low, score.high, score.digits)
        rows.append((with_arrow(score), *sides(score), difference, chance(score.p_a_better)))
    return ("score", "A", "B", "A − B [95 %]", "P(A is better)"), rows, 1


def cases_table(comparison: Comparison) -> tuple[tuple[str, ...], list[tuple[str, ...]], int]:
    """The cases where the two differ most: a header, rows, and how many columns hold text.

    Of classes, the true one and the most probable ones; else the scores of the case.
    """
    by_key = {score.key: score for score in comparison.scores}
    rows = []
    for case in comparison.cases:
        score = by_key[case.score]
        known = (case.label, case.a_answer, case.b_answer)
        cells = known if case.label else (significant(each) for each in (case.a, case.b))
        rows.append((score.title, case.case_id, *map(str, cells)))
    if comparison.cases and comparison.cases[0].label:
        return ("score", "case", "true class", "A", "B"), rows, 5
    return ("score", "case", "A", "B"), rows, 2


def _chance(score: ScoreDifference, name: str) -> str:
    if score.p_a_better is None:
        return ""
    text = chance(score.p_a_better if name == "A" else 1 - score.p_a_better)
    return f" (P {text[0]} {text[1:]})" if text[0] in "<>" else f" (P = {text})"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
