"""Loading a data set that was handed out as a pickle, without running what it says.

A pickle is a program. This unpickler knows the few names that NumPy arrays and plain containers are made of,
and refuses every other one.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from harness.data.store import DataError

ADMITTED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),  # bytes, as protocol 2 writes them
    ("collections", "OrderedDict"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise DataError(
                f"it asks for {module}.{name}; only NumPy arrays and plain containers are admitted"
            )
        return super().find_class(module.replace("numpy.core.", "numpy._core."), name)


def load(path: Path) -> Any:
    """What a pickle of NumPy arrays, lists, tuples, dictionaries, strings and numbers holds.

    Raises DataError for any other content and for a damaged file.
    """
    try:
        with path.open("rb") as file:
            return _Unpickler(file).load()
    except DataError as error:
        raise DataError(f"{path} is not read: {error}") from error
    except OSError:
        raise
    except Exception as error:  # a hostile or damaged pickle may raise anything at all
        raise DataError(f"{path} is no pickle that can be read: {type(error).__name__}: {error}") from error
