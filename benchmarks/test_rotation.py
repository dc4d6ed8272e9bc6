"""A training step of the stamp networks: what invariance to rotation costs beside the plain network.

By the multiply-adds `cnn-rotinv` takes 3.98 times as long as `cnn`; the report of Castillo & Foix has 3.39.
The rounds of the networks alternate, and each ratio to the plain one, of the fastest rounds, is in the
``extra_info`` of its row: a machine that is busy for a while slows all alike. "four calls" is the trunk
called once a rotation instead of once for all.
"""

import time

import numpy as np
import pytest

from baselines.stamps import networks
from baselines.stamps.losses import LOSSES
from baselines.training import keras, tf

ROUNDS, STEPS = 15, 4


def four_calls() -> keras.Model:
    stamps, trunk = keras.Input((21, 21, 3)), keras.Sequential(networks.features())
    turned = [trunk(keras.ops.rot90(stamps, turns, axes=(1, 2))) for turns in range(4)]
    values = keras.layers.average(turned)
    for layer in [keras.layers.Flatten(), *networks.dense(), keras.layers.Dense(networks.N_CLASSES)]:
        values = layer(values)
    return keras.Model(stamps, values)


BUILDERS = {
    "cnn": networks.plain_cnn,
    "cnn-rotinv": networks.rotation_invariant_cnn,
    "four calls": four_calls,
    "alerce": networks.alerce,
}


@pytest.fixture(scope="module", params=[32, 64], ids=lambda size: f"batches of {size}")
def steps(request):
    """A training step of each network, as `train` runs it, and the fastest of many in seconds."""
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    rng = np.random.default_rng(0)
    stamps = tf.constant(rng.random((request.param, 21, 21, 3), np.float32))
    labels = tf.constant(rng.integers(0, 5, request.param))
    steps = {}
    for name, build in BUILDERS.items():
        model = build()
        model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=LOSSES["cross-entropy"](0.0))
        step = tf.function(model.train_step, autograph=False)
        steps[name] = lambda step=step: float(step((stamps, labels))["loss"])
        steps[name]()
    best = dict.fromkeys(steps, np.inf)
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                step()
            best[name] = min(best[name], (time.perf_counter() - start) / STEPS)
    return steps, best


@pytest.mark.benchmark(group="training step of a stamp network")
@pytest.mark.parametrize("name", BUILDERS)
def test_training_step(benchmark, steps, name):
    step, best = steps
    benchmark.extra_info["times the plain network"] = round(best[name] / best["cnn"], 2)
    assert np.isfinite(benchmark.pedantic(step[name], rounds=ROUNDS, iterations=STEPS))
