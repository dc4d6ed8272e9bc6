"""Take the picture of the README: ``make picture``."""

import io
import json
import sys
from pathlib import Path

from PIL import Image, PngImagePlugin
from playwright.sync_api import sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM

PICTURE = Path(__file__).parents[2] / "docs/leaderboard.png"
WIDTH, HEIGHT = 1280, 1400
SCORES = ("wmape", "dicee", "dpeaks")


def take(page_file: Path, out: Path = PICTURE) -> None:
    """The top of a board's page, as Chromium draws it. The file says, as text, which scores it shows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(page_file.absolute().as_uri())
        screenshot = page.screenshot()
        browser.close()
    board = json.loads(page_file.with_name("leaderboard.json").read_text())[0]
    means = {
        row["method"]: [float(f"{row['metrics'][key]['mean']:.6g}") for key in SCORES]
        for row in board["rows"]
    }
    text = PngImagePlugin.PngInfo()
    text.add_text("scores", json.dumps(means))
    Image.open(io.BytesIO(screenshot)).save(out, pnginfo=text, optimize=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]))
