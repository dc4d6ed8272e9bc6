"""The pages as a browser shows them: to the eye, to the keyboard, to a screen reader."""

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from matplotlib.image import imread

from harness.report.alerts_page import OBJECT_PAGES, PLACE_PAGES
from harness.report.page import environment, write_leaderboard
from tests.browser.boards import HOSTILE_AS_SHOWN, NAMES, PUBLISHED, a_board

pytestmark = pytest.mark.slow

PAGES = ("forty.html", "index.html", "submissions/mass-mapping.html", "submissions/stamps.html",
         "claims/claims.html", "compare-mass-mapping/index.html", "alerts/index.html")  # fmt: skip
OTHER_SITES = tuple(address.split("{")[0] for address in (OBJECT_PAGES | PLACE_PAGES).values())
FIRST = "#mass-mapping table.board"


def column(page, index):
    """What the cells of a column of the first board hold to be sorted by, from top to bottom."""
    read = f"rows => rows.map(row => row.cells[{index}].dataset.value ?? null)"
    return page.eval_on_selector_all(f"{FIRST} tbody:first-of-type tr", read)


def header(page, name):
    return page.locator(f'{FIRST} th[data-name="{name}"]')


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        (name, *view)
        for name in PAGES
        for view in ((1400, "light"), (1024, "dark"), (390, "light"), (390, "dark"))
        if name != "forty.html" or view in {(1400, "light"), (390, "dark")}  # ten seconds each
    ],
)
def test_nothing_to_complain_of(site, open_page, name, width, scheme):
    page, noted = open_page(site / name, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for details in page.locator("details").all():
        details.locator("summary").click()
    assert page.locator("img").evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 0)")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert noted == []


@pytest.mark.parametrize("press", [lambda button: button.click(), lambda button: button.press("Enter")])
def test_sorting_by_a_number(site, open_page, press):
    page, noted = open_page(site / "forty.html")
    head = header(page, "WMAPE")
    press(head.get_by_role("button"))
    assert head.get_attribute("aria-sort") == "ascending"
    values = [float(value) for value in column(page, 2)]
    assert values == sorted(values)
    assert values != [float(value) for value in column(page, 2)[::-1]]
    assert page.get_by_role("status").first.text_content() == "Sorted by WMAPE, ascending."
    assert page.locator(f"{FIRST} [aria-sort]").count() == 1
    press(head.get_by_role("button"))
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(value) for value in column(page, 2)] == values[::-1]
    assert noted == []


def test_what_is_better_sorts_first_and_what_is_not_known_last(site, open_page):
    """Nobody is below the last row, so that it has no probability of being better."""
    page, _ = open_page(site / "forty.html")
    index = int(header(page, "P(better)").get_attribute("data-column"))
    for direction in ("descending", "ascending"):
        header(page, "P(better)").get_by_role("button").click()
        assert header(page, "P(better)").get_attribute("aria-sort") == direction
        *known, last = column(page, index)
        values = [float(value) for value in known]
        assert values == sorted(values, reverse=direction == "descending")
        assert last is None


def test_back_to_the_ranking(site, open_page):
    """Rows of one rank come back in the order of the board, and only there neighbours are drawn as groups."""
    page, _ = open_page(site / "forty.html")
    names = column(page, 1)
    assert page.locator(f"{FIRST}.ranking").count() == 1
    header(page, "entry").get_by_role("button").click()
    assert page.locator(f"{FIRST}.ranking").count() == 0
    assert column(page, 1) != names
    header(page, "rank").get_by_role("button").click()
    assert column(page, 1) == names
    assert page.locator(f"{FIRST}.ranking").count() == 1


def test_by_keyboard_alone(site, open_page):
    page, _ = open_page(site / "forty.html")
    reached = []
    for _ in range(18):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
    assert reached[0] == "Skip to the results"
    assert {"rank", "entry", "WMAPE"} <= set(reached)
    while page.evaluate("document.activeElement.textContent") != "DICEE":
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert header(page, "DICEE").get_attribute("aria-sort") == "ascending"


def test_without_scripts_a_table(site, open_page):
    page, _ = open_page(site / "forty.html", java_script_enabled=False)
    assert page.locator(f"{FIRST} tbody:first-of-type tr").count() == 40
    assert page.locator("th button").count() == 0
    assert header(page, "WMAPE").locator(".name").text_content() == "WMAPE"
    assert page.locator(".tools:visible").count() == 0


def test_alerts_of_a_night_are_counted_linked_and_text(site, open_page):
    page, noted = open_page(site / "alerts/index.html")
    assert page.locator("figure").count() == 6
    counts = re.findall(
        r"(\d+) (AGN|SN|VS|asteroid|bogus)", page.get_by_text("Most probable classes").inner_text()
    )
    assert sum(int(count) for count, _ in counts) == 8
    assert page.locator("figure", has_text="Coordinates unknown").count() == 1
    hostile = page.locator("figure").nth(1)
    assert HOSTILE_AS_SHOWN in hostile.text_content()
    assert hostile.get_by_role("link").all_text_contents() == ["SIMBAD", "Legacy Survey"]
    assert page.locator("script").count() == 1
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert noted == []


def test_names_are_text(site, open_page):
    page, noted = open_page(site / "forty.html")
    teams = page.locator(f"{FIRST} .team").all_text_contents()
    assert teams[: len(NAMES)] == [HOSTILE_AS_SHOWN, *NAMES[1:]]
    assert (
        page.locator("li", has_text="12 missing-case").locator("bdi").first.text_content() == HOSTILE_AS_SHOWN
    )
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert noted == []


def test_the_policy_stops_what_got_through(site, open_page):
    page, noted = open_page(site / "forty.html")
    stopped = []
    page.on("requestfailed", lambda request: stopped.append(request.failure))
    page.evaluate(
        "html => document.body.insertAdjacentHTML('beforeend', html)",
        """<img src="https://example.org/x.png" onerror="window.run = 1">
        <p id="styled" style="color: red">x</p><iframe srcdoc="<script>parent.run = 1</script>"></iframe>""",
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.run") is None
    assert page.eval_on_selector("#styled", "p => getComputedStyle(p).color") != "rgb(255, 0, 0)"
    assert any("Content Security Policy" in one for one in noted)
    assert stopped == ["csp"]


@pytest.mark.parametrize("name", PAGES)
def test_links_resolve(site, open_page, name):
    page, _ = open_page(site / name)
    links = page.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert links
    elsewhere = {link for link in links if link.startswith(OTHER_SITES)}
    assert not elsewhere or name.startswith("alerts/")
    for link in (
        set(links) - {PUBLISHED} - elsewhere - {link for link in links if link.startswith("data:text/csv")}
    ):
        target, _, fragment = link.partition("#")
        path = ((site / name).parent / target).resolve() if target else site / name
        assert path.is_file(), link
        assert not fragment or re.search(f'id="{re.escape(fragment)}"', path.read_text()), link


def test_a_definition_is_one_click_away(site, open_page):
    page, _ = open_page(site / "forty.html", 390)
    header(page, "DICEE").get_by_role("link").click()
    definition = page.locator("#mass-mapping-dicee")
    assert definition.evaluate("one => one.getBoundingClientRect().top >= 0")
    assert definition.evaluate("one => one.getBoundingClientRect().bottom <= innerHeight")


def test_one_case_under_every_method_by_keyboard(site, open_page):
    page, noted = open_page(site / "index.html")
    for track, pictures in (("mass-mapping", 1 + 3 + 2 * 2), ("stamps", 3 + 2)):
        gallery = page.locator(f"#{track} .gallery")
        slider, shown = gallery.get_by_role("slider"), gallery.locator(".case:visible")
        assert "median" in shown.text_content()
        assert shown.locator("svg[role=img]").count() == pictures
        slider.focus()
        for key, name in (("Home", "best"), ("ArrowRight", "better than"), ("End", "worst")):
            slider.press(key)
            assert shown.count() == 1
            assert f": {name}" in shown.text_content()
            assert f": {name}" in slider.get_attribute("aria-valuetext")
    assert noted == []


def test_searching_comparing_and_choosing_columns_and_a_link_to_it(site, open_page):
    """Row 4 is the baseline that scores are compared with at first; a WMAPE a tenth lower is 10 % less."""
    page, noted = open_page(site / "forty.html")
    tools, rows = page.locator("#mass-mapping .tools"), page.locator(f"{FIRST} tbody:first-of-type tr")
    assert tools.get_by_label("Compare with").input_value() == "3"
    tools.get_by_label("Compare with").select_option("0")
    values = [float(value) for value in column(page, 2)]
    change, cell = 100 * (values[9] - values[0]) / values[0], rows.nth(9).locator("td").nth(1)
    assert cell.locator(".change").text_content() == f"{change:+.0f} %".replace("-", "−")
    assert cell.get_attribute("data-d") == str(-min(5, int(np.ceil(change / 10))))
    assert rows.nth(0).locator(".change").count() == 0
    tools.get_by_label("Search").fill("ks93 team 1")
    assert page.locator(f"{FIRST} tbody:first-of-type tr:visible .team").all_text_contents() == [
        "Team 12", "Team 15", "Team 18", "Team 21"
    ]  # fmt: skip
    assert page.get_by_role("status").first.text_content() == "4 of 40 entries."
    tools.get_by_text("Columns").click()
    tools.get_by_label("DICEE", exact=True).uncheck()
    header(page, "WMAPE").get_by_role("button").click()
    assert page.locator(f"{FIRST} thead th:visible", has_text="DICEE").count() == 0
    with page.expect_download() as download:
        tools.get_by_role("button", name="Download CSV").click()
    names, *lines = csv.reader(download.value.path().read_text().splitlines())
    assert names[:4] == ["rank", "entry", "WMAPE", "DPEAKS"]
    assert sorted(line[1] for line in lines) == [f"ks93 Team {number}" for number in (12, 15, 18, 21)]
    again, noted_again = open_page(site / "forty.html", fragment=page.url.partition("#")[2])
    assert again.locator(FIRST).inner_html() == page.locator(FIRST).inner_html()
    assert noted == noted_again == []


def test_searching_and_choosing_columns_on_a_phone(site, open_page):
    page, noted = open_page(site / "forty.html", 390)
    tools = page.locator("#mass-mapping .tools")
    tools.get_by_label("Search").fill("ks93 team 1")
    assert page.locator(f"{FIRST} tbody:first-of-type tr:visible").count() == 4
    tools.get_by_text("Columns").click()
    tools.get_by_label("DICEE", exact=True).uncheck()
    for part in ("th", "td"):
        assert page.locator(f"{FIRST} {part}.score[hidden]").count() > 0
        assert page.locator(f"{FIRST} {part}[hidden]:visible").count() == 0
    assert noted == []


@pytest.mark.parametrize("searched", ["50%", "%41", "%zz & 100 %", "é?#"])
def test_what_was_searched_is_in_the_address_as_it_was_typed(site, open_page, searched):
    page, noted = open_page(site / "forty.html")
    page.locator("#mass-mapping .tools").get_by_label("Search").fill(searched)
    fragment = page.evaluate("location.hash.slice(1)")
    again, noted_again = open_page(site / "forty.html", fragment=fragment)
    assert again.locator("#mass-mapping .tools").get_by_label("Search").input_value() == searched
    assert noted == noted_again == []


def test_a_fragment_that_nothing_has_encoded(site, open_page):
    page, noted = open_page(site / "forty.html", fragment="mass-mapping?q=50%")
    tools = page.locator("#mass-mapping .tools")
    assert tools.get_by_label("Search").input_value() == "50%"
    assert tools.is_visible()
    assert noted == []


def test_two_boards_of_one_track(open_page, tmp_path):
    """What is done with the second one is said, kept in the address, and written under its own name."""
    boards = [replace(a_board(rows=rows), title=title) for rows, title in ((20, "Losses"), (6, "Sizes"))]
    write_leaderboard(boards, tmp_path)
    page, noted = open_page(tmp_path / "index.html")
    ids = page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))
    links = page.locator("nav a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    ids_of_boards = ["mass-mapping", "mass-mapping-2"]
    assert links == [f"#{name}" for name in (*ids_of_boards, "reading")]
    assert Axe().run(page).violations_count == 0
    second = page.locator("#mass-mapping-2")
    second.get_by_role("button", name="WMAPE").click()
    assert page.get_by_role("status").all_text_contents() == ["", "Sorted by WMAPE, ascending."]
    second.get_by_label("Search").fill("ks93")
    with page.expect_download() as download:
        second.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "mass-mapping-2.csv"
    again, noted_again = open_page(tmp_path / "index.html", fragment=page.url.partition("#")[2])
    rows = (again.locator(f"#{name} .board tbody tr:visible") for name in ids_of_boards)
    assert [one.count() for one in rows] == [20, 2]
    second.get_by_role("link", name="What is meant by DICEE").click()
    assert page.url.endswith("#mass-mapping-2-dicee")
    assert noted == noted_again == []


def test_facts_of_methods_are_columns_to_be_chosen(site, open_page):
    """Row 0, 4, … of the big board have no facts, every second one a link that is none."""
    page, noted = open_page(site / "forty.html")
    shown = page.locator(f"{FIRST} td:visible", has_text=re.compile("^1,000$"))
    assert shown.count() == 0
    tools = page.locator("#mass-mapping .tools")
    tools.get_by_text("Columns").click()
    for name in ("parameters", "training time", "code or paper"):
        tools.get_by_label(name, exact=True).check()
    assert shown.all_inner_texts() == ["1,000"]
    assert page.locator(f"{FIRST} td", has_text="2 min").first.is_visible()
    assert (
        page.locator(f"{FIRST} tbody td a").evaluate_all("all => all.map(one => one.protocol)")
        == ["https:"] * 10
    )
    again, _ = open_page(site / "forty.html", fragment=page.url.partition("#")[2])
    assert again.locator(f"{FIRST} th:visible", has_text="parameters").count() == 1
    assert noted == []


def test_the_head_of_a_long_table_stays(site, open_page):
    page, _ = open_page(site / "forty.html")
    page.locator("#mass-mapping .tall").evaluate("one => one.scrollTo(300, 900)")
    table, head = (page.locator(f"#mass-mapping {name}").bounding_box() for name in (".tall", ".tall thead"))
    names = page.locator(f"{FIRST} thead th:visible").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect())"
    )
    assert all(abs(name["top"] - table["y"]) < 3 for name in names)
    assert names[0]["left"] == pytest.approx(table["x"], abs=3)
    assert names[1]["left"] >= names[0]["right"] - 1  # neither of the two that stay covers the other
    assert head["height"] < 130


def test_on_a_phone_a_row_is_a_card(site, open_page):
    page, _ = open_page(site / "forty.html", 390)
    row = page.locator(f"{FIRST} tbody tr").nth(6)
    cells = row.locator("td:visible, th:visible").evaluate_all(
        "all => all.map(one => one.className.split(' ')[0])"
    )
    assert cells == ["rank", "who", "score", "score", "score"]
    assert row.bounding_box()["width"] <= 390
    assert row.bounding_box()["height"] < 260


def test_figures_of_many_rows_take_the_whole_width(site, open_page):
    """Those of forty rows stand one below the other, as wide as their frame."""
    page, _ = open_page(site / "forty.html", 1400)
    widths = page.locator("#mass-mapping .drawn, #mass-mapping .drawn > figure").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().width)"
    )
    assert len(widths) == 3
    assert widths == pytest.approx([widths[0]] * 3, abs=1)


def test_every_class_with_a_style_is_on_a_page(site):
    """But ``change``, which the script adds, and ``curve``, of boards of claims, which are not here."""
    style = re.sub(r"/\*.*?\*/", "", environment().globals["style"], flags=re.DOTALL)
    styled = set(re.findall(r"\.([a-z][a-z-]*)", " ".join(re.findall(r"([^{}]+){", style))))
    pages = [path.read_text() for path in site.rglob("*.html")]
    used = {
        name for page in pages for names in re.findall(r'class="([^"]*)"', page) for name in names.split()
    }
    assert styled - used == {"change", "curve"}


def test_from_the_board_to_a_submission_and_back(site, open_page):
    page, _ = open_page(site / "index.html", 390)
    with page.expect_navigation():  # until the page is whole: before that, its last figure is another one
        page.locator(f"{FIRST} tbody a[href^=submissions]").first.click()
    assert "Worst" in page.locator("#cases ~ figure").last.text_content()
    with page.expect_navigation():
        page.get_by_role("link", name="Leaderboard").click()
    assert page.url.endswith("index.html#mass-mapping")


@pytest.mark.parametrize("track", ["mass-mapping", "stamps"])
def test_on_a_phone_a_submission_needs_no_scrolling_to_the_side(site, open_page, track):
    page, _ = open_page(site / f"submissions/{track}.html", 390)
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML)"
    assert page.locator("main :not(svg *):not(.hidden)").evaluate_all(wide) == []
    lefts = (
        page.locator(".tiles")
        .first.locator("> div")
        .evaluate_all("all => all.map(one => Math.round(one.getBoundingClientRect().left))")
    )
    assert len(set(lefts)) == 2


def test_scores_by_case_of_a_submission_are_downloaded(site, open_page):
    page, noted = open_page(site / "submissions/stamps.html")
    with page.expect_download() as download:
        page.get_by_role("link", name="as CSV").click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert [row["case_id"] for row in rows] == [f"c{number}" for number in range(12)]
    assert noted == []


def test_pictures_do_not_glare_on_a_dark_page(site, open_page):
    """Differences near 0 and pixels of no region are white by day."""
    page, _ = open_page(site / "submissions/mass-mapping.html", 1024, "dark")
    for picture in page.locator(".pale > img").all():
        seen = imread(io.BytesIO(picture.screenshot()))
        assert np.median(seen[..., :3]) < 0.5


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_all_columns_are_seen(site, open_page, name):
    page, _ = open_page(site / name, 1030, "dark")  # A4, landscape
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    cut = page.locator(".wide, .scroll").evaluate_all(
        "all => all.filter(one => getComputedStyle(one).overflowX !== 'visible').length"
    )
    assert cut == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1030


def test_a_link_to_a_claim_opens_it(site, open_page):
    """Verdicts are told by a sign and a word, and the plot's numbers are cells of a table."""
    page, _ = open_page(site / "claims/claims.html", fragment="mixed")
    assert page.locator("details[open]").count() == 1
    assert page.locator("#mixed").is_visible()
    assert page.locator(".tally li").all_inner_texts() == [
        "1 confirmed", "1 refuted", "1 mixed", "1 undecided", "2 not tested",
    ]  # fmt: skip
    row = page.get_by_role("row", name="DICEE").first
    assert "−0.25 [−0.50," in row.inner_text()
    assert row.locator("svg.plot").get_attribute("aria-hidden") == "true"
