"""Reading in a child process: what comes back, and what becomes of crashes, hangs and greed."""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from harness import child
from harness.files import HarnessError

MEBIBYTE = 1 << 20
HERE = "tests.harness.test_child"


def three(path):
    """A structured array, an empty one and one in another order, with what names them."""
    print("this is no item")
    table = np.array([(1, b"a"), (2, b"b")], [("x", ">i4"), ("name", "S3")])
    yield {"path": str(path), "text": "ñ\n"}, [table, np.zeros((0, 3), "f2")]
    yield 2, []
    yield None, [np.asfortranarray(np.arange(6.0).reshape(2, 3))]


def fault(path):
    yield 1, []
    raise HarnessError(f"{path.name} must be whole")


def bug(_):
    yield from {}["nothing"]


def crash(_):
    ctypes.string_at(0)
    yield 1, []


def killed(_):
    os.kill(os.getpid(), signal.SIGKILL)
    yield 1, []


def hang(_):
    while True:
        pass
    yield 1, []


def wait(_):
    time.sleep(60)
    yield 1, []


def greedy(_):
    yield len(bytearray(1 << 32)), []


def lie(header):
    """Send what is no item, as code that took over the process could."""
    for descriptor in range(3, 16):
        try:
            os.write(descriptor, header + b"\n" + bytes(8))
        except OSError:
            continue
    os._exit(0)


def liar(_):
    yield lie(b'{"item": 1, "arrays": [["<f8", [1099511627776]]]}')


def liar_of_objects(_):
    yield lie(b'{"item": 1, "arrays": [["|O", [1]]]}')


def liar_of_fields_of_objects(_):
    yield lie(b'{"item": 1, "arrays": [[[["x", "|O"]], [1]]]}')


def liar_of_arrays(_):
    yield lie(b'{"item": 1, "arrays": [[[["x", 5]], [1]]]}')


def liar_of_numbers(_):
    yield lie(b"[1, 2]")


def read(name, seconds=30, memory=512 * MEBIBYTE):
    return list(child.items(f"{HERE}:{name}", Path("some.pkl"), seconds, memory))


def test_items_come_back_as_they_were():
    first, second, third = read("three")
    assert first[0] == {"path": "some.pkl", "text": "ñ\n"}
    assert first[1][0].dtype == [("x", ">i4"), ("name", "S3")]
    assert first[1][0].tolist() == [(1, b"a"), (2, b"b")]
    assert (first[1][1].shape, first[1][1].dtype) == ((0, 3), np.float16)
    assert (second[0], list(second[1])) == (2, [])
    assert third[1][0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_items_before_a_fault_come_and_the_message_is_its_own():
    items = child.items(f"{HERE}:fault", Path("some.pkl"), 30, 512 * MEBIBYTE)
    assert next(items)[0] == 1
    with pytest.raises(HarnessError, match=r"^some\.pkl must be whole$"):
        next(items)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have other limits")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("crash", "crashed.*SIGSEGV"),
        ("killed", "was killed"),
        ("hang", "within 1 seconds"),
        ("wait", "within 1 seconds"),
        ("greedy", "512 MiB of memory"),
        ("liar", "crashed"),
        ("liar_of_objects", "crashed"),
        ("liar_of_fields_of_objects", "crashed"),
        ("liar_of_arrays", "crashed"),
        ("liar_of_numbers", "crashed"),
        ("bug", r"some\.pkl cannot be read: KeyError: .nothing"),
    ],
)
def test_what_goes_wrong_is_said(monkeypatch, name, words):
    monkeypatch.setattr(child, "PATIENCE", 3)
    start = time.monotonic()
    with pytest.raises(HarnessError, match=words):
        read(name, seconds=1 if "1" in words else 30)
    assert time.monotonic() - start < 60


def test_a_child_ends_with_who_asked():
    items = child.items(f"{HERE}:three", Path("some.pkl"), 30, 512 * MEBIBYTE)
    next(items)
    process = items.gi_frame.f_locals["child"]
    items.close()
    assert process.returncode is not None
