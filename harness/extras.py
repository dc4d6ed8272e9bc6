"""The packages that only some commands need, and the line that installs them."""

from importlib.util import find_spec

from harness.files import HarnessError

EXTRAS = {"keras": "cpu", "tensorflow": "cpu", "keras_tuner": "cpu", "distributed": "cluster"}
"""The extra of this package that installs another one, by the name that is imported."""


def require(what: str, *packages: str) -> None:
    """Raise HarnessError unless all packages are installed; none is imported, so that this takes no time."""
    if lacking := missing(*packages):
        raise HarnessError(f"{what} needs {advice(lacking)}")


def missing(*packages: str) -> list[str]:
    """Those of the packages that are not installed."""
    return [name for name in packages if not find_spec(name)]


def advice(packages: list[str]) -> str:
    """Messages about packages that are not installed."""
    if "fcntl" in packages:
        return "Linux or macOS, got Windows; run it inside WSL, the Windows Subsystem for Linux"
    extras = dict.fromkeys(f"'astroboard[{EXTRAS[name]}]'" if name in EXTRAS else name for name in packages)
    are = "which are" if len(packages) > 1 else "which is"
    return f"{', '.join(packages)}, {are} not installed; run: pip install {' '.join(extras)}"
