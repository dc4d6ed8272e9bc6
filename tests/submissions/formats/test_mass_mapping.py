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


@pytest.mark.slow
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


def test_the_header_is_that_of_numpy():
    assert npy(a_map()).startswith(HEADER)
    assert len(npy(a_map())) == len(HEADER) + 2 * 128 * 128


def test_values_beyond_float16_are_not_written_as_infinite():
    maps = np.zeros((2, 128, 128), np.float32)
    maps[1, 3, 3] = 65520
    with pytest.raises(SubmissionError, match=r"^b: .*65,504"):
        list(write([(["a", "b"], maps)], "team"))
