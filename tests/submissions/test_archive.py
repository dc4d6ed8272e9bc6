import bz2
import io
import lzma
import resource
import shutil
import stat
import struct
import subprocess
import time
import tracemalloc
import zipfile
import zlib
from functools import cache

import numpy as np
import pytest

from submissions import Code, SubmissionError, archive, limits, validate
from submissions.archive import list_folder, list_zip
from submissions.limits import MAX_ENTRIES, MAX_MAP_BYTES, MAX_TOTAL_BYTES
from tests.submissions.zips import Entry, a_map, deflate, directory_entry, end, make_zip, npy


def zipped_lzma(data: bytes) -> bytes:
    """LZMA as a zip holds it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as made:
        made.writestr("x", data)
        size = made.infolist()[0].compress_size
    return file.getvalue()[31 : 31 + size]


def raw_zip(name: bytes, flags: int, extra: bytes) -> bytes:
    """A zip of one map, of which the name is these bytes."""
    fields = struct.pack("<5H3L2H", 20, flags, 0, 0, 33, zlib.crc32(MAP), len(MAP), len(MAP), len(name), 0)
    local = b"PK\3\4" + fields + name + MAP
    fields = fields[:-2] + struct.pack("<H", len(extra))
    directory = (
        b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<3H2L", 0, 0, 0, 0, 0) + name + extra
    )
    return local + directory + end(1, len(directory), len(local))


INFLATERS = {module.__name__: module for module in (zlib, archive.zlib_module())}
MAP = npy(a_map())
GOOD = Entry(data=MAP, method=zipfile.ZIP_DEFLATED)
MEGABYTE = 1 << 20


@pytest.fixture(params=INFLATERS, autouse=True)
def inflate(request, monkeypatch):
    monkeypatch.setattr(archive, "zlib_module", lambda: INFLATERS[request.param])


@pytest.fixture
def report(tmp_path):
    """The report on these bytes as a submission to mass-mapping with one case, "a"."""

    def report(data: bytes):
        path = tmp_path / "team.zip"
        path.write_bytes(data)
        return validate(path, "mass-mapping", ["a"])

    return report


def only_fault(report):
    assert not report.accepted
    assert len(report.faults) == 1, report.lines()
    return report.faults[0]


def test_good(report):
    assert report(make_zip(GOOD)).accepted
    assert report(make_zip(Entry(data=MAP))).accepted


def test_what_is_before_the_zip_does_not_matter(report):
    assert report(b"#!/bin/sh\n" * 10 + make_zip(GOOD)).accepted


def test_a_comment_that_looks_like_a_directory_is_none(report):
    comment = b"PK\1\2" + bytes(18)  # as long as the record in which `zipfile` expects the end
    assert report(make_zip(GOOD)[:-2] + struct.pack("<H", len(comment)) + comment).accepted


def test_what_is_before_the_content_does_not_matter(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        for case_id, method in (("a", zipfile.ZIP_STORED), ("b", zipfile.ZIP_DEFLATED)):
            info = zipfile.ZipInfo(f"team/{case_id}.npy")
            info.compress_type = method
            with made.open(info, "w", force_zip64=True) as file:  # a field more
                file.write(MAP)
    assert validate(tmp_path / "a.zip", "mass-mapping", ["a", "b"]).accepted


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "got an empty file"),
        (b"PK", "got an error"),
        (b"no zip at all", "got a text that starts with no zip at all"),
        (MAP, "got a NumPy array (.npy)"),
        (b"SIMPLE  =" + b" " * 200, "got a FITS file"),
        (b"PAR1", "got a Parquet file"),
        (b"\x80\4.", "got a pickle"),
        (make_zip(GOOD)[:-30], "got an error"),
        (b"PK\5\6" + bytes(17), "got an error"),
        (b"PK\1\2" + bytes(100), "got an error"),
    ],
    ids=[
        "empty",
        "two bytes",
        "text",
        "npy",
        "fits",
        "parquet",
        "pickle",
        "truncated",
        "short end",
        "no end",
    ],
)
def test_not_a_zip(report, data, said):
    fault = only_fault(report(data))
    assert fault.code == Code.NOT_A_ZIP
    assert said in fault.message


@pytest.mark.parametrize("name", ["", "\0team/a.npy"])
def test_an_entry_without_a_name_is_refused(report, name):
    assert "unsafe-name" in {
        fault.code for fault in report(make_zip(GOOD, Entry(name=name, data=MAP))).faults
    }


def test_no_such_file(tmp_path):
    fault = only_fault(validate(tmp_path / "absent.zip", "mass-mapping", ["a"]))
    assert fault.code == Code.NOT_A_ZIP
    assert "absent.zip" in fault.message
    assert only_fault(validate(tmp_path, "mass-mapping", ["a"])).code == Code.MISSING_CASE


@pytest.mark.parametrize(
    "name",
    [
        "/etc/b.npy",
        "../b.npy",
        "team/../../b.npy",
        "C:/b.npy",
        "team\\b.npy",
        "team/\x1b[2Jb.npy",
        "team/b.npy\0.txt",
        "x" * 300 + "/b.npy",
    ],
)
def test_unsafe_name(report, name):
    fault = only_fault(report(make_zip(GOOD, Entry(name, MAP))))
    assert fault.code == Code.UNSAFE_NAME
    assert fault.member.isprintable()
    assert "\x1b" not in fault.member


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_link_or_device(report, kind):
    fault = only_fault(report(make_zip(Entry(data=b"/truth/a.npy", mode=kind | 0o777))))
    assert (fault.code, fault.member) == (Code.UNSAFE_NAME, "team/a.npy")


def test_duplicate_name(report):
    fault = only_fault(report(make_zip(GOOD, GOOD)))
    assert (fault.code, fault.member) == (Code.DUPLICATE_CASE, "team/a.npy")


def test_encrypted(report):
    assert only_fault(report(make_zip(Entry(data=MAP, flags=1)))).code == Code.ENCRYPTED


@pytest.mark.parametrize("method", [9, 93, 95, 99])
def test_other_compression(report, method):
    fault = only_fault(report(make_zip(Entry(data=MAP, method=method))))
    assert fault.code == Code.UNREADABLE
    assert f"got {method}" in fault.message


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bzip2_and_lzma_are_read_as_everywhere_else(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "team.zip", "w", method) as made:
        made.writestr("team/a.npy", MAP)
    for path in (tmp_path / "team.zip", tmp_path / "unzipped"):
        report = validate(path, "mass-mapping", ["a"])
        assert report.accepted
        assert not report.counts
        zipfile.ZipFile(tmp_path / "team.zip").extractall(tmp_path / "unzipped")
    data = (tmp_path / "team.zip").read_bytes()
    for place in range(60, len(data) - 100, 997):  # within the compressed data
        (tmp_path / "team.zip").write_bytes(data[:place] + bytes([data[place] ^ 8]) + data[place + 1 :])
        assert validate(tmp_path / "team.zip", "mass-mapping", ["a"]).faults


@cache
def zeros(pack):
    return pack(bytes(64 * MEGABYTE))


@pytest.mark.slow
@pytest.mark.parametrize("pack", [bz2.compress, zipped_lzma], ids=["bzip2", "lzma"])
def test_other_bombs_fill_no_memory(report, pack):
    payload = zeros(pack)
    method = zipfile.ZIP_BZIP2 if pack is bz2.compress else zipfile.ZIP_LZMA
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fault = only_fault(report(make_zip(Entry(method=method, size=len(MAP), payload=payload))))
    assert fault.code == Code.UNREADABLE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # KiB


def lzma_by_hand(data: bytes, position_bits: int, literal_position_bits: int, literal_bits: int) -> bytes:
    """Version, length of the properties, these, and the stream: as the format of zips has it."""
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "pb": position_bits,
                "lp": literal_position_bits, "lc": literal_bits}]  # fmt: skip
    coded = (position_bits * 5 + literal_position_bits) * 9 + literal_bits
    stream = lzma.compress(data, lzma.FORMAT_RAW, filters=filters)
    return struct.pack("<2BHBL", 9, 4, 5, coded, 1 << 16) + stream


@pytest.mark.parametrize("bits", [(2, 0, 3), (0, 2, 0), (4, 0, 4), (1, 3, 1)])
def test_lzma_with_all_settings(report, bits):
    """Much of the map repeats what is 20,000 bytes before, which a small dictionary has forgotten."""
    values = np.tile(a_map().ravel()[:10000], 2)[: 128 * 128].reshape(128, 128)
    entry = Entry(data=npy(values), method=zipfile.ZIP_LZMA, payload=lzma_by_hand(npy(values), *bits))
    assert report(make_zip(entry)).accepted


STREAMS = {
    zipfile.ZIP_DEFLATED: deflate(MAP),
    zipfile.ZIP_BZIP2: bz2.compress(MAP),
    zipfile.ZIP_LZMA: lzma_by_hand(MAP, 2, 0, 3),
}


@pytest.mark.parametrize("method", STREAMS)
def test_a_stream_ends_where_the_zip_says(report, method):
    def judged(payload, size=None):
        return report(make_zip(Entry(data=MAP, method=method, payload=payload, size=size)))

    stream = STREAMS[method]
    assert judged(stream).accepted
    for payload in (stream + b"x", stream[:-9], stream[:8], stream[:9], b"", bytes(20)):
        assert only_fault(judged(payload)).code == Code.UNREADABLE
    for size in (len(MAP) - 1, len(MAP) + 1):
        assert only_fault(judged(stream, size)).code == Code.UNREADABLE
    assert only_fault(judged(stream.ljust(MAX_MAP_BYTES + 1))).code == Code.TOO_LARGE


def test_no_dictionary_is_larger_than_what_comes_out(report):
    payload = bytearray(zipped_lzma(MAP))
    payload[5:9] = b"\xff\xff\xff\xff"  # 4 GiB
    data = make_zip(Entry(data=MAP, method=zipfile.ZIP_LZMA, payload=bytes(payload)))
    tracemalloc.start()
    assert report(data).accepted
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MEGABYTE


NAMES = ["Ñuñoa", "équipe", "Ångström 7", "チーム"]


@pytest.mark.parametrize("name", NAMES)
def test_names_come_out_as_they_were_written(tmp_path, name):
    """As UTF-8 that says so, as UTF-8 that does not (macOS), with Info-ZIP's twin, and in code page 437."""
    file = f"{name}/a.npy"
    crc = zlib.crc32(file.encode("cp437", "replace"))
    kinds = {"flagged": (file.encode(), 0x800, b""), "unsaid": (file.encode(), 0, b"")}
    twin = struct.pack("<2H", 9, 1) + b"x" + struct.pack("<2HBL", 0x7075, 5 + len(file.encode()), 1, crc)
    kinds["twin"] = file.encode("cp437", "replace"), 0, twin + file.encode()
    if name != "チーム":
        kinds["cp437"] = file.encode("cp437"), 0, b""
    for kind, (raw, flags, extra) in kinds.items():
        path = tmp_path / f"{kind}.zip"
        path.write_bytes(raw_zip(raw, flags, extra))
        assert list_zip(path).names == [file], kind
        report = validate(path, "mass-mapping", ["a"])
        assert (report.team, report.accepted) == (name, True), kind
        path.write_bytes(raw_zip(raw, flags | 1, extra))  # encrypted, which says nothing of the name
        assert list(list_zip(path).refused) == [file], kind


def test_a_twin_of_another_name_is_not_believed(tmp_path):
    twin = struct.pack("<2HBL", 0x7075, 5 + 5, 1, 7) + b"other"
    (tmp_path / "a.zip").write_bytes(raw_zip("équipe/a.npy".encode("cp437"), 0, twin))
    assert list_zip(tmp_path / "a.zip").names == ["équipe/a.npy"]


def test_letters_and_accents_that_macos_takes_apart_are_one_team(report):
    assert report(make_zip(Entry("e\u0301quipe/a.npy", MAP))).team == "équipe"


@pytest.mark.skipif(not shutil.which("zip"), reason="needs Info-ZIP")
def test_names_of_info_zip(tmp_path):
    (tmp_path / "Ñuñoa").mkdir()
    (tmp_path / "Ñuñoa/a.npy").write_bytes(MAP)
    subprocess.run(["zip", "-qr", "a.zip", "Ñuñoa"], cwd=tmp_path, check=True)
    assert validate(tmp_path / "a.zip", "mass-mapping", ["a"]).team == "Ñuñoa"


@pytest.mark.parametrize("name", ["ﷺ", "\u0344" * 2 + "a\u0345"])
def test_long_names_are_refused_before_they_are_normalised(report, name):
    """The first becomes 18 characters in NFKC, and marks are sorted in the square of their number."""
    names = [name * (65_000 // len(name.encode())) + str(number) for number in range(20)]
    began = time.process_time()
    found = report(make_zip(GOOD, *(Entry(each) for each in names)))
    assert time.process_time() - began < 1
    assert found.counts[Code.UNSAFE_NAME] == len(found.faults) == 20
    assert all("at most 255 characters long, got" in fault.message for fault in found.faults)


def test_extra_fields_are_refused_before_they_are_read(tmp_path):
    """Reading them takes the square of their length: a minute for a few hundred files."""
    fields = struct.pack("<5H3L2H", 20, 0, 0, 0, 33, 0, 0, 0, 6, 65532) + struct.pack("<3H2L", 0, 0, 0, 0, 0)
    directory = (b"PK\1\2" + struct.pack("<H", 20) + fields + b"team/a" + bytes(65532)) * 300
    (tmp_path / "a.zip").write_bytes(directory + end(300, len(directory), 0))
    began = time.process_time()
    fault = only_fault(validate(tmp_path / "a.zip", "mass-mapping", ["a"]))
    assert time.process_time() - began < 1
    assert fault.code == Code.TOO_LARGE


def test_names_and_extra_fields_of_the_greatest_length(report, tmp_path):
    longest = "x" * 248 + "/us.txt"
    found = report(make_zip(GOOD, Entry(longest, b"")))
    assert found.accepted
    assert [finding.member for finding in found.warnings if finding.code == Code.IGNORED_FILE] == [longest]
    assert only_fault(report(make_zip(GOOD, Entry("x" + longest, b"")))).code == Code.UNSAFE_NAME
    extra = struct.pack("<2H", 9, 2044) + bytes(2044)
    (tmp_path / "a.zip").write_bytes(raw_zip(b"team/a.npy", 0, extra))
    assert list_zip(tmp_path / "a.zip").names == ["team/a.npy"]
    (tmp_path / "a.zip").write_bytes(raw_zip(b"team/a.npy", 0, extra + b"x"))
    with pytest.raises(SubmissionError, match="extra fields of a file must be at most 2,048, got 2,049"):
        list_zip(tmp_path / "a.zip")


def test_extra_fields_that_are_only_announced_count(report):
    """The last entry of the directory ends where its name and extra fields would begin."""
    entry = directory_entry(Entry(name=""), 0)
    entry = entry[:30] + struct.pack("<H", 3000) + entry[32:]
    assert len(entry) == 46
    assert "at most 2,048, got 3,000" in only_fault(report(entry + end(1, len(entry), 0))).message
    first = directory_entry(Entry(name="name"), 0)  # and has eight bytes of extra fields, and a comment
    first = first[:30] + struct.pack("<2H", 8, 7) + first[34:] + struct.pack("<2H", 9, 4) + b"restcomment"
    directory = first + entry
    assert "at most 2,048, got 3,000" in only_fault(report(directory + end(2, len(directory), 0))).message


def test_a_rest_behind_the_extra_fields_is_nothing(tmp_path):
    (tmp_path / "a.zip").write_bytes(raw_zip("équipe/a.npy".encode("cp437"), 0, b"\0\0\0\0abc"))
    assert list_zip(tmp_path / "a.zip").names == ["équipe/a.npy"]


def test_backslashes_are_named_with_what_to_do(report):
    fault = only_fault(report(make_zip(GOOD, Entry("us\\x.txt", b""))))
    assert (fault.code, fault.member) == (Code.UNSAFE_NAME, "us\\x.txt")
    assert "zip with Explorer or 7-Zip" in fault.message


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["us\\b.npy"], Code.UNSAFE_NAME),
        (["us/b\x1b[2J.npy"], Code.UNSAFE_NAME),
        (["us/b.npy", "US/b.NPY"], Code.DUPLICATE_CASE),
    ],
)
def test_a_folder_is_judged_as_the_zip_that_it_was(tmp_path, names, code):
    (tmp_path / "a.zip").write_bytes(make_zip(GOOD, *(Entry(name, MAP) for name in names)))
    zipfile.ZipFile(tmp_path / "a.zip").extractall(tmp_path / "team")
    zipped, folder = (validate(tmp_path / name, "mass-mapping", ["a"]) for name in ("a.zip", "team"))
    assert code in zipped.counts
    assert sorted(zipped.faults, key=str) == sorted(folder.faults, key=str)


@pytest.mark.parametrize(
    "lie",
    [
        {"size": len(MAP) - 1},
        {"size": len(MAP) + 1},
        {"size": 0},
        {"crc": 0},
        {"packed_size": 100},
        {"packed_size": 0},
        {"packed_size": MAX_MAP_BYTES},
        {"offset": 7},
        {"offset": 2**32 - 2},
        {"local_name": "team/b.npy"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_directory_that_lies(report, lie, method):
    fault = only_fault(report(make_zip(Entry(data=MAP, method=method, **lie))))
    assert (fault.code, fault.member) == (Code.UNREADABLE, "team/a.npy")


@pytest.mark.parametrize("place", [0, 26, 60], ids=["signature", "length of the name", "data"])
def test_damaged_file(report, place):
    data = bytearray(make_zip(GOOD))
    data[place] ^= 1
    assert only_fault(report(bytes(data))).code == Code.UNREADABLE


def test_a_file_ends_before_the_directory(report):
    """At the latest where its bytes would end if it had no name: this one has ten characters."""
    for more, words in ((10, "have the length"), (11, "lie inside the zip")):
        fault = only_fault(report(make_zip(Entry(data=MAP, packed_size=len(MAP) + more))))
        assert (fault.code, words in fault.message) == (Code.UNREADABLE, True)


def test_huge_file(report):
    fault = only_fault(report(make_zip(Entry(data=MAP, size=2**32 - 2))))
    assert (fault.code, fault.member) == (Code.TOO_LARGE, "team/a.npy")
    assert f"{MAX_MAP_BYTES:,}" in fault.message


@pytest.mark.slow
@pytest.mark.parametrize("declared", [128 * MEGABYTE, len(MAP)], ids=["honest", "lying"])
def test_bomb_fills_no_memory(report, declared):
    payload = deflate(bytes(128 * MEGABYTE))
    data = make_zip(Entry(method=zipfile.ZIP_DEFLATED, size=declared, payload=payload))
    assert len(data) < MEGABYTE
    tracemalloc.start()
    fault = only_fault(report(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert fault.code in (Code.TOO_LARGE, Code.UNREADABLE)
    assert peak < 4 * MEGABYTE


def test_too_many_entries_are_counted_before_they_are_listed(report):
    directory = directory_entry(Entry("x"), 0) * (MAX_ENTRIES + 1)
    tracemalloc.start()
    fault = only_fault(report(directory + end(MAX_ENTRIES + 1, len(directory), 0)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert fault.code == Code.TOO_LARGE
    assert f"{MAX_ENTRIES:,}" in fault.message
    assert peak < 64 * MEGABYTE


def test_huge_directory_is_not_read(report):
    assert only_fault(report(bytes(100) + end(1, 2**32 - 2, 0))).code in (Code.TOO_LARGE, Code.NOT_A_ZIP)


def test_huge_total(report):
    entries = [Entry(f"team/{i}.npy", size=2**32 - 2) for i in range(5)]
    fault = only_fault(report(make_zip(*entries)))
    assert fault.code == Code.TOO_LARGE
    assert f"{MAX_TOTAL_BYTES:,}" in fault.message


def test_thousands_of_tiny_entries_are_listed_but_not_all_shown(report):
    found = report(make_zip(GOOD, *(Entry(f"team/{i}.npy") for i in range(3000))))
    assert found.accepted
    assert found.counts[Code.UNKNOWN_CASE] == 3000
    assert len(found.warnings) == 20


def test_folders_are_no_files(report):
    folder = Entry("team/", mode=stat.S_IFDIR | 0o755)
    found = report(make_zip(folder, folder, GOOD))
    assert found.accepted
    assert not found.counts


@pytest.mark.parametrize(
    "entries",
    [
        [GOOD, *(Entry(f"team/{name}.npy", MAP, zipfile.ZIP_DEFLATED, offset=0) for name in "bc")],
        [Entry(data=MAP, packed_size=3 * len(MAP)), *(Entry(f"team/{name}.npy", MAP) for name in "bc")],
    ],
    ids=["the same", "one within another"],
)
def test_files_that_share_bytes(tmp_path, entries):
    path = tmp_path / "team.zip"
    path.write_bytes(make_zip(*entries))
    faults = validate(path, "mass-mapping", ["a", "b", "c"]).faults
    assert [(fault.code, fault.member) for fault in faults] == [
        (Code.UNREADABLE, f"team/{name}.npy") for name in "abc"
    ]
    assert all("overlap no other" in fault.message for fault in faults)


def damaged_streams():
    """Streams of deflate, a few of them as they should be, and the size that they are said to have."""
    rng = np.random.default_rng(0)
    for _ in range(600):
        size = int(rng.integers(0, 2000))
        stream = bytearray(deflate(rng.integers(0, rng.choice([1, 4, 256]), size).astype(np.uint8).tobytes()))
        where = rng.integers(0, len(stream))
        kind = rng.integers(0, 5)
        if kind == 0:
            stream[where] ^= 1 << rng.integers(0, 8)
        elif kind == 1:
            del stream[where:]
        elif kind == 2:
            stream += rng.bytes(5)
        elif kind == 3:
            stream = rng.bytes(len(stream))
        yield bytes(stream), size + int(rng.integers(-1, 2)) * (rng.random() < 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("name", INFLATERS)
def test_damaged_streams_are_told_alike(name, monkeypatch):
    found = []
    for module in (zlib, INFLATERS[name]):
        monkeypatch.setattr(archive, "zlib_module", lambda module=module: module)
        found.append([archive.inflate(stream, size) for stream, size in damaged_streams() if size >= 0])
    assert found[0] == found[1]
    assert 100 < found[0].count(None) < 500


def test_a_folder_may_have_as_many_files_as_a_zip(tmp_path, monkeypatch):
    for number in range(3):
        (tmp_path / f"{number}.npy").touch()
    monkeypatch.setattr(limits, "MAX_ENTRIES", 3)
    assert len(list_folder(tmp_path).names) == 3
    monkeypatch.setattr(limits, "MAX_ENTRIES", 2)
    with pytest.raises(SubmissionError, match="the number of files must be at most 2, got 3"):
        list_folder(tmp_path)


@pytest.mark.parametrize("listed", [list_zip, list_folder])
def test_a_file_may_be_as_large_as_its_limit(tmp_path, listed):
    folder = tmp_path / "folder"
    (folder / "team").mkdir(parents=True)
    (folder / "team/a.npy").write_bytes(MAP)
    path = folder if listed is list_folder else tmp_path / "a.zip"
    (tmp_path / "a.zip").write_bytes(make_zip(Entry(name="team/a.npy", data=MAP)))
    with listed(path).open() as content:
        assert content("team/a.npy", len(MAP)) == MAP
        with pytest.raises(SubmissionError, match=rf"at most {len(MAP) - 1:,}, got {len(MAP):,}"):
            content("team/a.npy", len(MAP) - 1)


def test_a_zip_that_becomes_a_folder_after_it_was_listed_is_not_read_as_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "us", "w") as made:
        made.writestr("a.npy", b"content")
    listed = list_zip(tmp_path / "us")
    (tmp_path / "us").unlink()
    (tmp_path / "us").mkdir()
    (tmp_path / "us/a.npy").write_bytes(b"other")
    with pytest.raises(IsADirectoryError), listed.open():
        pass
    with pytest.raises(IsADirectoryError):
        listed.sha256()
