"""One case under every method: tiles of maps, and the shares of classes."""

import base64
from io import BytesIO

import numpy as np
from matplotlib.image import imread

from harness.report.drawing import mass_mapping, stamps


def greys(address):
    data = base64.b64decode(address.removeprefix("data:image/webp;base64,"))
    return imread(BytesIO(data), format="webp")[..., 0].astype(float)


def test_tiles_are_on_the_scale_of_the_truth():
    """A quarter, a half and what lies beyond the scale of a map from 0 to 4."""
    target = np.repeat(np.linspace(0, 4, 128, dtype=np.float16)[None], 128, axis=0)
    drawn = mass_mapping.side_by_side(None, target, [np.full_like(target, value) for value in (1, 2, 9)])
    picture = greys(drawn["sprite"])
    assert picture.shape == (drawn["height"], drawn["width"]) == (128, 1024)
    tiles = [picture[y : y + 128, x : x + 128] for x, y in drawn["tiles"]]
    np.testing.assert_allclose([tile[30:90, 30:90].mean() for tile in tiles[2:]], [64, 128, 255], atol=3)
    np.testing.assert_allclose(tiles[0][64, [20, 100]], [40, 201], atol=6)
    np.testing.assert_allclose(tiles[0] + tiles[1], 255, atol=12)  # the second is the negative of the first


def test_the_shares_of_an_alert_without_images():
    drawn = stamps.side_by_side(None, np.int8(1), [np.array([0.1, 0.6, 0.1, 0.1, 0.1], np.float32)])
    assert drawn["picture"] is None
    assert drawn["target"] == "SN"
    assert [round(share, 6) for _, share in drawn["shares"][0]] == [0.1, 0.6, 0.1, 0.1, 0.1]
    assert [name for name, _ in drawn["shares"][0]][1] == "SN"


def test_the_images_of_an_alert_lie_side_by_side():
    images = np.zeros((63, 63, 3), np.float32)
    images[31, 31, 2], images[0, 0] = 50, np.nan
    picture = greys(stamps.side_by_side(images, np.int8(1), [])["picture"])
    assert picture.shape == (63, 189)
    assert np.unravel_index(picture.argmax(), picture.shape) == (31, 126 + 31)
