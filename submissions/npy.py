"""Reading an ``.npy`` file from outside: its header is checked before its body, and nothing is unpickled."""

import io
import re
import warnings
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.lib import format as npy

from submissions import limits
from submissions.report import Code, SubmissionError, must

_WITH_ADDRESS = re.compile(r":? <[^<>]* at 0x[0-9a-f]+>")  # how Python shows an object of its own
_ONE_AT_A_TIME = Lock()  # what is done about warnings holds for all threads


def read_npy(data: bytes, shape: tuple[int, ...], squeeze: bool = False) -> np.ndarray:
    """The array of numbers of this shape in an ``.npy`` file, read-only, of whatever type and byte order.

    C or Fortran order, NaN too; up to 8 bytes a number, since what more bytes mean depends on the machine.
    With ``squeeze`` the array may have up to four axes, the others of length 1. Raises SubmissionError for
    all else: another shape, objects, structures, a header that promises more or fewer bytes than follow.
    """
    width = 2 if data[6:7] == b"\x01" else 4  # of the number that says how long the header is
    size = int.from_bytes(data[8 : 8 + width], "little")
    found, fortran, dtype, offset = _header(data[: 8 + width + min(size, limits.MAX_NPY_HEADER + 1)])
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        message = must("the values", "be real numbers of at most 64 bits, best of type float16", dtype)
        raise SubmissionError(message, Code.WRONG_DTYPE)
    squeezed = tuple(length for length in found if length != 1) if squeeze and len(found) <= 4 else found
    if squeezed != shape:
        raise SubmissionError(must("the shape", f"be {shape}", found), Code.WRONG_SHAPE)
    expected = int(np.prod(shape)) * dtype.itemsize
    if (body := len(data) - offset) != expected:
        message = must("the array", f"have {expected:,} bytes of {dtype} after its header", f"{body:,}")
        raise SubmissionError(message, Code.NOT_AN_ARRAY)
    return np.frombuffer(data, dtype, offset=offset).reshape(found, order="F" if fortran else "C")


@lru_cache(maxsize=64)  # the files of an archive have one header, which takes longer to read than a map
def _header(start: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, Fortran order, dtype, and where the body begins. Format 3 is for fields with odd names alone."""
    stream = io.BytesIO(start)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings(action="ignore"):
            version = npy.read_magic(stream)
            if version not in read_header:
                raise ValueError(f"format {version[0]}.{version[1]}, expected 1.0 or 2.0")
            shape, fortran, dtype = read_header[version](stream, limits.MAX_NPY_HEADER)
            if any(type(length) is not int for length in shape):  # NumPy takes True for one
                raise ValueError(f"the shape {shape}")
    except Exception as error:  # tokenize, ast and NumPy's dtypes raise errors with no other common class
        came = f"{type(error).__name__}: {_WITH_ADDRESS.sub('', str(error))}"
        raise SubmissionError(must("the file", "be what np.save writes", came), Code.NOT_AN_ARRAY) from error
    return shape, fortran, dtype, stream.tell()
