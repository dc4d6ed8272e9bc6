"""Keras on its backend, and the differences between TensorFlow, JAX and PyTorch in the training loop.

All modules take ``keras`` from here, so that the backend is chosen before Keras is imported.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from baselines.network import chosen_backend
from baselines.protocol import BaselineError

DRIVER = Path("/proc/driver/nvidia/version")
Strategy = Literal["single", "mirrored"]

BACKEND = os.environ["KERAS_BACKEND"] = chosen_backend()
if BACKEND == "jax":  # or some of its sums on a GPU are in any order
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true"
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # the same for CUDA's products in PyTorch
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its errors are raised as exceptions all the same

import keras  # noqa: E402  which reads the environment

FAULTS: tuple[type[Exception], ...]  # what the backend raises when it cannot go on
if BACKEND == "tensorflow":
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    FAULTS = (tf.errors.OpError,)
elif BACKEND == "jax":
    import jax

    FAULTS = (jax.errors.JaxRuntimeError,)
else:
    import torch

    FAULTS = (torch.OutOfMemoryError,)


def make_deterministic() -> None:
    """Enable deterministic operations; JAX is configured when it is imported."""
    if BACKEND == "tensorflow":
        tf.config.experimental.enable_op_determinism()
    elif BACKEND == "torch":
        torch.use_deterministic_algorithms(True)


def n_devices(strategy: Strategy) -> int:
    """The number of devices that share each batch."""
    if strategy == "single":
        return 1
    if BACKEND == "tensorflow":
        return int(_mirrored().num_replicas_in_sync)
    if BACKEND == "jax":
        return len(jax.devices())
    raise BaselineError("the strategy mirrored needs the backend tensorflow or jax, set by KERAS_BACKEND")


@contextmanager
def sharing(strategy: Strategy) -> Iterator[Callable[[], AbstractContextManager[Any]]]:
    """The context of a fit whose batches are shared; its model is made in the context that this yields."""
    if strategy == "single":
        yield nullcontext
    elif BACKEND == "tensorflow":
        yield _mirrored().scope
    else:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        try:
            yield nullcontext
        finally:
            keras.distribution.set_distribution(None)


def evaluates_what_it_shares(strategy: Strategy) -> bool:
    """Whether a model that shares its batches can evaluate others, too; TensorFlow's has copies to keep."""
    return strategy == "single" or BACKEND != "tensorflow"


def n_readers() -> int:
    """Number of threads that read batches ahead: several for a GPU, which needs thousands of maps per second.

    A thread reads and augments about a thousand. Beside a network on the same processors one is enough.
    """
    return max(1, min(8, (os.cpu_count() or 1) // 2)) if accelerators() else 1


def normalises_by_replica() -> bool:
    """Whether a batch normalisation made now would see its device's share of a batch alone."""
    return BACKEND == "tensorflow" and tf.distribute.get_strategy().num_replicas_in_sync > 1


def compile_step(model: keras.Model) -> None:
    """Let XLA compile the training step in TensorFlow. JAX always compiles; PyTorch does not compile here."""
    if BACKEND == "tensorflow":  # Keras itself refuses to beside op determinism
        step = partial(type(model).train_step, model)
        model.train_step = tf.function(step, autograph=False, jit_compile=True)


def silence_remapper(model: keras.Model) -> None:
    """TensorFlow's remapper fails on the gradient of LeakyReLU: it prints an error, and changes nothing."""
    if BACKEND == "tensorflow":
        leaky = any(isinstance(layer, keras.layers.LeakyReLU) for layer in model.layers)
        tf.config.optimizer.set_experimental_options({"remapping": not leaky})


def tensorboard(folder: Path) -> keras.callbacks.Callback:
    """The callback that writes losses and scores for TensorBoard, which TensorFlow includes."""
    if not find_spec("tensorflow"):
        raise BaselineError("logs for TensorBoard need TensorFlow: run pip install 'astroboard[cpu]'")
    return keras.callbacks.TensorBoard(folder, write_graph=False)


def accelerators() -> list[str]:
    """The GPUs that the backend sees, with the versions of driver, CUDA and cuDNN; empty if it sees none."""
    names: list[str] = []
    libraries: dict[str, Any] = {}
    if BACKEND == "tensorflow":
        gpus = tf.config.list_physical_devices("GPU")
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        names = [str(detail.get("device_name", "GPU of unknown name")) for detail in details]
        build = tf.sysconfig.get_build_info()
        libraries = {"CUDA": build.get("cuda_version"), "cuDNN": build.get("cudnn_version")}
    elif BACKEND == "jax":
        names = [device.device_kind for device in jax.devices() if device.platform in ("gpu", "cuda", "rocm")]
        libraries = {"platform": " ".join(jax.devices()[0].client.platform_version.split())} if names else {}
    elif torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        libraries = {"CUDA": torch.version.cuda, "cuDNN": torch.backends.cudnn.version()}
    if not names:
        return []
    driver = re.search(r"\d+\.[\d.]+", DRIVER.read_text() if DRIVER.is_file() else "")
    return [
        *(f"{count} × {name}" for name, count in Counter(names).items()),
        f"driver {driver.group() if driver else 'unknown'}",
        *(f"{label} {value or 'unknown'}" for label, value in libraries.items()),
    ]


def device(strategy: Strategy) -> str:
    """The device of a training as text: the GPUs that the backend uses, or the processors."""
    if gpus := accelerators():
        count, name = gpus[0].split(" × ", 1)
        return f"on {count} GPUs ({name})" if strategy == "mirrored" else f"on GPU 0 ({name})"
    available = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    return f"no GPU: on {len(available)} processor{'s' * (len(available) > 1)}"


@cache  # two strategies in one process would give the same numbers to their collective operations
def _mirrored() -> Any:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])
