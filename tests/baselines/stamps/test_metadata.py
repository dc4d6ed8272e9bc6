import numpy as np
import pytest

from baselines.protocol import BaselineError
from baselines.stamps.metadata import COLUMNS, FORBIDDEN, column_names, metadata_features, moments


def table(**columns):
    rows = len(next(iter(columns.values())))
    metadata = np.zeros(rows, [(name, np.asarray(values).dtype) for name, values in columns.items()])
    for name, values in columns.items():
        metadata[name] = values
    return metadata


def test_default_columns_are_allowed():
    assert len(column_names(COLUMNS)) == 18


@pytest.mark.parametrize("name", [*FORBIDDEN, "ndetHist", "objectId", "DRB", "drb?"])
def test_what_gives_the_class_away_is_refused_by_name_with_the_reason(name):
    with pytest.raises(BaselineError, match=rf"column {name.rstrip('?')} gives the class away: it \w+ .*"):
        column_names(f"magpsf {name}")


@pytest.mark.parametrize("columns", ["", "  ", "magpsf magpsf", "magpsf magpsf?"])
def test_no_columns_and_twice_the_same_are_refused(columns):
    with pytest.raises(BaselineError, match="each once"):
        column_names(columns)


def test_values_that_are_missing_become_nan():
    metadata = table(
        a=[1.5, np.nan, -999, np.inf, 1e300, -998],
        b=np.arange(6),
        isdiffpos=[b"t", b"f", b"1", b"0", b"", b"t"],
    )
    found = metadata_features(metadata, ("b", "a", "isdiffpos"))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], np.arange(6))
    np.testing.assert_array_equal(found[:, 1], [1.5, np.nan, np.nan, np.nan, np.nan, -998])
    np.testing.assert_array_equal(found[:, 2], [1, 0, 1, 0, np.nan, 1])


def test_latitudes_are_those_of_astropy():
    from astropy import units
    from astropy.coordinates import BarycentricMeanEcliptic, SkyCoord

    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 50), rng.uniform(-90, 90, 50)
    found = metadata_features(table(ra=ra, dec=dec), ("galactic_latitude", "ecliptic_latitude"))
    places = SkyCoord(ra * units.deg, dec * units.deg)
    np.testing.assert_allclose(found[:, 0], places.galactic.b.deg, atol=1e-3)
    np.testing.assert_allclose(found[:, 1], places.transform_to(BarycentricMeanEcliptic()).lat.deg, atol=1e-3)


def test_missing_column_is_answered_with_those_there_are():
    with pytest.raises(BaselineError, match=r"no column 'magpsf'.*there are: ra b$"):
        metadata_features(table(ra=[1.0], b=[2.0], rb=[0.5]), ("magpsf",))
    with pytest.raises(BaselineError, match="no column 'dec', from which ecliptic_latitude is taken"):
        metadata_features(table(ra=[1.0]), ("ecliptic_latitude",))


def test_optional_columns_may_be_missing():
    metadata = table(ra=[1.0, 2.0], b=[2.0, 3.0])
    found = metadata_features(metadata, ("b?", "elong?"))
    np.testing.assert_array_equal(found, [[2, np.nan], [3, np.nan]])
    with pytest.raises(BaselineError, match="no column 'dec'"):
        metadata_features(metadata, ("galactic_latitude",))


def test_text_is_refused():
    with pytest.raises(BaselineError, match="name must be numbers"):
        metadata_features(table(name=[b"x"]), ("name",))


def test_moments_are_of_the_values_there_are():
    features = np.float32([[1, np.nan, 7, np.nan], [3, np.nan, 7, 4]])
    mean, variance = moments(features)
    np.testing.assert_array_equal(mean, [2, 0, 7, 4])
    np.testing.assert_array_equal(variance, [1, np.inf, 1, 1])
