"""The command `astroboard`. Whatever a command needs is imported when it runs, so that help comes at once."""

from harness.cli import alerts, data, models, organising, reproducing, scores, tuning  # noqa: F401 (their commands)
from harness.cli.shared import main

__all__ = ["main"]
