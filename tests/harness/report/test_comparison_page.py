"""The files of a comparison."""

import csv
import json

import numpy as np
import pytest
from matplotlib.image import imread

from harness.data.store import open_dataset
from harness.evaluation.cards import write_card
from harness.evaluation.comparison import compare
from harness.evaluation.scoring import score
from harness.files import HarnessError
from harness.report.comparison_page import write_comparison

pytestmark = pytest.mark.slow

TEXTS = ["comparison.json", "index.html", "scores.csv"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory, maps, submission_of, noisy_maps):
    """Two submissions of maps, and their truth."""
    folder, truth = tmp_path_factory.mktemp("pair"), maps / "test-truth.h5"
    return *(submission_of(folder / f"{name}.zip", truth, noisy_maps(sigma), name)
             for name, sigma in (("a", 0.01), ("b", 0.05))), truth  # fmt: skip


def test_what_is_written(pair, tmp_path):
    """B has five times the noise, so that its differences, on the scale of both, are those with colours."""
    first, second, truth = pair
    found, scored = compare(first, second, truth, cases_shown=1)
    write_comparison(found, scored, truth, tmp_path)
    assert json.loads((tmp_path / "comparison.json").read_text()) == found.to_json()
    pictures = sorted(path.stem for path in tmp_path.glob("*.png"))
    assert pictures == sorted({case.case_id for case in found.cases})
    rgb = imread(tmp_path / f"{pictures[0]}.png")[..., :3]
    quarter = rgb.shape[1] // 4
    saturation = np.ptp(rgb[rgb.shape[0] // 2 :], axis=-1)
    of_a, of_b = (saturation[:, column * quarter :][:, : quarter * 3 // 4].mean() for column in (2, 3))
    assert of_a < of_b / 2
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case_id"] for row in rows] == scored[0].case_ids
    assert [float(row["b_dicee"]) for row in rows] == scored[1].columns["dicee"].tolist()
    page = (tmp_path / "index.html").read_text()
    assert "A is better in " in page
    assert page.count('class="case"') == len(pictures)


def test_cards_give_no_pictures(pair, tmp_path):
    first, second, truth = pair
    with open_dataset(truth) as data:
        for path in (first, second):
            write_card(score(path, data), tmp_path / f"{path.stem}.json")
    found, scored = compare(tmp_path / "a.json", second, truth)
    write_comparison(found, scored, truth, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == TEXTS
    page = (tmp_path / "out/index.html").read_text()
    assert "Pictures need the submissions" in page
    assert all(f'<td class="text">{case.case_id}</td>' in page for case in found.cases)


def test_stamps_need_their_images(stamps, submission_of, tmp_path):
    truth, inputs = stamps / "test-truth.h5", stamps / "test-inputs.h5"
    right, wrong = (
        submission_of(
            tmp_path / f"{name}.zip", truth, lambda t, shift=shift: np.eye(5)[(t + shift) % 5], name
        )
        for shift, name in enumerate(("right", "wrong"))
    )
    same, scored = compare(right, right, truth)
    write_comparison(same, scored, truth, tmp_path / "same")
    assert sorted(path.name for path in (tmp_path / "same").iterdir()) == TEXTS
    assert "A and B have the same scores in every case." in (tmp_path / "same/index.html").read_text()
    found, scored = compare(right, wrong, truth, cases_shown=2)
    with pytest.raises(HarnessError, match="--inputs"):
        write_comparison(found, scored, truth, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    write_comparison(found, scored, truth, tmp_path / "out", inputs)
    assert len(found.cases) == len(list((tmp_path / "out").glob("*.png"))) == 2
    classes = ("AGN", "SN", "VS", "asteroid", "bogus")
    for case in found.cases:
        assert case.a_answer == case.label
        assert case.b_answer == classes[(classes.index(case.label) + 1) % 5]
