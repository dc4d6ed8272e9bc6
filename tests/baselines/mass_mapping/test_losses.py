import numpy as np
import pytest
import tensorflow as tf

import metrics
from baselines import keras_loop as loop
from baselines.backend import keras
from baselines.batches import Batches
from baselines.mass_mapping.losses import LOSSES, WEIGHTS, CombinedLoss, MultiFocal, SoftDICEE, SoftDPEAKS
from tests.reference import losses as reference
from tests.reference import mass_mapping as scores

pytestmark = pytest.mark.slow

SIDE = 48
RNG = np.random.default_rng(3)
OWN = sorted(set(LOSSES) - {"mse"})


def blobs(places, heights, sigma=3.0):
    """A map whose peaks are at the places, in the order of the heights."""
    rows, columns = np.indices((SIDE, SIDE))
    return sum(
        height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))
        for (row, column), height in zip(places, heights, strict=True)
    ).astype(np.float32)


def smoothed_noise(n, sigma):
    noise = RNG.normal(size=(n, SIDE, SIDE))
    return np.stack([scores.gaussian_filter(each, sigma) for each in noise]) * 0.1 * sigma


# Maps of noise; of haloes in an empty field; and those with their peaks moved and swapped.
HALOES = blobs([(10, 12), (34, 30), (12, 36)], [0.30, 0.22, 0.15])
MOVED = blobs([(12, 12), (34, 29), (12, 36)], [0.20, 0.30, 0.12])
TRUTH = np.concatenate([smoothed_noise(3, 2.0) + 0.01, HALOES[None]]).astype(np.float32)
GUESS = np.concatenate([smoothed_noise(3, 1.5), MOVED[None]]).astype(np.float32)
GUESS[0, :4] = TRUTH[1, :, 7] = 0


def references(name, truth, guess):
    if name == "wmape":
        return scores.wmape(truth, guess)
    if name == "combined":
        return 0.95 * reference.multifocal(truth, guess) + 0.05 * scores.wmape(truth, guess)
    return getattr(reference, name)(truth, guess)


def by_map(name, truth, guess):
    return np.array([float(LOSSES[name]()(t[None], p[None])) for t, p in zip(truth, guess, strict=True)])


def gradient(loss, truth, guess):
    guess = tf.constant(guess, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(guess)
        value = loss(tf.constant(truth, tf.float32), guess)
    return float(value), tape.gradient(value, guess).numpy()


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_those_of_the_loops(name):
    weights = WEIGHTS[name](TRUTH).numpy()
    expected = [getattr(reference, f"{name}_weight")(each.astype(np.float64)) for each in TRUTH]
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    assert weights.dtype == np.float32
    assert 0 <= weights.min() < weights.max() <= 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("local", {"window": 5, "share": 0.1}),
        ("peaks", {"n_peaks": 2, "radius": 4.5}),
        ("structure", {"half_width": 0.01}),
        ("edges", {"width": 2}),
    ],
)
def test_widths_of_weights_can_be_set(name, options):
    weights = WEIGHTS[name](TRUTH, **options).numpy()
    expected = [getattr(reference, f"{name}_weight")(each.astype(np.float64), **options) for each in TRUTH]
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    assert not np.array_equal(weights, WEIGHTS[name](TRUTH).numpy())


# Worked out by hand from the published formulas. The mean of the small map is 0.2 / 16 = 0.0125.
SMALL = np.array([[[0.4, 0.2, 0, -0.2], [0.1, 0, 0, 0], [0, 0, 0, 0], [-0.4, 0, 0, 0.1]]], np.float32)
H = 0.5


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("focal", {}, [[1, 0.75, H, 0.25], [0.625, H, H, H], [H, H, H, H], [0, H, H, 0.625]]),
        # A window of 8 pixels holds the whole map. Five pixels make 30 %: the four positive ones, and a 0.
        ("local", {}, [[1, 0.75, H, H], [0.625, H, H, H], [H, H, H, H], [H, H, H, 0.625]]),
        # Of 3 pixels, it holds the neighbours alone; the last 0.1 is the highest of its own.
        ("local", {"window": 3}, [[1, 0.75, H, H], [0.625, H, H, H], [H, H, H, H], [H, H, H, 1]]),
        # 10 % are two pixels.
        ("local", {"share": 0.1}, [[1, 0.75, H, H], [H, H, H, H], [H, H, H, H], [H, H, H, H]]),
        ("structure", {}, np.zeros((4, 4))),
        ("structure", {"half_width": 0.013}, [[0, 0, 1, 0], [0, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]]),
        ("edges", {}, np.ones((4, 4))),
        ("edges", {"width": 1}, [[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]]),
    ],
)
def test_weights_by_hand(name, options, expected):
    np.testing.assert_allclose(WEIGHTS[name](SMALL, **options)[0], expected, atol=1e-6)


SPIKE = np.zeros((1, 8, 8), np.float32)
SPIKE[0, 3, 3] = 0.8  # the mean is 0.0125


def test_the_peaks_weight_is_a_diamond_of_13_pixels():
    """Smoothed over 3 pixels, the mirror image beyond the border moves the peak from (3, 3) to (2, 2)."""
    diamond = [
        [0, 0, 1, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 0, 0, 0],
        [0, 1, 1, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0, 0],
        *np.zeros((3, 8)),
    ]
    np.testing.assert_array_equal(WEIGHTS["peaks"](SPIKE)[0], diamond)


@pytest.mark.parametrize(
    ("loss", "error", "expected"),
    [
        # Weights of the spike: 1, 1, 1, 0, 1; in its diamond ½, ½, 1, 0, 1; of the rest ½, ½, 0, 0, 1
        (MultiFocal(), -SPIKE, 0.64 * 7 / 8.5),
        (MultiFocal(), 0.1, 0.01 * (7 + 12 * 5.5 + 51 * 2.5) / 8.5),
        # Structures of that width hold all pixels but the spike.
        (MultiFocal(structure_half_width=0.02), 0.1, 0.01 * (7 + 12 * 7 + 51 * 4) / 8.5),
        (MultiFocal(focal=0, local=0, structure=0, edges=0), 0.1, 0.01 * 13),
        (LOSSES["focal"](), -SPIKE, 0.64),
        (LOSSES["focal"](), 0.1, 0.01 * (1 + 63 / 2)),
        (LOSSES["mse"](), 0.1, 0.64),
    ],
)
def test_losses_by_hand(loss, error, expected):
    assert float(loss(SPIKE, SPIKE + np.float32(error))) == pytest.approx(expected, rel=1e-5)


def test_the_combined_loss_is_mostly_the_multifocal_one_near_the_scores_of_the_report():
    """On a map of 128 × 128, with an MAE of 0.006 and a WMAPE of about 2: the sum keeps both of like size."""
    kappa = np.full((1, 128, 128), 0.003, np.float32)
    kappa[0, 60:70, 60:70] = 0.2
    prediction = kappa + np.float32(0.006)
    multifocal, wmape = (float(LOSSES[name]()(kappa, prediction)) for name in ("multifocal", "wmape"))
    assert wmape == pytest.approx(2, abs=0.05)
    assert 0.1 < multifocal < 0.6
    assert 0.95 * multifocal > 0.05 * wmape


@pytest.mark.parametrize("value", [0.0, 0.3, -0.3])
def test_constant_maps_have_no_peaks_and_finite_weights(value):
    flat = np.full((1, SIDE, SIDE), value, np.float32)
    weights = {name: weight(flat).numpy() for name, weight in WEIGHTS.items()}
    assert not weights["peaks"].any()
    assert all(((each >= 0) & (each <= 1)).all() for each in weights.values())


def test_weights_of_negative_maps_stay_in_range():
    for name, weight in WEIGHTS.items():
        weights = weight(-np.abs(TRUTH) - 0.01).numpy()
        assert ((weights >= 0) & (weights <= 1)).all(), name


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_the_loops(name):
    expected = [references(name, t, p) for t, p in zip(TRUTH.astype(float), GUESS.astype(float), strict=True)]
    np.testing.assert_allclose(by_map(name, TRUTH, GUESS), expected, rtol=2e-4)
    assert float(LOSSES[name]()(TRUTH, GUESS)) == pytest.approx(np.mean(expected), rel=2e-4)


def test_losses_of_ray_traced_maps(ray_traced):
    _, kappa = ray_traced("sparse")
    truth = kappa[:1]
    guess = (truth + np.random.default_rng(4).normal(0, 0.01, truth.shape)).astype(np.float32)
    for name in LOSSES:
        expected = [
            references(name, t, p) for t, p in zip(truth.astype(float), guess.astype(float), strict=True)
        ]
        np.testing.assert_allclose(by_map(name, truth, guess), expected, rtol=1e-3, err_msg=name)


def test_wmape_is_the_score():
    np.testing.assert_allclose(by_map("wmape", TRUTH, GUESS), metrics.wmape(TRUTH, GUESS), rtol=1e-4)


@pytest.mark.parametrize(
    ("soft", "hard", "unit"), [(SoftDICEE, metrics.dicee, 30), (SoftDPEAKS, metrics.dpeaks, 1)]
)
def test_soft_scores_tend_to_the_hard(soft, hard, unit):
    for truth, guess in [(HALOES, MOVED), (MOVED, HALOES), (HALOES, HALOES)]:
        expected = hard(truth, guess)
        distances = [
            abs(float(soft(temperature=temperature * unit)(truth[None], guess[None])) - expected)
            for temperature in (0.1, 0.02, 0.004, 1e-5)
        ]
        assert distances == sorted(distances, reverse=True)
        assert distances[0] > 0.1
        assert distances[-1] < 2e-3


def test_soft_dicee_is_blind_to_contrast_as_the_score_is():
    values = [by_map("dicee", TRUTH, stretch * GUESS) for stretch in (1, 4)]
    np.testing.assert_allclose(*values, rtol=0.01)


def test_constant_truth_has_an_empty_mask_however_its_mean_rounds():
    values = np.linspace(0.01, 0.5, 25, dtype=np.float32)
    truth = np.broadcast_to(values[:, None, None], (25, SIDE, SIDE))
    guess = np.broadcast_to(HALOES, truth.shape)
    np.testing.assert_array_equal(SoftDICEE(reduction=None)(truth, guess), metrics.dicee(truth, guess))


def test_soft_peaks_take_those_that_lack_for_the_corner_as_the_score_does():
    lonely = blobs([(20, 17)], [0.2])
    for truth, guess in [(HALOES, lonely), (lonely, HALOES), (HALOES, np.zeros_like(HALOES))]:
        soft = float(SoftDPEAKS(temperature=1e-5)(truth[None], guess[None]))
        assert soft == pytest.approx(metrics.dpeaks(truth, guess), abs=0.01)


def test_soft_peaks_pay_for_places_and_for_ranks():
    assert metrics.dpeaks(HALOES, MOVED) > 80  # the two highest have changed places
    shifted = blobs([(12, 12), (34, 29), (12, 36)], [0.30, 0.22, 0.15])
    loss = SoftDPEAKS(temperature=1e-5)
    assert float(loss(HALOES[None], shifted[None])) == pytest.approx(3, abs=0.01)
    assert float(loss(HALOES[None], MOVED[None])) == pytest.approx(metrics.dpeaks(HALOES, MOVED), abs=0.01)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("guess", ["other", "zero", "constant"])
def test_gradients_are_finite_and_reach_every_map(name, guess):
    peakless = name == "dpeaks" and guess != "other"
    guess = {"other": GUESS, "zero": np.zeros_like(GUESS), "constant": np.full_like(GUESS, 0.1)}[guess]
    value, slope = gradient(LOSSES[name](), TRUTH, guess)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
    reached = np.abs(slope).max(axis=(1, 2))
    assert (reached < 0.01).all() if peakless else (reached > 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_empty_truth_and_perfect_maps_keep_gradients_finite(name):
    for truth, guess in [(np.zeros_like(TRUTH), GUESS), (np.zeros_like(TRUTH),) * 2, (TRUTH, TRUTH)]:
        value, slope = gradient(LOSSES[name](), truth, guess)
        assert np.isfinite(value)
        assert np.isfinite(slope).all()
    if name not in ("dicee", "dpeaks"):
        assert value == 0
        assert not slope.any()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_the_slopes_of_the_loss(name):
    softer = {"dicee": {"temperature": 0.6}, "dpeaks": {"temperature": 0.02}}
    loss = LOSSES[name](**softer.get(name, {}))
    truth, guess = TRUTH[3:] + np.float32(0.01), GUESS[3:]
    way = (HALOES[None] - guess) * 0.01
    slope = gradient(loss, truth, guess)[1]
    ahead, behind = (float(loss(truth, guess + sign * way)) for sign in (1, -1))
    assert (slope * way).sum(dtype=np.float64) == pytest.approx((ahead - behind) / 2, rel=0.02)


@pytest.mark.parametrize(
    ("soft", "hard", "rate"), [(SoftDICEE, metrics.dicee, 0.003), (SoftDPEAKS, metrics.dpeaks, 0.003)]
)
def test_descent_on_the_soft_score_lowers_the_hard(soft, hard, rate):
    guess = tf.Variable(GUESS)
    optimizer, loss = keras.optimizers.Adam(rate), soft()

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(TRUTH, guess)
        optimizer.apply_gradients([(tape.gradient(value, guess), guess)])

    before = hard(TRUTH, guess.numpy()).mean()
    for _ in range(40):
        step()
    assert hard(TRUTH, guess.numpy()).mean() < before / 2


@pytest.mark.parametrize("name", LOSSES)
def test_graphs_and_xla_agree_with_eager(name):
    loss = LOSSES[name]()
    value, slope = gradient(loss, TRUTH, GUESS)
    for jit in (False, True):

        @tf.function(jit_compile=jit)
        def compiled(truth, guess):
            with tf.GradientTape() as tape:
                tape.watch(guess)
                value = loss(truth, guess)
            return value, tape.gradient(value, guess)

        again, slopes = compiled(tf.constant(TRUTH), tf.constant(GUESS))
        assert float(again) == pytest.approx(value, rel=1e-4)
        np.testing.assert_allclose(slopes, slope, rtol=1e-2, atol=1e-3 * np.abs(slope).max())


@pytest.mark.parametrize("name", OWN)
def test_half_precision_maps_are_taken_in_single(name):
    truth, guess = TRUTH.astype(np.float16), GUESS.astype(np.float16)
    expected = by_map(name, truth.astype(np.float32), guess.astype(np.float32))
    np.testing.assert_array_equal(by_map(name, truth, guess), expected)
    unreduced = LOSSES[name](reduction=None)
    np.testing.assert_allclose(unreduced(tf.constant(truth), tf.constant(guess)), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        *(LOSSES[name](name="its_own", reduction="sum") for name in OWN),
        MultiFocal(focal=0.5, local=0, peaks=7, structure=1, edges=2),
        SoftDICEE(temperature=0.01),
        SoftDPEAKS(temperature=0.03),
        CombinedLoss(multifocal=1, wmape=0, dicee=0.5, dpeaks=0.01),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_configurations_go_round(loss):
    config = keras.losses.serialize(loss)
    assert config["registered_name"] == f"astroboard>{type(loss).__name__}"
    again = keras.losses.deserialize(config)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert float(again(TRUTH, GUESS)) == float(loss(TRUTH, GUESS))


def test_coefficients_choose_and_weigh():
    only = MultiFocal(focal=0, local=0, peaks=4, structure=0, edges=0)
    np.testing.assert_array_equal(only.weight(TRUTH), WEIGHTS["peaks"](TRUTH))
    combined = CombinedLoss(multifocal=2, wmape=0.5, dicee=3, dpeaks=0.1, mse=5)
    parts = [by_map(name, TRUTH, GUESS) for name in ("multifocal", "wmape", "dicee", "dpeaks", "mse")]
    expected = 2 * parts[0] + 0.5 * parts[1] + 3 * parts[2] + 0.1 * parts[3] + 5 * parts[4]
    assert float(combined(TRUTH, GUESS)) == pytest.approx(expected.mean(), rel=1e-5)


@pytest.mark.parametrize("coefficient", [-1.0, float("nan"), float("inf")])
def test_coefficients_and_temperatures_are_checked(coefficient):
    for wrong in (
        lambda: MultiFocal(peaks=coefficient),
        lambda: CombinedLoss(wmape=coefficient),
        lambda: SoftDICEE(temperature=coefficient),
        lambda: SoftDPEAKS(temperature=coefficient),
    ):
        with pytest.raises(ValueError, match=r"finite, 0 or more, and not all 0, got .*(-1|nan|inf)"):
            wrong()


def test_nothing_to_weigh_is_an_error():
    for kind in (CombinedLoss, MultiFocal, SoftDICEE):
        with pytest.raises(ValueError, match="not all 0"):
            kind(**dict.fromkeys(kind.defaults, 0))


@pytest.mark.parametrize("name", OWN)
def test_a_channel_left_in_place_is_an_error(name):
    for truth, guess in [(TRUTH, GUESS[..., None]), (TRUTH[..., None],) * 2, (TRUTH, GUESS[:, :, 1:])]:
        with pytest.raises(ValueError, match=r"\(n, H, W\).*got"):
            LOSSES[name]()(truth, guess)


def test_a_network_of_mixed_precision_learns_and_is_saved_with_its_loss(training):
    loss = CombinedLoss(multifocal=100, wmape=0.01, dicee=1, dpeaks=0.01)

    def build():
        model = keras.Sequential(
            [
                keras.Input((SIDE, SIDE, 1)),
                keras.layers.Conv2D(4, 5, padding="same", activation="relu", dtype="mixed_float16"),
                keras.layers.Conv2D(1, 5, padding="same", dtype="mixed_float16"),
                keras.layers.Reshape((SIDE, SIDE), dtype="mixed_float16"),
            ]
        )
        model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
        return model

    inputs = (TRUTH + np.random.default_rng(5).normal(0, 0.02, TRUTH.shape)).astype(np.float32)[..., None]
    data = Batches(
        lambda rows: (inputs[rows], TRUTH[rows].astype(np.float16)), lambda _: np.arange(4), 3, seed=0
    )
    model, reached = loop.fit(build, data, data, 6, training)
    history = np.genfromtxt(training.folder / "history.csv", delimiter=",", names=True)
    assert reached["val_loss"] < history["val_loss"][0]
    model.save(training.folder / loop.MODEL)
    again = keras.saving.load_model(training.folder / loop.MODEL)
    assert again.loss.get_config() == loss.get_config()
    np.testing.assert_allclose(again.evaluate(data, verbose=0), reached["val_loss"], rtol=1e-3)
