"""astroboard in Python: scores, data sets, submissions, and training.

    from astroboard import open_dataset, wmape, write_submission

Each name is imported when it is first used, so that TensorFlow and the like are loaded only by what needs
them. A file of yours may be called `metrics.py`, `submissions.py`, `baselines.py` or `harness.py`.
"""

from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING, Any

from astroboard.packages import ours

if TYPE_CHECKING:  # for editors; the table below is what is used
    from baselines.protocol import BaselineError as BaselineError
    from harness.data.split import split as split
    from harness.data.store import open_dataset as open_dataset
    from harness.evaluation.scoring import score as score
    from harness.files import HarnessError as HarnessError
    from harness.runs.training import submit as submit
    from harness.runs.training import train as train
    from metrics import *  # noqa: F403
    from submissions import SubmissionError as SubmissionError
    from submissions import open_submission as open_submission
    from submissions import validate as validate
    from submissions import write_submission as write_submission

_MODULES = {
    "BaselineError": "baselines.protocol",
    "split": "harness.data.split",
    "open_dataset": "harness.data.store",
    "score": "harness.evaluation.scoring",
    "HarnessError": "harness.files",
    "submit": "harness.runs.training",
    "train": "harness.runs.training",
    "SubmissionError": "submissions",
    "open_submission": "submissions",
    "validate": "submissions",
    "write_submission": "submissions",
}


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name != "__all__":
        raise AttributeError(name)
    with ours():
        scores = import_module("metrics").__all__
        if name == "__all__":
            value: Any = sorted([*_MODULES, *scores])
        elif name in _MODULES or name in scores:
            value = getattr(import_module(_MODULES.get(name, "metrics")), name)
        else:
            raise AttributeError(f"module 'astroboard' has no attribute {name!r}")
    if name in _MODULES and isinstance(value, FunctionType):
        value = ours()(value)  # since it may import more of them when it is called
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __getattr__("__all__")
