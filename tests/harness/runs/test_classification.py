"""Alerts straight from a broker, through a model, to probabilities: in Python and as the command."""

import csv
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.cli.models import by_reason, names_of
from harness.data.store import open_dataset
from harness.files import HarnessError
from harness.runs import classification as classifying
from harness.runs.classification import at_frequencies, classify, cuts
from harness.runs.training import train
from submissions.formats.stamps import CLASSES
from tests.harness.data.conftest import write_tar
from tests.harness.data.sources.avro import packet

pytestmark = pytest.mark.slow

JPEG = {"fileName": "a.jpg", "stampData": b"\xff\xd8\xff\xe0 and so on"}


@pytest.fixture(scope="module")
def model(tmp_path_factory, stamps):
    folder = tmp_path_factory.mktemp("model") / "run"
    train("majority", stamps, folder, "smoke")
    return folder


@pytest.fixture
def alerts(tmp_path):
    """A folder of three alerts in two files, one preview, one text, and one that is no Avro."""
    folder = tmp_path / "night"
    folder.mkdir()
    contents = {
        "10.avro": packet(10, ["ZTF1", "ZTF2"])[0],
        "20.avro": packet(20, ["ZTF1"])[0],
        "30.avro": packet(30, cutoutScience=JPEG)[0],
        "bad.avro": b"no Avro",
        "README": b"text",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


class Sure:
    """Gives the same probabilities to all alerts."""

    def __init__(self, *probabilities):
        self.probabilities = probabilities

    def predict(self, images):
        return np.tile(np.float32(self.probabilities), (len(images), 1))


def test_probabilities_are_those_at_the_frequencies_of_the_survey():
    """Two classes, trained on equal numbers: odds of 9 to 1 times 1 to 9 are even."""
    equal, rare = np.array([0.5, 0.5]), np.array([0.9, 0.1])
    moved = at_frequencies(np.array([[0.1, 0.9], [0.5, 0.5], [1.0, 0.0]]), equal, rare)
    np.testing.assert_allclose(moved, [[0.5, 0.5], [0.9, 0.1], [1, 0]])
    np.testing.assert_allclose(at_frequencies(moved, rare, equal), [[0.1, 0.9], [0.5, 0.5], [1, 0]])
    # a class that training had not: its probability stays 0, and a row of it alone stays as it is
    unseen = at_frequencies(np.array([[0.8, 0.2], [0.0, 1.0]]), np.array([1.0, 0.0]), equal)
    np.testing.assert_allclose(unseen, [[1, 0], [0, 1]])


def test_runs_are_averaged_at_the_survey_s_prior_whatever_they_were_trained_on(tmp_path, alerts, monkeypatch):
    """At equal classes 0.5 for SN, AGN 0.5 becomes 1620 : 14966, and 0.9 to 0.1 becomes 14580 : 14966."""
    natural = [14966 / 52244, 1620 / 52244, 14996 / 52244, 9899 / 52244, 10763 / 52244]
    runs = {
        "even": ({}, Sure(0.5, 0.5, 0, 0, 0)),
        "sure": ({}, Sure(0.1, 0.9, 0, 0, 0)),
        "natural": ({"class_shares": natural}, Sure(0.2, 0.8, 0, 0, 0)),
    }
    restored = {
        name: ({"track": "stamps", "outcome": outcome}, model) for name, (outcome, model) in runs.items()
    }
    monkeypatch.setattr(classifying, "finished", lambda run: restored[run.name][0])
    monkeypatch.setattr(classifying, "restored", lambda run, _: restored[run.name][1])
    answers, _, images = classify([tmp_path / name for name in runs], [alerts])
    by_run = [1620 / 16586, 14580 / 29546, 0.8]
    for answer in answers:
        assert answer["by_run"] == pytest.approx(by_run)
        assert answer["probabilities"]["SN"] == pytest.approx(sum(by_run) / 3)  # 0.4637: less than AGN's
        assert (answer["class"], answer["agree"]) == ("AGN", 2)
        assert answer["purity"] == pytest.approx(sum(by_run) / 3)
    assert len(images) == len(answers) == 3


def test_cuts_have_the_mean_of_the_probabilities_above_them():
    answers = [{"probabilities": {"SN": probability}} for probability in (0.9, 0.5, 0.1, 0.0)]
    rows = {row["cut"]: row for row in cuts(answers)}
    assert (rows[0.9]["alerts"], rows[0.9]["supernovae"], rows[0.9]["purity"]) == (1, 0.9, 0.9)
    assert (rows[0.3]["alerts"], rows[0.3]["purity"]) == (2, pytest.approx(0.7))
    assert rows[0.1]["supernovae"] == pytest.approx(1.5)
    assert rows[0.3]["completeness"] == pytest.approx(1.4 / 1.5)
    assert {row["purity"] for row in cuts(answers[3:])} == {None}


class Brightest:
    """Sees which image is the brightest, and, if it asks for metadata, the filter."""

    def __init__(self, needs_metadata):
        self.needs_metadata = needs_metadata

    def predict(self, images, metadata=None):
        assert images.dtype == np.float32
        assert images.shape[1:] == (63, 63, 3)
        assert (metadata is not None) == self.needs_metadata
        chosen = metadata["fid"].astype(int) if self.needs_metadata else np.nanmax(images, (1, 2)).argmax(1)
        return np.eye(5, dtype=np.float32)[chosen]


@pytest.mark.parametrize("needs_metadata", [False, True])
def test_each_alert_gets_the_answer_for_its_own_images(tmp_path, alerts, monkeypatch, needs_metadata):
    baseline = Brightest(needs_metadata)
    record = {"track": "stamps", "baseline": "brightest", "outcome": {}}
    monkeypatch.setattr(classifying, "finished", lambda _: record)
    monkeypatch.setattr(classifying, "restored", lambda *_: baseline)
    answers, left_out, _ = classify([tmp_path], [alerts])
    images = {"10": packet(10, ["a", "b"])[1][0], "11": packet(10, ["a", "b"])[1][1], "20": packet(20)[1][0]}
    brightest = {candid: CLASSES[np.nanmax(image, (0, 1)).argmax()] for candid, image in images.items()}
    assert {one["candid"]: one["class"] for one in answers} == (
        dict.fromkeys(images, "VS") if needs_metadata else brightest
    )
    assert [one["objectId"] for one in answers] == ["ZTF1", "ZTF2", "ZTF1"]
    assert all(sum(one["probabilities"].values()) == 1 for one in answers)
    assert len(left_out) == 2
    assert "alert 30: cutoutScience is a JPEG preview" in left_out[0]
    assert "bad.avro: it is no Avro file" in left_out[1]


def test_folder_files_archive_and_pickle_are_answered_alike(tmp_path, alerts, model):
    members = {f"night/{path.name}": path.read_bytes() for path in sorted(alerts.iterdir())}
    archive = write_tar(tmp_path / "night.tar.gz", members)
    images = [*packet(10, ["a", "b"])[1], *packet(20)[1]]
    metadata = np.array([(10, b"ZTF1"), (11, b"ZTF2"), (20, b"ZTF1")], [("candid", "i8"), ("objectId", "S8")])
    pickled = tmp_path / "alerts.pkl"
    pickled.write_bytes(pickle.dumps({"images": images, "labels": [0, 0, 0], "metadata": metadata}))
    expected = classify([model], [alerts])[0]
    assert len(expected) == 3
    assert classify([model], [archive])[0] == expected
    assert classify([model], [alerts / "10.avro", alerts / "20.avro"])[:2] == (expected, [])
    answers, left_out, pictures = classify([model], [pickled])
    places = dict.fromkeys(("ra", "dec", "magnitude", "filter", "jd"))  # which this pickle lacks
    assert (answers, left_out) == ([one | places for one in expected], [])
    np.testing.assert_array_equal(pictures, np.float32(images))


def test_an_alert_that_comes_twice_counts_once(alerts, model):
    once = classify([model], [alerts])
    twice = classify([model], [alerts, alerts / "10.avro", alerts / "20.avro"])
    assert twice.answers == once.answers
    np.testing.assert_array_equal(twice.images, once.images)
    assert [text for text in twice.left_out if text not in once.left_out] == [
        f"alert {candid}: it comes twice, and counts once" for candid in (10, 11, 20)
    ]


def test_images_of_the_likeliest_alone_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(classifying, "PICTURES", 2)
    monkeypatch.setattr("harness.data.sources.avro_alerts.CHUNK", 3)
    record = {"track": "stamps", "baseline": "by-number", "outcome": {}}

    class ByNumber:
        """The alert whose pixels are the brightest is the surest supernova."""

        def predict(self, images):
            sure = np.nanmax(images, axis=(1, 2, 3)) / 1e4
            return np.stack([1 - sure, sure, *np.zeros((3, len(images)))], axis=1)

    monkeypatch.setattr(classifying, "finished", lambda _: record)
    monkeypatch.setattr(classifying, "restored", lambda *_: ByNumber())
    file, stamps = packet(100, ["A"] * 7)
    (tmp_path / "many.avro").write_bytes(file)
    answers, _, images = classify([tmp_path], [tmp_path / "many.avro"])
    brightest = sorted(range(7), key=lambda row: -np.nanmax(stamps[row]))
    assert [one["candid"] for one in answers] == [str(100 + row) for row in brightest]
    np.testing.assert_array_equal(images, np.float32([stamps[row] for row in brightest[:2]]))
    assert all(image.base is None for image in images)


def test_runs_of_one_name_have_columns_of_their_own():
    assert names_of([Path("a/cnn"), Path("b/alerce")]) == ["cnn", "alerce"]
    assert names_of([Path("a/cnn"), Path("b/cnn")]) == ["a/cnn", "b/cnn"]


def test_more_alerts_than_fit_into_memory_at_once(tmp_path, model, monkeypatch):
    monkeypatch.setattr("harness.data.sources.avro_alerts.CHUNK", 2)
    (tmp_path / "many.avro").write_bytes(packet(100, ["A"] * 7)[0])
    heard = []
    answers, *_ = classify([model], [tmp_path / "many.avro"], lambda *words: heard.append(words))
    assert [one["candid"] for one in answers] == [str(100 + i) for i in range(7)]
    assert [done for done, _, _ in heard] == [2, 4, 6, 7]


def test_a_source_that_breaks_off_is_listed_and_the_rest_goes_on(tmp_path, alerts, model):
    broken = write_tar(tmp_path / "broken.tar", {"1.avro": packet(1)[0], "2.avro": packet(2)[0]}, "w")
    broken.write_bytes(broken.read_bytes()[:-30000])
    text = tmp_path / "notes.txt"
    text.write_text("no alerts")
    answers, left_out, _ = classify([model], [broken, text, alerts / "10.avro"])
    assert [one["candid"] for one in answers] == ["1", "10", "11"]
    assert "cut off after 1.avro" in left_out[0]
    assert "notes.txt must be the challenge's pickle or ZTF alert packets" in left_out[1]
    assert len(left_out) == 2


def test_a_model_that_needs_metadata_says_so_where_there_are_none(tmp_path, stamps, monkeypatch):
    record = {"track": "stamps", "baseline": "brightest", "outcome": {}}
    monkeypatch.setattr(classifying, "finished", lambda _: record)
    monkeypatch.setattr(classifying, "restored", lambda *_: Brightest(True))
    with open_dataset(stamps / "data.h5") as data:
        content = {"images": list(data.inputs[:3])}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    (tmp_path / "b.avro").write_bytes(packet(10)[0])
    answers, left_out, _ = classify([tmp_path], [tmp_path / "a.pkl", tmp_path / "b.avro"])
    assert [one["candid"] for one in answers] == ["10"]
    (reason,) = left_out
    assert "a.pkl: Brightest predicts from metadata, and these data have none" in reason


def test_a_run_of_the_other_track(tmp_path, maps, alerts):
    train("zeros", maps, tmp_path / "run", "smoke")
    with pytest.raises(HarnessError, match=r"must be a run of a classifier, got one of .* 'mass-mapping'"):
        classify([tmp_path / "run"], [alerts])


def call(*words):
    return CliRunner().invoke(main, ["classify", *(str(word) for word in words)])


def test_names_do_not_steer_the_terminal(tmp_path, model):
    (tmp_path / "a.avro").write_bytes(packet(10, ["ZTF\x1b[31m"])[0])
    (tmp_path / "\x1b]0;x\x07.avro").write_bytes(b"Obj\x01")
    result = call(tmp_path / "a.avro", tmp_path / "\x1b]0;x\x07.avro", "--model", model)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    assert "ZTF\\x1b[31m" in result.stdout
    assert "no Avro file" in result.stderr


def test_command_prints_a_table_and_lists_what_it_left_out(alerts, model):
    result = call(alerts, "--model", model)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines() if "ZTF" in line]
    assert [line[:2] for line in lines] == [["10", "ZTF1"], ["11", "ZTF2"], ["20", "ZTF1"]]
    assert all(line[2] in CLASSES and sum(map(float, line[3:8])) == pytest.approx(1, 0.01) for line in lines)
    assert "left out (2)" in result.stderr
    assert "JPEG preview" in result.stderr
    assert "bad.avro" in result.stderr


def test_command_writes_a_list_and_a_page(tmp_path, model):
    """Only a name of ZTF gets links; others are shown as they are, and steer neither page nor spreadsheet."""
    names = ["ZTF18abcdefg", "=cmd()", "<b>ZTF18abcdefg</b>"]
    (tmp_path / "a.avro").write_bytes(packet(10, names)[0])
    out = tmp_path / "tonight"
    result = call(tmp_path / "a.avro", "--model", model, "--model", model, "--out", out)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((out / "alerts.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["objectId"] for row in rows] == ["ZTF18abcdefg", "'=cmd()", "<b>ZTF18abcdefg</b>"]
    assert [float(row["SN"]) for row in rows] == [
        pytest.approx(0.0310083, 1e-4)
    ] * 3  # the prior: it knows no more
    assert {row["agree"] for row in rows} == {"2"}
    page = (out / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="(https://(?:alerce|fink)[^"]*)"', page) == [
        "https://alerce.online/object/ZTF18abcdefg", "https://fink-portal.org/ZTF18abcdefg",
    ]  # fmt: skip
    assert "<b>ZTF" not in page
    assert page.count("data:image/webp") == 3
    assert call(tmp_path / "a.avro", "--model", model, "--out", out).exit_code == 1


def test_a_reason_that_many_alerts_share_is_listed_once():
    left_out = ["alert 1: cut off", "x.avro: no Avro", "alert 2: cut off", "alert 3: damaged"]
    assert by_reason(left_out) == ["2 alerts: cut off", "x.avro: no Avro", "alert 3: damaged"]


def test_command_prints_json_alone(alerts, model):
    result = call(alerts, "--model", model, "--json")
    assert json.loads(result.stdout) == classify([model], [alerts])[0]


def test_command_fails_only_if_no_alert_can_be_used(tmp_path, alerts, model):
    (tmp_path / "empty").mkdir()
    for source in (alerts / "30.avro", alerts / "bad.avro", tmp_path / "empty"):
        result = call(source, "--model", model, "--json")
        assert result.exit_code == 1
        assert "no alert that can be classified" in result.stderr
        assert json.loads(result.stdout).keys() == {"error"}


def test_real_packets_with_previews_only_are_refused_with_the_reason(shared_data, model):
    result = call(shared_data / "stamps" / "alerts", "--model", model)
    assert result.exit_code == 1
    assert "is a JPEG preview, without the measured values; gzipped FITS was expected" in result.stderr
