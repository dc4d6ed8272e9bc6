"""Chromium, pages for it to look at, and a list of all that a page does which it should not."""

import os
import shutil

import numpy as np
import pytest

from harness.data.store import create, open_dataset
from harness.evaluation.comparison import compare
from harness.evaluation.leaderboard import rank_entries
from harness.evaluation.scoring import score
from harness.report.alerts_page import write_alerts
from harness.report.claims_tables import VERDICTS
from harness.report.comparison_page import write_comparison
from harness.report.page import update_leaderboard, write_leaderboard
from harness.report.results_page import write_claims
from harness.runs.classification import cuts
from harness.tracks import MASS_MAPPING, STAMPS
from submissions import write_submission
from tests.browser.boards import HOSTILE, two_boards
from tests.harness.report.test_claims_tables import claim as made_claim
from tests.harness.report.test_claims_tables import score as claim_score

CHROMIUM = "/usr/bin/chromium"
QUIET = ("quic", "gpu", "background-networking", "component-update", "sync")
ARGUMENTS = ["--no-sandbox", "--no-first-run", *(f"--disable-{what}" for what in QUIET)]


@pytest.fixture(scope="package")
def browser():
    if not shutil.which(CHROMIUM) and not os.environ.get("CI"):
        pytest.skip(f"no {CHROMIUM} (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """A function that opens a file: the page, and a list that fills with its complaints and requests."""
    contexts = []

    def opened(path, width=1280, scheme="light", fragment="", **options):
        context = browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce", **options
        )
        contexts.append(context)
        page, noted = context.new_page(), []
        page.on("console", lambda message: noted.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: noted.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (noted.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: noted.append(f"request: {request.url}"))
        page.goto(path.as_uri() + (fragment and f"#{fragment}"))
        noted.remove(f"request: {path.as_uri()}")
        noted[:] = [one for one in noted if not one.startswith("request: data:")]
        return page, noted

    yield opened
    for context in contexts:
        context.close()


def add_competition(track, folder, site, rng, cases=12):
    """A full data set, two submissions to it, one with a learning curve; their board, added to a site."""
    ids, groups = [f"c{number}" for number in range(cases)], np.arange(cases) // 2
    if track is STAMPS:
        truth = np.arange(cases).astype(np.int8) % 5
        inputs = rng.normal(size=(cases, 63, 63, 3)).astype(np.float32)
        predict = lambda: rng.dirichlet(np.ones(5), cases)  # noqa: E731
    else:
        truth = rng.normal(size=(cases, 128, 128)).astype(np.float16)
        inputs = np.zeros((cases, 128, 128, 3), np.float16)
        predict = lambda: truth + rng.normal(size=truth.shape)  # noqa: E731
    with create(folder / "data.h5", track, "full", {}) as data:
        data.append(ids, groups, **{track.inputs.name: inputs, track.truth.name: truth})
    for name in ("a", "b"):
        write_submission(folder / f"{name}.zip", track.name, f"Team <b>{name}", "noise", ids, [predict()], {})
    (folder / "history.csv").write_text("epoch,seconds,loss,val_loss\n1,2,1,1.2\n2,2,.9,1\n")
    with open_dataset(folder / "data.h5") as data:
        scored = [score(folder / f"{name}.zip", data) for name in ("a", "b")]
    histories = {folder / "a.zip": folder / "history.csv"}
    board = rank_entries(track, scored)
    update_leaderboard(board, site, scored, folder / "data.h5", None, histories)
    return board


@pytest.fixture(scope="package")
def site(tmp_path_factory):
    """A folder with forty.html, a big board, and with index.html, a small one whose rows have pages."""
    folder, rng = tmp_path_factory.mktemp("site"), np.random.default_rng(0)
    write_leaderboard(two_boards(), folder / "forty")
    (folder / "forty/index.html").rename(folder / "forty.html")
    for track in (MASS_MAPPING, STAMPS):
        (folder / track.name).mkdir()
        board = add_competition(track, folder / track.name, folder, rng)
        page = folder / f"submissions/{board.rows[0].submission_sha256[:16]}.html"
        page.with_name(f"{board.track}.html").write_bytes(page.read_bytes())
    files = [folder / "mass-mapping" / name for name in ("a.zip", "b.zip", "data.h5")]
    found, scored = compare(*files)
    write_comparison(found, scored, files[2], folder / "compare-mass-mapping")
    write_claims(claims_of_all_verdicts(), folder / "claims")
    (folder / "alerts").mkdir()
    answers = list(a_night(rng))
    images = rng.normal(size=(6, 63, 63, 3)).astype(np.float32)
    write_alerts(answers, images, cuts(answers), ["runs/<b>one", "runs/two"], 3, folder / "alerts")
    return folder


def a_night(rng, alerts=8):
    """The answers of `classify` to alerts, with hostile names, and one without coordinates and brightness."""
    for number, probabilities in enumerate(rng.dirichlet(np.ones(5), alerts)):
        place = {"ra": None, "dec": None, "magnitude": None, "filter": None, "jd": None}
        if number:
            place = {"ra": 40.0 * number, "dec": -9.5, "magnitude": 18.5, "filter": 1.0, "jd": 2459000.5}
        yield {
            "candid": 10**17 + number, "objectId": HOSTILE if number == 1 else "ZTF18abcdefg", **place,
            "class": STAMPS.classes[probabilities.argmax()], "purity": 0.5,
            "agree": 1, "by_run": [0.25, 0.125],
            "probabilities": dict(zip(STAMPS.classes, probabilities.tolist(), strict=True)),
        }  # fmt: skip


def claims_of_all_verdicts():
    """A record of `reproduce` with a claim of each verdict, one of them without scores, and hostile words."""
    said = '<script>alert("x")</script> '
    scores = [claim_score(key, decides=key == "dicee") for key in ("dicee", "wmape")]
    both = [{"of": name, "scores": {"dicee": value}} for name, value in (("a", 0.25), ("b", 0.75))]
    claims = [
        made_claim(
            *scores, name=verdict.replace(" ", "-"), verdict=verdict, says=f"{said}{verdict}", reported=both
        )
        for verdict in VERDICTS
    ]
    claims.append(made_claim(name="empty", verdict="not tested", lacking=["not trained: b"], standing="ours"))
    return {
        "schema": "astroboard-claims/1", "preset": "smoke", "seeds": 1, "claims": claims, "boards": [],
        "presets": {"smoke": {"cases": {"mass-mapping": 60}, "seeds": {"mass-mapping": 1}}},
        "left_out": [], "runs": [], "versions": {"astroboard": "0.1.0"},
    }  # fmt: skip
