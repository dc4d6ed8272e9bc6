"""Metadata of alerts as features of a classifier, the same wherever they are used."""

from __future__ import annotations

import numpy as np

from baselines.protocol import BaselineError, Cases, must_be

MISSING = -999  # what ZTF writes where there is no value
# The poles that latitudes are counted from: right ascension and declination in degrees, J2000.
POLES = {"galactic_latitude": (192.85948, 27.12825), "ecliptic_latitude": (270.0, 66.56071)}
OPTIONAL = "?"
# The change and its shape, the nearest sources in Pan-STARRS, in the template and in Gaia, and the position.
# Simulated alerts have the columns of the first line.
COLUMNS = (
    "magpsf sigmapsf fwhm sgscore1 distpsnr1 srmag1 galactic_latitude ecliptic_latitude isdiffpos? "
    "distnr? magnr? chinr? sharpnr? classtar? nneg? elong? neargaia? maggaia?"
)

_HISTORY = "tells how often, or since when, the object was seen: the classes differ in age by their selection"
_SCORE = "is a classifier's score itself, which the labels of bogus alerts rest on"
_SOLAR = "is a match with known asteroids, from which their labels come"
_IDENTITY = "names the alert or the object instead of describing it"
_DATE = "is a date: alerts of a class were collected in the same nights"
FORBIDDEN = {
    **dict.fromkeys(("ndethist", "ncovhist", "nprv", "jdstarthist", "jdendhist"), _HISTORY),
    **dict.fromkeys(("rb", "drb", "rbversion", "drbversion"), _SCORE),
    **dict.fromkeys(("ssdistnr", "ssmagnr", "ssnamenr"), _SOLAR),
    **dict.fromkeys(("candid", "objectid", "oid", "pid", "nid", "case_id", "group"), _IDENTITY),
    **dict.fromkeys(("jd", "mjd"), _DATE),
    **dict.fromkeys(("label", "labels", "class"), "is the truth itself"),
}


def column_names(columns: str) -> tuple[str, ...]:
    """The names in a text, separated by blanks; `BaselineError` for one that gives the class away.

    A name that ends in a question mark is of a column that may be missing.
    """
    names = tuple(columns.split())
    plain = [name.removesuffix(OPTIONAL) for name in names]
    if not names or len(set(plain)) < len(names):
        raise must_be("columns", "one name or several, each once", repr(columns))
    for name in plain:
        if name.lower() in FORBIDDEN:
            raise BaselineError(f"the column {name} gives the class away: it {FORBIDDEN[name.lower()]}")
    return names


def metadata_features(metadata: np.ndarray | None, names: tuple[str, ...]) -> np.ndarray:
    """Columns of structured metadata (n,) as float32 (n, len(names)), NaN where there is no value.

    The two latitudes are computed from ``ra`` and ``dec``, all in degrees; ``isdiffpos`` is 1 or 0. A missing
    optional column has no values. Raises `BaselineError` if another column is missing, or holds no numbers.
    """
    if metadata is None:
        raise BaselineError("the data set has no metadata, which this baseline learns and predicts from")
    present = metadata.dtype.names or ()
    features = []
    for column in names:
        name = column.removesuffix(OPTIONAL)
        if name not in present and name != column:
            features.append(np.full(len(metadata), np.nan))
            continue
        for needed in ("ra", "dec") if name in POLES else (name,):
            if needed not in present:
                allowed = " ".join(each for each in present if each.lower() not in FORBIDDEN)
                raise BaselineError(
                    f"the metadata have no column {needed!r}, from which {name} is taken; name others in "
                    f"`columns`, there are: {allowed}"
                )
        position = name in POLES
        features.append(_latitude(metadata, *POLES[name]) if position else _numbers(metadata[name], name))
    values = np.stack(features, axis=1)
    usable = np.isfinite(values) & (values != MISSING) & (np.abs(values) < np.finfo(np.float32).max)
    return np.where(usable, values, np.nan).astype(np.float32)


def features_of(cases: Cases, names: tuple[str, ...]) -> np.ndarray:
    """`metadata_features` of all cases."""
    return metadata_features(None if cases.metadata is None else cases.metadata[:], names)


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (m,) of the values that each column of (n, m) has; 1 for a variance of 0.

    The variance of a column without a value is infinite, so that values of other data there have no effect.
    """
    present, values = np.isfinite(features), np.nan_to_num(features.astype(np.float64))
    count = np.maximum(present.sum(axis=0), 1)
    mean = values.sum(axis=0) / count
    variance = (present * (values - mean) ** 2).sum(axis=0) / count
    return mean, np.where(present.any(axis=0), np.where(variance > 0, variance, 1), np.inf)


def _numbers(column: np.ndarray, name: str) -> np.ndarray:
    if column.dtype.kind == "S" and name == "isdiffpos":  # as ZTF writes it
        return np.select([np.isin(column, (b"t", b"1")), np.isin(column, (b"f", b"0"))], [1.0, 0.0], np.nan)
    if column.dtype.kind not in "iufb" or column.ndim != 1:
        raise must_be(f"the metadata's column {name}", "numbers", column.dtype)
    return column.astype(np.float64)


def _latitude(metadata: np.ndarray, pole_ra: float, pole_dec: float) -> np.ndarray:
    ra, dec = (np.radians(_numbers(metadata[name], name)) for name in ("ra", "dec"))
    pole_ra, pole_dec = np.radians((pole_ra, pole_dec))
    sine = np.sin(dec) * np.sin(pole_dec) + np.cos(dec) * np.cos(pole_dec) * np.cos(ra - pole_ra)
    latitude: np.ndarray = np.degrees(np.arcsin(np.clip(sine, -1, 1)))
    return latitude
