"""ZTF alert packets as the brokers hand them out: Avro, with three gzipped FITS images in each."""

import csv
import io
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from astropy.io import fits

from harness.data.sources.alerts import SIZE, usable_alerts
from harness.data.sources.avro_records import MAGIC, read_records
from harness.data.sources.base import Cases, Problem
from harness.data.sources.tar_members import files, names
from harness.data.store import CHUNK, DataError
from submissions.formats.stamps import CLASS_NUMBERS, CLASSES
from submissions.ids import lookup
from submissions.kinds import first_bytes
from submissions.limits import MAX_TEXT
from submissions.report import printable

EXPECTED = "ZTF alert packets: an .avro file, or a folder, .tar, .tar.gz, .tar.bz2, .tar.xz or .zip of such"
CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
NEEDED = {"objectId", "candidate", *CUTOUTS}
IMAGE_BYTES = 2**20
GZIP = 31  # what zlib calls that format
# Numbers of the candidate record that become metadata, by the names of the schema in use since 2018.
NUMBERS = (
    "jd", "fid", "ra", "dec", "magpsf", "sigmapsf", "rb", "drb", "ssdistnr", "ssmagnr", "sgscore1",
    "distpsnr1", "sgmag1", "srmag1", "ndethist", "ncovhist", "distnr", "magnr", "classtar", "nbad", "nneg",
    "fwhm", "elong", "chinr", "sharpnr", "neargaia", "maggaia", "diffmaglim", "programid",
)  # fmt: skip
KEPT = {*NEEDED, "candid", "stampData", "isdiffpos", *NUMBERS}

# Longer texts are cut by NumPy.
METADATA = np.dtype([("objectId", "S32"), ("isdiffpos", "S1"), *((name, "f8") for name in NUMBERS)])


class Alert(NamedTuple):
    """What is kept of the record of an alert, which may be much larger."""

    candid: str
    object_name: str
    metadata: tuple[bytes | float, ...]
    stamp: np.ndarray


class TooLarge(DataError):
    """An image has more pixels than one of the survey, so that it is none."""


Labelled = Callable[[str], int | None]


def matches(path: Path) -> bool:
    """Whether it is an Avro file, or a folder or an archive in which one is."""
    return first_bytes(path).startswith(MAGIC) or any(name.endswith(".avro") for name in names(path))


def read(path: Path, labels: Mapping[str, int] | None = None) -> Iterator[Cases | Problem]:
    """The alerts of one packet, or of all packets in a folder or archive, a chunk at a time."""
    alerts: list[Alert] = []
    label_of = None if labels is None else _label_of(labels)
    for item in _alerts(path, label_of):
        if isinstance(item, Problem):
            yield item
        else:
            alerts.append(item)
            if len(alerts) == CHUNK:
                yield from _cases(alerts, label_of)
                alerts = []
    if alerts:
        yield from _cases(alerts, label_of)


def _label_of(labels: Mapping[str, int]) -> Labelled:
    """The function that gives the label of a ``candid``, found without its leading zeros, too; or None."""
    meant = lookup(list(labels))
    return lambda candid: labels.get(meant(candid))


def _alerts(path: Path, label_of: Labelled | None) -> Iterator[Alert | Problem]:
    """Record and stamp of each alert, or why there is none; those without a label are problems."""
    try:
        for name, file in _packets(path):
            if isinstance(file, DataError):
                yield Problem(name, file)
                continue
            try:
                for record in read_packet(file):
                    yield _alert(record, label_of)
            except DataError as error:
                where = path if name == path.name else f"{path}: {name}"
                yield Problem(name, DataError(f"{where}: {error}"))
    except DataError as error:
        yield Problem(path.name, error)


def _packets(path: Path) -> Iterator[tuple[str, IO[bytes] | DataError]]:
    """Name and content of each Avro file, or why it cannot be read."""
    if first_bytes(path).startswith(MAGIC):
        with path.open("rb") as file:
            yield path.name, file
        return
    with closing(files(path, ".avro")) as found:
        for name, data in found:
            if data is not None:
                yield name, io.BufferedReader(io.BytesIO(data)) if isinstance(data, bytes) else data


def _alert(record: dict[str, Any], label_of: Labelled | None) -> Alert | Problem:
    candid = str(record["candid"])
    try:
        if label_of is not None and label_of(candid) is None:
            raise DataError("it has no label")
        return Alert(candid, str(record["objectId"]), _metadata(record), stamp_of(record))
    except DataError as error:
        damaged = isinstance(error, TooLarge)
        return Problem(candid, DataError(f"alert {candid}: {error}"), damaged)


def read_packet(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The alerts of one Avro file, one after the other. Raises DataError where it is not one of ZTF's."""
    for record in read_records(file, KEPT):
        candidate = record.get("candidate")
        if not (record.keys() >= NEEDED and isinstance(candidate, dict)):
            raise DataError(f"it holds no ZTF alerts: {', '.join(sorted(NEEDED))} were expected")
        record.setdefault("candid", candidate.get("candid"))  # where some brokers leave it
        if not isinstance(record["candid"], int | str):
            raise DataError(f"its alerts must have a candid, got {printable(record['candid'])}")
        for name in ("candid", "objectId"):
            if (length := len(str(record[name]))) > MAX_TEXT:
                must = f"the {name} of an alert must have {MAX_TEXT} characters at most"
                raise DataError(f"{must}, got {length:,}")
        yield record


def stamp_of(record: Mapping[str, Any]) -> np.ndarray:
    """Science, template and difference image of an alert, (h, w, 3) float32, or a DataError."""
    images = [_image(name, record[name]) for name in CUTOUTS]
    if len({image.shape for image in images}) > 1:
        raise DataError(f"its images differ in shape: {', '.join(str(image.shape) for image in images)}")
    return np.stack(images, axis=-1)


def _image(name: str, cutout: Any) -> np.ndarray:
    packed = cutout.get("stampData") if isinstance(cutout, dict) else cutout
    if not isinstance(packed, bytes):
        raise DataError(f"{name} is missing")
    if packed.startswith(b"\xff\xd8"):
        raise DataError(f"{name} is a JPEG preview, without the measured values; gzipped FITS was expected")
    try:
        with warnings.catch_warnings(action="ignore"):
            unpacked = zlib.decompressobj(GZIP).decompress(packed, IMAGE_BYTES)
            with fits.open(io.BytesIO(unpacked)) as file:
                shape = file[0].shape  # of its header: pixels take more memory than they have bytes there
                image = np.asarray(file[0].data, np.float32) if max(shape, default=0) <= SIZE else None
    except Exception as error:  # astropy raises what its parts happen to raise on damaged FITS
        raise DataError(f"{name} is no gzipped FITS image that can be read: {error}") from error
    if image is None:
        raise TooLarge(f"{name} must have {SIZE} by {SIZE} pixels at most, got the shape {shape}")
    if image.ndim != 2:
        raise DataError(f"{name} has {image.ndim} dimensions; an image was expected")
    return image


def _cases(alerts: Sequence[Alert], label_of: Labelled | None) -> Iterator[Cases | Problem]:
    """The usable ones of some alerts, with their labels."""
    candids, object_names, metadata, stamps = zip(*alerts, strict=True)
    classes = None if label_of is None else np.array([label_of(candid) for candid in candids], np.int8)
    return usable_alerts(stamps, classes, np.array(list(metadata), METADATA), candids, object_names)


def _metadata(record: Mapping[str, Any]) -> tuple[bytes | float, ...]:
    """A row of the metadata, from the ``candidate`` record; NaN where it lacks a number."""
    candidate = record["candidate"]
    values = (candidate.get(name) for name in NUMBERS)
    return (
        str(record["objectId"]).encode("ascii", "replace"),
        _sign(candidate.get("isdiffpos")).encode("ascii", "replace"),
        *(float(value) if isinstance(value, int | float) else np.nan for value in values),
    )


def _sign(value: Any) -> str:
    """Whether the difference is positive, as ZTF writes it; brokers have made numbers of it."""
    if isinstance(value, int):
        return "t" if value > 0 else "f"
    return value if isinstance(value, str) else ""


def read_labels(path: Path) -> dict[str, int]:
    """Class of each alert from a CSV with the columns ``candid`` and ``label``, a name or a number."""
    labels: dict[str, int] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, skipinitialspace=True)
            columns = table.fieldnames = [name.strip() for name in table.fieldnames or ()]
            mark = next((mark for mark in ";\t|" if mark in "".join(columns)), "")
            if len(columns) == 1 and mark:
                raise DataError(
                    f"{path} must have commas between its columns, got {mark!r}; save it as CSV with commas"
                )
            if not {"candid", "label"} <= set(columns):
                raise DataError(f"{path}: the columns candid and label were expected, not {columns}")
            for line, row in enumerate(table, 2):
                where = f"{path}, line {line}"
                candid, label = ((row[name] or "").strip() for name in ("candid", "label"))
                if label not in CLASS_NUMBERS:
                    expected = ", ".join(CLASSES)
                    raise DataError(f"{where}: the label must be {expected} or 0 to 4, got {label!r}")
                if labels.setdefault(candid, CLASS_NUMBERS[label]) != CLASS_NUMBERS[label]:
                    before = CLASSES[labels[candid]]
                    raise DataError(f"{where}: alert {candid} was labelled {before} before")
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from error
    return labels
