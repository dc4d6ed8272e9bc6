"""The first opening of an HDF5 file: in a child process, since one wrong byte can make the library hang.

A file that this package wrote, or that was walked before, is known by its place on the disk, its size and the
time of its last change. These are noted in the user's cache folder, so that no command starts a child for a
data set that one before it made or opened.
"""

import os
from contextlib import suppress
from pathlib import Path

from harness import child

SECONDS, BYTES_A_SECOND = 2, 100 << 20
MEMORY = 2 << 30
MAX_NOTES = 1 << 20  # bytes; when there are more, they begin anew
_known: set[str] = set()


def screen(path: Path, walk: str) -> None:
    """Unless the file is known, call ``walk`` ("module:function") with its path in a child process.

    Raises HarnessError where the child finds a fault, crashes, or does not come to an end.
    """
    identity = _identity(path)
    if identity in _known:
        return
    with suppress(OSError, RuntimeError):
        _known.update(_notes().read_text("ascii").splitlines())
    if identity not in _known:
        for _ in child.items(walk, path, SECONDS + path.stat().st_size // BYTES_A_SECOND, MEMORY):
            pass
        trust(path)


def trust(path: Path) -> None:
    """Note that a file was walked to its end, or written by this package."""
    identity = _identity(path)
    _known.add(identity)
    with suppress(OSError, RuntimeError):  # without a home, every process screens for itself
        notes = _notes()
        notes.parent.mkdir(parents=True, exist_ok=True)
        full = notes.exists() and notes.stat().st_size > MAX_NOTES
        with notes.open("w" if full else "a", encoding="ascii") as file:
            file.write(f"{identity}\n")


def _identity(path: Path) -> str:
    status = path.stat()
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}"


def _notes() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "astroboard" / "known-data-sets"
