"""An epoch of the UNet from HDF5 with augmentation, beside one of the same cases in memory without."""

import h5py
import numpy as np
import pytest

from baselines.mass_mapping.unet import Examples, UNet
from baselines.presets import make, settings
from baselines.protocol import Cases

CASES = 256
SECONDS: dict[str, float] = {}


@pytest.mark.benchmark(group=f"an epoch of unet, preset laptop, {CASES} cases")
@pytest.mark.parametrize("way", ["memory, none", "HDF5, spin-2"])
def test_epoch(benchmark, tmp_path, way):
    from baselines.mass_mapping.networks import unet as network
    from baselines.training import Batches, adam

    rng = np.random.default_rng(0)
    epsilon = rng.normal(0, 0.3, (CASES, 128, 128, 3)).astype(np.float16)
    kappa = rng.normal(0, 0.05, (CASES, 128, 128)).astype(np.float16)
    place, augmentation = way.split(", ")
    baseline = make(UNet, settings("laptop", "unet") | {"augmentation": augmentation})
    with h5py.File(tmp_path / "train.h5", "w") as file:
        for name, values in (
            ("epsilon", epsilon),
            ("kappa", kappa),
        ):  # chunks as `astroboard pack` makes them
            file.create_dataset(name, data=values, chunks=(1, *values.shape[1:]))
        columns = (file["epsilon"], file["kappa"]) if place == "HDF5" else (epsilon, kappa)
        examples = Examples(Cases(*columns, None), baseline, tmp_path)
        batches = Batches(examples.read, examples.shuffled, baseline.batch_size, seed=0)
        model = network(baseline.filters, baseline.depth, baseline.padding, dropout=baseline.dropout)
        model.compile(adam(baseline.learning_rate, "constant", 1), baseline.loss_function())
        dataset = batches.dataset()
        benchmark.pedantic(model.fit, (dataset,), {"shuffle": False, "verbose": 0}, rounds=3, warmup_rounds=1)
    SECONDS[way] = benchmark.stats.stats.min
    benchmark.extra_info["cases a second"] = CASES / SECONDS[way]
    if len(SECONDS) == 2:
        benchmark.extra_info["share of the speed in memory"] = SECONDS["memory, none"] / SECONDS[way]
