"""The command `astroboard`. Whatever a command needs is imported when it runs, so that help comes at once."""

from harness.cli import claims, data, models, platforms, scores  # noqa: F401 (their commands)
from harness.cli.shared import main

__all__ = ["main"]
