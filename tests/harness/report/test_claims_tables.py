"""Tables of claims, of a record that is made up."""

from harness.report.claims_tables import HEADER, claims_table, notes, score_rows, sides_text, verdict_text


def score(key, **changed):
    fields = {
        "key": key, "title": key.upper(), "digits": 2, "ratio": False, "decides": True,
        "expected": [None, 0.0], "sides": [0.5, 0.75], "difference": -0.25,
        "low": -0.5, "high": -0.125, "verdict": "confirmed", "decided_by": {},
    }  # fmt: skip
    return fields | changed


def claim(*scores, **changed):
    means = {"wmape": 1.5, "dicee": 0.5, "dpeaks": 20.0, "mae": 0.006, "correlation": 0.9}
    fields = {
        "name": "a-beats-b", "kind": "claim", "standing": "claimed", "says": "A beats B.", "source": "nobody",
        "track": "mass-mapping", "data": "sparse", "preset": "night", "verdict": "confirmed", "lacking": [],
        "regime": {"dicee": 0.09}, "reported": [{"of": "a network", "scores": {"dicee": 0.04}}],
        "sides": [{"weight": weight, "text": text, "runs": [], "scores": means}
                  for weight, text in ((1, "a"), (-1, "b"))],
        "cases": 400, "groups": 20, "seeds": 2, "scores": list(scores),
    }  # fmt: skip
    return fields | changed


def test_a_row_for_each_score_and_for_those_of_boards():
    header, rows = claims_table([claim(score("dicee"), score("wmape", decides=False))])
    assert header == ("claim", "standing", "verdict", *HEADER)
    assert rows[0] == [
        "a-beats-b", "claimed", "confirmed", "DICEE", "0.50", "0.75", "-0.25 [-0.50, -0.12]", "< 0",
        "confirmed", "0.04", "–",
    ]  # fmt: skip
    assert rows[1][:4] == ["", "", "", "WMAPE"]
    assert rows[1][8] == "confirmed (does not decide)"
    assert [row[3:] for row in rows[2:]] == [
        ["DPEAKS", "20.0", "20.0", "–", "–", "–", "–", "–"],
        ["MAE", "0.0060", "0.0060", "–", "–", "–", "–", "–"],
        ["r", "0.9000", "0.9000", "–", "–", "–", "–", "–"],
    ]


def test_what_is_missing_is_in_the_verdict():
    lacking = ["B: DICEE 0.37, needs 0.09 or less"]
    assert verdict_text(claim(verdict="not tested", lacking=lacking)) == f"not tested: {lacking[0]}"
    _, rows = claims_table([claim(verdict="not tested", lacking=["real alerts"], cases=0)])
    assert [row[:4] for row in rows] == [["a-beats-b", "claimed", "not tested: real alerts", ""]]


def test_one_seed_is_said_beside_the_verdict():
    one = claim(score("dicee"), seeds=1)
    assert verdict_text(one) == "confirmed (one seed)"
    assert (
        notes(one)[-1] == "One seed: the interval is over groups alone, and another seed may say otherwise."
    )


def test_what_would_decide():
    ways = {
        "seeds": {"seeds": 7, "groups": 20, "cases": 400},
        "both": {"seeds": 3, "groups": 30, "cases": 600},
    }
    undecided = claim(score("dicee", verdict="undecided", decided_by=ways), reported=[])
    assert notes(undecided) == [
        "DICEE: if the difference stays as it is, 7 seeds or 3 seeds and 600 test cases would decide it."
    ]


def test_four_sides_are_two_differences():
    texts = ("with", "without", "turned", "plain")
    sides = [{"weight": 1, "text": text, "runs": [], "scores": {}} for text in texts]
    reported = [
        {"of": text, "scores": {"dicee": value}} for text, value in zip(texts, (4, 3, 2, 1), strict=True)
    ]
    judged = score("dicee", sides=[0.4, 0.3, 0.2, 0.1])
    made = claim(judged, sides=sides, reported=reported, track="stamps")
    for side in sides:
        side["scores"] = dict.fromkeys(("accuracy", "sn_f1", "sn_f2", "sn_precision", "sn_recall"), 0.5)
    assert sides_text(made) == "A: with – without; B: turned – plain"
    first = score_rows(made)[0]
    assert (first[1], first[2]) == ("0.40 – 0.30", "0.20 – 0.10")
    assert (first[6], first[7]) == ("4.00 – 3.00", "2.00 – 1.00")
    assert score_rows(made)[1][6:] == ["–", "–"]
