"""Avro files made to harm who reads them, byte by byte, and whole ones written by fastavro."""

import io
import json
import tracemalloc
import zlib
from functools import reduce

import cramjam
import fastavro
import pytest

from harness.data.sources import avro_records
from harness.data.sources.avro_records import read_records
from harness.data.store import DataError

SYNC = bytes(range(16))
PAIR = {
    "type": "record",
    "name": "pair",
    "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": ["null", "string"]}],
}


def long(value):
    value = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def chunk(content):
    return long(len(content)) + content


def container(schema, *blocks, codec="null"):
    """An Avro file; a block is a number of records and bytes."""
    entries = {"avro.schema": json.dumps(schema).encode(), "avro.codec": codec.encode()}
    header = b"".join(chunk(name.encode()) + chunk(value) for name, value in entries.items())
    packed = b"".join(long(count) + chunk(content) + SYNC for count, content in blocks)
    return b"Obj\x01" + long(len(entries)) + header + long(0) + SYNC + packed


def record(name, **fields):
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields.items()]}


def snappy(content):
    return bytes(cramjam.snappy.compress_raw(content)) + zlib.crc32(content).to_bytes(4, "big")


def deflate(content):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


def read(data, keep=("a", "b")):
    return list(read_records(io.BufferedReader(io.BytesIO(data)), keep))


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
@pytest.mark.parametrize("sync_interval", [1, 16_000])
def test_records_as_fastavro_wrote_them(codec, sync_interval):
    schema = record("alert", a=PAIR, b={"type": "array", "items": "pair"}, c="double", d=["null", "pair"])
    pairs = [{"a": number, "b": None if number % 2 else "ñ" * number} for number in (-(2**63), -1, 0, 6)]
    written = [{"a": pair, "b": pairs, "c": 0.5, "d": pair} for pair in pairs] * 3
    buffer = io.BytesIO()
    fastavro.writer(buffer, schema, written, codec=codec, sync_interval=sync_interval)
    assert read(buffer.getvalue(), ["a", "c", "d"]) == [
        {"a": {"a": each["a"]["a"]}, "c": 0.5, "d": {"a": each["d"]["a"]}} for each in written
    ]


def test_a_block_may_be_empty():
    assert read(container(PAIR, (0, b""), (1, long(5) + long(0)), (0, b""))) == [{"a": 5, "b": None}]


def test_a_type_may_be_defined_in_a_field_that_is_not_kept():
    schema = record("alert", x={"type": "map", "values": PAIR}, a="pair")
    buffer = io.BytesIO()
    fastavro.writer(buffer, schema, [{"x": {"y": {"a": 1, "b": "z"}}, "a": {"a": 2, "b": None}}])
    assert read(buffer.getvalue()) == [{"a": {"a": 2, "b": None}}]


def test_types_with_names_and_with_a_meaning():
    """Enumerations, fixed lengths, dates (a long with a meaning), and records as deep as they may be."""
    letters = {"type": "fixed", "name": "letters", "size": 2}
    innermost = record("innermost", f=letters, g="int", h=["null"])
    deep = reduce(lambda inner, number: record(f"r{number}", c=inner), range(30), innermost)
    fields = {
        "a": {"type": "enum", "name": "side", "symbols": ["left", "right"]},
        "b": {"type": "fixed", "name": "letter", "size": 1},
        "c": {"type": "long", "logicalType": "local-timestamp-millis"},
        "d": {"type": "enum", "name": "other", "symbols": ["x"]},
        "e": deep,
    }
    value = reduce(lambda inner, _: {"c": inner}, range(30), {"f": b"xy", "g": 7, "h": None})
    row = {"a": "right", "b": b"x", "c": 86_400_000, "d": "x", "e": value}
    buffer = io.BytesIO()
    fastavro.writer(buffer, record("alert", **fields), [row])
    (found,) = read(buffer.getvalue(), "abc")
    assert (found["a"], found["b"], str(found["c"])) == ("right", b"x", "1970-01-02 00:00:00")


def test_all_types_of_single_values_are_read():
    values = {
        "boolean": True,
        "int": 1,
        "long": 2**40,
        "float": 0.5,
        "double": 0.1,
        "bytes": b"x",
        "string": "y",
    }
    buffer = io.BytesIO()
    fastavro.writer(
        buffer,
        record("x", **{f"of_{kind}": kind for kind in values}),
        [{f"of_{kind}": value for kind, value in values.items()}],
    )
    assert [*read(buffer.getvalue(), [f"of_{kind}" for kind in values])[0].values()] == [*values.values()]


@pytest.mark.parametrize("sign", [1, -1])
def test_entries_of_a_header(sign):
    """A negative number of entries is followed by their length; a hundred are admitted."""
    entries = {"avro.schema": json.dumps(PAIR).encode()} | {f"x{number}": b"" for number in range(99)}

    def file(entries):
        packed = b"".join(chunk(name.encode()) + chunk(value) for name, value in entries.items())
        count = long(sign * len(entries)) + (long(len(packed)) if sign < 0 else b"")
        return b"Obj\x01" + count + packed + long(0) + SYNC + long(1) + chunk(long(5) + long(0)) + SYNC

    assert read(file(entries)) == [{"a": 5, "b": None}]
    assert read(file(entries | {"x0": bytes(2**20)})) == [{"a": 5, "b": None}]
    with pytest.raises(DataError, match="have 100 entries at most, got 101"):
        read(file(entries | {"y": b""}))
    with pytest.raises(DataError, match="1,048,576 bytes at most, got 1,048,577"):
        read(file(entries | {"x0": bytes(2**20 + 1)}))


LIST = {"type": "array"}
NOTHING = record("nothing")
MANY = long(2**40) + long(0)
BREAKS = "breaks the schema that it states"
ATTACKS = {
    "items_of_no_byte": (container(record("x", a=LIST | {"items": "null"}), (1, MANY)), "null"),
    "items_without_fields": (container(record("x", c=LIST | {"items": NOTHING}), (1, MANY)), "none"),
    "items_of_fixed_size_0": (
        container(
            record("x", c={"type": "array", "items": {"type": "fixed", "name": "f", "size": 0}}),
            (1, MANY),
        ),
        "have bytes",
    ),
    "values_of_no_byte": (container(record("x", c={"type": "map", "values": "null"}), (1, b"")), "null"),
    "records_of_no_byte": (container(NOTHING, (2**60, b"")), "fields, got none"),
    "more_records_than_bytes": (container(PAIR, (2**60, long(1) + long(0))), "a byte or more a record"),
    "fewer_records_than_bytes": (container(PAIR, (1, bytes(9))), "nothing else"),
    "negative_records": (container(PAIR, (-5, bytes(9))), "got 9 for -5"),
    "a_type_within_itself": (container(record("x", a=["null", "x"]), (1, long(1) * 10**6)), "within itself"),
    "types_within_each_other": (
        container(record("x", c=record("y", d={"type": "array", "items": "x"})), (1, long(1) * 10**6)),
        "within itself",
    ),
    "nulls_that_double": (
        container(
            record(
                "x",
                **{"r0": record("y0", a="null", b="null")},
                **{f"r{n}": record(f"y{n}", a=f"y{n - 1}", b=f"y{n - 1}") for n in range(1, 60)},
            ),
            (1, bytes(9)),
        ),
        "null",
    ),
    "list_in_a_field_that_is_read": (
        container(record("x", a={"type": "array", "items": "int"}), (1, long(10**6) + bytes(10**6 + 1))),
        "single values",
    ),
    "list_that_ends_early": (
        container(record("x", c={"type": "array", "items": "int"}, a="int"), (1, long(2**60) + bytes(10))),
        BREAKS,
    ),
    "text_longer_than_the_block": (container(record("x", a="bytes"), (1, long(2**60))), BREAKS),
    "text_of_a_negative_length": (container(record("x", a="bytes"), (1, long(-5) + bytes(9))), BREAKS),
    "alternative_that_is_none": (container(record("x", a=["null", "int"]), (1, long(77))), BREAKS),
    "block_longer_than_the_file": (container(PAIR) + long(1) + long(2**30), "have 33,554,432 bytes at most"),
    "block_that_is_cut": (container(PAIR, (1, bytes(99)))[:-40], "cut off"),
    "block_of_a_negative_length": (container(PAIR) + long(1) + long(-9), "at most"),
    "number_without_end": (container(PAIR) + b"\xff" * 40, "a number has more than 10 bytes"),
    "text": (b"no Avro at all", "begins otherwise"),
    "another_version": (b"Obj\x02" + container(PAIR)[4:], "begins otherwise"),
    "header_that_is_cut": (container(PAIR)[:-1], "no Avro file that can be read: it is cut off"),
    "header_without_end": (b"Obj\x01" + long(2**60), "entries"),
    "header_of_gigabytes": (b"Obj\x01" + long(1) + long(2**33), "have 1,048,576 bytes at most"),
    "no_schema": (b"Obj\x01" + long(0) + SYNC, "schema cannot be read"),
    "records_within_records": (
        container(reduce(lambda inner, number: record(f"r{number}", c=inner), range(33), "int")), "32 deep",
    ),
    "records_within_records_by_name": (  # each takes as many steps to read as it is deep
        container(
            record("x", **{f"r{n}": record(f"y{n}", a=f"y{n - 1}" if n else "int") for n in range(32)})
        ),
        "32 deep",
    ),
    "schema_that_nests_without_end": (
        b"Obj\x01" + long(1) + chunk(b"avro.schema") + chunk(b"[" * 10**6) + long(0) + SYNC,
        "schema cannot be read",
    ),
    "values_that_are_no_records": (container("int", (9, bytes(9))), "must be records"),
    "other_mark": (container(PAIR, (1, long(1) + long(0)))[:-1] + b"x", "the mark"),
    "deflate_bomb": (container(PAIR, (1, deflate(bytes(10**8))), codec="deflate"), "at most"),
    "deflate_of_many_small_bombs": (
        container(PAIR, *[(1, deflate(bytes(10**6)))] * 50, codec="deflate"), "at most",
    ),
    "deflate_that_is_cut": (container(PAIR, (1, deflate(bytes(100))[:-2]), codec="deflate"), "cut off"),
    "deflate_that_is_none": (container(PAIR, (1, b"\xff" * 20), codec="deflate"), "no deflate"),
    "snappy_that_announces_gigabytes": (
        container(PAIR, (1, b"\xff\xff\xff\xff\x0f" + bytes(9)), codec="snappy"),
        "51,900 bytes at most",  # 50 times (14 + 1024)
    ),
    "snappy_bomb": (container(PAIR, (1, snappy(bytes(10**8))), codec="snappy"), "at most"),
    "snappy_of_another_length": (
        container(PAIR, (1, b"\x64" + snappy(b"xx")[1:]), codec="snappy"), "no snappy",
    ),
    "snappy_with_a_wrong_sum": (
        container(PAIR, (1, snappy(bytes(2))[:-1] + b"x"), codec="snappy"), "checksum",
    ),
    "snappy_of_no_byte": (container(PAIR, (1, b""), codec="snappy"), "cut off"),
    "codec_that_steers_the_terminal": (container(PAIR, codec="\x1b[2J"), r"got \\x1b"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_for_little_memory(name):
    data, words = ATTACKS[name]
    tracemalloc.start()
    with pytest.raises(DataError, match=words) as refusal:
        read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(refusal.value).isprintable()
    assert peak < 40 << 20


def test_what_a_block_may_unpack_to_grows_with_it(monkeypatch):
    monkeypatch.setattr(avro_records, "MAX_GROWTH", 1)
    content = long(5) + long(1) + chunk(b"z" * 1100)  # to some 60 bytes, and 1024 are given
    for codec, pack in (("deflate", deflate), ("snappy", snappy)):
        fits = long(5) + long(1) + chunk(b"z" * 900)
        assert read(container(PAIR, (1, pack(fits)), codec=codec)) == [{"a": 5, "b": "z" * 900}]
        with pytest.raises(DataError, match="must unpack to"):
            read(container(PAIR, (1, pack(content)), codec=codec))


@pytest.mark.parametrize(("codec", "pack"), [("deflate", deflate), ("snappy", snappy)])
def test_a_block_may_unpack_to_the_greatest_length(monkeypatch, codec, pack):
    content = long(5) + long(1) + chunk(b"z" * 900)
    data = container(PAIR, (1, pack(content)), codec=codec)
    monkeypatch.setattr(avro_records, "MAX_BLOCK_BYTES", len(content))
    assert read(data) == [{"a": 5, "b": "z" * 900}]
    monkeypatch.setattr(avro_records, "MAX_BLOCK_BYTES", len(content) - 1)
    with pytest.raises(DataError, match="must unpack to 903 bytes at most"):
        read(data)
