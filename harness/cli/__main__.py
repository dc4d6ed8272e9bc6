"""``python -m harness.cli`` is the command `astroboard`."""

from harness.cli import main

main()
