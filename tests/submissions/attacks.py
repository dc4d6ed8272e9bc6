"""Submissions made to harm whoever reads them, one function an attack, and the codes that refuse them."""

import io
import json
import os
import pickle
import stat
import struct
import zipfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from submissions import Code
from submissions.limits import MAX_ENTRIES, MAX_MAP_BYTES, MAX_TABLE_LINE, MAX_TABLE_ROWS
from tests.submissions.zips import Entry, a_map, deflate, directory_entry, end, make_zip, npy

IDS = ("a", "b", "c")
SECRET = b"THE-TRUTH-IS-0.7071"
MEGABYTE = 1 << 20
MAP = npy(a_map())
HEADER = "case_id,AGN,SN,VS,asteroid,bogus\n"
ROWS = "".join(f"{case_id},0.2,0.2,0.2,0.2,0.2\n" for case_id in IDS)
TABLE = (HEADER + ROWS).encode()


class Attack(NamedTuple):
    track: str
    codes: set[str]
    make: Callable[[], bytes]


ATTACKS: dict[str, Attack] = {}


def attack(*codes: Code, track: str = "mass-mapping"):
    def add(make: Callable[[], bytes]) -> Callable[[], bytes]:
        ATTACKS[make.__name__] = Attack(track, set(codes), make)
        return make

    return add


def maps(*entries: Entry) -> bytes:
    """A zip with these files and a good map for each case that they leave out."""
    taken = {entry.name for entry in entries}
    good = [Entry(f"team/{case_id}.npy", MAP, zipfile.ZIP_DEFLATED) for case_id in IDS]
    return make_zip(*entries, *(entry for entry in good if entry.name not in taken))


def one(data: bytes, **lies) -> bytes:
    return maps(Entry(data=data, **lies))


def table(text: str | bytes) -> bytes:
    data = text if isinstance(text, bytes) else text.encode()
    return make_zip(Entry("predictions.csv", data, zipfile.ZIP_DEFLATED))


# The zip itself


@attack(Code.NOT_A_ZIP)
def not_a_zip():
    return b"\x89HDF\r\n\x1a\n" + bytes(1000)


@attack(Code.NOT_A_ZIP)
def truncated_zip():
    return maps()[:-40]


@attack(Code.NOT_A_ZIP)
def garbage_appended_beyond_the_longest_comment():
    return maps() + b"\xff" * 70_000


@attack(Code.UNREADABLE)
def bomb_in_one_file():
    return one(b"", method=zipfile.ZIP_DEFLATED, size=len(MAP), payload=deflate(bytes(16 * MEGABYTE)))


@attack(Code.TOO_LARGE)
def honest_bomb():
    return one(bytes(100 * MEGABYTE), method=zipfile.ZIP_DEFLATED)


@attack(Code.TOO_LARGE)
def bomb_beyond_the_total():
    return maps(*(Entry(f"x/{i}", size=2**32 - 2) for i in range(5)))


@attack(Code.UNREADABLE)
def overlapping_files_share_one_kernel():
    """Fifield's bomb: thousands of entries of the directory point at the same deflated bytes."""
    body = make_zip(Entry(data=MAP))
    body = body[: body.index(b"PK\1\2")]
    names = ["team/a.npy", "team/b.npy", "team/c.npy", *(f"team/{i}.npy" for i in range(5000))]
    directory = b"".join(directory_entry(Entry(name, MAP), 0) for name in names)
    return body + directory + end(len(names), len(directory), len(body))


@attack(Code.UNREADABLE)
def nested_local_headers():
    """The quoted kind of the same: each file's bytes hold the next file's header."""
    inner = make_zip(Entry("team/b.npy", MAP))
    inner = inner[: inner.index(b"PK\1\2")]
    outer = Entry("team/a.npy", inner)
    body = make_zip(outer)
    body = body[: body.index(b"PK\1\2")]
    offset = body.index(inner)
    directory = directory_entry(outer, 0) + directory_entry(Entry("team/b.npy", MAP), offset)
    return body + directory + end(2, len(directory), len(body))


@attack(Code.TOO_LARGE)
def more_entries_than_any_submission():
    directory = directory_entry(Entry("x"), 0) * (MAX_ENTRIES + 1)
    return directory + end(MAX_ENTRIES + 1, len(directory), 0)


@attack(Code.MISSING_CASE)
def a_hundred_thousand_empty_files():
    return make_zip(*(Entry(f"team/{i:06d}.npy") for i in range(100_000)))


@attack(Code.TOO_LARGE, Code.NOT_A_ZIP)
def directory_of_four_gigabytes():
    return bytes(100) + end(1, 2**32 - 2, 0)


def zip64(size: int, packed: int, offset: int, count: int = 1) -> bytes:
    extra = struct.pack("<2H3Q", 1, 24, size, packed, offset)
    name = b"team/a.npy"
    head = struct.pack("<4s6H3L", b"PK\1\2", 45, 45, 0x800, 0, 0, 33, 0, 2**32 - 1, 2**32 - 1)
    directory = head + struct.pack("<5H2L", len(name), len(extra), 0, 0, 0, 0, 2**32 - 1) + name + extra
    tail = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), 0)
    tail += struct.pack("<4sLQL", b"PK\6\7", 0, len(directory), 1)
    return directory + tail + end(0xFFFF, 2**32 - 1, 2**32 - 1)


@attack(Code.TOO_LARGE)
def zip64_size_of_exabytes():
    return zip64(2**63, 2**63, 0)


@attack(Code.UNREADABLE, Code.MISSING_CASE)
def zip64_offset_beyond_the_file():
    return zip64(100, 100, 2**62)


@attack(Code.MISSING_CASE, Code.UNREADABLE)
def zip64_count_that_lies():
    return zip64(100, 100, 0, count=2**60)


@attack(Code.DUPLICATE_CASE)
def duplicate_names():
    return maps(Entry(data=MAP), Entry(data=MAP))


@attack(Code.DUPLICATE_CASE)
def names_that_differ_in_case_alone():
    return maps(Entry(data=MAP), Entry("TEAM/A.npy", MAP))


@attack(Code.DUPLICATE_CASE)
def names_that_differ_in_unicode_form_alone():
    return maps(Entry("caf\u00e9/x.npy", MAP), Entry("cafe\u0301/x.npy", MAP))


@attack(Code.DUPLICATE_CASE)
def one_case_in_two_folders():
    return maps(Entry(data=MAP), Entry("other/a.npy", MAP))


@attack(Code.UNSAFE_NAME)
def nul_in_a_name():
    return maps(Entry("team/x.npy\0.txt", MAP))


@attack(Code.UNSAFE_NAME)
def name_that_steers_the_terminal():
    return maps(Entry("team/\x1b]0;owned\x07.npy", MAP))


@attack(Code.UNSAFE_NAME)
def name_that_reads_backwards():
    return maps(Entry("team/\u202eypn.exe", MAP))


@attack(Code.UNSAFE_NAME)
def name_of_sixty_thousand_characters():
    return maps(Entry("x" * 60_000 + ".npy", MAP))


@attack(Code.UNSAFE_NAME)
def absolute_names():
    return maps(Entry("/etc/passwd", SECRET), Entry("C:/x", b""), Entry("//host/share/x", b""))


@attack(Code.UNSAFE_NAME)
def names_that_leave_the_folder():
    return maps(Entry("../../x.npy", MAP), Entry("team/../../y.npy", MAP), Entry("..\\z.npy", MAP))


@attack(Code.UNSAFE_NAME)
def symbolic_link_to_the_truth():
    return one(b"../truth/a.npy", mode=stat.S_IFLNK | 0o777)


@attack(Code.UNSAFE_NAME)
def device():
    return one(b"", mode=stat.S_IFCHR | 0o666)


@attack(Code.ENCRYPTED)
def encrypted():
    return one(MAP, flags=0x801)


@attack(Code.UNREADABLE)
def unknown_compression():
    return one(MAP, method=97)


@attack(Code.UNREADABLE)
def bzip2_that_is_never_inflated():
    return one(MAP, method=zipfile.ZIP_BZIP2, payload=b"BZh9")


@attack(Code.UNREADABLE)
def checksum_that_lies():
    return one(MAP, crc=1)


@attack(Code.UNREADABLE)
def size_that_lies():
    return one(MAP, size=len(MAP) - 1, method=zipfile.ZIP_DEFLATED)


@attack(Code.UNREADABLE)
def local_header_with_another_name():
    return one(MAP, local_name="team/z.npy")


@attack(Code.UNREADABLE)
def stream_that_ends_early():
    return one(MAP, method=zipfile.ZIP_DEFLATED, payload=deflate(MAP)[:-20])


@attack(Code.UNREADABLE)
def stream_with_garbage_behind_it():
    return one(MAP, method=zipfile.ZIP_DEFLATED, payload=deflate(MAP) + b"garbage")


@attack(Code.TOO_LARGE)
def map_of_many_megabytes():
    return one(bytes(MAX_MAP_BYTES + 1))


# .npy


def header(text: str, version: bytes = b"\1\0") -> bytes:
    line = text.encode("latin-1") + b"\n"
    length = len(line).to_bytes(2 if version == b"\1\0" else 4, "little")
    return b"\x93NUMPY" + version + length + line + bytes(32768)


def described(descr: str, shape: str = "(128, 128)") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}")


class Runs:
    def __reduce__(self):
        return os.abort, ()


@attack(Code.WRONG_DTYPE)
def npy_of_objects():
    return one(npy(np.array([Runs()], dtype=object)))


@attack(Code.NOT_AN_ARRAY)
def npy_that_is_a_pickle():
    return one(pickle.dumps(Runs()))


@attack(Code.WRONG_SHAPE)
def npy_of_terabytes():
    return one(described("'<f2'", "(1000000, 1000000)"))


@attack(Code.WRONG_SHAPE)
def npy_of_more_than_any_integer():
    return one(described("'<f2'", f"(0x{'f' * 900}, 128)"))


@attack(Code.WRONG_SHAPE, Code.NOT_AN_ARRAY)
def npy_of_a_negative_shape():
    return one(described("'<f2'", "(-128, -128)"))


@attack(Code.WRONG_SHAPE)
def npy_of_a_shape_that_broadcasts():
    return one(npy(np.zeros((1, 128), np.float16)))


@attack(Code.WRONG_DTYPE)
def npy_of_a_structure():
    return one(described("[('a', '<f2')]"))


@attack(Code.WRONG_DTYPE, Code.NOT_AN_ARRAY)
def npy_of_arrays_in_arrays():
    return one(described("'(9999999,)<f2'"))


@attack(Code.NOT_AN_ARRAY)
def npy_header_of_64_kilobytes():
    return one(described("'<f2'" + " " * 64_000))


@attack(Code.NOT_AN_ARRAY)
def npy_header_that_is_an_expression():
    return one(header("__import__('os').abort()"))


@attack(Code.NOT_AN_ARRAY)
def npy_header_that_nests_deeply():
    return one(header("(" * 900))


@attack(Code.NOT_AN_ARRAY)
def npy_header_with_a_huge_power():
    return one(described("'<f2'", "(9**9**9, 128)"))


@attack(Code.NOT_AN_ARRAY)
def npy_of_version_3():
    return one(npy(a_map(), version=(3, 0)))


@attack(Code.NOT_AN_ARRAY)
def npy_with_bytes_behind_it():
    return one(MAP + b"\0")


@attack(Code.NOT_AN_ARRAY)
def npy_of_too_few_bytes():
    return one(MAP[:-1])


@attack(Code.NOT_FINITE)
def npy_with_one_nan():
    kappa = a_map()
    kappa[127, 127] = np.nan
    return one(npy(kappa))


@attack(Code.WRONG_DTYPE)
def npy_beyond_float16():
    return one(npy(np.full((128, 128), 1e5, np.float32)))


# The table


stamps = {"track": "stamps"}


@attack(Code.BAD_ROW, **stamps)
def table_with_a_huge_field():
    return table(HEADER + "a," + "1" * (20 * MEGABYTE))


@attack(Code.TOO_LARGE, **stamps)
def table_beyond_the_limit():
    return table(HEADER + " " * (65 * MEGABYTE))


@attack(Code.BAD_ROW, **stamps)
def table_with_an_open_quote():
    return table(HEADER + '"a,0.2,0.2,0.2,0.2,0.2\n' * 100_000)


@attack(Code.BAD_ROW, Code.MISSING_CASE, **stamps)
def table_with_nul_bytes():
    return table(TABLE.replace(b"0.2\n", b"0.2\0\n"))


@attack(Code.MISSING_CASE, **stamps)
def table_with_nul_bytes_in_the_ids():
    return table(TABLE.replace(b"a,", b"a\0,"))


@attack(Code.BAD_ROW, Code.BAD_HEADER, **stamps)
def table_in_utf_16():
    return table(TABLE.decode().encode("utf-16"))


@attack(Code.BAD_HEADER, **stamps)
def table_with_a_column_twice():
    return table(HEADER.replace("SN", "AGN") + ROWS)


@attack(Code.BAD_ROW, Code.BAD_HEADER, **stamps)
def table_of_a_million_columns():
    return table(",".join(map(str, range(1_000_000))))


@attack(Code.TOO_LARGE, **stamps)
def table_of_more_rows_than_cases():
    return table(HEADER + "x,1,0,0,0,0\n" * (MAX_TABLE_ROWS + 1))


@attack(Code.TOO_LARGE, **stamps)
def table_of_empty_lines():
    return table(HEADER + "\n" * (40 * MEGABYTE))


@attack(Code.MISSING_CASE, **stamps)
def table_of_wide_rows():
    return table(HEADER + ("x" * (MAX_TABLE_LINE - 20) + ",1,0,0,0,0\n") * 15_000)


for name, value, code in (
    ("nan", "nan", Code.NOT_FINITE),
    ("infinity", "inf", Code.NOT_FINITE),
    ("overflow", "1e999", Code.NOT_FINITE),
    ("hexadecimal", "0x10", Code.BAD_ROW),
    ("underscores", "0_0", Code.BAD_ROW),
    ("arabic_digits", "\u0660.\u0662", Code.BAD_ROW),
    ("fullwidth_digits", "\uff10", Code.BAD_ROW),
    ("formula", "=cmd|'/C calc'!A0", Code.BAD_ROW),
    ("minus", "-0.2", Code.NOT_PROBABILITIES),
):
    text = TABLE.decode().replace("a,0.2", f"a,{value}")
    ATTACKS[f"cell_of_{name}"] = Attack("stamps", {code}, lambda text=text: table(text))


@attack(Code.DUPLICATE_CASE, **stamps)
def table_with_a_row_twice():
    return table(TABLE + ROWS.encode())


@attack(Code.DUPLICATE_CASE, **stamps)
def two_tables():
    return make_zip(Entry("x/predictions.csv", TABLE), Entry("y/predictions.csv", TABLE))


# The manifest


def manifest(data: bytes | dict) -> bytes:
    good = {"schema": "astroboard-submission/1", "track": "stamps", "team": "t", "method": "m"}
    text = json.dumps(good | data).encode() if isinstance(data, dict) else data
    packed = Entry("manifest.json", text, zipfile.ZIP_DEFLATED)
    return make_zip(Entry("predictions.csv", TABLE), packed)


@attack(Code.BAD_MANIFEST, **stamps)
def manifest_that_nests_deeply():
    return manifest(b'{"a":' * 1_000_000)


@attack(Code.BAD_MANIFEST, **stamps)
def manifest_of_millions_of_values():
    return manifest(b"[" + b"1," * (9 * MEGABYTE) + b"1]")


@attack(Code.TOO_LARGE, **stamps)
def manifest_bomb():
    return manifest(b" " * (40 * MEGABYTE))


@attack(Code.BAD_MANIFEST, **stamps)
def manifest_of_a_million_digits():
    return manifest(b'{"seed": ' + b"9" * 1_000_000 + b"}")


@attack(Code.BAD_MANIFEST, **stamps)
def manifest_with_nan():
    return manifest({"seconds": float("nan")})


@attack(Code.BAD_MANIFEST, **stamps)
def manifest_whose_team_steers_the_terminal():
    return manifest({"team": "\x1b[2J"})


@attack(Code.BAD_MANIFEST, **stamps)
def manifest_with_half_a_character():
    return manifest({"team": "\ud800"})


@attack(Code.WRONG_TRACK, **stamps)
def manifest_of_another_track():
    return manifest({"track": "mass-mapping"})


@attack(Code.WRONG_CHECKSUM, **stamps)
def manifest_with_another_checksum():
    return manifest({"files": {"predictions.csv": "0" * 64}})


@attack(Code.WRONG_CHECKSUM, **stamps)
def file_that_the_manifest_does_not_list():
    return manifest({"files": {"other.csv": "0" * 64}})


@attack(Code.MISSING_FILE, **stamps)
def zip_in_a_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inner.zip", table(TABLE))
    return buffer.getvalue()
