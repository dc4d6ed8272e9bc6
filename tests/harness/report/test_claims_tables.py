"""Tables of claims, of a record that is made up."""

from harness.report.claims_tables import (
    HEADER,
    OURS,
    by_report,
    claims_table,
    forest,
    notes,
    score_rows,
    side_table,
    sides_text,
    tally_text,
    trained_text,
    verdict_text,
)


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
        "regime": {"dicee": 0.09}, "reported": [{"of": "a network", "scores": {"dicee": 0.045}}],
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
        "confirmed", "0.045", "–",
    ]  # fmt: skip
    assert rows[1][:4] == ["", "", "", "WMAPE"]
    assert rows[1][8] == "confirmed (does not decide)"
    assert [row[3:] for row in rows[2:]] == [
        ["DPEAKS", "20.0", "20.0", "–", "–", "–", "–", "–"],
        ["MAE", "0.00600", "0.00600", "–", "–", "–", "–", "–"],
        ["r", "0.900", "0.900", "–", "–", "–", "–", "–"],
    ]


def test_both_sides_have_the_digits_that_the_interval_of_their_difference_supports():
    wide = score("wmape", digits=4, sides=[1.5294, 2.0444], difference=-0.515, low=-0.9, high=-0.1)
    times = score("epoch_seconds", ratio=True, sides=[12.345, 6.789], difference=1.818, low=1.6, high=2.0)
    first, second = score_rows(claim(wide, times))[:2]
    assert first[1:4] == ["1.53", "2.04", "-0.52 [-0.90, -0.10]"]
    assert second[1:4] == ["12.3", "6.79", "1.82 times [1.60, 2.00]"]


def test_what_is_missing_is_in_the_verdict():
    lacking = ["B: DICEE 0.37, needs 0.09 or less"]
    assert verdict_text(claim(verdict="not tested", lacking=lacking)) == f"not tested: {lacking[0]}"
    _, rows = claims_table([claim(verdict="not tested", lacking=["real alerts"], cases=0)])
    assert [row[:4] for row in rows] == [["a-beats-b", "claimed", "not tested: real alerts", ""]]


def test_one_seed_is_said_beside_the_verdict():
    one = claim(score("dicee"), seeds=1)
    assert verdict_text(one) == "confirmed (one seed)"
    assert notes(one)[-1].startswith("One seed: the interval covers the choice of test cases only.")


def test_what_to_do_about_networks_that_have_not_learnt_enough():
    lacking = ["B: DICEE 0.37, needs 0.09 or less"]
    scored = claim(score("dicee", verdict="not tested"), verdict="not tested", lacking=lacking, reported=[])
    assert [note.split(",")[0] for note in notes(scored)] == ["To test it"]
    assert not notes(claim(verdict="not tested", lacking=["no real alerts"], reported=[]))
    sides = [side | {"text": "unet, epochs = 5"} for side in scored["sides"]]
    assert not notes(scored | {"sides": sides}), "the claim fixes what would have to change"


def test_what_would_decide():
    ways = {
        "seeds": {"seeds": 7, "groups": 20, "cases": 400},
        "both": {"seeds": 3, "groups": 30, "cases": 600},
    }
    undecided = claim(score("dicee", verdict="undecided", decided_by=ways), reported=[])
    assert notes(undecided) == [
        "Needed for a verdict, if the differences stay the same: for DICEE either 7 seeds or 3 seeds with "
        "600 test cases."
    ]
    alone = score("dicee", verdict="undecided", decided_by={"seeds": ways["seeds"]})
    never = score("wmape", verdict="undecided")
    assert notes(claim(alone, never, reported=[])) == [
        "Needed for a verdict, if the differences stay the same: for DICEE 7 seeds; for WMAPE more than can "
        "be estimated."
    ]


def test_claims_are_counted_by_verdict_and_grouped_by_report():
    claims = [
        claim(name="a", standing="ours", source="the definition: of it"),
        claim(name="b", source="Doe (2020), USM", verdict="refuted"),
        claim(name="c", source="Doe (2020), USM: the notebooks", standing="proposed"),
    ]
    assert tally_text(claims) == "2 confirmed, 1 refuted"
    grouped = [(report, [each["name"] for each in of]) for report, of in by_report(claims).items()]
    assert grouped == [("Doe (2020), USM", ["b", "c"]), (OURS, ["a"])]


def test_what_was_trained_in_words():
    common = {"seconds": 1800, "hardware": "a machine", "cases": 1400}
    runs = [
        common | {"name": "a0", "epochs": 8, "parameters": 588321, "steps": 840},
        common | {"name": "a1", "epochs": 8, "parameters": 4118561, "steps": 42000},
        common | {"name": "b0", "epochs": 0, "parameters": 0, "steps": 0},
        common | {"name": "s0", "epochs": 2, "parameters": 55185, "steps": 840},
    ]
    sides = [{"runs": ["a0", "a1"]}, {"runs": ["b0"]}]
    real = claim(track="stamps", data="real", sides=[{"runs": ["s0"]}])
    record = {"runs": runs, "claims": [claim(sides=sides), claim(sides=sides), real], "boards": []}
    assert trained_text(record).startswith(
        "Trained here: 2 networks of 588 thousand to 4.1 million weights, 840 to 42,000 steps each, on 1,400 "
        "simulated maps; 1 network of 55,185 weights, 840 steps each, on 1,400 real alerts. All trainings "
        "together took 1.5 hours (a machine). "
    )
    assert trained_text(record | {"runs": runs[2:3]}) == "No network was trained."


def test_rows_of_the_plot():
    reported = [{"of": name, "scores": {"dicee": value}} for name, value in (("a", 0.25), ("b", 0.5))]
    made = claim(score("dicee"), score("wmape", decides=False), reported=reported)
    first, second = forest(made)
    assert (first["score"], first["verdict"], first["decides"]) == ("DICEE", "confirmed", True)
    assert first["at"]["reported"] == first["at"]["mark"] < 50  # both are -0.25
    assert first["at"]["claimed"] == (0, 50)
    assert (second["decides"], second["at"]["reported"]) == (False, None)
    assert forest(claim(score("dicee")))[0]["at"]["reported"] is None  # of B nothing is stated
    header, rows = side_table(made)
    assert header == ("score", "A", "B", "reported A", "reported B")
    assert rows[0] == ["DICEE", "0.50", "0.75", "0.25", "0.5"]


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
    assert (first[6], first[7]) == ("4 – 3", "2 – 1")
    assert score_rows(made)[1][6:] == ["–", "–"]
