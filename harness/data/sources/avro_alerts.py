"""ZTF alert packets as the brokers hand them out: Avro, with three gzipped FITS images in each."""

from __future__ import annotations

import csv
import io
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
from astropy.io import fits

from harness.data.sources.alerts import Alerts, LeaveOut
from harness.data.sources.tar_members import members
from harness.data.store import CHUNK, DataError
from submissions.formats.stamps import CLASS_NUMBERS, CLASSES

CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
NEEDED = {"candid", "objectId", "candidate", *CUTOUTS}
IMAGE_BYTES = 2**20
PACKET = ".avro"
GZIP = 31  # what zlib calls that format
# Numbers of the candidate record that become metadata, by the names of the schema in use since 2018.
NUMBERS = (
    "jd", "fid", "ra", "dec", "magpsf", "sigmapsf", "rb", "drb", "ssdistnr", "ssmagnr", "sgscore1",
    "distpsnr1", "sgmag1", "srmag1", "ndethist", "ncovhist", "distnr", "magnr", "classtar", "nbad", "nneg",
    "fwhm", "elong", "chinr", "sharpnr", "neargaia", "maggaia", "diffmaglim", "programid",
)  # fmt: skip


def holds_packets(source: Path) -> bool:
    return source.is_dir() or source.name.endswith((PACKET, ".tar", ".tar.gz", ".tgz"))


def packets(source: Path, leave_out: LeaveOut) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each ``.avro`` file: the source itself, or in a folder, ``.tar``, ``.tar.gz``."""
    if source.name.endswith(PACKET) and source.is_file():
        yield source.name, source.read_bytes()
        return
    try:
        yield from members(source, lambda name: name.endswith(PACKET))
    except DataError as error:
        leave_out(str(source), error, True)


def read_packet(name: str, data: bytes) -> Iterator[dict[str, Any]]:
    """The alerts of one Avro file, one after the other. Raises DataError where it is not one of ZTF's."""
    try:
        reader: Any = fastavro.reader(io.BytesIO(data))
    except Exception as error:  # a damaged file makes fastavro stumble over whatever comes next
        raise DataError(f"{name} is no Avro file that can be read: {error}") from error
    if reader.codec != "null":  # what a few bytes unpack to has no limit
        raise DataError(f"{name} is compressed as {reader.codec!r}, which packets of ZTF are not: rewrite it")
    try:
        for record in reader:
            known = isinstance(record, dict) and record.keys() >= NEEDED
            if not known or not isinstance(record["candidate"], dict):
                raise DataError(f"{name} holds no ZTF alerts: {', '.join(sorted(NEEDED))} were expected")
            yield record
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{name} is cut off, or breaks the schema that it states: {error}") from error


def stamp_of(record: Mapping[str, Any]) -> np.ndarray:
    """Science, template and difference image of an alert, (h, w, 3) float32, or a DataError."""
    images = [_image(name, record[name]) for name in CUTOUTS]
    if len({image.shape for image in images}) > 1:
        raise DataError(f"its images differ in shape: {', '.join(str(image.shape) for image in images)}")
    return np.stack(images, axis=-1)


def _image(name: str, cutout: Any) -> np.ndarray:
    packed = cutout.get("stampData") if isinstance(cutout, dict) else None
    if not isinstance(packed, bytes):
        raise DataError(f"{name} is missing")
    if packed.startswith(b"\xff\xd8"):
        raise DataError(f"{name} is a JPEG preview, without the measured values; gzipped FITS was expected")
    try:
        with warnings.catch_warnings(action="ignore"):
            unpacked = zlib.decompressobj(GZIP).decompress(packed, IMAGE_BYTES)
            with fits.open(io.BytesIO(unpacked), memmap=False) as file:
                image = np.asarray(file[0].data, np.float32)
    except Exception as error:  # astropy raises what its parts happen to raise on damaged FITS
        raise DataError(f"{name} is no gzipped FITS image that can be read: {error}") from error
    if image.ndim != 2:
        raise DataError(f"{name} has {image.ndim} dimensions; an image was expected")
    return image


def read_alerts(source: Path, labels: Mapping[str, int] | None, leave_out: LeaveOut) -> Iterator[Alerts]:
    """The alerts of a source, a few at a time; ``leave_out`` hears of files and alerts that cannot be read.

    ``labels`` gives the class of each by its ``candid``, if they are known.
    """
    records: list[dict[str, Any]] = []
    images: list[np.ndarray] = []
    for name, data in packets(source, leave_out):
        try:
            for record in read_packet(f"{source}: {name}", data):
                candid = str(record["candid"])
                try:
                    if labels is not None and candid not in labels:
                        raise DataError("it has no label")
                    images.append(stamp_of(record))
                    records.append(record)
                except DataError as error:
                    leave_out(candid, DataError(f"alert {candid}: {error}"), False)
                if len(records) >= CHUNK:
                    yield _alerts(records, images, labels)
                    records, images = [], []
        except DataError as error:
            leave_out(name, error, True)
    yield _alerts(records, images, labels)


def _alerts(
    records: Sequence[dict[str, Any]], images: Sequence[np.ndarray], labels: Mapping[str, int] | None
) -> Alerts:
    """Alerts with what their ``candidate`` record says as metadata, NaN where a packet lacks a number."""
    texts = [("objectId", "S32"), ("isdiffpos", "S1")]
    metadata = np.zeros(len(records), [*texts, *((name, "f8") for name in NUMBERS)])
    for row, record in enumerate(records):
        values = (record["candidate"].get(name) for name in NUMBERS)
        numbers = (float(v) if isinstance(v, int | float) else np.nan for v in values)
        names = (str(record["objectId"]), _sign(record["candidate"].get("isdiffpos")))
        metadata[row] = (*(name.encode("ascii", "replace") for name in names), *numbers)
    ids = [str(record["candid"]) for record in records]
    known = None if labels is None else np.array([labels[case_id] for case_id in ids], np.int8)
    return Alerts(images, known, metadata, ids, [str(record["objectId"]) for record in records])


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
            table = csv.DictReader(file)
            if not {"candid", "label"} <= set(table.fieldnames or ()):
                raise DataError(f"{path}: the columns candid and label were expected, not {table.fieldnames}")
            for line, row in enumerate(table, 2):
                if (label := row["label"]) not in CLASS_NUMBERS:
                    known = ", ".join(CLASSES)
                    raise DataError(f"{path}, line {line}: label {label!r} is none of {known} or 0 to 4")
                if labels.setdefault(row["candid"], CLASS_NUMBERS[label]) != CLASS_NUMBERS[label]:
                    before = CLASSES[labels[row["candid"]]]
                    raise DataError(
                        f"{path}, line {line}: alert {row['candid']} was labelled {before} before"
                    )
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from error
    return labels
