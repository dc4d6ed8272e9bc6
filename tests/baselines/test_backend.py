import os
import subprocess
import sys

import pytest

from baselines import backend

pytestmark = pytest.mark.slow


def imported(name):
    """What a process prints and says that imports the module with KERAS_BACKEND set to a name."""
    code = "from baselines.backend import BACKEND, keras; print(BACKEND, keras.backend.backend())"
    environment = {**os.environ, "KERAS_BACKEND": name}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["tensorflow", "jax"])
def test_the_environment_chooses_the_backend(name):
    assert imported(name).stdout.split() == [name, name]


def test_a_backend_that_is_not_installed_is_told():
    process = imported("theano")
    assert "KERAS_BACKEND must be installed, tensorflow or jax, got 'theano'" in process.stderr


def test_gpus_are_recorded_with_their_software(tmp_path, monkeypatch):
    assert backend.accelerators() == []
    config, build = backend.tf.config, {"cuda_version": "12.5.1", "cudnn_version": "9"}
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue\n")
    monkeypatch.setattr(backend, "DRIVER", tmp_path / "version")
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: [kind] * 2)
    monkeypatch.setattr(config.experimental, "get_device_details", lambda _: {"device_name": "NVIDIA A100"})
    monkeypatch.setattr(backend.tf.sysconfig, "get_build_info", lambda: build)
    assert backend.accelerators() == ["2 × NVIDIA A100", "driver 550.54.15", "CUDA 12.5.1", "cuDNN 9"]
