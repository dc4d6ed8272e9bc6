"""The command `astroboard`, also as ``python -m astroboard``, whatever files lie in the current folder."""

import os
import sys

from astroboard.packages import HOME, find_ours_first

if sys.path[:1] == [os.getcwd()] != [HOME]:  # noqa: PTH109 (starts sooner): from `python -m`
    del sys.path[0]
find_ours_first()

from harness.cli import main  # noqa: E402

if __name__ == "__main__":
    main(prog_name="astroboard")
