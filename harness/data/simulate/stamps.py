"""Alert stamps like those of the Zwicky Transient Facility: science, template and difference image.

Levels, noise, seeing, masks and magnitudes follow real alerts; a pixel is 1.01″ (Masci et al. 2019, PASP 131,
018003). GalSim renders the static scene twice, with the seeing of the night and with that of the template.
The difference is not rendered: what an imperfect subtraction leaves of a static scene is, to first order, an
error of the flux scale times the scene, of the registration times its gradient, and of the seeing times its
Laplacian. To that come the transient and the noise of both images. Positions are pixels from the middle of
the stamp, fluxes are counts.

Left out are metadata that give the class away: counts of detections, real-bogus scores, solar-system matches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import galsim
import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from scipy import ndimage

from harness.tracks.stamps import CHALLENGE

SIZE = 63
AXIS = np.arange(SIZE) - SIZE // 2
AGN, SN, VS, ASTEROID, BOGUS = range(5)  # as the challenge numbers them
FEWEST = 20  # alerts of a class, however rare, so that a small set can be split and scored
OBJECTS = 64  # in a batch
ALERTS = (0.5, 0.2, 0.15, 0.1, 0.05)  # share of the AGN, SN and VS that have 1, 2, … 5 alerts

ZERO_POINT = 26.3  # magnitude of one count
GAIN = 6.2  # electrons a count
READ_NOISE = 2.2  # counts
BETA = 3.5  # of the Moffat profiles: a half-integer has a closed Fourier transform
PEAK = (BETA - 1) * 4 * (2 ** (1 / BETA) - 1) / np.pi  # of such a profile of unit flux and unit FWHM
ACCURACY = galsim.GSParams(folding_threshold=0.1, maxk_threshold=0.03, minimum_fft_size=64)
UNSET = np.finfo(np.float32).min  # what a few templates hold in position of NaN
# Magnitude of the change, by class: a gamma distribution before the faintest, no brighter than the brightest.
FAINTEST, BRIGHTEST = (20.6, 20.4, 20.4, 20.5, 20.4), (16.3, 16.3, 14.0, 15.5, 15.0)
SHAPE, SCALE = (3.0, 3.2, 2.3, 2.0, 3.0), (0.55, 0.45, 1.1, 0.65, 0.9)
ARTEFACTS = ["pixel"] * 7 + ["ray"] * 5 + ["dipole"] * 4 + ["residual", "streak"] * 3 + ["bleed", "edge"] * 2
FLOATS = "jd fid ra dec glat ncovhist sgscore1 distpsnr1 srmag1 magpsf sigmapsf fwhm"
METADATA = [("candid", "<i8"), ("objectId", "S16"), ("isdiffpos", "S2")]
METADATA += [(name, "<f8") for name in FLOATS.split()]


@dataclass(frozen=True)
class Batch:
    """Objects to render together; what they look like depends on no other batch.

    ``objects`` holds the class and the number of alerts of each; ``first`` alerts are in the batches before.
    """

    seed: int
    number: int
    first: int
    objects: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return sum(alerts for _, alerts in self.objects)


def simulate(cases: int, seed: int) -> tuple[Callable[[Batch], dict[str, Any]], list[Batch]]:
    """The simulator of the track: how a task is rendered, and the tasks, with a few alerts to spare."""
    spare = cases // 20 + 10  # some are cut off by the edge of the detector
    return render, batches(cases + spare, seed=seed)


def batches(cases: int, *, seed: int = 0) -> list[Batch]:
    """Deal exactly ``cases`` alerts, the classes mixed as in the challenge, into batches.

    Shares are exact but for rounding, save that a class has at least 20 alerts, or a tenth of the cases if
    that is less. An AGN, SN or VS has one to five alerts, an asteroid or a bogus one.
    """
    rng = default_rng(SeedSequence(seed))
    objects: list[tuple[int, int]] = []
    for label, count in enumerate(_deal(cases)):
        sizes = 1 + rng.choice(len(ALERTS), count, p=ALERTS) * (label in (AGN, SN, VS))
        ends = np.minimum(np.cumsum(sizes), count)
        objects += [(label, int(size)) for size in np.diff(ends, prepend=0) if size]
    objects = [objects[i] for i in rng.permutation(len(objects))]
    dealt: list[Batch] = []
    for start in range(0, len(objects), OBJECTS):
        first = dealt[-1].first + len(dealt[-1]) if dealt else 0
        dealt.append(Batch(seed, len(dealt), first, tuple(objects[start : start + OBJECTS])))
    return dealt


def _deal(cases: int) -> np.ndarray:
    shares = cases * np.array(CHALLENGE, float) / sum(CHALLENGE)
    counts: np.ndarray = np.floor(shares).astype(int)
    counts[np.argsort(counts - shares, kind="stable")[: cases - counts.sum()]] += 1
    fewest = min(FEWEST, cases // 10)
    while (counts < fewest).any():
        counts[np.argmax(fewest - counts)] += 1
        counts[np.argmax(counts - fewest)] -= 1
    return counts


def render(batch: Batch) -> dict[str, Any]:
    """The columns of a data set for the alerts of a batch that the edge of the detector does not cut off.

    ``images`` (n, 63, 63, 3) float32 in counts, NaN where masked, −3.4e38 in a few templates; ``labels`` (n,)
    int8; ``metadata`` (n,) structured, fields named as in the real alerts; ``case_id`` and ``group``, texts.
    """
    rng = default_rng(SeedSequence(batch.seed, spawn_key=(batch.number,)))
    exposures: list[_Exposure] = []
    for label, alerts in batch.objects:
        scene = _scene(label, batch.first + len(exposures), rng)
        nights = rng.uniform(2458850, 2459200) + np.cumsum(rng.exponential(4.0, alerts))
        exposures += [_expose(scene, jd, rng) for jd in nights]
    images = _observe(exposures, rng)
    metadata = _measure(images[..., 2], exposures, batch.first)
    for image, exposure in zip(images, exposures, strict=True):
        image[exposure.scene.mask] = np.nan
        if exposure.scene.unset:
            image[exposure.scene.mask, 1] = UNSET
    whole = np.array([not exposure.scene.cut_off for exposure in exposures])
    return {
        "case_id": [str(candid) for candid in metadata["candid"][whole]],
        "group": [str(name, "ascii") for name in metadata["objectId"][whole]],
        "images": images[whole],
        "labels": np.array([exposure.scene.label for exposure in exposures], np.int8)[whole],
        "metadata": metadata[whole],
    }


class _Scene(NamedTuple):
    """What the alerts of one object share."""

    label: int
    artefact: str
    name: str
    facts: tuple[Any, ...]  # fid … srmag1 of the metadata
    flux: float  # of the typical change
    position: np.ndarray  # (2,) x, y of what changes
    sources: np.ndarray  # (k, 4) x, y, flux, and the share of light from a point: 1 for a star
    galaxies: list[galsim.GSObject]
    template: np.ndarray  # (63, 63), without sky and noise
    grain: np.ndarray  # (63, 63), its noise, relative to that of a science image
    mask: np.ndarray  # (63, 63) bool
    cut_off: bool  # a part of the stamp lies beyond the edge of the detector
    unset: bool  # the template holds −3.4e38 where it is masked


class _Exposure(NamedTuple):
    """One alert before noise."""

    scene: _Scene
    jd: float
    fwhm: float
    sky: float
    noise: float  # of the night, relative to a good one
    static: np.ndarray  # (63, 63)
    change: np.ndarray  # (63, 63)
    sign: int  # −1 where the difference is template minus science
    errors: np.ndarray  # (4,) of the subtraction: flux scale, x, y, seeing


def _scene(label: int, number: int, rng: Generator) -> _Scene:
    flux = _flux(max(FAINTEST[label] - rng.gamma(SHAPE[label], SCALE[label]), BRIGHTEST[label]))
    position = rng.uniform(-0.5, 0.5, 2)
    artefact = str(rng.choice(ARTEFACTS)) if label == BOGUS else ""
    ra, dec, glat = _position(label, rng)
    frame, star = _frame(artefact == "edge", rng)
    rows = _target(label, artefact, flux, position, rng) + star + _field(glat, rng)
    sources = np.array(rows).reshape(-1, 4)
    galaxies = [_galaxy(row, rng) for row in sources if row[3] < 1]
    template = _draw(sources, galaxies, _psf(rng.normal(2.4, 0.12), rng))
    name = "ZTF20" + "".join(chr(ord("a") + number // 26**power % 26) for power in range(6, -1, -1))
    facts = (rng.integers(1, 3), ra, dec, glat, rng.integers(50, 3000), *_nearest(sources, position, rng))
    grain = ndimage.gaussian_filter(rng.standard_normal((SIZE, SIZE), np.float32), 0.5)
    grain /= grain.std() * np.sqrt(rng.uniform(10, 35))  # as many exposures, resampled
    return _Scene(label, artefact, name, facts, flux, position, sources, galaxies, template, grain, *frame)


def _position(label: int, rng: Generator) -> tuple[float, float, float]:
    """Right ascension, declination and galactic latitude in degrees, where the survey finds such objects."""
    while True:
        longitude = rng.uniform(0, 360) * galsim.degrees
        if label == ASTEROID:
            position = galsim.CelestialCoord.from_ecliptic(longitude, rng.normal(0, 8) * galsim.degrees)
        else:
            plane = label == VS and rng.random() < 0.7
            sine = np.clip(rng.laplace(0, 0.09), -1, 1) if plane else rng.uniform(-1, 1)
            position = galsim.CelestialCoord.from_galactic(longitude, np.arcsin(sine) * galsim.radians)
        ra, dec, glat = (
            angle / galsim.degrees for angle in (position.ra, position.dec, position.galactic()[1])
        )
        if dec > -28 and (abs(glat) > 10 or label not in (AGN, SN)):
            return ra, dec, glat


def _target(label: int, artefact: str, flux: float, position: np.ndarray, rng: Generator) -> list[Any]:
    """The row of sources that the template shows of an object that changes by ``flux``, if any."""
    (x, y), angle = position, rng.uniform(0, 2 * np.pi)
    if label == AGN:
        pointlike = rng.choice([rng.uniform(0.08, 0.75), rng.uniform(0.75, 0.98)])
        return [(x, y, flux * 10 ** rng.uniform(0, 0.72) / pointlike, pointlike)]
    if label == SN:
        host = _flux(np.clip(rng.normal(19, 1.7), 15, 23))
        distance = _radius(host) * rng.gamma(2, 0.5)
        return [(x + distance * np.cos(angle), y + distance * np.sin(angle), host, 0)]
    if label == VS:  # a few of them in outburst
        ratio = 10 ** (-rng.uniform(0, 1.4) if rng.random() < 0.07 else rng.uniform(0.06, 1.22))
        return [(x, y, min(flux * ratio, _flux(13)), 1)]
    if artefact in ("dipole", "residual"):  # a dipole's middle is where the slope of the star is steepest
        x, y = (np.cos(angle), np.sin(angle)) if artefact == "dipole" else position
        return [(x, y, _flux(rng.uniform(14, 17)), 1)]
    return []


def _field(glat: float, rng: Generator) -> list[Any]:
    """Rows of stars, more of them near the galactic plane, and of galaxies."""
    stars = rng.poisson((2 + 27 * np.exp(-abs(glat) / 7)) * rng.gamma(4, 0.25))
    rows = [(1, max(21.6 - rng.exponential(1.7), 13)) for _ in range(stars)]
    rows += [(0, max(21.6 - rng.exponential(1.0), 15)) for _ in range(rng.poisson(0.4))]
    return [(*rng.uniform(-33, 33, 2), _flux(magnitude), pointlike) for pointlike, magnitude in rows]


def _flux(magnitude: float) -> float:
    return float(10 ** (0.4 * (ZERO_POINT - magnitude)))


def _radius(flux: float) -> float:
    """Half-light radius of a typical galaxy, 2.2 pixels at magnitude 19."""
    return float(2.2 * (flux / _flux(19)) ** 0.325)


def _galaxy(row: np.ndarray, rng: Generator) -> galsim.GSObject:
    x, y, flux, share = row
    radius = np.clip(_radius(flux) * rng.lognormal(0, 0.3), 0.5, 9)
    profile = galsim.Sersic(rng.choice((1.0, 2.5, 4.0)), radius, flux=flux * (1 - share), gsparams=ACCURACY)
    return profile.shear(g=rng.uniform(0, 0.5), beta=rng.uniform(0, 180) * galsim.degrees).shift(x, y)


def _nearest(sources: np.ndarray, position: np.ndarray, rng: Generator) -> tuple[float, float, float]:
    """Of the nearest source: star-galaxy score, distance in arcseconds, magnitude; −999 if there is none."""
    seen = sources[sources[:, 2] > _flux(22.3)]
    if not len(seen):
        return -999.0, -999.0, -999.0
    distance = np.hypot(*(seen[:, :2] - position - rng.normal(0, 0.13, 2)).T)
    _, _, flux, pointlike = seen[np.argmin(distance)]
    doubt = np.clip(0.5 * _flux(22) / flux, 0.02, 0.5)
    score = np.clip(pointlike + rng.normal(0, doubt), 0, 1)
    return score, 1.01 * distance.min(), ZERO_POINT - 2.5 * np.log10(flux)


def _frame(near_edge: bool, rng: Generator) -> tuple[tuple[np.ndarray, bool, bool], list[Any]]:
    """The mask, whether the stamp is cut off and the template unset; and rows of sources.

    There is no mask, a ragged edge of the detector, or a block, some of these with the row of a bright star.
    """
    kind, unset = rng.random(), bool(rng.random() < 0.04)
    if near_edge or kind < 0.035:
        depth, turns = int(rng.integers(22, 27) if near_edge else rng.integers(1, 25)), int(rng.integers(4))
        ragged = depth + np.repeat(rng.integers(-2, 3, 9), 7)
        if cut_off := bool(rng.random() < 0.25):
            rng.integers(1, depth + 1)  # how far, which nobody sees; what a seed gives depends on the draw
        return (np.rot90(np.arange(SIZE)[:, None] < ragged, turns), cut_off, unset), []
    if kind > 0.155:
        return (np.zeros((SIZE, SIZE), bool), False, False), []
    half, x, y = rng.choice((3, 6, 8, 9)), 0, 0
    while max(abs(x), abs(y)) < half + 5:
        x, y = rng.integers(-34, 35, 2)
    mask = (abs(AXIS[:, None] - y) <= half) & (abs(AXIS - x) <= half)
    star = [(x, y, _flux(rng.uniform(10.5, 13)), 1)] if rng.random() < 0.5 else []
    return (mask, False, unset), star


def _psf(fwhm: float, rng: Generator) -> galsim.GSObject:
    g1, g2 = rng.normal(0, 0.025, 2)
    return galsim.Moffat(beta=BETA, fwhm=fwhm, gsparams=ACCURACY).shear(g1=g1, g2=g2)


def _draw(sources: np.ndarray, galaxies: list[galsim.GSObject], psf: galsim.GSObject) -> np.ndarray:
    """Points directly, as the PSF includes the pixel, and all galaxies in one convolution."""
    image = galsim.ImageF(SIZE, SIZE, scale=1)
    if galaxies:
        galsim.Convolve(galsim.Sum(galaxies), psf).drawImage(image, method="no_pixel")
    stars = sources[sources[:, 3] > 0]
    points = [galsim.Transform(psf, offset=(x, y), flux_ratio=flux * share) for x, y, flux, share in stars]
    if points:
        galsim.Sum(points).drawImage(image, method="no_pixel", add_to_image=True)
    return np.asarray(image.array, np.float32)


def _expose(scene: _Scene, jd: float, rng: Generator) -> _Exposure:
    fwhm = np.clip(rng.lognormal(np.log(2.25), 0.22), 1.6, 5)
    sky = np.clip(rng.lognormal(np.log(135), 0.42), 40, 500)
    noise = max(rng.lognormal(0.15, 0.35), 1)
    psf = _psf(fwhm, rng)
    static = _draw(scene.sources, scene.galaxies, psf)
    detectable = rng.uniform(4.5, 6) * noise * _noise(sky) * fwhm**2 / PEAK
    flux = max(scene.flux * rng.lognormal(0, 0.23), detectable)
    sign, errors = 1, rng.normal(0, (0.01, 0.06, 0.06, 0.015))
    if scene.label == BOGUS:
        sign = int(rng.choice((1, -1))) if scene.artefact not in ("ray", "streak", "bleed") else 1
        change, more = _artefact(scene, flux, psf, rng)
        change, errors = sign * change, errors + sign * more
    elif scene.label == ASTEROID:
        trail = galsim.Box(rng.exponential(0.7) + 0.05, 0.05, flux, gsparams=ACCURACY)
        trail = trail.rotate(rng.uniform(0, 180) * galsim.degrees).shift(*scene.position)
        change = _draw(np.empty((0, 4)), [trail], psf)
    else:
        sign = int(rng.choice((1, -1))) if flux < 0.9 * scene.sources[0, 2:].prod() else 1
        change = _draw(np.array([(*scene.position, sign * flux, 1)]), [], psf)
    return _Exposure(scene, jd, fwhm, sky, noise, static, change, sign, errors)


def _artefact(scene: _Scene, flux: float, psf: galsim.GSObject, rng: Generator) -> tuple[Any, Any]:
    """What a defect adds to the science image (63, 63), and to the errors of the subtraction (4,)."""
    change, errors, angle = np.zeros((SIZE, SIZE)), np.zeros(4), rng.uniform(0, 2 * np.pi)
    if scene.artefact == "dipole":
        errors[1:3] = rng.uniform(0.1, 0.4) * scene.sources[0, :2]
    elif scene.artefact == "residual":
        errors[:] = rng.uniform(0.3, 1.2) * np.array((0.02, 0, 0, -0.06))
    elif scene.artefact == "streak":  # a satellite's trail, or its glints
        change = _line(flux / 2, -45, rng.choice((1.0, rng.uniform(5, 20))), angle, psf)
    elif scene.artefact == "bleed":
        change = _line(flux / 8, 0, 1, np.pi / 2, psf) + _hits(flux, 1, angle, rng)
    else:
        length = rng.uniform(2, 8) if scene.artefact == "ray" else rng.uniform(0.5, 2)
        change = _hits(flux, length, angle, rng)
    return change, errors


def _line(flux: float, start: float, step: float, angle: float, psf: galsim.GSObject) -> np.ndarray:
    steps = np.arange(round(start / step), 46 / step) * step  # through the middle
    return _draw(np.array([(r * np.cos(angle), r * np.sin(angle), flux, 1) for r in steps]), [], psf)


def _hits(flux: float, length: float, angle: float, rng: Generator) -> np.ndarray:
    """Pixels along a line through the middle, sharper than any seeing."""
    steps = np.linspace(-length / 2, length / 2, int(2 * length) + 1)
    rows, columns = np.rint(SIZE // 2 + np.outer((np.sin(angle), np.cos(angle)), steps)).astype(int)
    image = np.zeros((SIZE, SIZE))
    np.add.at(image, (rows, columns), rng.gamma(4, flux / 4 / len(steps), len(steps)))
    return ndimage.gaussian_filter(image, rng.uniform(0.4, 0.8))


def _noise(counts: Any) -> Any:
    return np.sqrt(READ_NOISE**2 + np.maximum(counts, 0) / GAIN)


def _observe(exposures: list[_Exposure], rng: Generator) -> np.ndarray:
    """Science, template and difference with noise, (n, 63, 63, 3) float32."""
    static = np.stack([exposure.static for exposure in exposures])
    change = np.stack([exposure.change for exposure in exposures])
    template = np.stack([exposure.scene.template for exposure in exposures])
    grain = np.stack([exposure.scene.grain for exposure in exposures])
    each = [(e.sky, e.noise, e.sign, *e.errors) for e in exposures]
    sky, night, sign, scale, x, y, seeing = np.array(each, np.float32).T[..., None, None]
    noise = rng.standard_normal(static.shape, np.float32) * night * _noise(sky + static + change)
    grain *= night * _noise(sky + template)
    rows, columns = np.gradient(static, axis=(1, 2))
    curvature = sum(ndimage.correlate1d(static, (1, -2, 1), axis=axis) for axis in (1, 2))
    left = scale * static + x * columns + y * rows + seeing * curvature
    difference = sign * (change + left + noise - grain)
    images: np.ndarray = np.stack([sky + static + change + noise, sky + template + grain, difference], -1)
    return images.astype(np.float32, copy=False)


def _measure(difference: np.ndarray, exposures: list[_Exposure], first: int) -> np.ndarray:
    """Metadata: what the scene knows, and flux and shape of the difference, measured in its middle."""
    rows = [(0, e.scene.name, "ft"[e.sign > 0], e.jd, *e.scene.facts, 0, 0, 0) for e in exposures]
    metadata = np.array(rows, METADATA)
    days = ((metadata["jd"] - 2457754.5) * 1e6).astype(np.int64)
    metadata["candid"] = days * 10**9 + first + np.arange(len(exposures))
    fwhm, noise = np.array([(e.fwhm, e.noise * _noise(e.sky)) for e in exposures]).T[..., None, None]
    middle = slice(SIZE // 2 - 5, SIZE // 2 + 6)
    x, y = AXIS[middle], AXIS[middle, None]
    pixels = difference[:, middle, middle]
    profile = 2.0 ** -((x**2 + y**2) / (fwhm / 2) ** 2)
    norm = (profile**2).sum((1, 2)) / profile.sum((1, 2))
    flux = np.maximum((pixels * profile).sum((1, 2)) / norm, 30)
    error = noise[:, 0, 0] * np.sqrt((profile**2).sum((1, 2))) / norm
    metadata["magpsf"] = ZERO_POINT - 2.5 * np.log10(flux)
    metadata["sigmapsf"] = np.hypot(0.03, 1.0857 * error / flux)
    peak = pixels[:, 4:7, 4:7].max((1, 2))
    metadata["fwhm"] = np.sqrt(flux / np.maximum(peak, 10) * 4 * np.log(2) / np.pi)  # as if Gaussian
    return metadata
