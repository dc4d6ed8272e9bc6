"""What comes onto a board: submissions, score cards, and files that cannot be read."""

from dataclasses import replace

import numpy as np
import pytest

from harness.data.store import open_dataset
from harness.evaluation.cards import write_card
from harness.evaluation.entries import by_method, check_one_truth, in_folders, read_references, score_all
from harness.evaluation.leaderboard import rank_entries
from harness.evaluation.scoring import score
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING
from tests.harness.evaluation.builders import scored_maps


@pytest.fixture
def submission(maps, submission_of, noisy_maps, tmp_path):
    return submission_of(tmp_path / "a.zip", maps / "test-truth.h5", noisy_maps(0.1), "A")


def test_submissions_and_cards_together(submission, maps, tmp_path):
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    calls = []
    with open_dataset(maps / "test-truth.h5") as truth:
        write_card(score(submission, truth), tmp_path / "a.json")
        paths = [submission, tmp_path / "broken.zip", tmp_path / "a.json"]
        track, scored, unreadable = score_all(paths, truth, lambda *call: calls.append(call))
    assert track is MASS_MAPPING
    assert [entry.source for entry in scored] == ["submission", "card"]
    assert scored[0].values() == scored[1].values()
    assert [name for name, _ in unreadable] == ["broken.zip"]
    assert calls == [(0, 3, "a.zip"), (1, 3, "broken.zip"), (2, 3, "a.json")]


def test_without_a_truth_only_cards_can_be_read(submission, maps, tmp_path):
    with open_dataset(maps / "test-truth.h5") as truth:
        write_card(score(submission, truth), tmp_path / "a.json")
    assert [entry.team for entry in score_all([tmp_path / "a.json"], None)[1]] == ["A"]
    with pytest.raises(HarnessError, match=r"a\.zip must be a score card \(\.json\).*--truth"):
        score_all([tmp_path / "a.json", submission], None)
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(HarnessError, match=r"none of the score cards can be ranked: a\.json"):
        score_all([tmp_path / "a.json"], None)


def test_a_card_of_another_truth_is_not_read(submission, maps, tmp_path):
    with open_dataset(maps / "test-truth.h5") as truth:
        card = write_card(score(submission, truth), tmp_path / "a.json")
    with open_dataset(maps / "validation.h5") as other:
        _, scored, unreadable = score_all([tmp_path / "a.json"], other)
        assert card.truth_fingerprint != other.fingerprint
    assert scored == []
    assert unreadable == [("a.json", "a.json must be scored against validation.h5, got another truth")]


@pytest.mark.parametrize("name", ["case_ids", "groups"])
def test_a_card_of_other_cases_or_groups_of_the_truth_is_not_read(submission, maps, tmp_path, name):
    with open_dataset(maps / "test-truth.h5") as truth:
        scored = score(submission, truth)
        others = {"case_ids": ["x", *scored.case_ids[1:]], "groups": scored.groups + 1}
        write_card(replace(scored, **{name: others[name]}), tmp_path / "a.json")
        assert score_all([tmp_path / "a.json"], truth)[2][0][0] == "a.json"


def test_one_truth_file_for_all():
    check_one_truth([])
    check_one_truth([scored_maps("A"), scored_maps("B")])
    entries = [scored_maps("A"), replace(scored_maps("B"), truth_fingerprint="other")]
    with pytest.raises(HarnessError, match=r"A-m-None\.zip and B-m-None\.zip .* different truth files"):
        check_one_truth(entries)
    with pytest.raises(HarnessError, match="different truth files"):
        rank_entries(MASS_MAPPING, entries)


@pytest.mark.parametrize("change", [{"case_ids": ["x"] * 160}, {"groups": np.zeros(160, int)}])
def test_the_same_cases_and_groups_for_all(change):
    with pytest.raises(HarnessError, match="other cases"):
        check_one_truth([scored_maps("A"), replace(scored_maps("B"), **change)])


def test_seeds_of_a_method_are_one_row_and_repetitions_are_not():
    net = [scored_maps("A", "net", seed, owner="us") for seed in (3, 1, 2)]
    alone = [scored_maps("A", "net2", 1, owner="us"), scored_maps("B", "net", 1, owner="us")]
    twice = [scored_maps("C", "x", 4, owner="us"), scored_maps("C", "x", 4, owner="us", wmape=np.zeros(160))]
    seedless = [scored_maps("D", "y", owner="us"), scored_maps("D", "y", 0, owner="us")]
    rows = by_method([*net, *alone, *twice, *seedless])
    assert [[entry.seed for entry in row] for row in rows] == [[1, 2, 3], [1], [1], [4], [4], [None], [0]]


@pytest.mark.parametrize("owner", [None, "mallory"])
def test_nobody_is_averaged_into_the_row_of_a_rival(owner):
    """The manifest of the second names the team and the method of the first, and another seed."""
    for owner_of_rival in (None, "alice"):
        rival = scored_maps("Alice", "net", 1, owner=owner_of_rival)
        assert by_method([rival, scored_maps("Alice", "net", 2, owner=owner)]) != [[rival, rival]]
        rows = by_method([rival, scored_maps("Alice", "net", 2, owner=owner)])
        assert [len(row) for row in rows] == [1, 1]


def test_a_folder_stands_for_the_submissions_in_it(tmp_path):
    for name in ("one.zip", "net/2.zip", "net/1.ZIP", "net/3.json", "net/3.npz", "net/manifest.json",
                 "net/._1.zip", "net/notes.txt", "other/net/4.zip", "empty/notes.txt"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    one, net = tmp_path / "one.zip", tmp_path / "net"
    expected = {one: None, net / "1.ZIP": "net", net / "2.zip": "net", net / "3.json": "net"}
    assert in_folders([one, net]) == in_folders([net, one]) == expected
    assert in_folders([net / "2.zip", net])[net / "2.zip"] == "net"
    with pytest.raises(HarnessError, match=r"empty must hold submissions \(\.zip\)"):
        in_folders([tmp_path / "empty"])
    with pytest.raises(HarnessError, match="got two called net"):
        in_folders([net, tmp_path / "other/net"])


REPORT = """
baselines = ["ks93", "wiener.zip"]
[[reference]]
name = "A report"
source = "table 2"
link = "https://example.org/report"
scores = {wmape = 1.53, dicee = 0.045}
"""


def test_published_scores_and_baselines(tmp_path):
    (tmp_path / "r.toml").write_text(REPORT)
    (reference,), baselines = read_references(tmp_path / "r.toml", MASS_MAPPING)
    assert baselines == ["ks93", "wiener.zip"]
    assert reference.scores == {"wmape": 1.53, "dicee": 0.045}
    assert (reference.name, reference.source) == ("A report", "table 2")
    (tmp_path / "r.toml").write_text(REPORT.replace("https:", "http:").replace('source = "table 2"', ""))
    (reference,), _ = read_references(tmp_path / "r.toml", MASS_MAPPING)
    assert (reference.link, reference.source) == ("http://example.org/report", "")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("wmape", "wmap", "scores must be of wmape, .*, got wmap"),
        ("https:", "javascript:", "link must begin with https://, got 'javascript:"),
        ("1.53", "'1.53'", "scores.wmape must be a finite number"),
        ('name = "A report"', "", "must have a field 'name'"),
        ('"wiener.zip"', "1", r"must hold tables"),
        ('["ks93", "wiener.zip"]', "{}", r"must hold tables"),
        ("[[reference]]", "[reference]", r"must hold tables"),
        ("baselines", "baseline", r"must hold tables \[\[reference\]\] and .* got baseline"),
        ("[[", "[", "must be a TOML file"),
    ],
)
def test_faults_of_a_file_of_references(tmp_path, old, new, message):
    (tmp_path / "r.toml").write_text(REPORT.replace(old, new, 1))
    with pytest.raises(HarnessError, match=message):
        read_references(tmp_path / "r.toml", MASS_MAPPING)
