"""Alert packets from files, folders and archives, whole and damaged."""

import gzip
import io
import pickle
import tracemalloc

import fastavro
import numpy as np
import pytest

from baselines.stamps.metadata import COLUMNS, column_names, metadata_features
from harness.data.pack import pack
from harness.data.sources import avro_alerts
from harness.data.sources.avro_alerts import CUTOUTS, NUMBERS, read_labels
from harness.data.sources.base import read_source
from harness.data.store import DataError, open_dataset
from harness.tracks import STAMPS
from tests.harness.data.conftest import write_tar
from tests.harness.data.sources.avro import fits_gz, packet

ZTF_FIELDS = """
jd fid pid diffmaglim programid candid tblid nid rcid field xpos ypos ra dec magpsf sigmapsf chipsf magap
sigmagap distnr magnr sigmagnr chinr sharpnr sky magdiff fwhm classtar mindtoedge magfromlim seeratio aimage
bimage aimagerat bimagerat elong nneg nbad rb ssdistnr ssmagnr sumrat magapbig sigmagapbig ranr decnr
ndethist ncovhist jdstarthist jdendhist scorr tooflag objectidps1 sgmag1 srmag1 simag1 szmag1 sgscore1
distpsnr1 nmtchps rfid jdstartref jdendref nframesref dsnrms ssnrms dsdiff magzpsci magzpsciunc magzpscirms
nmatches clrcoeff clrcounc zpclrcov zpmed clrmed clrrms neargaia neargaiabright maggaia maggaiabright
exptime drb
"""
"""The fields of `candidate` in version 3.3 of ZTF's alert schema that are numbers."""


def test_names_of_metadata_are_those_of_the_surveys_schema():
    known = set(ZTF_FIELDS.split())
    assert set(NUMBERS) <= known
    used = {name.rstrip("?") for name in COLUMNS.split()}
    assert used - {"galactic_latitude", "ecliptic_latitude", "isdiffpos"} <= known & set(NUMBERS)


def test_from_file_folder_and_archive(tmp_path):
    one, images = packet(10, ["ZTF1", "ZTF2"])
    other, more = packet(20, ["ZTF1"])
    members = {"night/10.avro": one, "night/20.avro": other, "night/README": b"text"}
    folder = tmp_path / "alerts"
    folder.mkdir()
    for name, data in members.items():
        (folder / name.split("/")[1]).write_bytes(data)
    prints = set()
    for sources in (
        [folder],
        [write_tar(tmp_path / "alerts.tar.gz", members)],
        [folder / "10.avro", folder / "20.avro"],
    ):
        result = pack(STAMPS, sources, tmp_path / "out.h5")
        assert (result.cases, result.left_out) == (3, [])
        with open_dataset(tmp_path / "out.h5") as data:
            assert data.role == "inputs"  # packets have no labels
            assert data.case_ids() == ["10", "11", "20"]
            assert data.groups().tolist() == [0, 1, 0]
            np.testing.assert_array_equal(data.inputs[:], np.stack(images + more))
            assert data.metadata.dtype.names == ("objectId", "isdiffpos", *NUMBERS)
            row = data.metadata[0]
            assert (row["magpsf"], row["fid"], row["objectId"]) == (18.5, 2, b"ZTF1")
            assert row["isdiffpos"] == b"t"
            assert np.isnan(row["drb"])
            assert np.isnan(row["ra"])
            prints.add(data.fingerprint)
    assert len(prints) == 1


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
@pytest.mark.parametrize("place", ["both", "candidate", "alert"])
def test_packets_as_other_brokers_write_them(tmp_path, codec, place):
    """Spark and Rust compress the blocks, and some leave ``candid`` in the candidate alone."""
    data, images = packet(10, ["ZTF1"])
    schema, records = fastavro.reader(io.BytesIO(data)).writer_schema, list(fastavro.reader(io.BytesIO(data)))
    candidate = next(field for field in schema["fields"] if field["name"] == "candidate")
    if place != "alert":
        candidate["type"]["fields"].append({"name": "candid", "type": "long"})
        records[0]["candidate"]["candid"] = 10
    if place == "candidate":
        schema["fields"] = [field for field in schema["fields"] if field["name"] != "candid"]
        del records[0]["candid"]
    with (tmp_path / "a.avro").open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), records, codec=codec)
    pack(STAMPS, [tmp_path / "a.avro"], tmp_path / "out.h5")
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.case_ids() == ["10"]
        np.testing.assert_array_equal(data.inputs[:], images)
        assert data.metadata[0]["magpsf"] == 18.5


def test_alerts_come_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(avro_alerts, "CHUNK", 2)
    data, images = packet(10, ["A", "B", "A", "C", "x" * 32])
    (tmp_path / "a.avro").write_bytes(data)
    chunks = list(read_source(STAMPS.sources, tmp_path / "a.avro"))
    assert [chunk.case_id for chunk in chunks] == [["10", "11"], ["12", "13"], ["14"]]
    np.testing.assert_array_equal(np.concatenate([chunk.columns["images"] for chunk in chunks]), images)
    assert chunks[2].columns["metadata"]["objectId"] == b"x" * 32


def test_an_alert_without_an_id_and_an_image_of_three_axes(tmp_path):
    cube = {"fileName": "a", "stampData": fits_gz(np.zeros((2, 3, 4), "f4"))}
    (tmp_path / "a.avro").write_bytes(packet(1, cutoutScience=cube)[0])
    (problem,) = [item for item in read_source(STAMPS.sources, tmp_path / "a.avro") if item.name == "1"]
    assert "cutoutScience has 3 dimensions" in str(problem.error)
    data, _ = packet(1)
    schema, (record,) = fastavro.reader(io.BytesIO(data)).writer_schema, fastavro.reader(io.BytesIO(data))
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "candid"]
    with (tmp_path / "b.avro").open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), [record])
    problems = [item for item in read_source(STAMPS.sources, tmp_path / "b.avro") if item.name == "b.avro"]
    assert "must have a candid, got None" in str(problems[0].error)


def test_labels_by_name_or_number(tmp_path):
    (tmp_path / "a.avro").write_bytes(packet(10, ["A", "B", "C"])[0])
    (tmp_path / "labels.csv").write_text('label,candid\nSN,10\n4, "0012"\n')  # padded
    labels = read_labels(tmp_path / "labels.csv")
    result = pack(STAMPS, [tmp_path / "a.avro"], tmp_path / "out.h5", labels=labels)
    assert result.left_out == [("11", "alert 11: it has no label")]
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.role == "full"
        assert data.truth[:].tolist() == [1, 4]
    for text, words in (
        ("candid,class\n1,SN\n", "candid and label"),
        ("candid,label\n1,star\n", "line 2.*star"),
        ("candid,label\n1,SN\n2,AGN\n1,VS\n", "line 4: alert 1 was labelled SN before"),
        ("candid;label\n1;SN\n", "have commas between its columns, got ';'"),
        ("candid|label,x\n", "candid and label"),
        ("candid,label\n1,\xe9\n", "cannot be read as CSV"),
    ):
        (tmp_path / "labels.csv").write_text(text, encoding="latin1")
        with pytest.raises(DataError, match=words):
            read_labels(tmp_path / "labels.csv")


def test_what_a_network_sees_of_an_alert_is_the_same_from_a_pickle(tmp_path):
    known = tuple(f"{name.removesuffix('?')}?" for name in column_names(COLUMNS) if "latitude" not in name)
    data, images = packet(10, ["A", "B"])
    (tmp_path / "a.avro").write_bytes(data)
    metadata = np.array([("A", "t", 18.5), ("B", "t", 18.5)], "U9,U1,f8")
    metadata.dtype.names = ("objectId", "isdiffpos", "magpsf")
    pickled = {"images": images, "metadata": metadata}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(pickled))
    seen = []
    for name in ("a.avro", "a.pkl"):
        (alerts,) = read_source(STAMPS.sources, tmp_path / name)
        seen.append(metadata_features(alerts.columns["metadata"], known))
    np.testing.assert_array_equal(*seen)
    assert np.isfinite(seen[0]).sum() == 4


@pytest.mark.parametrize(("value", "sign"), [("f", b"f"), (1, b"t"), (-1, b"f"), (0, b"f"), (None, b"")])
def test_signs_that_brokers_made_numbers_of(tmp_path, value, sign):
    candidate = {"magpsf": 18.5, "fid": 2, "drb": None, "isdiffpos": value}
    (tmp_path / "a.avro").write_bytes(packet(1, candidate=candidate)[0])
    (alerts,) = read_source(STAMPS.sources, tmp_path / "a.avro")
    assert alerts.columns["metadata"]["isdiffpos"] == sign


def test_what_is_no_packet_is_not_looked_at(tmp_path):
    folder = tmp_path / "night"
    folder.mkdir()
    contents = {"a_notes.bin": bytes(17 << 20), "z.avro": packet(1)[0]}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    for source in (folder, write_tar(tmp_path / "night.tar.gz", contents)):
        assert pack(STAMPS, [source], tmp_path / "out.h5").cases == 1


def test_an_id_that_is_taken_or_no_name_of_a_file_is_left_out(tmp_path):
    for name, data in {"a": packet(-1, ["A", "B", "C"])[0], "b": packet(1)[0]}.items():
        (tmp_path / f"{name}.avro").write_bytes(data)
    sources = [tmp_path / "a.avro", tmp_path / "b.avro"]
    with pytest.raises(DataError, match=r"a\.avro: a case id must .*got '-1'"):
        pack(STAMPS, sources, tmp_path / "out.h5")
    result = pack(STAMPS, sources, tmp_path / "out.h5", skip_damaged=True)
    assert result.cases == 2
    assert [name for name, _ in result.left_out] == ["-1", "1"]
    assert "b.avro: case 1 comes twice" in result.left_out[1][1]


def test_damaged_cutouts_are_left_out_and_named(tmp_path):
    folder = tmp_path / "alerts"
    folder.mkdir()
    jpeg = {"fileName": "a.jpg", "stampData": b"\xff\xd8\xff\xe0 and so on"}
    cases = {
        10: packet(10),
        11: packet(11, shape=(63, 55)),
        12: packet(12, cutoutScience=jpeg),
        13: packet(13, cutoutTemplate=None),
        14: packet(14, cutoutDifference={"fileName": "a", "stampData": gzip.compress(b"no FITS")}),
        15: packet(15, cutoutDifference={"fileName": "a", "stampData": fits_gz(np.zeros((9, 9), "f4"))}),
        16: packet(16, cutoutScience={"fileName": "a", "stampData": gzip.compress(bytes(10**7))}),
    }
    for candid, (data, _) in cases.items():
        (folder / f"{candid}.avro").write_bytes(data)
    result = pack(STAMPS, [folder], tmp_path / "out.h5")
    assert result.cases == 1
    reasons = dict(result.left_out)
    assert set(reasons) == {"11", "12", "13", "14", "15", "16"}
    for candid, word in {"11": "edge", "12": "JPEG", "13": "missing", "14": "FITS", "15": "differ"}.items():
        assert word in reasons[candid]


@pytest.mark.parametrize(("shape", "fits"), [((63, 63), True), ((64, 63), False), ((63, 64), False)])
def test_a_stamp_larger_than_those_of_the_survey_is_damage(tmp_path, shape, fits):
    (tmp_path / "a.avro").write_bytes(packet(1)[0])
    (tmp_path / "b.avro").write_bytes(packet(2, shape=shape)[0])
    sources = [tmp_path / "a.avro", tmp_path / "b.avro"]
    if not fits:
        with pytest.raises(DataError) as error:
            pack(STAMPS, sources, tmp_path / "out.h5")
        words = "alert 2: cutoutScience must have 63 by 63 pixels at most, got the shape"
        assert str(error.value) == f"{words} {shape}"
    result = pack(STAMPS, sources, tmp_path / "out.h5", skip_damaged=True)
    assert (result.cases, [name for name, _ in result.left_out]) == ((2, []) if fits else (1, ["2"]))


@pytest.mark.slow
def test_large_images_and_texts_of_a_small_archive_take_little_memory(tmp_path):
    """Blank images of a megabyte, each in a kilobyte, and megabytes of zeros around usable ones."""
    large = {"fileName": "a", "stampData": fits_gz(np.zeros((1000, 1000), "u1"))}
    padded = {"fileName": "a", "stampData": fits_gz(np.zeros((63, 63), "f4")) + bytes(1 << 20)}
    members = {"blank.avro": packet(100, ["A"] * 50, **dict.fromkeys(CUTOUTS, large))[0]}
    for candid in range(1, 41):
        sign = {"magpsf": 18.5, "fid": 2, "drb": None, "isdiffpos": "t" + " " * (1 << 20)}
        padding = {"candidate": sign, "cutoutScience": padded}
        members[f"{candid}.avro"] = packet(candid, **padding)[0]
    members["name.avro"] = packet(41, ["A" * 101])[0]
    archive = write_tar(tmp_path / "a.tar.gz", members)
    assert archive.stat().st_size < 2_000_000
    tracemalloc.start()
    result = pack(STAMPS, [archive], tmp_path / "out.h5", skip_damaged=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000_000
    assert (result.cases, len(result.left_out)) == (40, 51)
    words = "name.avro: the objectId of an alert must have 100 characters at most, got 101"
    assert result.left_out[-1] == ("name.avro", f"{archive}: {words}")
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.metadata[0]["isdiffpos"] == b"t"


def other(codec="null", fields=()):
    """An Avro file of numbers, compressed or not, that is no packet."""
    buffer = io.BytesIO()
    schema = {"type": "record", "name": "x", "fields": [{"name": name, "type": "long"} for name in fields]}
    fastavro.writer(buffer, schema, [dict.fromkeys(fields, 0)], codec=codec)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "ZTF alert packets"),
        (b"no Avro", "ZTF alert packets.*got a text that starts with no Avro"),
        (b"Obj\x01", "no Avro file that can be read: it is cut off"),
        (packet(1)[0][:-40], "cut off"),
        (other(fields=["candid"]), "no ZTF alerts"),
        (other(fields=["candid", "objectId", "candidate", *CUTOUTS]), "no ZTF alerts"),
        (other("bzip2", ["x"]), "compressed as null, deflate, snappy, got bzip2; write it again"),
    ],
)
def test_a_file_that_is_no_packet(tmp_path, content, words):
    (tmp_path / "bad.avro").write_bytes(content)
    (tmp_path / "good.avro").write_bytes(packet(10)[0])
    sources = [tmp_path / "good.avro", tmp_path / "bad.avro"]
    with pytest.raises(DataError, match=rf"bad\.avro.*{words}"):
        pack(STAMPS, sources, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()
    result = pack(STAMPS, sources, tmp_path / "out.h5", skip_damaged=True)
    assert result.cases == 1
    assert [name for name, _ in result.left_out] == ["bad.avro"]


def test_a_damaged_packet_is_named_with_its_folder(tmp_path):
    path = tmp_path / "night/bad.avro"
    path.parent.mkdir()
    path.write_bytes(b"Obj\x01")
    words = "it is no Avro file that can be read: it is cut off"
    for source, where in ((path, path), (path.parent, f"{path.parent}: night/bad.avro")):
        (problem,) = read_source(STAMPS.sources, source)
        assert str(problem.error) == f"{where}: {words}"


def test_packets_without_images_say_so(tmp_path, shared_data):
    """Early packets of the survey came with JPEG previews only, and one breaks its own schema."""
    with pytest.raises(DataError, match="JPEG preview"):
        pack(STAMPS, [shared_data / "stamps" / "alerts"], tmp_path / "out.h5", skip_damaged=True)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_cut_off_ends_the_packing_or_is_listed(tmp_path):
    archive = write_tar(tmp_path / "a.tar", {f"{n}.avro": packet(n)[0] for n in (10, 20, 30)}, "w")
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(DataError, match=r"a\.tar is damaged or cut off after 10\.avro"):
        pack(STAMPS, [archive], tmp_path / "out.h5")
    result = pack(STAMPS, [archive], tmp_path / "out.h5", skip_damaged=True)
    assert result.cases == 1
    assert "cut off" in dict(result.left_out)["a.tar"]
