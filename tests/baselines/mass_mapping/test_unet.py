import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from functools import cache

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from baselines.mass_mapping.kaiser_squires import convergence_from_shear, shear_from_convergence
from baselines.mass_mapping.symmetries import SYMMETRIES
from baselines.mass_mapping.unet import (
    Examples,
    UNet,
    UNet2k,
    UNetAttention,
    UNetFinetuned,
    UNetKS93,
    UNetKS93Only,
    UNetResidual,
)
from baselines.protocol import Baseline, BaselineError, Cases, Training

pytestmark = pytest.mark.slow

TINY = {
    "filters": 2,
    "depth": 2,
    "padding": 0,
    "epochs": 1,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "loss": "mse",
}
ALL = {
    "unet": UNet(**TINY),
    "unet-2k": UNet2k(**TINY, large_kernel=5),
    "unet-ks93": UNetKS93(**TINY),
    "unet-ks93-only": UNetKS93Only(**TINY),
    "unet-finetuned": UNetFinetuned(**TINY, finetuning_epochs=1),
    "unet-attention": UNetAttention(**TINY),
    "unet-residual": UNetResidual(**(TINY | {"learning_rate": 1e-12})),
}


@pytest.fixture(scope="module")
def cases(simulated):
    return simulated(8, "sparse", seed=4)


@pytest.fixture(scope="module")
def fitted(cases, tmp_path_factory):
    """``fitted(name)``: a baseline that learnt from an HDF5 file, its record, the folder of its training."""

    @cache
    def fit(name):
        folder = tmp_path_factory.mktemp(name)
        baseline = replace(ALL[name])
        with h5py.File(folder / "train.h5", "w") as file:
            file["epsilon"], file["kappa"] = cases.inputs, cases.truth
            stored = Cases(file["epsilon"], file["kappa"], cases.group)
            record = baseline.fit(stored, cases, Training(3, folder))
        return baseline, record, folder

    return fit


@pytest.fixture
def exact():
    """A case a symmetry, whose κ is KS93 of its ellipticities."""
    kappa = np.random.default_rng(0).normal(0, 0.05, (8, 128, 128)).astype(np.float32)
    e1, e2 = shear_from_convergence(kappa)
    epsilon = np.stack([e1, e2, 0 * e1], axis=-1)
    return Cases(epsilon, convergence_from_shear(e1, e2), np.arange(8))


@pytest.mark.parametrize("name", ALL)
def test_predicts_maps_and_the_same_bytes_after_a_restore(name, cases, fitted, tmp_path):
    baseline, record, folder = fitted(name)
    assert isinstance(baseline, Baseline)
    json.dumps(record, allow_nan=False)
    assert {"val_wmape", "val_dicee", "val_dpeaks"} < set(record)
    kappa = baseline.predict(cases.inputs)
    assert kappa.shape == (8, 128, 128)
    assert kappa.dtype == np.float32
    assert np.isfinite(kappa).all()
    left = {path.name for path in folder.iterdir()} - {"train.h5", "finetuning"}
    assert left == {"history.csv", "checkpoint.npz"}
    baseline.save(tmp_path)
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        weights = h5py.File(io.BytesIO(file.read("model.weights.h5")))
        assert "optimizer" not in weights, "whose state is twice as large"
    restored = replace(ALL[name])
    restored.restore(tmp_path)
    assert restored.predict(cases.inputs).tobytes() == kappa.tobytes()
    with pytest.raises(BaselineError, match="must be"):
        (UNet if baseline.n_extra_channels else UNetResidual)(**TINY).restore(tmp_path)


def test_same_seed_gives_the_same_bytes_from_arrays_as_from_a_file(cases, fitted, tmp_path):
    baseline, heard = UNetKS93(**TINY), []
    baseline.fit(cases, cases, Training(3, tmp_path, lambda *words: heard.append(words)))
    assert heard[:2] == [(8, 8, "cases prepared")] * 2
    assert baseline.predict(cases.inputs).tobytes() == fitted("unet-ks93")[0].predict(cases.inputs).tobytes()


def test_finetuning_changes_the_last_layer_alone(fitted):
    (plain, _, _), (tuned, record, folder) = fitted("unet"), fitted("unet-finetuned")
    assert record["finetuning"]["epochs"] == 1
    assert (folder / "finetuning" / "history.csv").is_file()
    for before, after in zip(plain.model.layers, tuned.model.layers, strict=True):
        weights = zip(before.get_weights(), after.get_weights(), strict=True)
        same = all(np.array_equal(old, new) for old, new in weights)
        assert same == (after.name != "last_convolution")


def test_residual_starts_as_its_base(cases, fitted):
    unet, record, _ = fitted("unet-residual")
    assert record["centre"] == 0
    assert record["base"]["name"] == "ks93-masked"  # better than wiener under sparse noise
    np.testing.assert_allclose(unet.predict(cases.inputs), unet.fitted.predict(cases.inputs), atol=1e-4)


def test_learns_what_can_be_seen(training, capfd):
    """A κ that is half of a smooth e1, which is not the way of a sky: nothing may be turned."""
    noise = np.random.default_rng(0).standard_normal((48, 128, 128, 3), np.float32)
    epsilon = 2 * gaussian_filter(noise, (0, 4, 4, 0))
    kappa = epsilon[..., 0] / 2
    train, validation = (Cases(epsilon[part], kappa[part], None) for part in (np.s_[:32], np.s_[32:]))
    settings = {"filters": 8, "epochs": 4, "learning_rate": 1e-2, "dropout": 0.0, "augmentation": "none"}
    unet = UNet(**(TINY | settings))
    unet.fit(train, validation, training)
    assert "meta_optimizer" not in capfd.readouterr().err  # TensorFlow's words about its own graph
    assert np.corrcoef(unet.predict(validation.inputs).ravel(), validation.truth.ravel())[0, 1] > 0.8


def test_examples_are_turned_as_a_sky_is_unless_naively(exact, training):
    wrong = {}
    for augmentation in ("spin-2", "naive"):
        unet = UNetKS93(augmentation=augmentation, ks93_sigma=0.0)
        examples = Examples(exact, unet, training)
        rows = examples.in_order(None)
        rows["symmetry"] = np.arange(8)
        inputs, kappa = examples.read(rows[::-1])
        of_inputs = convergence_from_shear(inputs[..., 0], inputs[..., 1])
        wrong[augmentation] = abs(of_inputs - kappa).max(axis=(1, 2)) > 1e-5
        np.testing.assert_allclose(inputs[..., 3], kappa, atol=1e-3)  # half precision
        assert not np.array_equal(kappa[1], exact.truth[1])
    assert not wrong["spin-2"].any()
    assert wrong["naive"].sum() == len(SYMMETRIES) - 2


def test_half_of_the_training_cases_show_their_ks93_map_and_all_others_do(exact, training):
    unet = UNetKS93(ks93_sigma=0.0)
    many = Cases(*(np.concatenate([each] * 8) for each in (exact.inputs, exact.truth, exact.group)))
    examples = Examples(many, unet, training)
    shown = examples.read(examples.shuffled(np.random.default_rng(0)))[0][..., 3].any(axis=(1, 2))
    assert 0.3 < shown.mean() < 0.7
    assert examples.read(examples.in_order(None))[0][..., 3].any(axis=(1, 2)).all()
    np.testing.assert_array_equal(unet.extra_channels(exact.inputs)[:, 0], exact.truth)


def test_the_ks93_map_is_smoothed_by_two_pixels_and_may_be_all_that_is_seen(exact, training):
    expected = gaussian_filter(exact.truth, (0, 2, 2), mode="wrap", truncate=8)
    for unet in (UNetKS93(), UNetKS93Only()):
        np.testing.assert_allclose(unet.extra_channels(exact.inputs)[:, 0], expected, atol=1e-5)
    alone = Examples(exact, UNetKS93Only(augmentation="none"), training)
    inputs, _ = alone.read(alone.shuffled(np.random.default_rng(0)))
    assert inputs.shape == (8, 128, 128, 1)
    np.testing.assert_allclose(inputs[..., 0], expected, atol=1e-3)  # half precision; in the file's order


def test_every_case_is_read_once_an_epoch(exact, training):
    examples = Examples(exact, UNet(), training)
    first, second = (examples.shuffled(np.random.default_rng(seed)) for seed in (0, 1))
    assert sorted(first["case"]) == sorted(second["case"]) == list(range(8))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(examples.in_order(None)["case"], np.arange(8))
    inputs, kappa = examples.read(examples.in_order(None))
    np.testing.assert_array_equal(inputs, exact.inputs)
    np.testing.assert_array_equal(kappa, exact.truth)


def test_the_scale_holds_every_map_with_a_margin(exact, training):
    exact.truth[3, 5, 7], exact.truth[4] = 2.0, exact.truth[4] + 0.4
    mean = exact.truth.mean(dtype=np.float64)
    scale = Examples(exact, UNet(), training).scale()
    assert scale["centre"] == pytest.approx(mean, abs=1e-6)
    assert scale["half_range"] == pytest.approx(1.1 * (2.0 - mean), rel=1e-5)
    assert scale["spread"] == pytest.approx(exact.truth.std(dtype=np.float64), rel=1e-5)


def test_the_report_takes_tanh_for_convergence_as_it_is(cases, tmp_path):
    record = UNet(**TINY, standardised=False).fit(cases, cases, Training(3, tmp_path))
    assert (record["centre"], record["half_range"], record["spread"]) == (0, 1, 1)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (UNet, {"epochs": 0}),
        (UNet, {"learning_rate": float("nan")}),
        (UNet, {"dropout": 1.0}),
        (UNet, {"depth": 8, "padding": 0}),
        (UNet, {"padding": -64}),
        (UNet, {"padding": 128, "depth": 7}),
        (UNet2k, {"filters": 3}),
        (UNet2k, {"large_kernel": 0}),
        (UNetFinetuned, {"finetuning_epochs": 0}),
        (UNet, {"patience": -1}),
        (UNet, {"beta_1": 1.0}),
        (UNetKS93, {"ks93_sigma": -1.0}),
    ],
)
def test_impossible_settings_are_refused(kind, wrong):
    with pytest.raises(BaselineError, match=next(iter(wrong))):
        kind(**wrong)


def test_faulty_cases_are_refused(exact, training, tmp_path):
    unet = UNet(**TINY)
    with pytest.raises(BaselineError, match="must be trained"):
        unet.predict(exact.inputs)
    none = Cases(exact.inputs[:0], exact.truth[:0], exact.group[:0])
    for train, validation in ((none, exact), (exact, none)):
        with pytest.raises(BaselineError, match="1 or more"):
            unet.fit(train, validation, training)
    exact.truth[2, 3, 4] = np.nan
    with pytest.raises(BaselineError, match="maps of κ must be finite, got other values in map 2"):
        unet.fit(exact, exact, training)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("side", ["training", "validation"])
def test_truth_that_is_not_finite_is_told_in_training(exact, training, side):
    faulty = Cases(exact.inputs, exact.truth.copy(), exact.group)
    faulty.truth[2, 3, 4] = np.nan
    parts = (faulty, exact) if side == "training" else (exact, faulty)
    with pytest.raises(BaselineError, match="maps of κ must be finite, got other values in map 2"):
        UNet(**TINY | {"standardised": False}).fit(*parts, training)


@pytest.mark.parametrize("changed", [{"precision": "mixed_bfloat16"}, {"precision": "mixed_float16"}])
def test_mixed_precision_learns_and_gives_float32_maps(changed, cases, fitted, tmp_path):
    unet = UNet(**TINY, **changed)
    unet.fit(cases, cases, Training(3, tmp_path))
    dtypes = {layer.compute_dtype for layer in unet.model.layers}
    assert dtypes == {"float32", changed["precision"].removeprefix("mixed_")}
    assert unet.model.output.dtype == "float32"
    full = fitted("unet")[0].predict(cases.inputs)
    np.testing.assert_allclose(unet.predict(cases.inputs), full, atol=0.05 * np.ptp(cases.truth))
    unet.save(tmp_path)
    again = replace(unet)
    again.restore(tmp_path)
    assert again.predict(cases.inputs).tobytes() == unet.predict(cases.inputs).tobytes()


def test_settings_reach_the_loss_and_unknown_ones_are_told():
    assert UNet(loss="multifocal", loss_settings={"peaks": 7.0}).loss_function().settings["peaks"] == 7
    with pytest.raises(BaselineError, match=r"loss multifocal has no setting 'peak'; .*peaks = 3"):
        UNet(loss_settings={"peak": 7.0}).loss_function()
    with pytest.raises(BaselineError, match=r"loss mse has no setting 'name'.*none"):
        UNet(loss="mse", loss_settings={"name": 1.0}).loss_function()
    with pytest.raises(BaselineError, match=r"loss_settings of dicee: .*temperature"):
        UNet(loss="dicee", loss_settings={"temperature": -1.0}).loss_function()


def test_settings_of_the_loss_are_refused_before_any_work(exact, tmp_path):
    def work(*words):
        raise AssertionError(words)

    for kind in (UNetResidual, UNetKS93):
        faulty = kind(**TINY | {"loss": "mse", "loss_settings": {"peaks": 3.0}})
        with pytest.raises(BaselineError, match="loss mse has no setting 'peaks'"):
            faulty.fit(exact, exact, Training(0, tmp_path, work))


def test_an_infinite_ellipticity_in_training_is_told(exact, training):
    exact.inputs[5, 3, 4, 1] = np.inf
    with pytest.raises(BaselineError, match="e2 of map"):
        UNet(**TINY).fit(exact, exact, training)


def test_finetuning_of_another_run_is_the_same(cases, fitted, tmp_path):
    plain, whole = fitted("unet")[0], fitted("unet-finetuned")[0]
    (tmp_path / "model").mkdir()
    plain.save(tmp_path / "model")
    baseline = replace(ALL["unet-finetuned"])
    record = baseline.fit(cases, cases, Training(3, tmp_path, start=tmp_path / "model"))
    assert record["finetuning"]["epochs"] == 1
    assert not (tmp_path / "history.csv").exists()  # that of the other run is the first stage's
    assert baseline.predict(cases.inputs).tobytes() == whole.predict(cases.inputs).tobytes()


def test_finetuning_that_was_stopped_does_not_repeat_the_first_phase(cases, fitted, tmp_path):
    class Stop(Exception):
        pass

    def stop(*progress):
        told.append(progress[-1])
        if len(told) == 3:  # the first phase: "first epoch", its only epoch; then the second's "first epoch"
            raise Stop

    told = []
    baseline = replace(ALL["unet-finetuned"])
    with pytest.raises(Stop):
        baseline.fit(cases, cases, Training(3, tmp_path, stop))
    told = ["", "", ""]
    baseline.fit(cases, cases, Training(3, tmp_path, stop))
    assert told[3] == "resuming after epoch 1"
    assert told[4] == "first epoch"
    whole = fitted("unet-finetuned")[0]
    assert baseline.predict(cases.inputs).tobytes() == whole.predict(cases.inputs).tobytes()


def test_listing_needs_no_keras():
    code = "import sys, baselines.mass_mapping.unet as u; u.UNetResidual(); print('keras' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "False\n"
