"""A bar on a real terminal, and plain lines elsewhere, always on stderr."""

import os
import pty
import re
import subprocess
import sys

import pytest

from harness.progress import duration, progress_bar

WORK = """
from harness import progress
progress.SECONDS_BETWEEN_LINES, progress.SHARE_BETWEEN_LINES = {seconds}, 0
with progress.progress_bar("packing [b]") as report:
    report(0, 0, "opening")
    report(1, 4, "first")
    report(3, 4, "third [/b]\\x1b[2J\\x9b2J\\u202e")
    report(3, 0, "")
"""


def outputs(seconds, terminal=False, columns=120, work=WORK):
    """What the work writes to stdout and stderr, the latter being a terminal or a pipe."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    done = subprocess.Popen(
        [sys.executable, "-c", work.format(seconds=seconds)],
        stdout=subprocess.PIPE,
        stderr=writer,
        env=os.environ | {"TERM": "xterm", "COLUMNS": str(columns)},
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
        "packing [b]: opening",
        "packing [b]: 1 of 4 first",
        r"packing [b]: 3 of 4 third [/b]\x1b[2J\x9b2J\u202e, 0 s left",
        "packing [b]: 3",
    ]


def test_short_work_is_silent_elsewhere():
    assert outputs(60) == ("", "packing [b]: opening\n")


def test_the_rest_is_estimated(monkeypatch, capsys):
    """Of four epochs one took 600 s, so that two and a half take 1500 s."""
    clock = iter([0.0, 0.0, 600.0, 900.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with progress_bar("unet") as report:
        report(0, 4, "first epoch")
        report(1, 4, "")
        report(1.5, 4, "epoch 2, step 5 of 10")
    assert capsys.readouterr().err.splitlines() == [
        "unet: 1 of 4, 30 min left",
        "unet: 1 of 4 epoch 2, step 5 of 10, 25 min left",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (99, "99 s"), (119, "2 min"), (12_000, "3 h 20 min")]
)
def test_times_in_words(seconds, words):
    assert duration(seconds) == words


@pytest.mark.slow
def test_the_bar_and_the_rest_stay_visible_in_80_columns():
    """Whatever the note: the bar, what is done and the time left come before it."""
    work = """
import time
from harness import progress
with progress.progress_bar("unet") as report:
    for step in range(1, 5):
        report(step / 2, 50, "epoch 2, step 120 of 4000, 1234 cases/s and much more than a line of it holds")
        time.sleep(0.3)
"""
    _, stderr = outputs(0, terminal=True, columns=80, work=work)
    frames = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stderr))
    assert any(re.match(r"unet .*━.* 1/50 \d+:\d\d:\d\d epoch 2, step 120", frame) for frame in frames), (
        frames
    )
    assert all(len(frame) <= 80 for frame in frames)


def test_a_bar_on_a_terminal():
    stdout, stderr = outputs(0, terminal=True)
    assert stdout == ""
    assert "packing [b]" in stderr
    assert "━" in stderr
    assert "3 of 4" not in stderr
    assert "\x1b[" in stderr  # it is drawn over itself
    assert stderr.endswith("\x1b[?25h") or "\x1b[2K" in stderr  # and gone in the end
