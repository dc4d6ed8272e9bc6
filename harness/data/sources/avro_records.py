"""The records of an Avro file from outside, within limits that hold before anything is unpacked or made.

fastavro decodes the records. What a few bytes can ask it for has no end: lists of millions of items that take
no byte, records within themselves, blocks that unpack to gigabytes. So blocks are read and unpacked here, the
schema is checked first, and of each record only the named fields are made.
"""

import io
import json
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import IO, Any

import fastavro

from harness.data.store import DataError
from submissions.report import printable

MAGIC = b"Obj\x01"
SYNC_BYTES, CHECKSUM_BYTES = 16, 4
MAX_ENTRIES, MAX_HEADER_BYTES = 100, 1 << 20
# A block: writers end one after some ten or hundred kilobytes, and images that are packed shrink no more.
MAX_BLOCK_BYTES, MAX_GROWTH = 32 << 20, 50
MAX_LONG_BYTES = 10
MAX_DEPTH = 32
SINGLE = {"boolean", "int", "long", "float", "double", "bytes", "string"}
CODECS = ("null", "deflate", "snappy")

Schema = Any
"""A name, a list of alternatives, or a dictionary, as fastavro parses it."""


def read_records(file: IO[bytes], keep: Collection[str]) -> Iterator[dict[str, Any]]:
    """The records of an Avro file, without the fields that are not to be kept, at any depth.

    Raises DataError for a file that breaks its own schema, or that asks for more than it may.
    """
    try:
        header = _header(file)
    except DataError as error:
        raise DataError(f"it is no Avro file that can be read: {error}") from error
    codec = str(header.get("avro.codec", b"null"), "latin1")
    if codec not in CODECS:
        advice = "write it again with one of these"
        raise DataError(f"it must be compressed as {', '.join(CODECS)}, got {printable(codec)}; {advice}")
    try:
        named: dict[str, Schema] = {}
        stated = fastavro.parse_schema(json.loads(header.get("avro.schema", b"")), named)
        _check(stated, (), {})
        wanted = fastavro.parse_schema(_kept(stated, named, keep, set()), {})
    except DataError:
        raise
    except Exception as error:  # fastavro raises what its parts happen to raise on a schema that is none
        raise DataError(f"its schema cannot be read: {printable(error)}") from error
    for count, block in _blocks(file, header["sync"], codec):
        records = io.BytesIO(block)
        for _ in range(count):
            try:
                record = fastavro.schemaless_reader(records, stated, wanted)
            except Exception as error:  # the same, for damaged values
                raise DataError(f"it breaks the schema that it states: {printable(error)}") from error
            if not isinstance(record, dict):
                raise DataError(f"its values must be records, got a {type(record).__name__}")
            yield record
        if records.read(1):
            raise DataError(f"a block must hold {count:,} records and nothing else, got more")


def _header(file: IO[bytes]) -> dict[str, bytes]:
    """What the file says of itself, by name; "sync" is what ends each block."""
    if file.read(len(MAGIC)) != MAGIC:
        raise DataError("it begins otherwise")
    header: dict[str, bytes] = {}
    while count := _long(file):
        if count < 0:
            count, _ = -count, _long(file)  # the number of bytes that follow
        if len(header) + count > MAX_ENTRIES:
            raise DataError(f"its header must have {MAX_ENTRIES} entries at most, got {count:,}")
        for _ in range(count):
            name = str(_bytes(file, MAX_HEADER_BYTES), "latin1")
            header[name] = _bytes(file, MAX_HEADER_BYTES)
    sync = file.read(SYNC_BYTES)
    if len(sync) < SYNC_BYTES:
        raise DataError("it is cut off")
    return header | {"sync": sync}


def _blocks(file: IO[bytes], sync: bytes, codec: str) -> Iterator[tuple[int, bytes]]:
    """The number of records and the bytes of each block, as they were before they were compressed."""
    while file.peek(1):  # type: ignore[attr-defined]
        count = _long(file)
        block = _unpacked(_bytes(file, MAX_BLOCK_BYTES), codec)
        if not 0 <= count <= len(block):
            raise DataError(f"a block must have a byte or more a record, got {len(block):,} for {count:,}")
        if file.read(SYNC_BYTES) != sync:
            raise DataError("it is cut off, or damaged: the mark at the end of a block is missing")
        yield count, block


def _unpacked(packed: bytes, codec: str) -> bytes:
    if codec == "null":
        return packed
    import cramjam  # which few packets need

    limit = min(MAX_BLOCK_BYTES, MAX_GROWTH * (len(packed) + 1024))
    try:
        if codec == "deflate":
            inflating = zlib.decompressobj(-zlib.MAX_WBITS)
            block = inflating.decompress(packed, limit)
            whole = inflating.eof
            if inflating.unconsumed_tail:
                raise DataError(f"a block must unpack to {limit:,} bytes at most, got more")
        else:  # snappy: the size in front, and a checksum behind
            size = _long(io.BytesIO(packed), signed=False)
            if size > limit:
                raise DataError(f"a block must unpack to {limit:,} bytes at most, got {size:,}")
            block = bytes(cramjam.snappy.decompress_raw(packed[:-CHECKSUM_BYTES]))
            whole = zlib.crc32(block) == int.from_bytes(packed[-CHECKSUM_BYTES:], "big")
    except (zlib.error, cramjam.DecompressionError) as error:
        raise DataError(f"it is damaged: a block is no {codec}: {printable(error)}") from error
    if not whole:
        raise DataError(f"it is damaged: a block of {codec} is cut off, or its checksum is wrong")
    return block


def _bytes(file: IO[bytes], limit: int) -> bytes:
    size = _long(file)
    if not 0 <= size <= limit:
        raise DataError(f"a block or an entry of its header must have {limit:,} bytes at most, got {size:,}")
    content = file.read(size)
    if len(content) < size:
        raise DataError(f"it is cut off: {size:,} bytes are announced, {len(content):,} follow")
    return content


def _long(file: IO[bytes], signed: bool = True) -> int:
    """A number in seven bits a byte, the lowest first; of a signed one the lowest bit is the sign."""
    number = 0
    for index in range(MAX_LONG_BYTES):
        byte = file.read(1)
        if not byte:
            raise DataError("it is cut off")
        number |= (byte[0] & 0x7F) << 7 * index
        if byte[0] < 0x80:
            return (number >> 1) ^ -(number & 1) if signed else number
    raise DataError(f"it is damaged: a number has more than {MAX_LONG_BYTES} bytes")


def _check(schema: Schema, within: Sequence[str], heights: dict[str, int]) -> int:
    """How deep records lie in the values of a schema, which is refused if that is too deep.

    So is one with types within themselves, or with values of no byte, which can be without end. ``within``
    has the named types around it, ``heights`` how deep records lie in those that were defined before.
    """
    if isinstance(schema, list):
        return max((_check(each, within, heights) for each in schema if each != "null"), default=0)
    if isinstance(schema, str):
        if schema in within:
            raise DataError(f"its type {printable(schema)} must not lie within itself")
        if schema not in SINGLE and schema not in heights:
            raise DataError(f"its values must have bytes of their own, got the type {printable(schema)}")
        return heights.get(schema, 0)
    kind, height = schema["type"], 0
    if kind in ("array", "map"):
        return _check(schema["items" if kind == "array" else "values"], within, heights)
    if kind == "record":
        if not schema["fields"]:
            raise DataError(f"its record {printable(schema['name'])} must have fields, got none")
        within = (*within, schema["name"])
        height = 1 + max(_check(field["type"], within, heights) for field in schema["fields"])
        if height > MAX_DEPTH:
            raise DataError(f"its records must lie {MAX_DEPTH} deep at most, got more")
    elif kind == "fixed":
        if schema["size"] < 1:
            raise DataError(f"its type {printable(schema['name'])} must have bytes, got {schema['size']}")
    elif kind != "enum":
        return _check(kind, within, heights)
    heights[schema["name"]] = height
    return height


def _kept(schema: Schema, named: Mapping[str, Schema], keep: Collection[str], defined: set[str]) -> Schema:
    """The schema without fields that are not to be kept; ``defined`` has the types that it defined so far."""
    if isinstance(schema, list):
        return [_kept(alternative, named, keep, defined) for alternative in schema]
    if isinstance(schema, str):
        inline = schema in named and schema not in defined
        return _kept(named[schema], named, keep, defined) if inline else schema
    if schema["type"] in ("array", "map"):
        raise DataError(f"its fields that are read must be single values, got an {schema['type']}")
    if "name" not in schema:
        return _kept(schema["type"], named, keep, defined)
    defined.add(schema["name"])
    if schema["type"] != "record":
        return {key: schema[key] for key in ("type", "name", "size", "symbols") if key in schema}
    fields = [
        {"name": field["name"], "type": _kept(field["type"], named, keep, defined)}
        for field in schema["fields"]
        if field["name"] in keep
    ]
    return {"type": "record", "name": schema["name"], "fields": fields}
