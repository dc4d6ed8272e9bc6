import os
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from submissions import Code, SubmissionError
from submissions.formats.mass_mapping import HEADER, parse, write
from tests.submissions.zips import a_map, npy

FINITE = st.floats(-60000, 60000, width=16)


def refusal(data: bytes) -> Code:
    with pytest.raises(SubmissionError) as caught:
        parse(data)
    return caught.value.code


def with_header(header: str, body: bytes = bytes(32768), version: bytes = b"\1\0") -> bytes:
    text = header.encode("latin-1") + b"\n"
    length = len(text).to_bytes(2 if version == b"\1\0" else 4, "little")
    return b"\x93NUMPY" + version + length + text + body


def described(descr: str, shape: str = "(128, 128)", order: bool = False) -> bytes:
    return with_header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")


@given(arrays(np.float16, (128, 128), elements=FINITE))
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_what_is_read(kappa):
    [(name, data)] = write([(["a"], kappa[None])], "team")
    assert name == "team/a.npy"
    assert data == npy(kappa)
    np.testing.assert_array_equal(parse(data), kappa)


@pytest.mark.parametrize(
    "data",
    [
        npy(np.asfortranarray(a_map())),
        npy(a_map().astype(">f2")),
        npy(np.asfortranarray(a_map().astype(">f2"))),
        npy(a_map(), version=(2, 0)),
        npy(a_map().astype(np.float32)),
        npy(a_map().astype(">f8")),
    ],
    ids=["Fortran", "big-endian", "both", "version 2", "float32", "big-endian float64"],
)
def test_other_ways_to_write_the_same_map(data):
    kappa = parse(data)
    np.testing.assert_array_equal(kappa, a_map())
    assert kappa.dtype.isnative


def test_whole_numbers_are_numbers():
    np.testing.assert_array_equal(parse(npy(np.full((128, 128), 7, np.int8))), 7)


@pytest.mark.parametrize("value", [0.1, 1e6, 1e-9, -1e300])
def test_numbers_that_float16_cannot_hold(value):
    assert refusal(npy(np.full((128, 128), value))) == Code.WRONG_DTYPE


@pytest.mark.parametrize(
    "dtype", ["'|O'", "'<c8'", "'|b1'", "'<U3'", "'<M8[s]'", "[('a', '<f2')]", "'<f2,<f2'", "'(9999999,)<f2'"]
)
def test_no_numbers(dtype):
    assert refusal(described(dtype)) in (Code.WRONG_DTYPE, Code.NOT_AN_ARRAY)


@pytest.mark.parametrize(
    "shape",
    ["()", "(16384,)", "(128, 127)", "(1, 128, 128)", "(10**9, 10**9)", "(-128, -128)", "(128.0, 128)"],
)
def test_other_shapes(shape):
    assert refusal(described("'<f2'", shape)) in (Code.WRONG_SHAPE, Code.NOT_AN_ARRAY)


def test_huge_shape_takes_no_memory():
    tracemalloc.start()
    assert refusal(described("'<f2'", "(1000000, 1000000)")) == Code.WRONG_SHAPE
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


class Malice:
    def __reduce__(self):
        return os.abort, ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        HEADER,
        npy(a_map())[:-1],
        npy(a_map()) + b"\0",
        npy(a_map(), version=(3, 0)),
        np.zeros((128, 128), np.float16).tobytes(),
        pickle.dumps(Malice()),
        with_header("__import__('os').abort()"),
        with_header("(" * 900),
        with_header("-" * 900 + "1"),
        with_header("'" * 901),
        with_header("{'descr': '<f2', 'fortran_order': False, 'shape': (128, 128), }" + " " * 9000),
        with_header("{'descr': '<f2', 'fortran_order': 1, 'shape': (128, 128)}"),
        with_header("{'descr': '<f2', 'shape': (128, 128)}"),
        with_header("{}", version=b"\2\0"),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_no_array(data):
    assert refusal(data) == Code.NOT_AN_ARRAY


def test_object_array_is_not_unpickled():
    assert refusal(npy(np.array([Malice()], dtype=object))) == Code.WRONG_DTYPE


def test_numbers_without_end_in_a_shape():
    assert refusal(described("'<f2'", f"(0x{'f' * 900}, 128)")) == Code.WRONG_SHAPE


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_bytes_that_changed_are_a_map_or_a_refusal(data):
    content = bytearray(npy(a_map()))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 140))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    try:
        kappa = parse(bytes(content))
    except SubmissionError:
        return
    assert kappa.shape == (128, 128)
    assert kappa.dtype.kind in "fiu"


def test_values_beyond_float16_are_not_written_as_infinite():
    maps = np.zeros((2, 128, 128), np.float32)
    maps[1, 3, 3] = 65520
    with pytest.raises(SubmissionError, match=r"^b: .*65,504"):
        list(write([(["a", "b"], maps)], "team"))
