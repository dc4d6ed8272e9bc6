"""The hardware of real machines, as drivers name it, from the run to the submission."""

import json
from importlib import import_module

import pytest

from harness.runs.folder import finished
from harness.runs.training import hardware, submit, train
from submissions import Manifest, open_submission
from submissions.manifest import parse

pytestmark = pytest.mark.slow  # imports TensorFlow

H100 = "NVIDIA H100 80GB HBM3"
H100_RUN = (
    "Linux x86_64, 26 processors, 1 × NVIDIA H100 80GB HBM3, driver 570.148.08, CUDA 12.5.1, cuDNN 9, "
    "mixed_float16"
)
LONGEST = "NVIDIA " + "RTX PRO " * 31  # the driver has room for 255 characters
MACHINES = {
    "H100": ([H100], ["1 × NVIDIA H100 80GB HBM3"]),
    "eight H100": ([H100] * 8, ["8 × NVIDIA H100 80GB HBM3"]),
    "MIG": (
        ["NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA H100 80GB HBM3 MIG 3g.40gb"],
        ["1 × NVIDIA H100 80GB HBM3 MIG 1g.10gb", "1 × NVIDIA H100 80GB HBM3 MIG 3g.40gb"],
    ),
    "A100": (["NVIDIA A100-SXM4-80GB"] * 4, ["4 × NVIDIA A100-SXM4-80GB"]),
    "Apple": (["METAL"], ["1 × METAL"]),
    "without a name": ([None], ["1 × GPU of unknown name"]),
    "escape": (["GPU\x1b[2J\t 1 "], [r"1 × GPU\x1b[2J\t 1"]),
}


class Network:
    packages = ("keras",)
    precision = "mixed_bfloat16"


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """Say what TensorFlow sees."""
    loop = import_module("baselines.backend")
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.148.08  Release Build\n"
    )

    def see(names):
        details = dict(enumerate(names))
        config = loop.tf.config
        monkeypatch.setattr(loop, "DRIVER", tmp_path / "version")
        monkeypatch.setattr(config, "list_physical_devices", lambda _: list(details))
        monkeypatch.setattr(
            config.experimental, "get_device_details",
            lambda gpu: {"device_name": details[gpu]} if details[gpu] else {},
        )  # fmt: skip
        monkeypatch.setattr(
            loop.tf.sysconfig, "get_build_info", lambda: {"cuda_version": "12.5.1", "cudnn_version": "9"}
        )

    return see


@pytest.mark.parametrize("machine", MACHINES)
def test_a_manifest_has_a_text_for_each_part_of_a_machine(gpus, machine):
    names, expected = MACHINES[machine]
    gpus(names)
    found = hardware(Network())
    assert found[2:] == [*expected, "driver 570.148.08", "CUDA 12.5.1", "cuDNN 9", "mixed_bfloat16"]
    manifest = Manifest("stamps", "us", "cnn", hardware=found)
    assert parse(manifest.to_bytes()).hardware == found


def test_nothing_of_the_longest_name_is_cut(gpus):
    gpus([LONGEST])
    found = hardware(Network())
    assert " ".join(found[2:-4]) == f"1 × {LONGEST}".strip()
    Manifest("stamps", "us", "cnn", hardware=found)


def test_without_a_gpu(gpus):
    gpus([])
    assert hardware(Network())[2:] == ["mixed_bfloat16"]


def test_a_run_that_version_0_1_0_trained_on_an_h100_can_be_submitted(maps, tmp_path):
    train("zeros", maps, tmp_path / "run", "smoke")
    path = tmp_path / "run/run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hardware": H100_RUN}))
    assert len(H100_RUN) > 100
    assert ", ".join(finished(tmp_path / "run")["hardware"]) == H100_RUN
    manifest = submit([tmp_path / "run"], maps / "test-inputs.h5", "us", tmp_path / "us.zip")
    assert manifest["hardware"] == H100_RUN.split(", ")
    assert open_submission(tmp_path / "us.zip", "mass-mapping", []).manifest.hardware == manifest["hardware"]
