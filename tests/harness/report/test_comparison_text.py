"""What a comparison says in words, of numbers that are made up."""

from dataclasses import replace

from harness.evaluation.comparison import Comparison, ScoreDifference, Side
from harness.report.comparison_text import better, sides, verdict

SIDE = Side("a.zip", "us", "a", "0" * 64, "submission")


def score(title, low, high, chance, lower_is_better=True, ranked=True):
    middle = 0.0 if low is None else (low + high) / 2
    return ScoreDifference(
        title.lower(), title, lower_is_better, ranked, 4, middle, 0.0, middle, low, high, chance
    )


def comparison(*scores, groups=20):
    return Comparison("mass-mapping", 100, groups, "0" * 64, SIDE, SIDE, scores, ("a case",))


def test_who_is_better():
    assert better(score("DICEE", -2.0, -1.0, 0.99)) == "A"
    assert better(score("r", -2.0, -1.0, 0.01, lower_is_better=False)) == "B"
    assert better(score("DICEE", -1.0, 0.0, 0.9)) == ""
    assert better(score("DICEE", None, None, None)) == ""


def test_a_verdict_names_each_score_that_ranks():
    scores = [
        score("WMAPE", -1.0, 1.0, 0.5), score("DICEE", -2.0, -1.0, 0.98), score("DPEAKS", 1.0, 2.0, 0.0),
        score("MAE", 1.0, 2.0, 0.0, ranked=False), score("F1", 1.0, 2.0, 0.997, lower_is_better=False),
    ]  # fmt: skip
    assert verdict(comparison(*scores)) == [
        "A is better in DICEE (P = 0.98) and F1 (P = 0.997); B is better in DPEAKS (P > 0.999); no "
        "significant difference in WMAPE."
    ]


def test_few_groups():
    few = score("DICEE", -2.0, -1.0, None)
    assert verdict(comparison(few, groups=4)) == [
        "A is better in DICEE.",
        "No probability is given: it needs 6 groups of cases or more, got 4.",
    ]
    assert verdict(comparison(score("DICEE", None, None, None), groups=1)) == [
        "No interval is given: it needs 3 groups of cases or more, got 1."
    ]


def test_both_sides_have_the_digits_of_their_difference():
    """Half of the interval from -1.25 to 0 is 0.625: two digits after the point."""
    found = replace(score("WMAPE", -1.25, 0.0, 0.99), a=5.2973, b=5.8794, difference=-0.5821, digits=4)
    assert sides(found) == ["5.30", "5.88"]
