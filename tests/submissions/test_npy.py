import pickle
import tracemalloc

import numpy as np
import pytest

from submissions import Code, SubmissionError
from submissions.npy import read_npy
from tests.submissions.attacks import Runs, described, header
from tests.submissions.zips import a_map, npy

HEADER = npy(a_map())[:-32768]


def refusal(data: bytes) -> Code:
    with pytest.raises(SubmissionError) as caught:
        read_npy(data, (128, 128))
    return caught.value.code


@pytest.mark.parametrize("dtype", ["<f2", ">f8", "i1", ">u4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_any_type_and_order(dtype, order):
    values = np.array(np.arange(6).reshape(2, 3), dtype, order=order)
    found = read_npy(npy(values), (2, 3))
    np.testing.assert_array_equal(found, values)
    assert found.dtype == values.dtype


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
        pickle.dumps(Runs()),
        header("__import__('os').abort()"),
        header("(" * 900),
        header("-" * 900 + "1"),
        header("'" * 901),
        header("{'descr': '<f2', 'fortran_order': False, 'shape': (128, 128), }" + " " * 9000),
        header("{'descr': '<f2', 'fortran_order': 1, 'shape': (128, 128)}"),
        header("{'descr': '<f2', 'shape': (128, 128)}"),
        header("{}", version=b"\2\0"),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_no_array(data):
    assert refusal(data) == Code.NOT_AN_ARRAY


def test_format_3_is_named():
    with pytest.raises(SubmissionError, match=r"got ValueError: format 3\.0, expected 1\.0 or 2\.0"):
        read_npy(npy(a_map(), version=(3, 0)), (128, 128))


def test_object_array_is_not_unpickled():
    assert refusal(npy(np.array([Runs()], dtype=object))) == Code.WRONG_DTYPE


def test_numbers_without_end_in_a_shape():
    assert refusal(described("'<f2'", f"(0x{'f' * 900}, 128)")) == Code.WRONG_SHAPE


def test_no_address_of_memory_is_told():
    with pytest.raises(SubmissionError) as caught:
        read_npy(described("'<f2'", "(9**9, 128)"), (128, 128))
    assert "0x" not in str(caught.value)


def test_axes_of_length_1_are_up_to_two_more():
    for shape, right in (((1, 128, 1, 128), True), ((1, 1, 1, 128, 128), False)):
        data = npy(a_map().reshape(shape))
        if right:
            assert read_npy(data, (128, 128), squeeze=True).shape == shape
        else:
            with pytest.raises(SubmissionError, match="the shape must be"):
                read_npy(data, (128, 128), squeeze=True)


@pytest.mark.parametrize("version", [b"\1\0", b"\2\0"])
def test_a_header_of_the_greatest_length(version):
    text = "{'descr': '<f2', 'fortran_order': False, 'shape': (128, 128), }"
    assert not read_npy(header(text.ljust(1023), version=version), (128, 128)).any()
    assert refusal(header(text.ljust(1024), version=version)) == Code.NOT_AN_ARRAY


def test_true_is_no_length():
    with pytest.raises(SubmissionError, match="got ValueError: the shape") as caught:
        read_npy(described("'<f2'", "(True, 128, 128)"), (128, 128), squeeze=True)
    assert caught.value.code == Code.NOT_AN_ARRAY
