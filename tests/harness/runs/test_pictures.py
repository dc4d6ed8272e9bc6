"""Pictures of cases: of maps and stamps, with the truth and without it."""

import pytest

from harness.data.store import open_dataset
from harness.files import HarnessError
from harness.runs.pictures import show
from harness.runs.training import train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(maps, stamps, tmp_path_factory):
    """Runs of both tracks."""
    folder = tmp_path_factory.mktemp("trained")
    train("zeros", maps, folder / "zeros", "smoke")
    train("majority", stamps, folder / "majority", "smoke")
    return folder


def first_case(path):
    with open_dataset(path) as data:
        return data.case_ids()[0]


@pytest.mark.parametrize(
    ("name", "file", "weights"),
    [("zeros", "data.h5", False), ("zeros", "data.h5", True), ("zeros", None, False),
     ("majority", "data.h5", False), ("majority", "test-inputs.h5", False), ("majority", None, False)],
)  # fmt: skip
def test_a_case_is_drawn(trained, maps, stamps, tmp_path, name, file, weights):
    folder = maps if name == "zeros" else stamps
    case = first_case(folder / (file or "validation.h5"))
    show(trained / name, folder / file if file else None, case, tmp_path / "case.png", weights)
    assert (tmp_path / "case.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn(trained, maps, stamps, tmp_path):
    maps_case, stamps_case = (first_case(folder / "test-inputs.h5") for folder in (maps, stamps))
    inputs = maps / "test-inputs.h5"
    for name, data, case, weights, message in (
        ("zeros", maps / "data.h5", "x", False, "no case 'x'"),
        ("zeros", None, "x", False, "name a data set with --data"),
        ("zeros", inputs, maps_case, False, "no truth to draw"),
        ("zeros", inputs, maps_case, True, "weights are of a true map"),
        ("majority", stamps / "data.h5", stamps_case, True, "weights are of a true map"),
    ):
        with pytest.raises(HarnessError, match=message):
            show(trained / name, data, case, tmp_path / "case.png", weights)
    assert not any(tmp_path.iterdir())
