"""A bar on a real terminal, and plain lines elsewhere, always on stderr."""

import os
import pty
import subprocess
import sys

WORK = """
from harness import progress
progress.SECONDS_BETWEEN_LINES = {seconds}
with progress.progress_bar("packing [b]") as report:
    report(1, 4, "first")
    report(3, 4, "third [/b]\\x1b[2J\\x9b2J\\u202e")
    report(3, 0, "")
"""


def outputs(seconds, terminal=False):
    """What the work writes to stdout and stderr, the latter being a terminal or a pipe."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    done = subprocess.Popen(
        [sys.executable, "-c", WORK.format(seconds=seconds)],
        stdout=subprocess.PIPE,
        stderr=writer,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(writer)
    written = b""
    try:
        while read := os.read(reader, 4096):
            written += read
    except OSError:  # a terminal that nobody writes to any more
        pass
    os.close(reader)
    stdout, _ = done.communicate()
    assert done.returncode == 0, written
    return stdout.decode(), written.decode()


def test_plain_lines_elsewhere():
    stdout, stderr = outputs(0)
    assert stdout == ""
    assert stderr.splitlines() == [
        "packing [b]: 1 of 4 first",
        r"packing [b]: 3 of 4 third [/b]\x1b[2J\x9b2J\u202e",
        "packing [b]: 3",
    ]


def test_short_work_is_silent_elsewhere():
    assert outputs(60) == ("", "")


def test_a_bar_on_a_terminal():
    stdout, stderr = outputs(0, terminal=True)
    assert stdout == ""
    assert "packing [b]" in stderr
    assert "━" in stderr
    assert "3 of 4" not in stderr
    assert "\x1b[" in stderr  # it is drawn over itself
    assert stderr.endswith("\x1b[?25h") or "\x1b[2K" in stderr  # and gone in the end
