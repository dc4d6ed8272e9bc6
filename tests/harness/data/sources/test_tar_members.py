"""Files in folders and archives, and archives that are damaged."""

import gzip
import io
import stat
import tarfile
import zipfile
from itertools import islice

import numpy as np
import pytest

from harness.data.pack import pack
from harness.data.sources.tar_members import Unmarked, decompressed, files, names
from harness.data.sources.tar_members import members as members_of
from harness.data.store import DataError
from harness.tracks import STAMPS
from tests.harness.data.conftest import npy, packed, refuses, write_tar
from tests.harness.data.sources.avro import packet

LONGEST = (16 << 20) + 10_240  # a file, and one record of tar


@pytest.mark.parametrize("mode", ["w:gz", "w"])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_truncated_archive_is_an_error(tmp_path, members, mode, kept):
    archive = write_tar(tmp_path / "1.tar", members, mode)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(kept * len(content))])
    refuses(tmp_path, [archive], "damaged or cut off after")


def test_archive_cut_between_two_members(tmp_path, members):
    archive = write_tar(tmp_path / "1.tar", members, "w")
    content = archive.read_bytes()
    cut = content.index(b"1/KAPPA/00002_00001.npy")
    assert cut % 512 == 0
    archive.write_bytes(content[:cut])
    refuses(tmp_path, [archive], "case 00002_00001 must have epsilon and kappa")
    _, packing = packed(tmp_path, [archive], skip_damaged=True)
    assert packing.cases == 2
    assert "may be cut off after 1/KAPPA/00001_00002.npy" in packing.left_out[0][1]


def test_an_archive_without_the_mark_of_its_end(tmp_path, members):
    """GNU tar reads one without a word. Compressed, its checksum says that it is whole."""
    content = write_tar(tmp_path / "1.tar", members, "w").read_bytes()
    whole = (
        content.rindex(members[list(members)[-1]]) + 33_280
    )  # a map of 32,768 + 128 bytes, in blocks of 512
    assert not any(content[whole:])
    (tmp_path / "1.tar").write_bytes(content[:whole])
    (tmp_path / "1.tar.gz").write_bytes(gzip.compress(content[:whole]))
    _, plain = packed(tmp_path, [tmp_path / "1.tar"])
    assert (plain.cases, len(plain.left_out)) == (6, 1)
    assert "ends without the mark of its end" in plain.left_out[0][1]
    _, compressed = packed(tmp_path, [tmp_path / "1.tar.gz"])
    assert (compressed.cases, compressed.left_out) == (6, [])


def test_one_block_of_zeros_marks_the_end(tmp_path):
    """GNU tar warns of a lone one, and reads the archive."""
    content = write_tar(tmp_path / "a.tar", {"a": b"a"}, "w").read_bytes()
    (tmp_path / "a.tar").write_bytes(content[: 4 * 512])  # the folder, a header, a block of content, zeros
    assert content_of(tmp_path / "a.tar") == {"a": b"a"}
    (tmp_path / "a.tar").write_bytes(content[: 4 * 512] + content[512:])
    with pytest.raises(DataError, match="another archive follows its end mark"):
        content_of(tmp_path / "a.tar")
    (tmp_path / "a.tar").write_bytes(content[: 3 * 512])
    with pytest.raises(Unmarked):
        content_of(tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content[:2500], "unexpected end of data"),  # the folder, a, 512 of b's header
        (lambda content: content.replace(b"b.npy", b"B.npy"), "the header of the next member is damaged"),
    ],
    ids=["cut", "header"],
)
def test_what_lies_before_a_damage_comes_whole_and_nothing_else_does(tmp_path, change, words):
    content = write_tar(tmp_path / "a.tar", {"a.npy": b"a", "b.npy": bytes(600)}, "w").read_bytes()
    (tmp_path / "a.tar").write_bytes(change(content))
    found = members_of(tmp_path / "a.tar")
    assert next(found) == ("a.npy", b"a")
    with pytest.raises(DataError, match=rf"damaged or cut off after a\.npy: {words}"):
        next(found)


@pytest.mark.parametrize(("size", "read"), [(-512, False), (0, True), (LONGEST, True), (LONGEST + 1, False)])
def test_a_header_may_be_as_long_as_a_file(tmp_path, size, read):
    """A name of more than 100 characters has a header of its own, as long as that says."""
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, size
    blocks = b"long".ljust(-(-max(size, 0) // 512) * 512, b"\0") if size else b""
    content = name.tobuf(tarfile.GNU_FORMAT) + blocks + tarfile.TarInfo("short").tobuf() + bytes(1024)
    (tmp_path / "a.tar").write_bytes(content)
    if read:
        assert content_of(tmp_path / "a.tar") == {"long" if size else "": b""}
    else:
        with pytest.raises(DataError, match="damaged or cut off after the beginning"):
            content_of(tmp_path / "a.tar")


@pytest.mark.parametrize("content", [b"\x1f text", b"BZ text", b"\xfd7zXZ text"])
def test_what_is_not_compressed_is_read_as_it_is(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with decompressed(tmp_path / "a") as file:
        assert file.read() == content


def content_of(path, **options):
    return dict(members_of(path, **options))


def test_folders_and_archives_alike(tmp_path):
    files = {"1/a.npy": b"a", "1/sub/b.txt": b"b", "1/c.npy": bytes(600)}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    paths = [tmp_path / "1", *(write_tar(tmp_path / mode[2:], files, mode) for mode in ("w:tar", "w:gz"))]
    for path in paths:
        assert sorted(names(path)) == sorted(files)
        assert content_of(path) == files
        chosen = content_of(path, suffix=".npy")
        assert chosen.keys() == {"1/a.npy", "1/c.npy"}


def test_files_that_are_too_large_are_refused_before_they_are_read(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("large.npy")
        info.size = (16 << 20) + 1
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    with pytest.raises(DataError, match=r"large\.npy must have 16,777,216 bytes at most, got 16,777,217"):
        content_of(tmp_path / "a.tar")
    folder = tmp_path / "folder"
    folder.mkdir()
    with (folder / "large.npy").open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(DataError, match=r"large\.npy must have 16,777,216 bytes at most, got 16,777,217"):
        content_of(folder)


def test_the_largest_file_is_read(tmp_path):
    path = write_tar(tmp_path / "a.tar", {"large.npy": bytes(16 << 20)}, "w")
    assert len(content_of(path)["large.npy"]) == 16 << 20


@pytest.mark.parametrize("padding", [0, 512, 2**18 - 512, 2**18])
def test_another_archive_behind_the_end_mark_is_told(tmp_path, padding):
    first, second = (write_tar(tmp_path / name, {name: b"x"}, "w").read_bytes() for name in "ab")
    (tmp_path / "c.tar").write_bytes(first + bytes(padding) + second)
    with pytest.raises(DataError, match="another archive follows its end mark"):
        content_of(tmp_path / "c.tar")
    for text in (b"\0ustar", b"ustar", b"\0ustar\0\0" + bytes(512)):  # where no header has it
        (tmp_path / "c.tar").write_bytes(first + bytes(512 + 256) + text)
        if not text.startswith(b"\0ustar"):
            assert content_of(tmp_path / "c.tar") == {"a": b"x"}


def test_a_link_in_a_tar_archive_is_told_where_it_is_wanted(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("b.npy")
        link.type, link.linkname = tarfile.SYMTYPE, "a.npy"
        archive.addfile(link)
    with pytest.raises(DataError, match=r"a\.tar: b\.npy must be a file, got a link; tar --deref"):
        content_of(tmp_path / "a.tar", suffix=".npy")
    assert content_of(tmp_path / "a.tar", suffix=".txt") == {}


LARGE = bytes((16 << 20) + 1)
"""A byte more than what is read of a file."""


def a_zip(path, members, bad, changed):
    """The members, of which the ``bad`` one has another content than its CRC says, or a refused name."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"../{name}" if name == bad and not changed else name, data)
    content = bytearray(path.read_bytes())
    content[content.index(members[bad]) + 1000] ^= changed
    path.write_bytes(content)


def zip_with_a_wrong_sum(path, members, bad):
    a_zip(path, members, bad, 1)


def zip_with_a_refused_name(path, members, bad):
    a_zip(path, members, bad, 0)


def zip_with_a_large_file(path, members, bad):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (members | {bad: LARGE}).items():
            archive.writestr(name, data)


def folder_with_a_large_file(path, members, bad):
    for name, data in (members | {bad: LARGE}).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def tar_with_a_large_file(path, members, bad):
    write_tar(path, members | {bad: LARGE})


def tar_with_a_link(path, members, bad, kind=tarfile.SYMTYPE):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if name == bad:
                info.type, info.linkname, info.size = kind, next(iter(members)), 0
            archive.addfile(info, io.BytesIO(data))


def tar_with_a_hard_link(path, members, bad):
    tar_with_a_link(path, members, bad, tarfile.LNKTYPE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "words"),
    [
        (zip_with_a_wrong_sum, "the file must have the length and the CRC-32 that the zip's directory says"),
        (zip_with_a_refused_name, "the name must be relative and stay in the folder"),
        (zip_with_a_large_file, "bytes of the file must be at most 16,777,216, got 16,777,217"),
        (folder_with_a_large_file, "must have 16,777,216 bytes at most, got 16,777,217"),
        (tar_with_a_large_file, "must have 16,777,216 bytes at most, got 16,777,217"),
        (tar_with_a_link, "must be a file, got a link; tar --dereference"),
        (tar_with_a_hard_link, "must be a file, got a link; tar --dereference"),
    ],
)
def test_a_file_that_cannot_be_read_does_not_hide_those_after_it(tmp_path, members, write, words):
    bad = "1/KAPPA/00001_00002.npy"
    write(tmp_path / "maps", members, bad)
    refuses(tmp_path, [tmp_path / "maps"], bad, words)
    _, result = packed(tmp_path, [tmp_path / "maps"], skip_damaged=True)
    assert result.cases == 5
    (name, reason), (case, _) = result.left_out
    assert name.endswith(bad)
    assert case == "00001_00002"
    assert bad in reason
    assert words in reason
    assert "cut off" not in reason
    alerts = {f"night/{candid}.avro": packet(candid)[0] for candid in (10, 20, 30)}
    write(tmp_path / "alerts", alerts, "night/20.avro")
    with pytest.raises(DataError, match=r"night/20\.avro") as error:
        pack(STAMPS, [tmp_path / "alerts"], tmp_path / "alerts.h5")
    assert words in str(error.value)
    result = pack(STAMPS, [tmp_path / "alerts"], tmp_path / "alerts.h5", skip_damaged=True)
    assert result.cases == 2
    assert [name.endswith("night/20.avro") for name, _ in result.left_out] == [True]


def test_a_damage_of_the_stream_still_ends_the_reading(tmp_path):
    tar_with_a_link(tmp_path / "a.tar.gz", {f"{letter}.npy": npy(np.zeros(9)) for letter in "abcd"}, "b.npy")
    content = gzip.decompress((tmp_path / "a.tar.gz").read_bytes())
    (tmp_path / "a.tar").write_bytes(content[: content.index(b"d.npy") + 100])
    found = files(tmp_path / "a.tar", ".npy")
    kinds = [(name, type(data)) for name, data in islice(found, 3)]
    assert kinds == [("a.npy", bytes), ("b.npy", DataError), ("c.npy", bytes)]
    with pytest.raises(DataError, match=r"damaged or cut off after c\.npy"):
        next(found)


def test_a_wrong_sum_at_the_end_of_gzip_is_damage(tmp_path):
    path = write_tar(tmp_path / "a.tar.gz", {"a": b"a"})
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged or cut off after a"):
        content_of(path)


def test_a_link_in_a_zip_is_refused_where_it_is_wanted_and_named_elsewhere(tmp_path):
    path = tmp_path / "maps.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1/EPSILON/a.npy", b"content")
        link = zipfile.ZipInfo("1/EPSILON/b.npy")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "a.npy")
    with pytest.raises(DataError, match=r"b\.npy: "):
        list(members_of(path, ".npy"))
    assert dict(files(path, ".pkl")) == {"1/EPSILON/a.npy": None, "1/EPSILON/b.npy": None}


def test_no_changed_byte_of_a_compressed_archive_is_more_than_damage(tmp_path):
    """Whatever library unpacks it: each has errors of its own."""
    whole = write_tar(tmp_path / "a.tar.gz", {"1/a.npy": npy(np.arange(9000) % 97)}).read_bytes()
    refused = 0
    for place in range(20, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 0x55
        (tmp_path / "b.tar.gz").write_bytes(changed)
        try:
            list(members_of(tmp_path / "b.tar.gz", ".npy"))
        except DataError:
            refused += 1
    assert refused > 10


def test_an_archive_that_is_gone_is_not_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(files(tmp_path / "gone.tar"))
