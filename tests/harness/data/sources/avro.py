"""Alert packets, written by the tests with the libraries that the survey writes them with."""

import gzip
import io

import fastavro
import numpy as np
from astropy.io import fits

from harness.data.sources.avro_alerts import CUTOUTS

CUTOUT = {
    "type": "record",
    "name": "cutout",
    "fields": [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}],
}
SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "alert",
        "fields": [
            {"name": "objectId", "type": "string"},
            {"name": "candid", "type": "long"},
            {
                "name": "candidate",
                "type": {
                    "type": "record",
                    "name": "candidate",
                    "fields": [
                        {"name": "magpsf", "type": "float"},
                        {"name": "fid", "type": "int"},
                        {"name": "drb", "type": ["float", "null"]},
                        {"name": "isdiffpos", "type": ["string", "int", "null"]},
                    ],
                },
            },
            *(
                {"name": name, "type": ["null", CUTOUT if name == CUTOUTS[0] else "cutout"]}
                for name in CUTOUTS
            ),
        ],
    }
)


def fits_gz(image):
    buffer = io.BytesIO()
    fits.PrimaryHDU(image).writeto(buffer)
    return gzip.compress(buffer.getvalue())


def packet(candid, objects=("ZTF1",), shape=(63, 63), **changes):
    """An Avro file of an alert for each object, numbered on from ``candid``, and their images."""
    rng = np.random.default_rng(abs(candid))
    records, images = [], []
    for number, name in enumerate(objects, candid):
        image = rng.normal(size=(*shape, 3)).astype(np.float32)
        image[0, 0, 0] = np.nan
        cutouts = {
            key: {"fileName": key, "stampData": fits_gz(image[..., i])} for i, key in enumerate(CUTOUTS)
        }
        candidate = {"magpsf": 18.5, "fid": 2, "drb": None, "isdiffpos": "t"}
        records.append({"objectId": name, "candid": number, "candidate": candidate, **cutouts, **changes})
        images.append(image)
    buffer = io.BytesIO()
    fastavro.writer(buffer, SCHEMA, records)
    return buffer.getvalue(), images
