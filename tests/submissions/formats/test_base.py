import pytest

from submissions.formats.mass_mapping import FORMAT as MASS_MAPPING
from submissions.formats.stamps import FORMAT as STAMPS


@pytest.mark.parametrize(
    ("name", "of_maps", "of_stamps"),
    [
        ("team/a.npy", True, False),
        ("a.npy", True, False),
        ("predictions.csv", False, True),
        ("a/b/predictions.csv", False, True),
        ("my_predictions.csv", False, False),
        ("a.npy/b", False, False),
    ],
)
def test_the_files_of_a_format(name, of_maps, of_stamps):
    assert (MASS_MAPPING.matches(name), STAMPS.matches(name)) == (of_maps, of_stamps)


def test_a_pattern_says_whether_every_case_has_a_file():
    assert (MASS_MAPPING.file_per_case, MASS_MAPPING.suffix) == (True, ".npy")
    assert not STAMPS.file_per_case
