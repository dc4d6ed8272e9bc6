"""The list of an astronomer's night: classified alerts as CSV, and as a page with their stamps."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.files import write_csv, write_text
from harness.report.drawing.stamps import side_by_side
from harness.report.export import quoted
from harness.report.page import render
from submissions.report import plain

FILES = ("alerts.csv", "index.html")
ZTF = re.compile(r"ZTF\d\d[a-z]{7}")
OBJECT_PAGES = {
    "ALeRCE": "https://alerce.online/object/{}",
    "Fink": "https://fink-portal.org/{}",
    "Lasair": "https://lasair-ztf.lsst.ac.uk/objects/{}/",
}
PLACE_PAGES = {
    "SIMBAD": "https://simbad.cds.unistra.fr/simbad/sim-coo?Coord={:.6f}+{:.6f}&Radius=1&Radius.unit=arcmin",
    "Legacy Survey": "https://www.legacysurvey.org/viewer?ra={:.6f}&dec={:.6f}&zoom=16",
}
FILTERS = {1: "g", 2: "r", 3: "i"}


def write_alerts(
    answers: Sequence[Mapping[str, Any]], images: Sequence[np.ndarray], cuts: Sequence[Mapping[str, Any]],
    runs: Sequence[str], left_out: int, folder: Path,
) -> None:  # fmt: skip
    """Write FILES into a folder: all ranked alerts, and the page, which shows the first, with ``images``."""
    answers = [{**answer, "filter": FILTERS.get(answer["filter"])} for answer in answers]
    classes = list(answers[0]["probabilities"])
    of_runs = [f"SN {run}" for run in runs] if len(runs) > 1 else []
    known = ("ra", "dec", "magnitude", "filter", "jd", "class")
    rows = (
        [
            rank,
            *(_cell(str(answer[key])) for key in ("candid", "objectId")),
            *(answer[key] for key in known),
            *(f"{probability:.6g}" for probability in answer["probabilities"].values()),
            *(f"{probability:.6g}" for probability in answer["by_run"] if of_runs),
            answer["agree"],
            f"{answer['purity']:.6g}",
        ]
        for rank, answer in enumerate(answers, 1)
    )
    header = ["rank", "candid", "objectId", *known, *classes, *map(_cell, of_runs), "agree",
              "expected_purity"]  # fmt: skip
    write_csv(folder / FILES[0], header, rows)
    cards = [
        {
            **answer,
            "links": dict(links(str(answer["objectId"]), answer["ra"], answer["dec"])),
            "drawn": side_by_side(each, np.array(0), [np.array([*answer["probabilities"].values()])]),
        }
        for answer, each in zip(answers, images, strict=False)
    ]
    counted = Counter(answer["class"] for answer in answers)
    counts = {name: counted[name] for name in classes if counted[name]}
    page = render(
        "alerts.html", cards=cards, counts=counts, cuts=cuts, runs=runs, total=len(answers), left_out=left_out
    )
    write_text(folder / FILES[1], page)


def links(name: str, ra: float | None, dec: float | None) -> Iterator[tuple[str, str]]:
    """Where to read on: title and address of pages about an object of ZTF, and about its place in the sky.

    Names that are not ZTF's have no pages: nothing of a stranger's gets into an address.
    """
    if ZTF.fullmatch(name):
        yield from ((title, address.format(name)) for title, address in OBJECT_PAGES.items())
    if ra is not None and dec is not None and 0 <= ra <= 360 and -90 <= dec <= 90:
        yield from ((title, address.format(ra, dec)) for title, address in PLACE_PAGES.items())


def _cell(text: str) -> str:
    return quoted(plain(text))
