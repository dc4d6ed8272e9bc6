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
def test_a_case_of_a_run_is_drawn(trained, maps, stamps, tmp_path, name, file, weights):
    folder = maps if name == "zeros" else stamps
    case = first_case(folder / (file or "validation.h5"))
    data = folder / file if file else None
    assert show(trained / name, data, case, tmp_path / "case.png", weights) == [tmp_path / "case.png"]
    assert (tmp_path / "case.png").read_bytes().startswith(b"\x89PNG")
    assert show(trained / name, data, None, tmp_path / "first.png", weights)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "case.png").read_bytes()


@pytest.mark.parametrize("track", ["maps", "stamps"])
def test_a_data_set_is_drawn_without_a_run(request, tmp_path, track):
    data = tmp_path / "some.h5"
    data.symlink_to(request.getfixturevalue(track) / "data.h5")
    folder, case = tmp_path / "some.pictures", first_case(data)
    assert show(data, case_id=case) == [folder / f"{case}.png"]
    names = ["samples"]
    if track == "maps":
        assert show(data, weights=True) == [folder / f"{case}.weights.png"]
    else:
        kinds = ("AGN", "SN", "VS", "asteroid", "bogus")
        names = ["labels", *(f"samples-{kind}{size}" for kind in kinds for size in ("", "-21"))]
    assert show(data) == [folder / f"{name}.png" for name in names]
    assert show(data, out=tmp_path / "there") == [tmp_path / "there" / f"{name}.png" for name in names]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.rglob("*.png"))


def test_what_cannot_be_drawn(trained, maps, stamps, tmp_path):
    maps_case, stamps_case = (first_case(folder / "test-inputs.h5") for folder in (maps, stamps))
    inputs, truth = maps / "test-inputs.h5", stamps / "test-truth.h5"
    for source, data, case, weights, message in (
        (trained / "zeros", maps / "data.h5", "x", False, "got 'x'"),
        (trained / "zeros", None, "x", False, "name a data set with --inputs"),
        (trained / "zeros", inputs, maps_case, False, "must have the truth to draw"),
        (trained / "zeros", inputs, maps_case, True, "weights must be of a true map"),
        (trained / "majority", stamps / "data.h5", stamps_case, True, "weights must be of a true map"),
        (trained / "majority", truth, None, False, "must be a file with inputs"),
        (inputs, None, maps_case, True, "weights must be of a true map"),
        (truth, None, first_case(truth), False, "must have the inputs to draw"),
        (maps / "data.h5", None, "x", False, "got 'x'; its first ones are"),
    ):
        with pytest.raises(HarnessError, match=message):
            show(source, data, case, tmp_path / "case.png", weights)
    assert not any(tmp_path.iterdir())
