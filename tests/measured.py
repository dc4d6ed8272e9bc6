"""Read hostile files in a process of its own, and say what each one cost. Run with a JSON list of them."""

import json
import sys
import time
import traceback
from pathlib import Path

from harness.data.sources import safe_pickle as pickles
from harness.data.store import open_dataset
from harness.files import HarnessError
from submissions import validate
from tests.submissions.attacks import IDS


def memory(field: str) -> int:
    return int(Path("/proc/self/status").read_text().split(field + ":")[1].split()[0]) // 1024


def submission(path: Path, track: str) -> dict:
    report = validate(path, track, IDS)
    return report.to_json() | {"text": "\n".join(report.lines())}


def dataset(path: Path, _: str) -> dict:
    try:
        with open_dataset(path) as data:
            values = [len(data.case_ids()), data.groups().size, *(next(iter(data.chunks())))]
        return {"accepted": True, "text": repr(values)}
    except HarnessError as error:
        return {"accepted": False, "text": str(error)}


def pickled(path: Path, _: str) -> dict:
    try:
        return {"accepted": True, "text": f"a {type(pickles.load(path)).__name__}"}
    except HarnessError as error:
        return {"accepted": False, "text": str(error)}


if __name__ == "__main__":
    jobs = json.loads(Path(sys.argv[1]).read_text())
    for reader, path, option in jobs:
        print(json.dumps({"path": path}), flush=True)
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        idle, start = memory("VmRSS"), time.perf_counter()
        try:
            found = globals()[reader](Path(path), option)
        except Exception:
            found = {"accepted": None, "text": traceback.format_exc()}
        found |= {"seconds": time.perf_counter() - start, "megabytes": memory("VmHWM") - idle}
        print(json.dumps({"path": path} | found), flush=True)
