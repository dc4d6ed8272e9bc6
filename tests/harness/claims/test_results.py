"""Claims judged on submissions that are made up, of which the scores are known."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import binomtest

from harness.claims.execute import score_folds
from harness.claims.plan import Run
from harness.claims.results import judge, not_tested, rank
from harness.claims.spec import Claim, Side, select
from harness.claims.trainings import TrainingFacts
from harness.data.store import open_dataset
from harness.files import json_text
from harness.tracks import STAMPS


def certain(labels, share, seed):
    """Probabilities of which about that share are right, all of 0.8."""
    rng = np.random.default_rng(seed)
    guessed = np.where(rng.random(len(labels)) < share, labels, (labels + 1) % 5)
    return np.where(np.arange(5) == guessed[:, None], 0.8, 0.05)


@pytest.fixture
def made(stamps, submission_of, tmp_path):
    """A function that makes up the runs of each side, of which that share is right, and their scores."""

    def make(seconds, right):
        sides, scored = [], {}
        for side, (of_epochs, share) in enumerate(zip(seconds, right, strict=True)):
            seeds = []
            for seed, taken in enumerate(of_epochs):
                run = Run(tmp_path / f"{side}-{seed}", stamps, "cnn", "smoke", {}, seed)
                run.folder.mkdir()
                (run.folder / "history.csv").write_text(f"epoch,seconds\n1,99\n2,{taken}\n3,{taken}\n")
                predict = partial(certain, share=share, seed=seed)
                submission_of(run.submission, stamps / "test-truth.h5", predict)
                scored[run,] = score_folds((run,))
                seeds.append((run,))
            sides.append(seeds)
        return sides, scored

    return make


@pytest.fixture
def judged(made):
    """A function that judges a claim about stamps from the seconds and the accuracy of its runs."""

    def judge_made(name, seconds, right, late_gain=0.0):
        (claim,) = select("smoke", [name])
        sides, scored = made(seconds, right)
        facts = {
            run: TrainingFacts("cnn", "smoke", run.seed, 7, 100, 8, 32, 800, 9.0, late_gain, "a machine")
            for seeds in sides
            for folds in seeds
            for run in folds
        }
        return judge(claim, sides, scored, facts).to_json()

    return judge_made


def test_times_and_scores_of_stamps(judged):
    claim = judged("middle-sampling-is-enough", [(1.0, 1.1, 1.0), (3.0, 3.1, 3.2)], (1.0, 0.8))
    assert claim["verdict"] == "confirmed"
    accuracy, seconds = claim["scores"]
    assert accuracy["expected"] == [-0.01, None]
    assert accuracy["sides"][0] == 1
    assert seconds["sides"] == pytest.approx([3.1 / 3, 3.1])
    assert seconds["difference"] == pytest.approx((1.1 / (3 * 3.1 * 3.2)) ** (1 / 3))
    assert seconds["low"] * seconds["high"] == pytest.approx(seconds["difference"] ** 2)


def test_difference_of_differences(judged):
    claim = judged("metadata-add-most", [(1.0, 1.0)] * 4, (1.0, 0.8, 1.0, 0.8))
    (accuracy,) = claim["scores"]
    assert accuracy["difference"] == pytest.approx(0, abs=1e-12)
    assert claim["verdict"] == "undecided"
    assert [side["weight"] for side in claim["sides"]] == [1, -1, -1, 1]


def test_confidence(judged):
    claim = judged("entropy-softens-confidence", [(1.0, 1.0)] * 2, (0.9, 0.9))
    assert claim["scores"][0]["sides"] == pytest.approx([0.8, 0.8])


def test_one_seed_tells_nothing_of_times(judged):
    claim = judged("rotation-costs-threefold", [(3.0,), (1.0,)], (0.9, 0.5))
    assert claim["verdict"] == "undecided"  # though side B has not learnt: of times nothing is to be learnt
    (seconds,) = claim["scores"]
    assert (seconds["ratio"], seconds["low"], seconds["high"]) == (True, None, None)
    assert seconds["decided_by"] == {}


def test_networks_that_have_not_learnt_are_not_judged(judged):
    claim = judged("rotation-invariance", [(1.0, 1.0)] * 2, (0.9, 0.3))
    assert claim["verdict"] == "not tested"
    (lack,) = claim["lacking"]
    assert lack.startswith("B: accuracy 0.")
    assert lack.endswith("needs 0.73 or more")
    assert {score["verdict"] for score in claim["scores"]} == {"not tested"}
    assert claim["scores"][0]["low"] > 0  # the difference is told all the same


def test_networks_whose_loss_still_falls_are_not_judged(judged):
    still_falling = judged("rotation-invariance", [(1.0, 1.0)] * 2, (0.9, 0.9), late_gain=0.3)
    assert [lack[:21] for lack in still_falling["lacking"]] == [
        "A: loss still falling", "B: loss still falling",
    ]  # fmt: skip


def test_a_score_beside_the_claim_does_not_decide(judged, monkeypatch):
    from harness.claims import spec

    table = spec._tables()["entropy-raises-accuracy"]
    changed = table | {"expected": {"accuracy": "higher"}, "beside": {"log_loss": "higher"}}
    monkeypatch.setitem(spec._tables(), "entropy-raises-accuracy", changed)
    claim = judged("entropy-raises-accuracy", [(1.0, 1.0)] * 2, (1.0, 0.8))
    assert [score["decides"] for score in claim["scores"]] == [True, False]
    assert [score["verdict"] for score in claim["scores"]] == ["confirmed", "refuted"]
    assert claim["verdict"] == "confirmed"


def test_what_a_report_states_is_beside_the_scores(judged):
    claim = judged("entropy-raises-accuracy", [(1.0, 1.0)] * 2, (1.0, 0.8))
    assert [each["scores"]["accuracy"] for each in claim["reported"]] == [0.8832, 0.8768]
    assert [each["of"] for each in claim["reported"]] == [
        "regularised entropy, 26 epochs, ± 0.007; its code trained 1.5 times the cross-entropy",
        "cross-entropy, 22 epochs, ± 0.009; perhaps after two softmaxes",
    ]  # fmt: skip
    assert claim["sides"][0]["scores"]["accuracy"] == 1


def test_a_claim_without_its_data():
    (claim,) = select("smoke", ["pretraining-helps"], real=True)
    result = not_tested(claim, "real alerts").to_json()
    assert (result["verdict"], result["lacking"], result["scores"]) == ("not tested", ["real alerts"], [])


def test_keys_of_a_record(judged):
    claim = judged("middle-sampling-is-enough", [(1.0, 1.1), (1.0, 1.2)], (0.6, 0.6))
    assert list(claim) == [
        "name", "kind", "standing", "says", "source", "track", "data", "preset", "verdict", "lacking",
        "regime", "reported", "sides", "cases", "groups", "seeds", "scores",
    ]  # fmt: skip
    assert list(claim["sides"][0]) == ["weight", "text", "runs", "scores"]
    assert list(claim["scores"][0]) == [
        "key", "title", "digits", "ratio", "decides", "expected", "sides", "difference", "low",
        "high", "verdict", "decided_by",
    ]  # fmt: skip
    assert json_text(claim)


def test_rows_of_a_board_are_methods(made):
    sides, scored = made([(1.0, 1.0), (1.0, 1.0)], (0.9, 0.5))
    spec = Claim(
        "kernels", "board", "", "Two kernels", "nobody", "stamps", "stamps", "smoke",
        sides=tuple(Side("cnn", {"kernel": kernel}, "cnn") for kernel in (5, 3)),
        over="kernel", values=(5.0, 3.0),
    )  # fmt: skip
    result = rank(spec, sides, scored)
    assert [row["method"] for row in result["board"]["rows"]] == ["cnn, kernel = 5", "cnn, kernel = 3"]
    assert [len(row["seeds"]) for row in result["board"]["rows"]] == [2, 2]
    assert result["board"]["title"] == "Two kernels"
    assert result["values"] == {"cnn, kernel = 5": 5.0, "cnn, kernel = 3": 3.0}
    assert result["runs"]["cnn, kernel = 3"] == ["1-0", "1-1"]


def test_sides_that_agree_on_every_alert_are_not_sure_to_be_alike(judged, stamps):
    claim = judged("entropy-raises-supernova-scores", [(1.0, 1.0)] * 2, (0.9, 0.9))
    with open_dataset(stamps / "test-truth.h5") as data:
        objects = len(np.unique(data.groups()[data.truth[:] == STAMPS.classes.index("SN")]))
    recall = next(score for score in claim["scores"] if score["key"] == "sn_recall")
    most = binomtest(0, objects).proportion_ci(method="exact").high
    assert most > 0.02, "as many may differ as the claim allows to be lost"
    assert (recall["low"], recall["high"]) == pytest.approx((-most, most))
    assert (recall["verdict"], recall["decided_by"]) == ("undecided", {})


def test_the_interval_of_a_share_stays_between_the_differences_that_there_can_be(judged):
    found = judged("rotation-invariance", ((1, 1), (1, 1)), (0.9, 0.2))
    assert all(-1 <= score["low"] <= score["high"] <= 1 for score in found["scores"])
    assert any(score["high"] == 1 for score in found["scores"])  # two seeds: Student's t is 12.7
