import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from baselines.mass_mapping.inversion import MAX_VALIDATION_CASES, OFFICIAL, choose, components, sample
from baselines.mass_mapping.kaiser_squires import KaiserSquires
from baselines.mass_mapping.masked import MaskedKaiserSquires
from baselines.mass_mapping.trivial import Zeros
from baselines.mass_mapping.wiener import Wiener
from baselines.protocol import Baseline, BaselineError, Cases, evenly_spaced
from metrics import map_scores

pytestmark = pytest.mark.slow

METHODS = (Zeros, KaiserSquires, MaskedKaiserSquires, Wiener)


@pytest.fixture
def few(simulated):
    return simulated(10, "sparse", seed=6)


@pytest.fixture
def blobs():
    """Cases whose input holds κ itself, for settings whose maps are known."""
    kappa = np.random.default_rng(0).standard_normal((300, 16, 16)).astype(np.float32)
    return Cases(np.repeat(kappa[..., None], 3, axis=-1), kappa, np.arange(300))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_the_protocol(method, few, training, tmp_path):
    baseline = method()
    assert isinstance(baseline, Baseline)
    baseline.fit(few, few, training)
    predicted = baseline.predict(few.inputs)
    assert predicted.shape == few.truth.shape
    assert predicted.dtype == np.float32
    assert np.isfinite(predicted).all()
    np.testing.assert_allclose(
        baseline.predict(few.inputs.astype(np.float64)[3:5]), predicted[3:5], atol=1e-6
    )
    folder = tmp_path / "model"
    folder.mkdir()
    baseline.save(folder)
    restored = method()
    restored.restore(folder)
    np.testing.assert_array_equal(restored.predict(few.inputs), predicted)


@pytest.mark.parametrize("method", METHODS)
def test_fits_from_a_file_as_from_arrays(method, few, training, tmp_path):
    with h5py.File(tmp_path / "cases.h5", "w") as file:
        stored = Cases(*(file.create_dataset(n, data=getattr(few, n)) for n in ("inputs", "truth", "group")))
        assert method().fit(stored, stored, training) == method().fit(few, few, training)


SIGMAS_THAT_ARE_NONE = ('"1"', "null", "true", "NaN", "1e308", "-1e9", "[1]", "{}")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sigma": 1', "[" * 100_000])
def test_a_damaged_model_is_refused(tmp_path, content):
    (tmp_path / "learnt.json").write_text(content)
    with pytest.raises(BaselineError, match=r"learnt\.json must be JSON with sigma"):
        KaiserSquires().restore(tmp_path)


@pytest.mark.parametrize("shape", [(128, 128, 3), (2, 3, 128, 128), (2, 16, 16, 2)])
def test_maps_of_another_shape_are_refused(shape):
    with pytest.raises(BaselineError, match=r"must be of shape \(n, H, W, 3\), got \("):
        components(np.zeros(shape, np.float16))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value):
    epsilon = np.zeros((4, 16, 16, 3), np.float16)
    epsilon[2, 3, 4, 1] = value
    with pytest.raises(BaselineError, match="must be finite, got other values in e2 of map 2"):
        components(epsilon)


def test_truth_that_is_not_finite_is_refused():
    maps = np.zeros((100, 2, 2))
    maps[51, 1, 0] = np.inf
    with pytest.raises(BaselineError, match="maps of κ must be finite, got other values in map 51"):
        list(sample(Cases(maps, maps, maps), 100))


def test_a_sample_is_read_in_chunks():
    maps = np.broadcast_to(np.arange(100)[:, None, None], (100, 2, 2))
    chunks = [truth[:, 0, 0] for _, truth in sample(Cases(maps, maps, maps), 40)]
    np.testing.assert_array_equal(np.concatenate(chunks), evenly_spaced(100, 40))
    assert len(chunks) == 3
    assert chunks[0].dtype == np.float32


def test_no_cases_at_all_is_an_error():
    empty = np.zeros((0, 16, 16, 3))
    with pytest.raises(BaselineError, match="1 or more, got 0"):
        next(sample(Cases(empty, empty[..., 0], empty), 10))


def test_the_best_maps_are_chosen_and_scored(blobs, training):
    noise = np.random.default_rng(1).standard_normal(blobs.truth.shape[1:])

    def attempts(inputs):
        for amount in (2.0, 0.5, 0.0, 0.0, 1.0):
            yield amount, inputs[..., 0] + amount * noise

    best, reached = choose(blobs, attempts, training)
    assert best == 0
    assert reached["validation_cases"] == MAX_VALIDATION_CASES
    assert set(reached["validation"].values()) == {0.0}


def test_no_score_outweighs_the_others_by_its_units(blobs, training):
    """DPEAKS is in pixels, so that a plain sum of the scores would follow it alone."""
    spot = np.zeros((16, 16))
    spot[8, 8] = 30

    def attempts(inputs):
        kappa = inputs[..., 0]
        yield "plain", -kappa
        yield "peaks alone", np.roll(kappa, 1, axis=2)
        yield "all but peaks", kappa + spot

    sums = {
        name: np.mean([*map_scores(blobs.truth, maps, OFFICIAL).values()])
        for name, maps in attempts(blobs.inputs)
    }
    assert min(sums, key=sums.get) == "peaks alone"
    best, _ = choose(blobs, attempts, training)
    assert best == "all but peaks"


def test_progress_reaches_its_end(blobs, training):
    seen = []
    heard = replace(training, progress=lambda *report: seen.append(report[:2]))
    choose(blobs, lambda inputs: iter([(0, inputs[..., 0])]), heard)
    assert seen[-1] == (MAX_VALIDATION_CASES, MAX_VALIDATION_CASES)


@pytest.mark.parametrize(
    ("method", "name", "values"),
    [
        (KaiserSquires, "sigma", SIGMAS_THAT_ARE_NONE),
        (MaskedKaiserSquires, "rounds", ("1000000000", "-1", "0.5", "true")),
        (MaskedKaiserSquires, "border", ("100000", "-1", "[]")),
        (Wiener, "filter", ("3", "[1, 2]", '["a"]', "[[1]]", "[Infinity]", str([0] * 10_001))),
    ],
)
def test_a_model_whose_prediction_would_fail_or_not_end_is_refused(tmp_path, method, name, values):
    good = method()
    good.save(tmp_path)
    content = json.loads((tmp_path / "learnt.json").read_text())
    for value in values:
        text = json.dumps(content | {name: "HERE"}).replace('"HERE"', value)
        (tmp_path / "learnt.json").write_text(text)
        with pytest.raises(BaselineError, match=rf"learnt\.json must be JSON with .*{name}.*ValueError"):
            method().restore(tmp_path)
