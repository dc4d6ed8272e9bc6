"""How fast this machine trains the UNet, and how near that is to what its arithmetic allows.

    python benchmarks/gpu.py --out gpu.json

needs Python, this package, Keras and one of its backends. Every combination of batch size, precision and
compilation runs in a process of its own: one that runs out of memory then costs its own row alone, and the
peak of the memory is its own. Without a GPU the processors are measured, and the record says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np

CASES = 512  # in the file that is read from; every epoch begins anew, as in a training
WARM_UP = 2  # steps, which compile
SECONDS = 10.0  # for each measurement, at least
FLOPS_A_MAC = 2
PASSES = 3  # forward, gradient of the inputs, gradient of the weights: as many operations each
HEADER = ("batch", "precision", "compiled", "maps/s", "waiting for data", "peak memory", "of the arithmetic")


def main() -> None:
    """Measure the training of `unet` on this machine, and write a JSON record."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path, help="JSON record")
    parser.add_argument("--preset", default="gpu", help="size of the network: a preset or a TOML file")
    parser.add_argument(
        "--batch", dest="batches", type=int, nargs="+", default=(8, 32, 128), help="maps each"
    )
    parser.add_argument("--seconds", default=SECONDS, type=float, help="of each measurement, at least")
    parser.add_argument("--only", help=SUPPRESS)  # the combination that this process measures, as JSON
    options = parser.parse_args()
    out, preset, seconds = options.out, options.preset, options.seconds
    if options.only:
        out.write_text(json.dumps(measure(preset, seconds, **json.loads(options.only))))
        return
    from baselines.backend import BACKEND, accelerators
    from baselines.presets import settings
    from baselines.protocol import BaselineError

    try:
        settings(preset, "unet")
    except BaselineError as error:
        parser.error(str(error))
    compiled = (False, True) if BACKEND == "tensorflow" else (BACKEND == "jax",)
    record: dict[str, Any] = {
        "schema": "astroboard-gpu/1",
        "backend": BACKEND,
        "versions": {name: version(name) for name in ("astroboard", "keras")}
        | {BACKEND: import_module(BACKEND).__version__},
        "device": accelerators() or [f"no GPU: {os.cpu_count()} processors"],
        "preset": preset,
        "rows": [],
    }
    for batch, precision, jit in product(options.batches, ("float32", "mixed_bfloat16"), compiled):
        row = {"batch": batch, "precision": precision, "jit": jit}
        record["rows"].append(row | apart(out, preset, seconds, row))
        print(*cells(record["rows"][-1]), sep=" | ", file=sys.stderr)
    out.write_text(json.dumps(record, indent=1) + "\n")
    print(markdown(record))


def markdown(record: dict[str, Any]) -> str:
    """The record as a table of Markdown, below a line about the machine."""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    lines = [HEADER, ["---"] * len(HEADER), *map(cells, record["rows"])]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{', '.join(record['device'])}; {record['backend']}, {versions}\n\n{table}"


def apart(out: Path, preset: str, seconds: float, row: dict[str, Any]) -> dict[str, Any]:
    """What a process of its own measures of one combination, or its error."""
    part = out.with_name(f".{out.name}.part")
    options = ["--out", part, "--preset", preset, "--seconds", seconds, "--only", json.dumps(row)]
    done = subprocess.run(
        [sys.executable, __file__, *map(str, options)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        return {"error": (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]}
    measured: dict[str, Any] = json.loads(part.read_text())
    part.unlink()
    return measured


def cells(row: dict[str, Any]) -> list[str]:
    """A row of the table."""
    first = [str(row["batch"]), row["precision"], "yes" if row["jit"] else "no"]
    if "error" in row:
        return [*first, row["error"], "", "", ""]
    memory = f"{row['peak_bytes'] / 2**30:.1f} GiB" if row["peak_bytes"] else "–"
    return [
        *first, f"{row['maps_per_second']:.0f}", f"{row['waiting']:.0%}", memory,
        f"{row['share_of_arithmetic']:.0%}",
    ]  # fmt: skip


def measure(preset: str, seconds: float, batch: int, precision: str, jit: bool) -> dict[str, Any]:
    """Speeds of one combination: of a matrix product, of steps on one batch, and of steps on cases read."""
    from baselines.backend import compile_step, keras, make_deterministic, n_readers, silence_remapper
    from baselines.batches import Batches
    from baselines.learning_rate import adam
    from baselines.mass_mapping.unet import Examples, UNet
    from baselines.presets import make, settings
    from baselines.protocol import Cases, Training

    chosen = settings(preset, "unet") | {"batch_size": batch, "precision": precision, "jit": jit}
    baseline = make(UNet, chosen)
    peak = product_speed(precision, seconds)
    make_deterministic()
    keras.config.set_dtype_policy(precision)
    model = baseline.new_network()
    model.compile(adam(baseline.learning_rate, "constant", 1), baseline.loss_function())
    silence_remapper(model)
    if jit:
        compile_step(model)
    with tempfile.TemporaryDirectory() as folder, h5py.File(Path(folder) / "cases.h5", "w") as file:
        rng = np.random.default_rng(0)
        cases = max(CASES, 2 * batch)
        for name, shape, spread in (("epsilon", (128, 128, 3), 0.3), ("kappa", (128, 128), 0.03)):
            values = rng.normal(0, spread, (cases, *shape)).astype(np.float16)
            file.create_dataset(name, data=values, chunks=(1, *shape))
        examples = Examples(Cases(file["epsilon"], file["kappa"], None), baseline, Training(0, Path(folder)))
        first = examples.read(examples.in_order(rng)[:batch])

        def fit(read: Callable[[np.ndarray], Any], steps: int) -> None:
            def order(rng: np.random.Generator) -> np.ndarray:
                return np.resize(examples.shuffled(rng), steps * batch)

            model.fit(Batches(read, order, batch, seed=0), shuffle=False, verbose=0)

        still, reading = (speed(partial(fit, read), seconds) for read in (lambda _: first, examples.read))
    flops = FLOPS_A_MAC * PASSES * multiply_adds(model)
    return {
        "maps_per_second": reading * batch,
        "maps_per_second_without_reading": still * batch,
        "waiting": max(0.0, 1 - reading / still),
        "peak_bytes": peak_bytes(),
        "gigaflops_a_map": flops / 1e9,
        "product_teraflops": peak / 1e12,
        "share_of_arithmetic": reading * batch * flops / peak,
        "readers": n_readers(),
    }


def speed(run: Callable[[int], None], seconds: float) -> float:
    """Steps a second, of a function that makes a number of them; it is called with more and more."""
    run(WARM_UP)
    number = WARM_UP
    while True:
        started = time.perf_counter()
        run(number)
        took = time.perf_counter() - started
        if took >= seconds:
            return number / took
        number = max(2 * number, int(1.2 * number * seconds / took) if took > seconds / 20 else 0)


def product_speed(precision: str, seconds: float) -> float:
    """Operations a second of the product of two square matrices, each compiled product feeding the next."""
    from baselines.backend import BACKEND, accelerators, keras

    size = 4096 if accelerators() else 1024
    kind = precision.removeprefix("mixed_")
    start = keras.ops.cast(np.eye(size, dtype=np.float32), kind)
    chain = 10

    def multiply(matrix: Any) -> Any:
        for _ in range(chain):
            matrix = keras.ops.matmul(matrix, start)
        return matrix

    if BACKEND == "tensorflow":
        import tensorflow as tf

        multiply = tf.function(multiply)
    elif BACKEND == "jax":
        import jax

        multiply = jax.jit(multiply)

    def run(number: int) -> None:
        matrix = start
        for _ in range(number):
            matrix = multiply(matrix)
        keras.ops.convert_to_numpy(matrix[:1, :1])

    return speed(run, seconds) * chain * FLOPS_A_MAC * size**3


def multiply_adds(model: Any) -> int:
    """Those of the convolutions of a map, forwards: all else is small beside them."""
    total = 0
    for layer in model.layers:
        if "Conv2D" in type(layer).__name__:
            transposed = "Transpose" in type(layer).__name__
            maps = layer.input if transposed else layer.output  # the smaller ones: the stride is 2
            total += int(np.prod(maps.shape[1:3])) * int(np.prod(layer.kernel.shape))
    return total


def peak_bytes() -> int:
    """The most memory of the GPU that was in use; 0 on processors."""
    from baselines.backend import BACKEND, accelerators

    if not accelerators():
        return 0
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    if BACKEND == "jax":
        import jax

        return int(jax.devices()[0].memory_stats()["peak_bytes_in_use"])
    import torch

    return int(torch.cuda.max_memory_allocated())


if __name__ == "__main__":
    main()
