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

from harness.data.alerts import Alerts
from harness.data.members import members
from harness.data.store import DataError
from harness.tracks import STAMPS

CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
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


def packets(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each ``.avro`` file: the source itself, or in a folder, ``.tar``, ``.tar.gz``."""
    if source.name.endswith(PACKET):
        yield source.name, source.read_bytes()
        return
    for name, data in members(source):
        if name.endswith(PACKET):
            yield name, data


def read_packet(name: str, data: bytes) -> list[dict[str, Any]]:
    """The alerts of one Avro file. Raises DataError where it cannot be read as that."""
    try:
        records: list[Any] = list(fastavro.reader(io.BytesIO(data)))
    except Exception as error:  # a damaged file makes the reader stumble over whatever comes next
        raise DataError(f"{name} is no Avro file that can be read: {error}") from error
    for record in records:
        if not isinstance(record, dict) or not {"candid", "objectId", "candidate", *CUTOUTS} <= record.keys():
            raise DataError(
                f"{name} holds no ZTF alerts: candid, objectId, candidate and cutouts were expected"
            )
    return records


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


def alerts_of(
    records: Sequence[dict[str, Any]], images: Sequence[np.ndarray], labels: Mapping[str, int] | None
) -> Alerts:
    """Alerts with numbers of their ``candidate`` record as metadata, NaN where a packet has none.

    ``labels`` gives the class of each by its ``candid``, if they are known.
    """
    metadata = np.zeros(len(records), [("objectId", "S32"), *((name, "f8") for name in NUMBERS)])
    for row, record in enumerate(records):
        values = (record["candidate"].get(name) for name in NUMBERS)
        numbers = (float(v) if isinstance(v, int | float) else np.nan for v in values)
        metadata[row] = (str(record["objectId"]).encode("ascii", "replace"), *numbers)
    ids = [str(record["candid"]) for record in records]
    known = None if labels is None else np.array([labels[case_id] for case_id in ids], np.int8)
    return Alerts(images, known, metadata, ids, [str(record["objectId"]) for record in records])


def read_labels(path: Path) -> dict[str, int]:
    """Class of each alert from a CSV with the columns ``candid`` and ``label``, a name or a number."""
    numbers = {name: index for index, name in enumerate(STAMPS.classes)}
    numbers |= {str(index): index for index in range(len(STAMPS.classes))}
    labels: dict[str, int] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            if not {"candid", "label"} <= set(table.fieldnames or ()):
                raise DataError(f"{path}: the columns candid and label were expected, not {table.fieldnames}")
            for line, row in enumerate(table, 2):
                if row["label"] not in numbers:
                    known = ", ".join(STAMPS.classes)
                    raise DataError(
                        f"{path}, line {line}: label {row['label']!r} is none of {known} or 0 to 4"
                    )
                labels[row["candid"]] = numbers[row["label"]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from error
    return labels
