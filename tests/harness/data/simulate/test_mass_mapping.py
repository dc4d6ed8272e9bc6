"""The simulated mass maps: their bytes, their physics, and how like ray-traced maps they are."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import galsim
import numpy as np
import pytest
from scipy import ndimage, signal, stats

from baselines.mass_mapping.kaiser_squires import convergence_from_shear, shear_from_convergence
from harness.data.simulate import mass_mapping
from harness.data.simulate.mass_mapping import SPECTRA, Field, Spectrum, reduced_shear, render, simulate
from harness.data.simulate.noise import NOISE_MODELS

RAY_TRACED = SPECTRA["ray-traced"]
TILE_ARCMIN = 0.29
CYCLES_PER_ARCMIN = np.geomspace(0.04, 1.25, 9)  # from two periods in a map to the Nyquist frequency


def chunk_of(boundary: str, spectrum: str, crops: int = 6) -> dict[str, np.ndarray]:
    return render(Field(1, crops, "sparse", boundary, spectrum, seed=3))


def convergence(seed: int, spectrum: Spectrum = RAY_TRACED) -> np.ndarray:
    return mass_mapping.convergence(spectrum, np.random.default_rng(seed))


def halo(mass: float, centre: tuple[float, float], spectrum: Spectrum) -> np.ndarray:
    return mass_mapping._haloes(spectrum, np.array([mass]), np.array([centre]), np.random.default_rng(0))


def assert_same_chunks(some, others) -> None:
    for chunk, other in zip(some, others, strict=True):
        assert {name: column.tobytes() for name, column in chunk.items()} == {
            name: column.tobytes() for name, column in other.items()
        }


# --- fields -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cases", [1, 9, 20, 25, 199, 1001])
def test_fields_add_up_to_the_cases_asked_for(cases):
    _, clusters = simulate(cases)
    assert sum(field.crops for field in clusters) == cases
    assert [field.cluster for field in clusters] == list(range(1, len(clusters) + 1))
    assert len(clusters) >= min(cases, 40)
    assert all(1 <= field.crops <= 20 for field in clusters)


def test_many_cases_have_twenty_crops_a_cluster():
    assert {field.crops for field in simulate(10_000)[1]} == {20}


# --- chunks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("boundary", ["periodic", "field"])
@pytest.mark.parametrize("noise", NOISE_MODELS)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_render_gives_what_the_data_set_holds(boundary, noise, spectrum):
    chunk = render(Field(7, 3, noise, boundary, spectrum, seed=0))
    assert {name: (each.shape, each.dtype.str) for name, each in chunk.items()} == {
        "epsilon": ((3, 128, 128, 3), "<f2"),
        "kappa": ((3, 128, 128), "<f2"),
        "case_id": ((3,), "|S11"),
        "group": ((3,), "<i4"),
    }
    assert chunk["case_id"].tolist() == [b"00007_00001", b"00007_00002", b"00007_00003"]
    assert chunk["group"].tolist() == [7, 7, 7]
    assert np.isfinite(chunk["epsilon"]).all()
    assert np.isfinite(chunk["kappa"]).all()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_any_order_and_process():
    _, clusters = simulate(24, seed=5)
    chunks = list(map(render, clusters))
    assert_same_chunks(chunks, list(map(render, reversed(clusters)))[::-1])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert_same_chunks(chunks[3:5], pool.map(render, clusters[3:5]))


def test_seeds_and_clusters_differ():
    maps = [
        render(Field(cluster, 1, "dense", "field", "challenge", seed))["kappa"]
        for cluster, seed in [(1, 0), (2, 0), (1, 1)]
    ]
    assert len({each.tobytes() for each in maps}) == 3


def test_crops_of_a_cluster_are_pieces_of_one_field():
    first, *others = chunk_of("field", "ray-traced", crops=5)["kappa"].astype(np.float32)
    for other in others:
        match = signal.correlate(first - first.mean(), other - other.mean(), method="fft")
        down, right = (int(place) - 127 for place in np.unravel_index(match.argmax(), match.shape))
        rows, columns = (slice(max(0, shift), 128 + min(0, shift)) for shift in (down, right))
        shifted = ndimage.shift(other, (down, right), order=0)
        assert (down, right) != (0, 0)
        np.testing.assert_array_equal(first[rows, columns], shifted[rows, columns])


# --- physics ------------------------------------------------------------------------------------------------


def test_the_massive_halo_lies_in_the_middle_of_the_field():
    mean = np.mean([convergence(seed) for seed in range(12)], axis=0)
    assert mean.shape == (256, 256)
    assert np.abs(np.array(np.unravel_index(mean.argmax(), mean.shape)) - 128).max() <= 1


def test_the_background_has_the_power_that_galsim_gives_its_fields(monkeypatch):
    monkeypatch.setattr(mass_mapping, "_haloes", lambda *_: np.float32(0))
    deviates = galsim.GaussianDeviate(1)
    peer = galsim.lensing_ps.PowerSpectrumRealizer(
        256, 0.4, lambda k: 2.0 * (1 + (k / 0.67) ** 2) ** -1.2, None
    )
    ours = np.stack([np.log(convergence(seed) + 1) for seed in range(24)])
    theirs = np.stack([0.041 * np.exp(peer(deviates)[2]) for _ in range(24)])
    theirs = np.log(theirs - theirs.mean(axis=(1, 2), keepdims=True) + 0.002 + 1)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.03)
    assert stats.skew(ours, axis=None) == pytest.approx(stats.skew(theirs, axis=None), rel=0.1)
    ratio = stats.gmean(power_spectra(ours, 0.4)) / stats.gmean(power_spectra(theirs, 0.4))
    np.testing.assert_allclose(ratio, 1, atol=0.1)


@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_a_halo_is_galsims_up_to_a_constant(spectrum, monkeypatch):
    monkeypatch.setattr(mass_mapping, "AXIS_RATIOS", (1.0, 1.0))
    monkeypatch.setattr(mass_mapping, "HALO_REDSHIFTS", (0.3, 0.3))
    centre = (90.25, 130.5)
    kappa = halo(5e14, centre, spectrum)
    peer = galsim.NFWHalo(5e14, 5.71 * 250**-0.084 * 1.3**-0.47, 0.3)
    y, x = (np.indices((256, 256)) - np.reshape(centre, (2, 1, 1)) + 128) % 256 - 128  # periodic
    distance = np.hypot(x, y)
    angle = np.hypot(distance, spectrum.softening).ravel() * spectrum.pixel * 60
    expected = peer.getConvergence((angle, 0 * angle), 1.0).reshape(256, 256)
    edge = peer.getConvergence((spectrum.edge * spectrum.pixel * 60, 0.0), 1.0)
    near = distance < spectrum.edge - 1
    np.testing.assert_allclose(kappa[near], expected[near] - edge, rtol=0.02, atol=1e-4)
    assert not kappa[distance > spectrum.edge + 1].any()


@pytest.mark.parametrize("ratio", [0.6, 0.9])
def test_a_halo_is_as_elliptical_as_asked_for(ratio, monkeypatch):
    monkeypatch.setattr(mass_mapping, "AXIS_RATIOS", (ratio, ratio))
    kappa = halo(1e15, (128.0, 128.0), RAY_TRACED)
    inside = np.argwhere(kappa > kappa[128, 140])
    variances = np.linalg.eigvalsh(np.cov(inside.T))
    assert np.sqrt(variances[0] / variances[1]) == pytest.approx(ratio, rel=0.03)
    assert len(inside) > 200


@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_a_halo_at_the_corner_continues_on_the_other_sides(spectrum):
    middle, corner = (halo(1e15, (centre, centre), spectrum) for centre in (128.25, 0.25))
    np.testing.assert_array_equal(np.roll(middle, (128, 128), axis=(0, 1)), corner)


def test_kaiser_squires_inverts_the_noise_free_shear_of_a_periodic_map():
    kappa, shear = reduced_shear(chunk_of("periodic", "ray-traced")["kappa"].astype(np.float32))
    gamma = shear * (1 - kappa)[..., None]
    recovered = convergence_from_shear(gamma[..., 0], gamma[..., 1])
    truth = kappa - kappa.mean(axis=(1, 2), keepdims=True)
    # what does not come back is the part of the Nyquist modes of which k and −k disagree
    assert np.std(recovered - truth) < 0.05 * np.std(truth)
    smooth = [ndimage.gaussian_filter(each, (0, 2, 2), mode="wrap") for each in (recovered, truth)]
    np.testing.assert_allclose(*smooth, atol=2e-6)


def noise_free_error(boundary: str, spectrum: str) -> float:
    """How far the shear of the noise-free pixels is from that of the stored κ taken as periodic."""
    chunk = chunk_of(boundary, spectrum)
    epsilon = chunk["epsilon"].astype(np.float32)
    _, shear = reduced_shear(chunk["kappa"].astype(np.float32))
    return float(np.std((epsilon[..., :2] - shear)[epsilon[..., 2] == 0]))


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_boundary_decides_whether_the_crop_alone_explains_its_shear(spectrum):
    assert noise_free_error("periodic", spectrum) < 5e-5
    assert noise_free_error("field", spectrum) > 5e-3


def test_maps_too_strong_for_weak_lensing_are_scaled_down_as_a_whole():
    weak = convergence(2)
    kappa, shear = reduced_shear(np.stack([weak, 8 * weak]))
    np.testing.assert_array_equal(kappa[0], weak)
    assert (8 * weak).max() > 1
    np.testing.assert_allclose(
        (kappa[1] + np.hypot(*shear_from_convergence(kappa[1]))).max(), 0.95, rtol=1e-5
    )
    np.testing.assert_allclose(kappa[1] / kappa[1].max(), weak / weak.max(), atol=1e-6)
    assert np.hypot(shear[..., 0], shear[..., 1]).max() < 1


# --- likeness to ray-traced maps ----------------------------------------------------------------------------


def power_spectra(maps: np.ndarray, pixel: float) -> np.ndarray:
    """Azimuthally averaged P(k) in arcmin² under a Hann window: (maps, bins of CYCLES_PER_ARCMIN)."""
    window = np.outer(np.hanning(maps.shape[-1]), np.hanning(maps.shape[-1]))
    contrast = (maps - maps.mean(axis=(1, 2), keepdims=True)) * window
    power = np.abs(np.fft.fft2(contrast)) ** 2 * pixel**2 / np.sum(window**2)
    k = np.fft.fftfreq(maps.shape[-1], pixel)
    bins = np.digitize(np.hypot(k, k[:, None]), CYCLES_PER_ARCMIN)
    return np.stack(
        [power[:, bins == each].mean(axis=1) for each in range(1, len(CYCLES_PER_ARCMIN))], axis=1
    )


def one_point(kappa: np.ndarray) -> dict[str, float]:
    contrast = kappa - kappa.mean()
    levels = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    quantiles = {
        f"quantile {level}": q for level, q in zip(levels, np.quantile(contrast, levels), strict=True)
    }
    return quantiles | {
        "std": kappa.std(),
        "skewness": stats.skew(kappa, axis=None),
        "min": kappa.min(),
        "max": kappa.max(),
        "negative": np.mean(kappa < 0),
    }


def unlike_one_point(maps: np.ndarray, tiles: list[np.ndarray]) -> set[str]:
    """Statistics whose median over the maps is outside the range of the tiles widened by a tenth."""
    simulated, traced = ([one_point(each) for each in group] for group in (maps, tiles))
    unlike = set()
    for name in simulated[0]:
        values = np.array([each[name] for each in traced])
        room = 0.1 * np.abs(values).mean()
        if not values.min() - room <= np.median([each[name] for each in simulated]) <= values.max() + room:
            unlike.add(name)
    return unlike


def spectrum_ratio(maps: np.ndarray, tiles: np.ndarray) -> np.ndarray:
    simulated, traced = power_spectra(maps, RAY_TRACED.pixel), power_spectra(tiles, TILE_ARCMIN)
    return stats.gmean(simulated, axis=0) / stats.gmean(traced, axis=0)


@pytest.fixture(scope="module")
def tiles(shared_data) -> np.ndarray:
    return np.load(shared_data / "mass_mapping" / "ktng_tiles_128.npz")["kappa"].astype(np.float64)


@pytest.fixture(scope="module")
def regridded(tiles) -> list[np.ndarray]:
    """The tiles with pixels as wide as the simulated ones."""
    return [
        ndimage.zoom(tile, TILE_ARCMIN / RAY_TRACED.pixel, order=1, grid_mode=True, mode="nearest")
        for tile in tiles
    ]


def simulated(clusters: int, spectrum: str = "ray-traced") -> np.ndarray:
    fields = simulate(20 * clusters, seed=11, spectrum=spectrum)[1]
    chosen = [replace(field, crops=1) for field in fields]
    return np.concatenate([render(field)["kappa"] for field in chosen]).astype(np.float64)


def test_simulated_maps_have_the_statistics_of_ray_traced_ones(tiles, regridded):
    maps = simulated(60)
    assert not unlike_one_point(maps, regridded)
    ratio = spectrum_ratio(maps, tiles)
    assert ratio.max() < 1.35
    assert ratio.min() > 1 / 1.35
    assert maps.min() > -0.06
    assert maps.max() < 0.75


def test_gaussian_maps_of_the_same_spectrum_are_told_apart(tiles, regridded):
    maps = simulated(30)
    noise = np.fft.fft2(np.random.default_rng(0).standard_normal(maps.shape))
    gaussian = np.fft.ifft2(np.abs(np.fft.fft2(maps)) * noise / np.abs(noise)).real
    np.testing.assert_allclose(spectrum_ratio(gaussian, tiles), spectrum_ratio(maps, tiles), rtol=0.3)
    assert unlike_one_point(gaussian, regridded) >= {
        "skewness",
        "min",
        "max",
        "quantile 0.01",
        "quantile 0.5",
    }


@pytest.mark.parametrize("slope", [1.9, 2.9])
def test_a_background_of_another_slope_is_told_apart(slope, tiles, monkeypatch):
    monkeypatch.setitem(SPECTRA, "ray-traced", replace(RAY_TRACED, slope=slope))
    ratio = spectrum_ratio(simulated(30), tiles)
    assert not (ratio.min() > 1 / 1.35 and ratio.max() < 1.35)


# --- likeness to the maps of the challenge ------------------------------------------------------------------

# Two published training cases of the challenge, recovered from figures: the lower value and the higher one.
CHALLENGE = {
    "mean": (-0.010, -0.002),
    "std": (0.032, 0.035),
    "max": (0.19, 0.25),
    "min": (-0.073, -0.071),
    "skewness": (0.99, 1.62),
    "neighbours": (0.958, 0.963),
}
CHALLENGE_POWER = {(8, 12): (0.046, 0.075), (20, 28): (0.0018, 0.0027), (40, 60): (1e-4, 2e-4)}


def like_the_challenge(kappa: np.ndarray) -> dict[str, float]:
    """The statistics of CHALLENGE of one map."""
    across, down = (
        np.corrcoef(kappa[:, 1:].ravel(), kappa[:, :-1].ravel()),
        np.corrcoef(kappa[1:].ravel(), kappa[:-1].ravel()),
    )
    return {
        "mean": kappa.mean(),
        "std": kappa.std(),
        "max": kappa.max(),
        "min": kappa.min(),
        "skewness": stats.skew(kappa, axis=None),
        "neighbours": (across[0, 1] + down[0, 1]) / 2,
    }


def power_ratios(kappa: np.ndarray) -> list[float]:
    """Mean power |κ̂|² at wavenumbers in cycles a map over that at 2 to 4, without a window."""
    power = np.abs(np.fft.fft2(kappa - kappa.mean())) ** 2
    k = np.hypot(*np.meshgrid(*[np.fft.fftfreq(128, 1 / 128)] * 2))

    def between(low: int, high: int) -> float:
        return power[(k >= low) & (k <= high)].mean()

    return [between(*band) / between(2, 4) for band in CHALLENGE_POWER]


@pytest.fixture(scope="module")
def challenge_maps() -> np.ndarray:
    return simulated(150, "challenge")


@pytest.mark.slow
def test_maps_have_the_statistics_of_the_challenges(challenge_maps):
    found = [like_the_challenge(kappa) for kappa in challenge_maps]
    for name, (low, high) in CHALLENGE.items():
        room = 0.2 * abs(low + high) / 2 if name != "neighbours" else 0.2 * (1 - (low + high) / 2)
        values = [each[name] for each in found]
        assert low - room < np.mean(values) < high + room, name
        # The maps differ from each other as the two cases do.
        assert np.std(values) > 0.3 * (high - low), name


def test_maps_have_the_power_of_the_challenges(challenge_maps):
    means = np.mean([power_ratios(kappa) for kappa in challenge_maps], axis=0)
    for mean, (low, high) in zip(means, CHALLENGE_POWER.values(), strict=True):
        assert np.sqrt(low * high) / 2 < mean < np.sqrt(low * high) * 2


def test_ray_traced_maps_are_no_challenge_maps():
    maps = simulated(20)
    assert np.mean([like_the_challenge(kappa)["neighbours"] for kappa in maps]) < 0.8
    ratios = np.mean([power_ratios(kappa) for kappa in maps], axis=0)
    assert (ratios > 2 * np.max(list(CHALLENGE_POWER.values()), axis=1)).all()
