import base64
import csv
import json
import re
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from html import unescape
from multiprocessing import get_context

import numpy as np
import pytest
from scipy.stats import rankdata

from harness.data.store import open_dataset
from harness.evaluation.cards import write_card
from harness.evaluation.leaderboard import make_leaderboard, rank_entries
from harness.evaluation.scoring import score
from harness.parallel import executor
from harness.report import submission_page
from harness.report.gallery import gallery
from harness.report.page import page_name, update_leaderboard, write_leaderboard
from harness.report.submission_page import write_submission_pages
from harness.tracks import MASS_MAPPING, STAMPS
from tests.browser.boards import a_board

pytestmark = pytest.mark.slow


def scored_by(truth, *paths):
    with open_dataset(truth) as data:
        return [score(path, data) for path in paths]


def text_of(page):
    return unescape(re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", page, flags=re.DOTALL))


@pytest.fixture(scope="module")
def map_board(tmp_path_factory, maps, submission_of, noisy_maps):
    """The truth, two scored submissions, their board, and their pages by SHA-256."""
    folder, truth = tmp_path_factory.mktemp("pages"), maps / "test-truth.h5"
    paths = [
        submission_of(folder / f"{name}.zip", truth, noisy_maps(sigma), name, "noise")
        for name, sigma in (("little", 0.01), ("much", 0.1))
    ]
    scored = scored_by(truth, *paths)
    board = rank_entries(scored[0].track, scored)
    pages = write_submission_pages(board, scored, truth, folder)
    assert pages == {one.sha256: f"submissions/{one.sha256[:16]}.html" for one in scored}
    assert {f"submissions/{path.name}" for path in (folder / "submissions").iterdir()} == set(pages.values())
    return truth, scored, board, {sha: (folder / page).read_text() for sha, page in pages.items()}


def test_drawn_by_several_processes_and_only_once(map_board, tmp_path):
    """What is drawn is kept until something that it shows changes, or all is to be made anew."""
    truth, scored, board, pages = map_board
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        links = write_submission_pages(board, scored, truth, tmp_path, executor=pool)
        assert len(pool._processes) == 2
    assert {sha: (tmp_path / link).read_text() for sha, link in links.items()} == pages
    page = tmp_path / links[scored[0].sha256]

    def marked_and_written(mark, *options, **more):
        page.write_text(page.read_text().replace("Best, median and worst case", mark))
        write_submission_pages(board, scored[:1], truth, tmp_path, *options, **more)
        return mark in page.read_text()

    assert marked_and_written("Kept")
    assert not marked_and_written("Forced", force=True)
    (tmp_path / "history.csv").write_text("epoch,seconds,loss\n1,2,1\n")
    history = {scored[0].path: tmp_path / "history.csv"}
    assert not marked_and_written("Trained", None, history)
    assert marked_and_written("Trained", None, history)


def test_a_few_pages_start_no_processes(map_board, tmp_path):
    truth, scored, board, pages = map_board
    with executor(2) as pool:
        links = write_submission_pages(board, scored, truth, tmp_path, executor=pool)
        gallery(board, scored, truth, executor=pool)
        assert not pool._processes
    assert {sha: (tmp_path / link).read_text() for sha, link in links.items()} == pages


def test_a_card_that_claims_the_checksum_of_another_takes_nothing_of_it(
    maps, submission_of, noisy_maps, tmp_path
):
    truth = maps / "test-truth.h5"
    victim = submission_of(tmp_path / "victim.zip", truth, noisy_maps(0.01), "victim")
    other = submission_of(tmp_path / "other.zip", truth, noisy_maps(0.3), "copycat")
    with open_dataset(truth) as data:
        write_card(score(other, data), tmp_path / "copycat.json")
        claimed = score(victim, data).sha256
    card = json.loads((tmp_path / "copycat.json").read_text())
    (tmp_path / "copycat.json").write_text(json.dumps(card | {"submission_sha256": claimed}))
    paths = [victim, tmp_path / "copycat.json"]
    board, scored = make_leaderboard(paths, truth, public_fraction=0.5, final=True)
    assert [(row.team, row.public_rank) for row in board.rows] == [("victim", 1), ("copycat", 2)]
    update_leaderboard(board, tmp_path / "board", scored, truth)
    (page,) = (tmp_path / "board" / "submissions").iterdir()
    assert "victim" in page.read_text()
    assert "copycat" not in page.read_text()
    assert "copycat" not in gallery(board, scored, truth)


@pytest.mark.parametrize(
    "history",
    [b"epoch,loss\n1,2\n2", b"epoch,loss\n1,\n", b"loss\n1\n", b"epoch,loss\n1,\xff\n", b"epoch,loss\n"],
)
def test_a_damaged_history_costs_the_curves_alone(map_board, tmp_path, history):
    truth, scored, board, _ = map_board
    (tmp_path / "history.csv").write_bytes(history)
    damaged = {scored[0].path: tmp_path / "history.csv"}
    update_leaderboard(board, tmp_path / "board", scored, truth, None, damaged)
    assert (tmp_path / "board/index.html").is_file()
    pages = [(tmp_path / "board" / page_name(one.sha256)).read_text() for one in scored]
    assert ["There are no learning curves" in page for page in pages] == [True, False]
    assert all(page.count("Best, median and worst case") == 1 for page in pages)


@pytest.mark.parametrize(
    ("change", "pages", "kept"),
    [({}, True, 2), ({"part": "public"}, True, 2), ({"ladder": True}, True, 0), ({}, False, 0)],
)
def test_pages_of_a_replaced_board_are_removed(map_board, tmp_path, change, pages, kept):
    """Those that the new board does not write, but neither pages of another track nor other files."""
    truth, scored, board, _ = map_board
    both = [
        *scored,
        replace(scored[0], sha256="ab" * 32, method="left"),
        replace(scored[0], sha256="cd" * 32),
    ]
    other = a_board(STAMPS, rows=1)
    other = replace(other, rows=(replace(other.rows[0], submission_sha256="cd" * 32),))
    write_leaderboard([other], tmp_path)
    full = rank_entries(MASS_MAPPING, both)
    update_leaderboard(full, tmp_path, both, truth)
    (tmp_path / "submissions/notes.html").write_text("mine")
    assert len(list((tmp_path / "submissions").iterdir())) == 5
    update_leaderboard(replace(board, **change), tmp_path, scored, truth, pages=pages)
    names = {path.name for path in (tmp_path / "submissions").iterdir()}
    expected = {f"{one.sha256[:16]}.html" for one in scored[:kept]}
    assert names == expected | {"notes.html", f"{'cd' * 8}.html"}
    text = (tmp_path / "index.html").read_text()
    assert len(set(re.findall(r'href="(submissions/[^"]*)"', text))) == kept + 1


def test_a_board_that_was_edited_removes_nothing_elsewhere(map_board, tmp_path):
    truth, scored, board, _ = map_board
    rows = tuple(replace(row, submission_sha256="../../mine") for row in board.rows)
    write_leaderboard([replace(board, rows=rows)], tmp_path / "board")
    (tmp_path / "mine.html").write_text("mine")
    update_leaderboard(board, tmp_path / "board", scored, truth)
    assert (tmp_path / "mine.html").is_file()


def test_what_is_the_same_on_all_pages_is_computed_once(map_board, tmp_path, monkeypatch):
    truth, scored, board, pages = map_board
    calls = []
    for name in ("spans", "_bests", "_pooled"):
        once = getattr(submission_page, name)
        monkeypatch.setattr(
            submission_page, name, lambda *of, name=name, once=once: (calls.append(name), once(*of))[1]
        )
    links = write_submission_pages(board, scored, truth, tmp_path)
    assert sorted(calls) == ["_bests", "_pooled", "spans"]
    assert {sha: (tmp_path / link).read_text() for sha, link in links.items()} == pages


def test_each_page_tells_the_best_of_each_score(map_board):
    _, _, board, pages = map_board
    for column in board.scores:
        means = [row.metrics[column.key].mean for row in board.rows]
        bests = {
            re.findall(
                rf"<strong>{re.escape(column.title)}</strong>.*?data-label=\"best\">([^<]*)<", page, re.DOTALL
            )[0]
            for page in pages.values()
        }
        (best,) = bests
        assert float(best) == pytest.approx(min(means) if column.lower_is_better else max(means), rel=0.05)


def test_the_outline_counts_as_numpy_does():
    """Values on an edge belong to the bin above, but those on the last edge to the last bin."""
    values = np.sort(np.random.default_rng(0).integers(0, 20, 500) / 10)
    edges = np.linspace(0.2, 1.6, 8)
    assert submission_page._counts(values, edges).tolist() == np.histogram(values, edges)[0].tolist()


def test_what_a_page_shows(map_board):
    _, scored, _, pages = map_board
    for one in scored:
        page, text = pages[one.sha256], text_of(pages[one.sha256])
        assert one.sha256 in text
        assert one.truth_fingerprint in text
        assert f"{one.columns['dicee'].mean():.3f}" in text
        assert [page.count(f"{name} of 0") for name in ("true κ", "predicted κ", "predicted − true")] == [
            3
        ] * 3
        assert page.count('class="histogram"') == 7


def test_scores_by_case_can_be_downloaded(map_board):
    _, scored, _, pages = map_board
    for one in scored:
        (data,) = re.findall(r'href="data:text/csv;base64,([^"]*)" download', pages[one.sha256])
        rows = list(csv.DictReader(base64.b64decode(data).decode().splitlines()))
        assert [row["case_id"] for row in rows] == one.case_ids
        assert [float(row["wmape"]) for row in rows] == one.columns["wmape"].tolist()


def test_from_entry_to_entry(map_board):
    """The first one links to the second, and the second to the first."""
    _, _, board, pages = map_board
    first, second = (row.submission_sha256 for row in board.rows)
    assert f'submissions/{second[:16]}.html">Next: ' in pages[first]
    assert f'submissions/{first[:16]}.html">Previous: ' in pages[second]
    assert "Previous: " not in pages[first]
    assert "Next: " not in pages[second]


def test_differences_of_a_case_have_one_scale_under_all_entries(map_board):
    """Twice the standard deviation of the true map, however large the differences are."""
    truth, _, _, pages = map_board
    with open_dataset(truth) as data:
        deviations = dict(zip(data.case_ids(), data.truth[:].astype(float).std(axis=(1, 2)), strict=True))
    for page in pages.values():
        found = re.findall(
            r'alt="predicted − true of (\S+)".*?<p class="ends">.*?<span>([\d.]+)<', page, re.DOTALL
        )
        assert len(found) == 3
        for case_id, reach in found:
            assert float(reach) == pytest.approx(2 * deviations[case_id], rel=0.05)


def test_a_hopeless_entry_squeezes_no_histogram(map_board, tmp_path):
    """The bars of the better one stand where they stood, though the other's scores grow a thousandfold."""
    truth, scored, board, pages = map_board
    columns = {name: 1000 * values for name, values in scored[1].columns.items()}
    both = [scored[0], replace(scored[1], columns=columns)]
    links = write_submission_pages(board, both, truth, tmp_path)
    bars = r'class="bars" d="([^"]*)"'
    page = (tmp_path / links[scored[0].sha256]).read_text()
    assert re.findall(bars, page) == re.findall(bars, pages[scored[0].sha256])


def test_the_cases_are_the_best_the_median_and_the_worst(map_board):
    _, scored, _, pages = map_board
    for one in scored:
        ranks = [rankdata(one.columns[key]) for key in ("wmape", "dicee", "dpeaks")]
        mean_rank = dict(zip(one.case_ids, np.mean(ranks, axis=0), strict=True))
        shown = dict(re.findall(r"(Best|Median|Worst): (\S+?)<small>", pages[one.sha256]))
        assert mean_rank[shown["Best"]] == min(mean_rank.values())
        assert mean_rank[shown["Worst"]] == max(mean_rank.values())
        assert mean_rank[shown["Median"]] == sorted(mean_rank.values())[len(mean_rank) // 2]


def test_the_bars_of_a_histogram_are_the_shares_of_the_cases(map_board):
    _, scored, _, pages = map_board
    drawn = re.findall(r'class="bars" d="([^"]*)"', pages[scored[0].sha256])
    assert len(drawn) == 7
    for bars in drawn:
        heights = 128 - np.array([float(top) for top in re.findall(r"V([\d.]+)h", bars)])
        counts = heights / heights.sum() * len(scored[0].case_ids)
        np.testing.assert_allclose(counts, counts.round(), atol=0.01)


def test_the_public_part_shows_nothing_by_case(map_board, tmp_path):
    truth, scored, board, _ = map_board
    pages = write_submission_pages(replace(board, part="public"), scored, truth, tmp_path)
    page = (tmp_path / pages[scored[0].sha256]).read_text()
    assert not any(case_id in page for case_id in scored[0].case_ids)
    assert "<img" not in page
    assert 'class="histogram"' not in page
    assert "public part" in text_of(page)


def test_cards_have_no_page(map_board, tmp_path):
    truth, scored, board, _ = map_board
    card = replace(scored[0], source="card")
    assert write_submission_pages(board, [card], truth, tmp_path) == {}


def test_a_track_that_draws_nothing(map_board, tmp_path):
    truth, scored, board, _ = map_board
    undrawn = replace(scored[0], track=replace(MASS_MAPPING, drawing=""))
    pages = write_submission_pages(board, [undrawn], truth, tmp_path)
    page = (tmp_path / pages[scored[0].sha256]).read_text()
    assert "<img" not in page
    assert len(re.findall(r"(Best|Median|Worst): (\S+?)<small>", page)) == 3
    assert "Pictures are missing" not in page


def test_a_submission_without_a_manifest(map_board, tmp_path, submission_of, noisy_maps):
    truth = map_board[0]
    submission_of(tmp_path / "with.zip", truth, noisy_maps(0.1))
    with zipfile.ZipFile(tmp_path / "with.zip") as given, zipfile.ZipFile(tmp_path / "w.zip", "w") as bare:
        for name in given.namelist():
            if name != "manifest.json":
                bare.writestr(name, given.read(name))
    scored = scored_by(truth, tmp_path / "w.zip")
    pages = write_submission_pages(rank_entries(scored[0].track, scored), scored, truth, tmp_path)
    assert "without a manifest" in text_of((tmp_path / pages[scored[0].sha256]).read_text())


@pytest.mark.parametrize("images", [True, False])
def test_stamps_with_and_without_images(stamps, submission_of, tmp_path, images):
    """Of the cases from the fifth on, as where a part of them is kept back."""
    truth = stamps / "test-truth.h5"

    def predict(labels):
        return np.random.default_rng(0).dirichlet(np.ones(5), len(labels)) * 0.5 + 0.5 * np.eye(5)[labels]

    (whole,) = scored_by(truth, submission_of(tmp_path / "a.zip", truth, predict, "A", "half right"))
    columns = {name: values[4:] for name, values in whole.columns.items()}
    scored = [replace(whole, columns=columns, case_ids=whole.case_ids[4:], groups=whole.groups[4:])]
    history = tmp_path / "history.csv"
    history.write_text("epoch,seconds,loss\n1,2,1\n2,2,.9\n")
    pages = write_submission_pages(
        rank_entries(scored[0].track, scored), scored, truth, tmp_path,
        stamps / "test-inputs.h5" if images else None, {tmp_path / "a.zip": history},
    )  # fmt: skip
    page = (tmp_path / pages[scored[0].sha256]).read_text()
    assert page.count("<img ") == (14 if images else 5)  # 3 × 3 images, 4 of the classes, 1 of the training
    assert ("Pictures are missing" in text_of(page)) != images
    cells = [int(count) for count in re.findall(r"%<small>(\d+)</small>", page)]
    assert len(cells) == 25
    assert sum(cells) == len(scored[0].case_ids)
    hits = int(scored[0].columns["correct"].sum())
    assert sum(cells[::6]) == hits
    with open_dataset(truth) as data:
        expected = dict(zip(data.case_ids(), predict(data.truth[:]), strict=True))
    shown = re.findall(r"(?:Best|Median|Worst): (\S+?)<small>.*?aria-label=\"([^\"]*)\"", page, re.DOTALL)
    assert len(shown) == 3
    for case_id, text in shown:
        given = [float(value) for value in re.findall(r"(\d+)\u00a0%", text)]
        np.testing.assert_allclose(given, 100 * expected[case_id], atol=0.5001)
