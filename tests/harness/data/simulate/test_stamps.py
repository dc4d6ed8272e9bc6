"""Simulated alerts: how they are dealt, what each class looks like, and how near they are to real ones."""

import itertools
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from scipy import ndimage
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from harness.data.simulate import stamps
from harness.data.simulate.stamps import (
    AGN,
    ASTEROID,
    BOGUS,
    CHALLENGE,
    METADATA,
    SN,
    VS,
    Batch,
    batches,
    render,
)
from harness.data.sources.safe_pickle import load

pytestmark = pytest.mark.slow

RADIUS = np.hypot(*np.ogrid[-31:32, -31:32])
SCIENCE, TEMPLATE, DIFFERENCE = range(3)
COLUMNS = ("images", "labels", "metadata")


def together(batches):
    return {name: np.concatenate([batch[name] for batch in batches]) for name in COLUMNS}


def fingerprint(alerts):
    return b"".join(alerts[name].tobytes() for name in COLUMNS)


def spread(pixels):
    """Standard deviation of the sky, blind to sources: from the median absolute deviation."""
    return 1.4826 * np.nanmedian(np.abs(pixels - np.nanmedian(pixels)))


def usable(alerts):
    """Square stamps (n, 63, 63, 3), what stands for NaN made NaN, with their labels and metadata."""
    square = [i for i, image in enumerate(alerts["images"]) if image.shape == (63, 63, 3)]
    images = np.stack([alerts["images"][i] for i in square]).astype(float)
    images[np.abs(images) > 1e10] = np.nan
    return images, np.asarray(alerts["labels"])[square], alerts["metadata"][square]


def describe(alerts):
    """By alert: sky level, noise of the three images, S/N of their middles, share of NaN, brightest pixel."""
    images, labels, _ = usable(alerts)
    sky = np.nanmedian(images, axis=(1, 2))
    noise = np.array([[spread(image[..., c]) for c in range(3)] for image in images])
    peak = np.nanmax(images[:, 29:34, 29:34], axis=(1, 2)) - sky
    return {
        "label": labels,
        "sky": sky,
        "noise": noise,
        "snr": peak / noise,
        "nan": np.isnan(images[..., SCIENCE]).mean((1, 2)),
        "brightest": np.nanmax(images, axis=(1, 2)) - sky,
    }


def balanced(cases, seed=0):
    """As many alerts of each class as of any other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stamps, "CHALLENGE", (1,) * 5)
        return batches(cases, seed=seed)


@pytest.fixture(scope="module")
def alerts():
    """1,000 alerts, 200 of each class, without those that are cut off."""
    return together([render(batch) for batch in balanced(1000, seed=5)])


@pytest.fixture(scope="module")
def described(alerts):
    return describe(alerts)


@pytest.fixture(scope="module")
def real(shared_data):
    return load(shared_data / "stamps" / "ztf_stamps.pkl")


# Dealing


@pytest.mark.parametrize("cases", [1, 4, 25, 333, 5000])
def test_deals_exactly_as_many_alerts_as_asked_for(cases):
    dealt = batches(cases)
    assert sum(len(batch) for batch in dealt) == cases
    assert [batch.first for batch in dealt] == [sum(map(len, dealt[:i])) for i in range(len(dealt))]
    assert [batch.number for batch in dealt] == list(range(len(dealt)))


def dealt_by_class(cases):
    counts = np.zeros(5, int)
    for batch in batches(cases):
        for label, number in batch.objects:
            counts[label] += number
    return counts.tolist()


def test_a_set_as_large_as_the_challenges_has_its_classes():
    assert dealt_by_class(52244) == list(CHALLENGE)


@pytest.mark.parametrize(("cases", "fewest"), [(25, 2), (100, 10), (200, 20), (400, 20)])
def test_no_class_is_missing_from_a_small_set(cases, fewest):
    counts = dealt_by_class(cases)
    assert counts[SN] == fewest
    assert min(counts) == fewest


def test_asteroids_and_bogus_are_seen_once_and_the_rest_up_to_five_times():
    alerts_of = {label: Counter() for label in range(5)}
    for batch in batches(5000):
        for label, number in batch.objects:
            alerts_of[label][number] += 1
    assert set(alerts_of[ASTEROID]) == set(alerts_of[BOGUS]) == {1}
    assert set(alerts_of[AGN]) == set(alerts_of[SN]) == set(alerts_of[VS]) == {1, 2, 3, 4, 5}


def test_every_batch_mixes_the_classes():
    for batch in balanced(2000)[:-1]:
        assert len({label for label, _ in batch.objects}) == 5


# The same bytes, whoever renders


OBJECTS = ((AGN, 2), (BOGUS, 1), (SN, 1), (VS, 3), (ASTEROID, 1), (BOGUS, 1))


def test_same_seed_same_bytes_and_another_seed_others():
    def first(seed):
        return fingerprint(render(Batch(seed, 0, 0, OBJECTS)))

    assert first(3) == first(3)
    assert first(3) != first(4)


def test_batches_of_one_seed_differ():
    assert fingerprint(render(Batch(0, 1, 0, OBJECTS))) != fingerprint(render(Batch(0, 2, 0, OBJECTS)))


def test_a_batch_depends_on_no_other_batch_and_no_process():
    dealt = [Batch(8, number, 9 * number, OBJECTS) for number in range(3)]
    forwards = [fingerprint(render(batch)) for batch in dealt]
    assert [fingerprint(render(batch)) for batch in dealt[::-1]] == forwards[::-1]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert fingerprint(pool.submit(render, dealt[-1]).result()) == forwards[-1]


# What comes out


def test_columns_are_those_of_a_data_set():
    batch = Batch(8, 0, 0, OBJECTS)
    alerts = render(batch)
    cases = len(alerts["case_id"])
    assert 0 < cases <= len(batch)
    assert {name: (column.dtype, column.shape) for name, column in alerts.items() if name in COLUMNS} == {
        "images": (np.float32, (cases, 63, 63, 3)),
        "labels": (np.int8, (cases,)),
        "metadata": (np.dtype(METADATA), (cases,)),
    }
    assert alerts["case_id"] == [str(candid) for candid in alerts["metadata"]["candid"]]
    assert alerts["group"] == [str(name, "ascii") for name in alerts["metadata"]["objectId"]]


def test_every_alert_has_its_own_candid_and_plausible_metadata(alerts):
    metadata = alerts["metadata"]
    assert len(set(metadata["candid"].tolist())) == len(metadata)
    assert all(len(name) == 12 and name.startswith(b"ZTF20") for name in metadata["objectId"])
    assert set(metadata["isdiffpos"].tolist()) == {b"t", b"f"}
    assert set(metadata["fid"]) == {1, 2}
    assert ((metadata["dec"] > -28) & (metadata["dec"] < 90)).all()
    assert np.isfinite([metadata[name] for name in METADATA_FLOATS]).all()
    days = metadata["candid"] // 10**9 / 1e6 + 2457754.5  # as the real ones begin
    np.testing.assert_allclose(days, metadata["jd"], atol=2e-6, rtol=0)


METADATA_FLOATS = [name for name, kind in METADATA if kind == "<f8"]


def test_nothing_says_how_often_or_how_surely_an_alert_was_detected():
    assert not {"ndethist", "rb", "drb", "ssdistnr", "ssmagnr"} & {name for name, _ in METADATA}


def test_alerts_of_one_object_share_its_name_place_template_and_mask(alerts):
    names, metadata = alerts["metadata"]["objectId"], alerts["metadata"]
    several = [np.flatnonzero(names == name) for name, count in Counter(names.tolist()).items() if count > 1]
    assert len(several) > 50
    for rows in several:
        assert len(set(alerts["labels"][rows])) == 1
        assert alerts["labels"][rows[0]] in (AGN, SN, VS)
        for name in ("ra", "dec", "glat", "fid", "sgscore1", "distpsnr1", "srmag1"):
            assert len(set(metadata[name][rows])) == 1
        assert (np.diff(metadata["jd"][rows]) > 0).all()
        first, second = alerts["images"][rows[:2]]
        np.testing.assert_array_equal(np.isnan(first), np.isnan(second))
        seen = np.isfinite(first[..., TEMPLATE]) & (np.abs(first[..., TEMPLATE]) < 1e10)
        assert np.corrcoef(first[seen][:, TEMPLATE], second[seen][:, TEMPLATE])[0, 1] > 0.7
        assert not np.array_equal(first[..., SCIENCE], second[..., SCIENCE], equal_nan=True)


def test_masked_pixels_are_nan_in_all_images_or_unset_in_the_template(alerts):
    unset = 0
    for image in alerts["images"]:
        masked = np.isnan(image[..., SCIENCE])
        np.testing.assert_array_equal(masked, np.isnan(image[..., DIFFERENCE]))
        template = image[masked][:, TEMPLATE]
        assert np.isnan(template).all() or (template == np.finfo(np.float32).min).all()
        unset += masked.any() and not np.isnan(template).any()
        assert np.isfinite(image[~masked]).all()
        assert (np.abs(image[~masked]) < 1e10).all()
        assert all(np.ptp(image[~masked][:, c]) > 0 for c in range(3))
    assert 1 <= unset <= 25  # 0.65 % of real alerts


# What each class looks like


def test_the_difference_is_science_minus_template_or_the_reverse_as_isdiffpos_says(alerts):
    images, _, metadata = usable(alerts)
    sign = np.where(metadata["isdiffpos"] == b"t", 1, -1)
    correlation = []
    for pixels, positive in zip(images[:, :20, :20].reshape(len(images), -1, 3), sign, strict=True):
        pixels = pixels[np.isfinite(pixels).all(1)]
        if len(pixels) > 200:
            template = pixels[:, TEMPLATE]
            sky = np.abs(template - np.median(template)) < 2 * spread(template)
            science, difference = pixels[sky][:, SCIENCE], pixels[sky][:, DIFFERENCE]
            correlation.append(positive * np.corrcoef(science, difference)[0, 1])
    assert len(correlation) > 900
    assert min(correlation) > 0.1
    assert np.median(correlation) > 0.8  # both hold the noise of the science image


def test_an_alert_is_brightest_in_the_middle_of_its_difference(alerts):
    images, labels, _ = usable(alerts)
    middle = np.nanmax(images[:, 29:34, 29:34, DIFFERENCE], axis=(1, 2))
    noise = np.array([spread(image[..., DIFFERENCE]) for image in images])
    for label in (AGN, SN, VS, ASTEROID):
        assert (middle[labels == label] > 3.5 * noise[labels == label]).mean() > 0.97
    assert (middle[labels == BOGUS] > 3.5 * noise[labels == BOGUS]).mean() > 0.9


def test_agn_and_variable_stars_also_fade_but_supernovae_and_asteroids_do_not(alerts):
    fading = alerts["metadata"]["isdiffpos"] == b"f"
    for label in (AGN, VS, BOGUS):
        assert 0.2 < fading[alerts["labels"] == label].mean() < 0.6
    assert not fading[np.isin(alerts["labels"], (SN, ASTEROID))].any()


def template_offset(images):
    """Distance from the middle of the brightest pixel within 8 pixels, in the smoothed template."""
    sky = np.nanmedian(images[..., TEMPLATE], axis=(1, 2), keepdims=True)
    smooth = ndimage.gaussian_filter(np.nan_to_num(images[..., TEMPLATE] - sky), (0, 1, 1))
    brightest = np.where(RADIUS <= 8, smooth, -np.inf).reshape(len(images), -1).argmax(1)
    return RADIUS.ravel()[brightest]


def test_supernovae_lie_beside_their_hosts_and_agn_and_variables_on_their_sources(alerts):
    images, labels, _ = usable(alerts)
    offset = template_offset(images)
    assert np.median(offset[labels == SN]) > 1.4
    assert 0.1 < (offset[labels == SN] <= 1).mean() < 0.5  # some are nuclear, as in reality
    for label in (AGN, VS):
        assert (offset[labels == label] <= 1).mean() > 0.8


def test_asteroids_are_absent_from_the_template(described):
    label, middle = described["label"], described["snr"][:, TEMPLATE]
    assert np.median(middle[label == ASTEROID]) < 3  # of 25 pixels of pure noise the highest is at 2
    assert (middle[label == ASTEROID] < 5).mean() > 0.85
    for other in (AGN, VS):
        assert (middle[label == other] > 10).mean() > 0.9
    assert np.median(described["snr"][label == ASTEROID, DIFFERENCE]) > 6


def test_variable_stars_crowd_towards_the_galactic_plane(alerts):
    latitude = np.abs(alerts["metadata"]["glat"])
    label = alerts["labels"]
    assert np.median(latitude[label == VS]) < 15
    assert (latitude[np.isin(label, (AGN, SN))] > 10).all()
    images, label, _ = usable(alerts)
    sources = np.array([count_sources(image[..., TEMPLATE]) for image in images])
    assert sources[label == VS].mean() > 1.5 * sources[label == AGN].mean()


def count_sources(image):
    sky, noise = np.nanmedian(image), spread(image)
    image = np.nan_to_num(image, nan=sky)
    return np.count_nonzero((image == ndimage.maximum_filter(image, 5)) & (image - sky > 8 * noise))


def test_bogus_come_in_many_kinds(alerts):
    images, labels, _ = usable(alerts)
    images = images[labels == BOGUS]
    noise = np.array([[spread(image[..., c]) for c in range(3)] for image in images])
    snr = (images - np.nanmedian(images, axis=(1, 2), keepdims=True)) / noise[:, None, None]
    middle = snr[:, 27:36, 27:36]
    high, low = np.nanmax(middle, axis=(1, 2)), np.nanmin(middle, axis=(1, 2))
    core = snr[:, 31, 31, DIFFERENCE]
    beside = snr[..., DIFFERENCE][:, RADIUS == 1].mean(1)  # of a star in the best seeing, above a third
    kinds = {
        "dark pixels": low[:, SCIENCE] < -15,
        "dipoles and residuals": (low[:, DIFFERENCE] < -10) & (high[:, TEMPLATE] > 100),
        "nothing in the template": (high[:, TEMPLATE] < 6) & (high[:, DIFFERENCE] > 6),
        "trails": (np.nanmax(snr[..., DIFFERENCE][:, RADIUS > 20], axis=1) > 6)
        & (np.nanmax(snr[..., TEMPLATE][:, RADIUS > 20], axis=1) < 30)
        & (high[:, TEMPLATE] < 30),
        "sharper than any seeing": (core > 8) & (core > 4 * beside) & (high[:, TEMPLATE] < 30),
        "near an edge": np.isnan(images[:, 18:45, 18:45, SCIENCE]).any((1, 2)),
    }
    shares = {name: float(found.mean()) for name, found in kinds.items()}
    assert all(0.01 < share < 0.8 for share in shares.values()), shares


# Neither trivial nor hopeless


def test_crude_features_tell_the_classes_apart_but_not_all_alerts(alerts):
    images, labels, metadata = usable(alerts)
    crop = images[:, 21:42, 21:42]
    low, high = np.nanmin(crop, (1, 2), keepdims=True), np.nanmax(crop, (1, 2), keepdims=True)
    crop = np.nan_to_num((crop - low) / (high - low))
    radius = RADIUS[21:42, 21:42]
    edges = (0, 0.5, 1.2, 2.1, 3.2, 4.5, 6, 8, 10)
    rings = [(radius >= a) & (radius < b) for a, b in itertools.pairwise(edges)]
    features = np.hstack([f(crop[:, ring], axis=1) for ring in rings for f in (np.mean, np.max, np.min)])
    model = ExtraTreesClassifier(100, random_state=0)
    predicted = cross_val_predict(model, features, labels, groups=metadata["objectId"], cv=GroupKFold(3))
    assert 0.6 < (predicted == labels).mean() < 0.93
    supernova = labels == SN
    assert 0.4 < (predicted[supernova] == SN).mean() < 0.93


# Beside real alerts


def within(factor, simulated, true):
    return true / factor < simulated < true * factor


@pytest.fixture(scope="module")
def both(described, real):
    return described, describe(real)


@pytest.mark.parametrize("image", [SCIENCE, TEMPLATE])
def test_sky_level_is_that_of_real_alerts(both, image):
    for share in (10, 50, 90):
        simulated, true = (np.percentile(d["sky"][:, image], share) for d in both)
        assert within(1.4, simulated, true)


@pytest.mark.parametrize("image", [SCIENCE, TEMPLATE, DIFFERENCE])
def test_sky_noise_is_that_of_real_alerts(both, image):
    for share in (10, 50, 90):
        simulated, true = (np.percentile(d["noise"][:, image], share) for d in both)
        assert within(1.8, simulated, true)


def test_the_template_is_deeper_than_the_science_image_as_in_real_alerts(both):
    simulated, true = (np.median(d["noise"][:, SCIENCE] / d["noise"][:, TEMPLATE]) for d in both)
    assert within(1.4, simulated, true)


@pytest.mark.parametrize(
    ("label", "image"),
    [(AGN, SCIENCE), (SN, SCIENCE), (VS, SCIENCE), (ASTEROID, SCIENCE)]
    + [(label, DIFFERENCE) for label in (AGN, SN, VS, ASTEROID, BOGUS)],
)
def test_signal_to_noise_is_that_of_real_alerts(both, label, image):
    simulated, true = (np.median(d["snr"][d["label"] == label, image]) for d in both)
    assert within(2.5, simulated, true)


@pytest.mark.parametrize("label", [AGN, VS, ASTEROID])
def test_templates_show_as_much_as_real_ones(both, label):
    simulated, true = (np.median(d["snr"][d["label"] == label, TEMPLATE]) for d in both)
    assert within(2, simulated, true)


@pytest.mark.parametrize("label", [AGN, VS, ASTEROID])
@pytest.mark.parametrize("image", [SCIENCE, TEMPLATE])
def test_dynamic_range_is_that_of_real_alerts(both, label, image):
    for share in (25, 50, 90):
        simulated, true = (np.percentile(d["brightest"][d["label"] == label, image], share) for d in both)
        assert within(3.5, simulated, true)


def test_as_many_pixels_are_nan_and_as_many_stamps_masked_as_in_real_alerts(both):
    simulated, true = (d["nan"].mean() for d in both)
    assert within(2, simulated, true)
    simulated, true = ((d["nan"] > 0).mean() for d in both)
    assert within(1.6, simulated, true)


def test_as_many_stamps_are_cut_off_as_in_the_challenge(alerts):
    share = 1 - len(alerts["images"]) / 1000
    assert within(3, share, 650 / 52244)


@pytest.mark.parametrize("label", [AGN, SN, VS, ASTEROID, BOGUS])
def test_magnitudes_are_those_of_real_alerts(alerts, real, label):
    simulated, true = (
        np.percentile(d["metadata"]["magpsf"][np.asarray(d["labels"]) == label], [10, 50, 90])
        for d in (alerts, real)
    )
    np.testing.assert_allclose(simulated, true, atol=2.2 if label == BOGUS else 1.6, rtol=0)


def test_fields_are_named_and_typed_as_in_real_alerts(real):
    names = real["metadata"].dtype
    assert all(names[name] == np.dtype(kind) for name, kind in METADATA)
