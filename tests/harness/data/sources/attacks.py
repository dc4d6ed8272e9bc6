"""Data sets made to harm whoever opens them, one function an attack: HDF5 files and pickles."""

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from harness.schemas import DATASET
from submissions.limits import MAX_CASES, MAX_COLUMNS, MAX_FIELDS

SECRET = b"THE-TRUTH-IS-0.7071"
MEGABYTE = 1 << 20
CASES = 4
DATASETS: dict[str, tuple[Callable[[Path], object], str]] = {}
PICKLES: dict[str, tuple[bytes, str]] = {}


def good(path: Path) -> h5py.File:
    """An open file with the labels of four alerts; what it lacks nothing of."""
    file = h5py.File(path, "w", libver=("v110", "v110"))
    file["case_id"] = np.array([f"a{i}" for i in range(CASES)], "S8")
    file["group"] = np.arange(CASES, dtype=np.int32)
    file["labels"] = np.zeros(CASES, np.int8)
    texts = {"schema": DATASET, "track": "stamps", "role": "truth", "fingerprint": "f", "source": "{}"}
    file.attrs.update(texts)
    return file


def dataset(words: str):
    """An attack that changes a good file, and words of its refusal."""

    def add(change: Callable[[h5py.File], object]) -> Callable[[h5py.File], object]:
        def make(path: Path) -> None:
            with good(path) as file:
                change(file)

        DATASETS[change.__name__] = (make, words)
        return change

    return add


def replace(file: h5py.File, name: str, **options) -> h5py.Dataset:
    del file[name]
    return file.create_dataset(name, **options)


@dataset("metadata is no data set of this file itself")
def external_link_to_the_truth(file):
    file["metadata"] = h5py.ExternalLink("truth.h5", "labels")


@dataset("labels is no data set of this file itself")
def soft_link(file):
    del file["labels"]
    file["labels"] = h5py.SoftLink("/group")


@dataset("outside this file")
def virtual_data_set_of_the_truth(file):
    layout = h5py.VirtualLayout((CASES,), np.int8)
    layout[:] = h5py.VirtualSource("truth.h5", "labels", (CASES,))
    del file["labels"]
    file.create_virtual_dataset("labels", layout)


@dataset("outside this file")
def external_raw_storage_in_the_truth(file):
    replace(file, "labels", shape=(CASES,), dtype="i1", external=[("truth.txt", 0, CASES)])


@dataset("declares 2,199,023,255,552 cases")
def eight_terabytes_declared(file):
    for name, dtype in (("case_id", "S8"), ("group", "i4"), ("labels", "i1")):
        replace(file, name, shape=(1 << 41,), dtype=dtype, chunks=(1 << 20,))


@dataset("it declares 13,000 bytes of columns and has")
def a_thousand_cases_that_were_never_written(file):
    for name, dtype in (("case_id", "S8"), ("group", "i4"), ("labels", "i1")):
        replace(file, name, shape=(1000,), dtype=dtype, chunks=(1000,))


@dataset("its schema must be 'astroboard-dataset/1', got 'astroboard-dataset/9'")
def a_later_schema(file):
    file.attrs["schema"] = "astroboard-dataset/9"


@dataset("its role must be one of full, train, validation, inputs, truth, got 'judge'")
def another_role(file):
    file.attrs["role"] = "judge"


@dataset("it must have a column 'group', got none")
def no_groups(file):
    del file["group"]


@dataset("bytes of columns and has")
def columns_that_were_never_written(file):
    for name, dtype in (("case_id", "S64"), ("group", "i4"), ("labels", "i1")):
        replace(file, name, shape=(MAX_CASES,), dtype=dtype, chunks=(1024,))


@dataset("bytes a case")
def case_of_a_gigabyte(file):
    file.create_dataset("metadata", (CASES, 1 << 30), "u1", chunks=(1, 1 << 20))


@dataset("case_id must be")
def ids_of_two_dimensions_without_end(file):
    replace(file, "case_id", shape=(CASES, 1 << 15), dtype="S8", chunks=(1, 1024))


@dataset("compressed or filtered")
def deflate_bomb(file):
    data = np.zeros((CASES, 16 * MEGABYTE), np.uint8)
    file.create_dataset("metadata", data=data, chunks=(1, 16 * MEGABYTE), compression="gzip")


@dataset("compressed or filtered")
def filter_that_nobody_has(file):
    space, kind = h5py.h5s.create_simple((CASES,), (CASES,)), h5py.h5t.STD_I8LE
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((CASES,))
    plist.set_filter(32_123, h5py.h5z.FLAG_OPTIONAL, ())
    del file["labels"]
    h5py.h5d.create(file.id, b"labels", kind, space, plist)


@dataset("texts of fixed length")
def texts_of_variable_length(file):
    file.create_dataset("metadata", (CASES,), h5py.string_dtype())


@dataset("texts of fixed length")
def lists_of_variable_length(file):
    file.create_dataset("metadata", (CASES,), h5py.vlen_dtype(np.float64))


@dataset("texts of fixed length")
def references(file):
    file.create_dataset("metadata", (CASES,), h5py.ref_dtype)


@dataset("texts of fixed length")
def compound_within_a_compound(file):
    inner = np.dtype([("x", "f4")])
    file.create_dataset("metadata", (CASES,), np.dtype([("a", inner), ("b", "f4")]))


@dataset("texts of fixed length")
def compound_with_an_array(file):
    file.create_dataset("metadata", (CASES,), np.dtype([("a", "f4", (1000,))]))


@dataset("256 such fields")
def compound_of_many_fields(file):
    fields = [(f"f{i}", "f4") for i in range(MAX_FIELDS + 1)]
    file.create_dataset("metadata", (CASES,), np.dtype(fields))


@dataset("texts of fixed length")
def opaque_bytes(file):
    file.create_dataset("metadata", (CASES,), np.dtype("V16"))


@dataset("cannot be read as a data set")
def type_that_numpy_does_not_have(file):
    space = h5py.h5s.create_simple((CASES,))
    h5py.h5d.create(file.id, b"metadata", h5py.h5t.UNIX_D32LE, space)


@dataset("labels must be int8")
def labels_of_another_type(file):
    replace(file, "labels", data=np.zeros(CASES, np.float64))


@dataset("labels must be int8")
def labels_of_two_dimensions(file):
    replace(file, "labels", data=np.zeros((CASES, 2), np.int8))


@dataset("group must be")
def groups_of_two_dimensions(file):
    replace(file, "group", data=np.zeros((CASES, 2), np.int32))


@dataset("case_id must be")
def ids_that_are_numbers(file):
    replace(file, "case_id", data=np.arange(CASES))


@dataset("case id")
def ids_that_leave_the_folder(file):
    file["case_id"][0] = b"../../x"


@dataset("comes twice")
def ids_that_are_the_same(file):
    file["case_id"][:] = b"a0"


@dataset("differ in length")
def columns_of_another_length(file):
    replace(file, "labels", data=np.zeros(CASES + 1, np.int8))


@dataset("0 cases")
def no_cases(file):
    for name, dtype in (("case_id", "S8"), ("group", "i4"), ("labels", "i1")):
        replace(file, name, shape=(0,), dtype=dtype)


@dataset("labels keeps its values outside this file")
def scalar_column(file):
    replace(file, "labels", data=np.int8(3))


@dataset("labels is no data set")
def group_where_a_data_set_is_expected(file):
    del file["labels"]
    file.create_group("labels")


@dataset("deep is no data set")
def groups_a_thousand_deep(file):
    file.create_group("deep" + "/x" * 1000)


@dataset("loop is no data set")
def group_that_holds_itself(file):
    file["loop"] = file


@dataset(f"{MAX_COLUMNS} columns at most")
def thousands_of_columns(file):
    for number in range(3000):
        file[f"c{number}"] = file["group"]


@dataset("source must be a text")
def attribute_of_many_megabytes(file):
    file.attrs["source"] = "x" * (32 * MEGABYTE)


@dataset("source must be a text")
def attribute_of_many_megabytes_of_fixed_length(file):
    file.attrs.create("source", np.bytes_(b"x" * (32 * MEGABYTE)))


@dataset("source must be a text")
def attribute_with_a_shape(file):
    file.attrs.create("source", np.zeros((1000, 1000)))


@dataset("source must be a text")
def attribute_that_is_a_reference(file):
    file.attrs["source"] = file["labels"].ref


@dataset("source must be JSON")
def source_that_nests_deeply(file):
    file.attrs["source"] = "[" * 500_000


@dataset("source must hold a JSON object")
def source_that_is_no_object(file):
    file.attrs["source"] = "[]"


@dataset("track must be one of")
def track_that_steers_the_terminal(file):
    file.attrs["track"] = "\x1b[2J"


@dataset("it must be a data set of astroboard, got HDF5 of another program")
def schema_that_is_missing(file):
    del file.attrs["schema"]


def truncated_file(path: Path) -> None:
    good(path).close()
    path.write_bytes(path.read_bytes()[:-200])


def no_hdf5_at_all(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + json.dumps({}).encode())


DATASETS["truncated_file"] = (truncated_file, "cannot be read")
DATASETS["no_hdf5_at_all"] = (no_hdf5_at_all, "cannot be read")


# Pickles, by their opcodes


class Calls:
    def __init__(self, function, *arguments):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


def glob(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def blob(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


DTYPE = glob("numpy", "dtype")
OBJECT = DTYPE + text("O8") + b"\x89\x88\x87R"  # dtype("O8", False, True)
FLOAT = DTYPE + text("f8") + b"\x89\x88\x87R"
NEW = glob("numpy.core.multiarray", "_reconstruct") + glob("numpy", "ndarray") + b"K\0\x85C\1b\x87R"


def scalar(value: int) -> bytes:
    """A NumPy integer of 8 bits."""
    return (
        glob("numpy.core.multiarray", "scalar") + DTYPE + text("u1") + b"\x89\x88\x87R"
        + b"C\1" + bytes([value]) + b"\x86R"
    )  # fmt: skip


def array(dtype: bytes, shape: bytes, values: bytes) -> bytes:
    """The array whose state is (1, shape, dtype, False, values)."""
    return NEW + b"(K\1" + shape + dtype + b"\x89" + values + b"tb"


PICKLES |= {
    "system": (pickle.dumps(Calls(__import__("os").system, "touch owned")), "system"),
    "evaluation": (pickle.dumps(Calls(eval, "open('owned', 'w')")), "builtins.eval"),
    "attribute_of_an_admitted_module": (glob("numpy", "load") + b"(tR.", "numpy.load"),
    "dotted_name": (b"\x80\4" + text("numpy") + text("ndarray.tofile") + b"\x93.", "numpy.ndarray.tofile"),
    "name_that_steers_the_terminal": (glob("\x1b[2J", "x") + b".", "only NumPy arrays"),
    "persistent_id": (b"Ptruth\n.", "other objects"),
    "instance": (b"(ios\nsystem\n.", "other objects"),
    "new_object": (glob("collections", "OrderedDict") + b")\x81.", "other objects"),
    "extension_code": (b"\x82\1.", "other objects"),
    "object_array_made_of_bytes": (
        # numpy.ndarray((1,), object, bytes) would make pointers of the bytes
        glob("numpy", "ndarray") + b"K\1\x85" + OBJECT + blob(b"A" * 8) + b"\x87R.",
        "no pickle that can be read",
    ),
    "object_array_filled_with_bytes": (array(OBJECT, b"K\1\x85", blob(b"A" * 8)) + b".", "bytes of 8 values"),
    "object_array_filled_with_one_byte": (array(OBJECT, b"K\1\x85", blob(b"A")) + b".", "bytes of 1 values"),
    "objects_of_a_shape_that_wraps": (  # 16 times 17 is 16 in 8 bits
        array(OBJECT, scalar(16) + scalar(17) + b"\x86", b"](" + b"N" * 16 + b"e") + b".",
        "no whole numbers",
    ),
    "numbers_of_a_shape_that_wraps": (
        array(FLOAT, scalar(16) + scalar(17) + b"\x86", blob(bytes(128))) + b".", "no whole numbers",
    ),
    "objects_of_a_true_shape": (array(OBJECT, b"\x88\x85", b"](Ne") + b".", "no whole numbers"),
    "objects_beyond_64_bits": (  # 2^32 times 2^32 is 0 in 64 bits
        array(OBJECT, (b"\x8a\5" + bytes(4) + b"\1") * 2 + b"\x86", b"]") + b".", "a list of 0",
    ),
    "objects_in_a_shared_list": (
        b"(](Ne\x940" + array(OBJECT, b"J" + b"\xff\xff\xff\x7f" + b"\x85", b"h\0") + b"t.", "a list of 1",
    ),
    "array_in_the_place_of_a_type": (
        NEW + b"(K\1K\1\x85" + NEW + b"\x89]tb.", "no pickle that can be read",
    ),
    "text_of_no_character": (
        array(DTYPE + text("U1") + b"\x89\x88\x87R", b"K\1\x85", blob(b"\xff" * 4)) + b".", "0xffffffff",
    ),
    "text_of_no_character_in_a_record": (
        array(
            DTYPE + text("V4") + b"\x89\x88\x87R(K\3" + text("|") + b"N" + text("a") + b"\x85}" + text("a")
            + DTYPE + text("U1") + b"\x89\x88\x87RK\0\x86sK\4K\1K\x10tb",
            b"K\1\x85", blob(bytes([0, 0, 17, 0])),
        ) + b".",
        "0x110000",
    ),
    "scalar_object_made_of_bytes": (
        glob("numpy.core.multiarray", "scalar") + OBJECT + b"C\x08" + b"A" * 8 + b"\x86R.", "bytes of 8",
    ),
    "buffer_of_objects": (
        glob("numpy.core.numeric", "_frombuffer") + b"(" + blob(b"A" * 8) + OBJECT + b"K\1\x85" + text("C")
        + b"tR.",
        "bytes of 8",
    ),
    "object_field_in_a_plain_type": (
        # the state of a dtype of 16 plain bytes, with a field of pointers in it
        DTYPE + text("V16") + b"\x89\x88\x87R(K\3" + text("|") + b"N" + text("a") + text("b") + b"\x86}("
        + text("a") + OBJECT + b"K\0\x86" + text("b") + FLOAT + b"K\x08\x86uK\x10K\1K\x10tb.",
        "no plain values",
    ),
    "field_before_its_record": (
        DTYPE + text("V8") + b"\x89\x88\x87R(K\3" + text("|") + b"N" + text("a") + b"\x85}" + text("a")
        + FLOAT + b"J\x18\xfc\xff\xff\x86sK\x08K\1K\x10tb.",
        "no whole numbers",
    ),
    "array_of_terabytes": (array(FLOAT, b"\x8a\6" + bytes(5) + b"\1\x85", blob(b"")) + b".", "bytes of 0"),
    "array_of_a_negative_shape": (array(FLOAT, b"J" + b"\xff" * 4 + b"\x85", blob(b"")) + b".", "no whole"),
    "type_of_terabytes": (DTYPE + text("V99999999999") + b"\x89\x88\x87R.", "values of type"),
    "type_with_arrays_in_it": (DTYPE + text("(9,9)f8") + b"\x89\x88\x87R.", "values of type"),
    "nested_a_million_deep": (b"]" * 1_000_000 + b"a" * 999_999 + b".", "accepted"),
    "tuples_a_million_deep": (b")" + b"\x85" * 1_000_000 + b".", "accepted"),
    "a_list_that_holds_itself": (b"]\x94h\0a.", "holds itself"),
    "a_list_that_holds_itself_by_a_text": (b"]p0\ng0\na.", "holds itself"),
    "a_list_that_holds_itself_by_a_long_number": (b"]\x94j\0\0\0\0a.", "holds itself"),
    "a_list_that_holds_its_double": (b"]2a.", "holds itself"),
    "lists_that_hold_each_other": (b"]\x94]\x94h\0aa.", "holds itself"),
    "a_dictionary_that_holds_itself": (b"}\x94K\0h\0s.", "holds itself"),
    "a_number_after_a_list_in_two_places": (b"]\x94h\x0000K\5.", "accepted"),
    "a_list_in_two_places": (b"]\x94](h\0h\0e.", "accepted"),
    "lists_that_double": (
        b"]\x94" + b"".join(b"](h%ch%ce\x94" % (i, i) for i in range(60)) + b".", "where it repeats some",
    ),
    "tuples_that_double": (b")\x94" + b"".join(b"h%c2N\x87\x94" % i for i in range(60)) + b".", "same tuple"),
    "millions_of_lists": (b"(" + b"]" * (10 * MEGABYTE) + b"t.", "objects allowed"),
    "millions_of_values": (b"(" + b"N" * 9_000_000 + b"t.", "steps allowed"),
    "a_long_text_many_times": (
        text("x" * MEGABYTE) + b"\x94" + b"(" + b"h\0" * 1000 + b"t.", "more than 4 times",
    ),
    "bytes_made_again_and_again": (
        text("x" * MEGABYTE) + b"\x94"
        + (glob("_codecs", "encode") + b"h\0" + text("latin1") + b"\x86R0") * 1000 + b".",
        "more than 4 times",
    ),
    "encoding_that_takes_for_ever": (
        glob("_codecs", "encode") + text("é" * 100_000) + text("punycode") + b"\x86R.", "another encoding",
    ),
    "an_empty_tuple_in_two_places": (b")\x94h\0\x86.", "accepted"),
    "state_of_a_list": (b"]}b.", "other objects"),
    "another_encoding": (glob("_codecs", "encode") + text("é") + text("utf-8") + b"\x86R.", "than latin1"),
    "memo_of_gigabytes": (b"Nr" + b"\xff" * 3 + b"\x7f.", "accepted"),
    "number_of_a_million_digits": (b"L" + b"9" * MEGABYTE + b"L\n.", "no pickle that can be read"),
    "number_longer_than_the_file": (b"\x8b\xff\xff\xff\x7f.", "are announced"),
    "bytes_longer_than_the_file": (b"\x80\4\x8e" + struct.pack("<Q", 1 << 40) + b".", "are announced"),
    "bytearray_of_gigabytes": (b"\x80\5\x96" + struct.pack("<Q", 1 << 34) + b".", "are announced"),
    "text_longer_than_the_file": (b"\x80\4\x8d" + struct.pack("<Q", 1 << 62) + b".", "are announced"),
    "frame_longer_than_the_file": (b"\x80\4\x95" + b"\xff" * 8 + b"N.", "accepted"),
    "frame_in_a_frame": (b"\x80\4\x95\x14" + bytes(7) + b"\x95\1" + bytes(7) + b"N.", "accepted"),
    "no_end": (b"\x80\4N", "no pickle that can be read"),
    "nothing_on_the_stack": (b"0000.", "no pickle that can be read"),
    "mark_without_end": (b"(" * 1000 + b".", "no pickle that can be read"),
    "protocol_of_the_future": (b"\x80\xff.", "no pickle that can be read"),
    "sets": (b"\x80\4\x8f.", "other objects"),
}  # fmt: skip
