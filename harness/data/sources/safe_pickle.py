"""Loading a data set from a pickle without executing code in it.

A pickle is a program for a small machine. Here it can make plain containers, texts, numbers and NumPy arrays.

An allow-list for `pickle.Unpickler.find_class` keeps code from running, but not a file of a few bytes from
filling the memory or crashing the process. Of the attacks in tests/harness/data/sources/attacks.py the
unpickler in C, with such a list, loads fifteen that are refused here: lists and tuples that double level by
level once somebody walks through them, texts repeated in many places, object arrays whose pointers are bytes
of the file, millions of empty lists (800 MB from 10 MB). It also reserves as much memory as an index of the
memo names (gigabytes from 7 bytes). So this is Python's own unpickler, with an account of what is read and
made; and arrays are made by this module, since NumPy believes what a pickle states about memory: of the
lengths in it only plain integers are taken, and arrays of objects are filled one by one, never from a state.
The next such hole may be NumPy's, so files are to be read in a child process (`harness.child`).
"""

import math
import os
import pickle
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, Any

import numpy as np

from harness.data.store import DataError
from submissions.limits import (
    MAX_PICKLE_BYTES,
    MAX_PICKLE_GROWTH,
    MAX_PICKLE_OBJECTS,
    MAX_PICKLE_READS,
    PICKLE_BYTES_A_READ,
    PICKLE_BYTES_AN_OBJECT,
)
from submissions.report import printable

CONTAINERS = (tuple, list, dict, np.ndarray)


class _DType:
    """What a pickle says about a dtype: of numbers, texts, objects, or of fields that are none of these."""

    def __init__(self, code: str, *_flags: object) -> None:
        if not re.fullmatch(r"[biufcSU]\d{1,6}|V\d{1,9}|O\d?", code):
            raise DataError(f"it asks for values of type {printable(code)}")
        self.value = np.dtype("O" if code[0] == "O" else code)

    def set(self, state: Any) -> None:
        order, subarray, names, fields, size = state[1:6]
        if names:
            formats, offsets = zip(*((fields[name][0].value, fields[name][1]) for name in names), strict=True)
            _check_lengths(*offsets, size)
            columns = {"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size}
            self.value = np.dtype(columns)  # type: ignore[call-overload]
        else:
            self.value = self.value.newbyteorder(order)
        if subarray or (names and any(dtype.hasobject or dtype.names for dtype in formats)):
            raise DataError("it asks for fields or arrays within others that are no plain values")


class _Array:
    """An array that a pickle has announced; its shape and values follow."""

    value: np.ndarray | None = None

    def set(self, state: Any) -> None:
        _, shape, dtype, fortran, values = state
        self.value = _array(values, dtype, shape, "F" if fortran else "C")


def _check_lengths(*lengths: Any) -> None:
    """Refuse lengths that are no plain integers: NumPy's own wrap when they are multiplied."""
    if not all(type(length) is int and length >= 0 for length in lengths):
        raise DataError("it states lengths that are no whole numbers")


def _array(values: Any, dtype: _DType, shape: Any, order: str) -> np.ndarray:
    """An array of this shape over bytes, or of objects, once the length of the values agrees."""
    _check_lengths(*shape)
    kind = dtype.value
    expected, size = (list, 1) if kind.hasobject else ((bytes, bytearray), kind.itemsize)
    if not isinstance(values, expected) or len(values) != math.prod(shape) * size:
        got = f"a {type(values).__name__} of {len(values):,}"
        raise DataError(f"an array of {kind} and shape {printable(shape)} has {got} values or bytes")
    if not kind.hasobject:
        array: np.ndarray = np.ndarray(shape, kind, values, order="F" if order == "F" else "C")  # type: ignore[arg-type]
        for column in [array[name] for name in kind.names] if kind.names else [array]:
            _check_texts(column)
        return array
    objects = np.empty(len(values), object)
    for index, value in enumerate(values):  # as a whole, NumPy would look into them
        objects[index] = value
    return objects.reshape(shape)  # which NumPy lists in the order of C, whatever the array's


def _check_texts(texts: np.ndarray) -> None:
    """Refuse characters that there are not, which NumPy would hand to Python unseen."""
    if texts.dtype.kind == "U":
        codes = np.frombuffer(texts.tobytes(), np.dtype("u4").newbyteorder(texts.dtype.byteorder))
        if codes.max(initial=0) > sys.maxunicode:
            raise DataError(f"it holds the character {codes.max():#x}, which there is not")


def _encode(text: str, encoding: str) -> bytes:
    """Bytes, as protocol 2 writes them; other encodings can take for ever."""
    if encoding != "latin1" or not isinstance(text, str):
        raise DataError("it asks for another encoding than latin1")
    return text.encode(encoding)


ADMITTED = {
    "numpy.ndarray": "the first argument of _reconstruct",
    "numpy.dtype": _DType,
    "numpy._core.multiarray._reconstruct": lambda *_: _Array(),
    "numpy._core.multiarray.scalar": lambda dtype, value: _array(value, dtype, (), "C")[()],
    "numpy._core.numeric._frombuffer": _array,
    "_codecs.encode": _encode,
    "collections.OrderedDict": lambda: OrderedDict(),
    "__builtin__.bytes": lambda: b"",  # which protocols 0 to 2 write without any
}


class _Source:
    """The file, of which no more is asked than it has, and not too often."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.readline = file, file.readline
        self.size = os.fstat(file.fileno()).st_size
        self.allowed = self.reads = MAX_PICKLE_READS + self.size // PICKLE_BYTES_A_READ

    def read(self, count: int) -> bytes:
        self.reads -= 1
        if self.reads < 0:
            raise DataError(f"reading it takes more than the {self.allowed:,} steps allowed")
        if count > 255 and count > self.size - self.file.tell():
            raise EOFError(f"{count:,} bytes are announced, fewer follow")
        return self.file.read(count)


class _Unpickler(pickle._Unpickler):
    """Python's own, not the faster one in C: that one reserves whatever memory a pickle names."""

    stack: list[Any]
    read: Callable[[int], bytes]

    def __init__(self, source: _Source) -> None:
        super().__init__(source)
        self.shares = False
        self.allowed = self.objects = MAX_PICKLE_OBJECTS + source.size // PICKLE_BYTES_AN_OBJECT
        self.bytes = MAX_PICKLE_BYTES + MAX_PICKLE_GROWTH * source.size

    def find_class(self, module: str, name: str) -> Any:
        wanted = f"{module}.{name}".replace("numpy.core.", "numpy._core.")
        if wanted not in ADMITTED:
            only = "only NumPy arrays and plain containers are admitted"
            raise DataError(f"it asks for {printable(f'{module}.{name}')}; {only}")
        return ADMITTED[wanted]

    def refuse(self) -> None:
        raise DataError("it makes other objects than NumPy arrays and plain containers")

    def skip_frame(self) -> None:
        self.read(8)  # how much could be read at once

    def load_bytes(self) -> None:
        self.stack.append(bytearray(self.read(int.from_bytes(self.read(8), "little"))))

    def build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if not isinstance(made, _DType | _Array):
            self.refuse()
        made.set(state)
        self.finish()
        self.pay()

    def finish(self) -> None:
        """Put an array in the place of its announcement."""
        if isinstance(value := self.stack[-1], _Array) and value.value is not None:
            self.stack[-1] = value.value

    def count(self) -> None:
        self.objects -= 1
        if self.objects < 0:
            raise DataError(f"it holds more than the {self.allowed:,} objects allowed")

    def pay(self) -> None:
        """Charge for what was made, or put in one more place, where it may be copied."""
        value = self.stack[-1]
        texts = (str, bytes, bytearray)
        self.bytes -= len(value) if isinstance(value, texts) else getattr(value, "nbytes", 0)
        if self.bytes < 0:
            raise DataError(f"it would grow to more than {MAX_PICKLE_GROWTH} times its size")

    def pay_again(self) -> None:
        """Note containers in many places: they double, level by level, once somebody walks through them.

        Of tuples within tuples that is already somebody who takes them for the key of a dictionary.
        """
        self.finish()
        value = self.stack[-1]
        if isinstance(value, tuple) and any(isinstance(item, tuple) for item in value):
            raise DataError("it holds the same tuple of tuples in more than one place")
        if isinstance(value, CONTAINERS):
            self.shares = True
        else:
            self.pay()


def _values(container: Any) -> Collection[Any]:
    """What a container holds; nothing for an array of plain values."""
    if isinstance(container, np.ndarray):
        return container.ravel().tolist() if container.dtype.hasobject else ()
    return container.values() if isinstance(container, dict) else container


def _check_sharing(content: Any, allowed: int) -> None:
    """Refuse a container that holds itself, or more than the allowed values where some are repeated."""
    sizes: dict[int, int] = {}  # of containers by their identity; 0 while their values are counted
    waiting: list[Any] = [content]
    while waiting:
        container = waiting[-1]
        if not isinstance(container, CONTAINERS) or sizes.get(id(container)):
            waiting.pop()
            continue
        values = _values(container)
        inner = [value for value in values if isinstance(value, CONTAINERS)]
        if id(container) in sizes:
            size = 1 + len(values) + sum(sizes[id(value)] for value in inner)
            if size > allowed:
                raise DataError(f"it holds more than {allowed:,} values where it repeats some")
            sizes[id(container)] = size
            continue
        sizes[id(container)] = 0
        if any(sizes.get(id(value)) == 0 for value in inner):
            raise DataError(f"it holds a {type(container).__name__} that holds itself")
        waiting += [value for value in inner if id(value) not in sizes]


def _then(step: Callable[[Any], None], after: Callable[[Any], None]) -> Callable[[Any], None]:
    def both(unpickler: _Unpickler) -> None:
        step(unpickler)
        after(unpickler)

    return both


_STEPS = pickle._Unpickler.dispatch
_Unpickler.dispatch = (
    _STEPS
    # persistent ids, instances, registered extensions, sets, buffers
    | dict.fromkeys(b"PQio\x81\x82\x83\x84\x8f\x90\x91\x92\x97\x98", _Unpickler.refuse)
    # marks, lists, dictionaries, tuples, the memo, what is made by a call
    | {code: _then(_STEPS[code], _Unpickler.count) for code in b"(])}ldt\x85\x86\x87pqr\x94R"}
    | {code: _then(_STEPS[code], _Unpickler.pay_again) for code in b"2ghj"}  # DUP and the three GET
    | {pickle.BUILD[0]: _Unpickler.build, pickle.BYTEARRAY8[0]: _Unpickler.load_bytes}
    | {pickle.FRAME[0]: _Unpickler.skip_frame}
)
_Unpickler.dispatch[pickle.REDUCE[0]] = _then(_Unpickler.dispatch[pickle.REDUCE[0]], _Unpickler.pay)


def load(path: Path) -> Any:
    """What a pickle of NumPy arrays, lists, tuples, dictionaries, strings and numbers holds.

    Raises DataError for any other content, for a damaged file, and for one that holds more than it may.
    """
    try:
        with path.open("rb") as file:
            source = _Source(file)
            unpickler = _Unpickler(source)
            content = unpickler.load()
            if unpickler.shares:
                _check_sharing(content, source.allowed)
            return content
    except DataError as error:
        raise DataError(f"{path} is not read: {error}") from error
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a hostile or damaged pickle may raise anything at all
        message = f"{type(error).__name__}: {printable(error)}"
        raise DataError(f"{path} is no pickle that can be read: {message}") from error
