"""Fuzz what reads submissions: ``python tests/fuzz/fuzz_readers.py --runs 100000 [--seed S]``.

The first byte of an input chooses the reader. A crash, a hang of 10 seconds, more than 1 GB of memory, or any
error but SubmissionError ends the run with a status that is not 0, and the input is kept in the folder
``--keep``, to be run again with ``--input FILE``.
"""

import argparse
import contextlib
import os
import struct
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["submissions"], enable_loader_override=False):
    from submissions import SubmissionError, open_submission
    from submissions.formats.registry import FORMATS
    from submissions.manifest import Manifest, parse
    from submissions.npy import read_npy

import numpy as np

from tests.submissions.zips import Entry, make_zip, npy

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None  # a file system that needs no disk
IDS = ["a", "b"]
TABLE = b"case_id,AGN,SN,VS,asteroid,bogus\na,1,0,0,0,0\nb,0.2,0.2,0.2,0.2,0.2\n"
FLAT = npy(np.zeros((128, 128), np.float16))
MANIFEST = Manifest("stamps", "T", "m", "f", 7, {"numpy": "2"}, "cpu", 1.5, {"x": "0" * 64}).to_bytes()


def read(path: Path, track: str) -> None:
    predictions, report = open_submission(path, track, IDS).read()
    lines = report.lines()
    assert all(line.isprintable() for line in lines), lines
    assert not report.accepted or np.isfinite(predictions).all(), lines


def read_zip(data: bytes, track: str) -> None:
    with tempfile.NamedTemporaryFile(suffix=".zip", dir=MEMORY) as file:
        file.write(data)
        file.flush()
        read(Path(file.name), track)


def read_made_zip(data: bytes) -> None:
    """A zip whose checksums are right and whose fields lie: bytes alone seldom come that far."""
    source, entries = atheris.FuzzedDataProvider(data), []
    for _ in range(source.ConsumeIntInRange(1, 4)):
        lies = {
            field: source.ConsumeIntInRange(0, top)
            for field, top in LIES.items()
            if source.ConsumeIntInRange(0, 7) == 0
        }
        name = (
            source.PickValueInList(NAMES) if source.ConsumeBool() else source.ConsumeUnicodeNoSurrogates(20)
        )
        content = source.PickValueInList([FLAT, TABLE, MANIFEST, None])
        content = source.ConsumeBytes(200) if content is None else content
        entries.append(Entry(name, content, **{"method": source.PickValueInList([0, 8])} | lies))
    for track in FORMATS:
        read_zip(make_zip(*entries), track)


LIES = {
    "method": 2**16 - 1,
    "flags": 2**16 - 1,
    "mode": 2**16 - 1,
    "size": 2**32 - 1,
    "packed_size": 2**32 - 1,
    "crc": 2**32 - 1,
    "offset": 2**32 - 1,
}
NAMES = [
    "team/a.npy",
    "team/b.npy",
    "predictions.csv",
    "manifest.json",
    "x/manifest.json",
    "__MACOSX/a.npy",
    "",
]


def read_table(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        Path(folder, "predictions.csv").write_bytes(data)
        read(Path(folder), "stamps")


READERS = [
    lambda data: read_zip(data, "mass-mapping"),
    lambda data: read_zip(data, "stamps"),
    read_made_zip,
    lambda data: read_npy(data, (2, 3)),
    read_table,
    parse,
]
SEEDS = [
    make_zip(Entry("t/a.npy", FLAT, 8), Entry("t/b.npy", FLAT, 8)),
    make_zip(Entry("predictions.csv", TABLE), Entry("manifest.json", MANIFEST)),
    bytes(64),
    *(npy(np.ones((2, 3), dtype)) for dtype in ("<f2", ">f8", "i4")),
    TABLE,
    MANIFEST,
]
OF_SEED = [0, 1, 2, 3, 3, 3, 4, 5]


def run(data: bytes) -> None:
    if data:
        with contextlib.suppress(SubmissionError):
            READERS[data[0] % len(READERS)](data[1:])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--keep", type=Path, default=Path())
    options.add_argument("--input", type=Path)
    chosen = options.parse_args()
    if chosen.input:
        run(chosen.input.read_bytes())
        return
    with tempfile.TemporaryDirectory() as folder:
        for number, (reader, seed) in enumerate(zip(OF_SEED, SEEDS, strict=True)):
            Path(folder, str(number)).write_bytes(struct.pack("B", reader) + seed)
        limits = ["-timeout=10", "-rss_limit_mb=1024", "-max_len=4096", "-len_control=0"]
        place = f"-artifact_prefix={chosen.keep.resolve()}{os.sep}"
        if not (child := os.fork()):  # libFuzzer ends the process that it runs in
            runs = [f"-runs={chosen.runs}", f"-seed={chosen.seed}"]
            atheris.Setup([sys.argv[0], *runs, *limits, place, folder], run)
            atheris.Fuzz()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(status)


if __name__ == "__main__":
    main()
