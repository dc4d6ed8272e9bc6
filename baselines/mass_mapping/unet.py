"""Baselines that learn the map from ellipticities to convergence with a UNet."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from baselines.mass_mapping.augmentation import Augmentation, augment, draw
from baselines.mass_mapping.inversion import OFFICIAL, choose, components
from baselines.mass_mapping.kaiser_squires import convergence_from_shear, smoothed_convergence
from baselines.mass_mapping.masked import MaskedKaiserSquires
from baselines.mass_mapping.wiener import Wiener
from baselines.protocol import CHUNK, Baseline, BaselineError, Cases, Training

SIZE = 128  # pixels, the width of a map
MARGIN = 1.1  # the network's range over that of the training set's κ: tanh only tends to its bounds
PREDICTED = 16  # maps that pass through the network together
BASES: dict[str, type[Baseline]] = {"ks93-masked": MaskedKaiserSquires, "wiener": Wiener}


@dataclass
class UNet:
    """The UNet of Barrienlens (2024), with the settings of its report.

    ``filters`` are those of the first stage, ``kernel`` is the width of all, in pixels; ``padding`` is how
    far a map is continued on each side before it is halved ``depth`` times. The network's range has the mean
    κ of the training set for a centre, and reaches 1.1 times as far as κ does. The training ends when
    ``patience`` epochs in a row, if it is not 0, have brought no better validation loss; the ``cosine``
    schedule lowers the learning rate to 0 over all epochs. ``loss_settings`` are arguments of the loss.
    """

    track: ClassVar[str] = "mass-mapping"
    summary: ClassVar[str] = "UNet, 30.6 million weights (Barrienlens 2024)"
    packages: ClassVar[tuple[str, ...]] = ("keras", "tensorflow")
    attention: ClassVar[bool] = False
    residual: ClassVar[bool] = False
    further: ClassVar[int] = 0  # input maps beside e1, e2 and Δe
    shown: ClassVar[float] = 1.0  # share of the training cases of an epoch that these are given for, else 0

    filters: int = 64
    depth: int = 8
    padding: int = 64
    kernel: int = 3
    dropout: float = 0.5
    epochs: int = 50
    batch_size: int = 8
    learning_rate: float = 1e-4
    loss: Literal["mse", "focal", "multifocal", "wmape", "dicee", "dpeaks", "combined"] = "multifocal"
    loss_settings: dict[str, float] = field(default_factory=dict)
    augmentation: Augmentation = "spin-2"
    patience: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    jit: bool = False
    model: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        counts = (self.filters, self.kernel, self.epochs, self.batch_size)
        if not (min(counts) >= 1 and 0 < self.learning_rate < inf and 0 <= self.dropout < 1):
            raise BaselineError(
                "filters, kernel, epochs, batch_size and learning_rate must be positive, "
                f"dropout 0 or more and below 1, got {self}"
            )
        if self.patience < 0:
            raise BaselineError(f"patience must be 0, for none, or a number of epochs, got {self.patience}")
        size = SIZE + 2 * self.padding
        if not (self.depth >= 1 and 0 <= self.padding < SIZE and size % 2**self.depth == 0):
            raise BaselineError(
                f"padding must be 0 to {SIZE - 1} and make a size that can be halved depth times, "
                f"got depth = {self.depth} and padding = {self.padding}, and so a size of {size}"
            )

    @property
    def kernels(self) -> tuple[int, ...]:
        """Those of the encoder, side by side; the first is the decoder's."""
        return (self.kernel,)

    def further_maps(self, inputs: np.ndarray) -> np.ndarray:
        """Input maps (n, further, 128, 128) float32 beside the ellipticities (n, 128, 128, 3) themselves."""
        return np.empty((len(inputs), 0, *inputs.shape[1:3]), np.float32)

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        """Further maps wait in a nameless file on the disk of the training's folder, 32 kB a case."""
        if not (len(train) and len(validation)):
            raise BaselineError("there are no cases to train on, or none to validate on")
        seen, unseen = (Examples(cases, self, training.folder) for cases in (train, validation))
        return self.learn(seen, unseen, training)

    def learn(self, train: Examples, validation: Examples, training: Training) -> dict[str, Any]:
        """Train the network, and return what ``fit`` does."""
        from baselines.mass_mapping.networks import unet

        centre, half_range = train.value_range()
        make = partial(
            unet, self.filters, self.depth, self.padding, self.kernels, self.dropout, 3 + self.further,
            self.attention, self.residual, centre, half_range,
        )  # fmt: skip
        reached = self.optimise(make, train, validation, training)
        weights = self.model.count_params()
        return {"weights": weights, "centre": centre, "half_range": half_range, **reached}

    def optimise(
        self, make: Callable[[], Any], train: Examples, validation: Examples, training: Training
    ) -> dict[str, Any]:
        """Train the network that ``make`` gives with this baseline's settings, and keep it."""
        from baselines.keras_loop import Batches, adam, fit, keras

        seen = Batches(train.read, train.shuffled, self.batch_size, training.seed)
        unseen = Batches(validation.read, validation.as_they_are, self.batch_size, training.seed)
        loss = self.loss_function()

        def build() -> keras.Model:
            network = make()
            rate = adam(self.learning_rate, self.schedule, self.epochs * len(seen))
            network.compile(optimizer=rate, loss=loss)
            return network

        self.model, reached = fit(
            build, seen, unseen, self.epochs, training, patience=self.patience, scores=official,
            precision=self.precision, jit=self.jit,
        )  # fmt: skip
        return reached

    def loss_function(self) -> Any:
        """The loss with its settings: those of its arguments that are numbers."""
        from baselines.mass_mapping.losses import LOSSES

        arguments = inspect.signature(LOSSES[self.loss]).parameters.values()
        known = {each.name: each.default for each in arguments if isinstance(each.default, int | float)}
        for name in self.loss_settings.keys() - known.keys():
            there_are = ", ".join(f"{each} = {value:g}" for each, value in known.items()) or "none"
            raise BaselineError(f"loss {self.loss} has no setting {name!r}; its settings are: {there_are}")
        try:
            return LOSSES[self.loss](**self.loss_settings)
        except ValueError as error:
            raise BaselineError(f"loss_settings of {self.loss}: {error}") from error

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        if self.model is None:
            raise BaselineError("the network has learnt nothing yet: train it, or restore a trained one")
        kappa = np.empty(inputs.shape[:3], np.float32)
        for start in range(0, len(inputs), PREDICTED):
            part = slice(start, start + PREDICTED)
            seen = network_inputs(inputs[part], self.further_maps(inputs[part]))
            kappa[part] = self.model.predict_on_batch(seen)
        return kappa

    def save(self, folder: Path) -> None:
        from baselines import keras_loop as loop

        loop.save(self.model, folder)

    def restore(self, folder: Path) -> None:
        from baselines import keras_loop as loop
        from baselines.mass_mapping import networks  # noqa: F401 (its layers, by whose names a file is read)

        self.model = loop.load(folder, (SIZE, SIZE, 3 + self.further), (SIZE, SIZE))


class Examples:
    """Cases as a network is shown them, with their further maps, which are made once and kept on the disk."""

    def __init__(self, cases: Cases, baseline: UNet, folder: Path) -> None:
        self.cases, self.baseline = cases, baseline
        shape = (len(cases), baseline.further, SIZE, SIZE)
        self.maps = np.empty(shape, np.float16)
        if baseline.further:
            with tempfile.TemporaryFile(dir=folder) as file:  # gone with the process, however that ends
                for start in range(0, len(cases), CHUNK):
                    maps = baseline.further_maps(cases.inputs[start : start + CHUNK])
                    file.write(maps.astype(np.float16).tobytes())
                file.flush()
                self.maps = np.memmap(file, np.float16, "r", shape=shape)

    def value_range(self) -> tuple[float, float]:
        """The centre and half the width of a range that holds κ, or what a residual network adds: about 0."""
        least, most, total = inf, -inf, 0.0
        for start in range(0, len(self.cases), CHUNK):
            part = slice(start, start + CHUNK)
            kappa = np.asarray(self.cases.truth[part], np.float32)
            if self.baseline.residual:
                kappa = kappa - self.maps[part, -1]
            least, most = min(least, float(kappa.min())), max(most, float(kappa.max()))
            total += float(kappa.mean(axis=(1, 2), dtype=np.float64).sum())
        mean = total / len(self.cases)
        if not abs(mean) < inf:
            raise BaselineError(f"expected finite training maps of κ. Received: a mean of {mean}")
        centre = 0.0 if self.baseline.residual else mean
        return centre, MARGIN * max(most - centre, centre - least)

    def shuffled(self, rng: np.random.Generator) -> np.ndarray:
        """Rows (n, 3) to read in an epoch: a case, its symmetry, and whether it shows its further maps."""
        cases = len(self.cases)
        symmetries = draw(self.baseline.augmentation, cases, rng)
        shown = rng.random(cases) < self.baseline.shown
        return np.stack([rng.permutation(cases), symmetries, shown], axis=1)

    def as_they_are(self, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG002
        return np.arange(len(self.cases))[:, None] * (1, 0, 0) + (0, 0, 1)

    def read(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cases, symmetries, shown = rows[np.argsort(rows[:, 0])].T  # in the order that they lie on the disk
        further = self.maps[cases] * shown.astype(np.float16)[:, None, None, None]
        kappa = gather(self.cases.truth, cases)[:, None]
        inputs, maps = augment(
            gather(self.cases.inputs, cases), np.concatenate([further, kappa], axis=1),
            symmetries, self.baseline.augmentation,
        )  # fmt: skip
        return network_inputs(inputs, maps[:, :-1]), maps[:, -1].astype(np.float32)


def gather(column: Any, rows: np.ndarray) -> np.ndarray:
    """Rows of an array or of an HDF5 data set, of which slices are read a hundred times as fast as lists."""
    return np.concatenate([column[row : row + 1] for row in rows])


def network_inputs(epsilon: np.ndarray, further: np.ndarray) -> np.ndarray:
    """Ellipticities (n, H, W, 3) and further maps (n, m, H, W) as (n, H, W, 3 + m) float32."""
    if not (np.ndim(epsilon) == 4 and epsilon.shape[-1] == 3):
        components(epsilon)  # says what is wrong
    inputs = np.concatenate([epsilon, np.moveaxis(further, 1, -1)], axis=-1, dtype=np.float32)
    if not np.isfinite(inputs).all():
        components(epsilon)
    return inputs


def official(truth: np.ndarray, kappa: np.ndarray) -> dict[str, float]:
    return {name: float(np.mean(score(truth, kappa))) for name, score in OFFICIAL.items()}


@dataclass
class UNet2k(UNet):
    """UNet-2k of the same report: in each stage of the encoder a small and a large kernel, side by side."""

    summary: ClassVar[str] = "UNet whose encoder has kernels of two widths (Barrienlens 2024)"

    large_kernel: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filters % 2 or self.large_kernel < 1:
            raise BaselineError(f"filters must be even and large_kernel positive, got {self}")

    @property
    def kernels(self) -> tuple[int, ...]:
        return (self.kernel, self.large_kernel)


@dataclass
class UNetAttention(UNet):
    """The UNet with attention gates (Oktay et al. 2018) on what the decoder takes from the encoder."""

    summary: ClassVar[str] = "UNet with attention gates (Oktay et al. 2018)"
    attention: ClassVar[bool] = True


@dataclass
class UNetKS93(UNet):
    """The UNet with KS93 as a fourth input map: in training only for a random half of the cases, else 0."""

    summary: ClassVar[str] = "UNet that is shown the KS93 map too (Barrienlens 2024)"
    further: ClassVar[int] = 1
    shown: ClassVar[float] = 0.5

    def further_maps(self, inputs: np.ndarray) -> np.ndarray:
        e1, e2, _ = components(inputs)
        return convergence_from_shear(e1, e2)[:, None]


@dataclass
class UNetFinetuned(UNet):
    """The UNet, then its last layer alone trained on, with 0.95 MultiFocal + 0.05 WMAPE for a loss."""

    summary: ClassVar[str] = "UNet whose last layer is then tuned for WMAPE too (Barrienlens 2024)"

    finetuning_epochs: int = 10
    finetuning_learning_rate: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.finetuning_epochs >= 1 and 0 < self.finetuning_learning_rate < inf):
            raise BaselineError(
                f"finetuning_epochs and finetuning_learning_rate must be positive, got {self}"
            )

    def learn(self, train: Examples, validation: Examples, training: Training) -> dict[str, Any]:
        from baselines.mass_mapping.networks import LAST, keras

        first = super().learn(train, validation, training)
        whole = self.model

        def tunable() -> keras.Model:
            network = keras.models.clone_model(whole)
            network.set_weights(whole.get_weights())
            for layer in network.layers:
                layer.trainable = layer.name == LAST
            return network

        folder = training.folder / "finetuning"
        folder.mkdir(exist_ok=True)
        epochs, rate = self.finetuning_epochs, self.finetuning_learning_rate
        tuner = replace(self, epochs=epochs, learning_rate=rate, loss="combined", loss_settings={})
        reached = tuner.optimise(tunable, train, validation, replace(training, folder=folder, start=None))
        self.model = tuner.model
        return {**first, "finetuning": reached}


@dataclass
class UNetResidual(UNet):
    """A UNet that corrects a training-free map, which it is shown beside two plain ones.

    With ``wiener`` for a base it is in the way of DeepMass (Jeffrey et al. 2020, MNRAS 492, 5023). The
    ``best`` base is the one that maps the validation cases better.
    """

    summary: ClassVar[str] = "UNet that learns the correction to a training-free map (as DeepMass does)"
    sigmas: ClassVar[tuple[float, ...]] = (1.0, 2.0)  # pixels, of the KS93 maps that hold what the base lost
    further: ClassVar[int] = len(sigmas) + 1
    residual: ClassVar[bool] = True

    base: Literal["best", "ks93-masked", "wiener"] = "best"
    fitted: Any = field(default=None, init=False, repr=False, compare=False)

    def further_maps(self, inputs: np.ndarray) -> np.ndarray:
        plain = [smoothed_convergence(inputs, sigma) for sigma in self.sigmas]
        return np.stack([*plain, self.fitted.predict(inputs)], axis=1)

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        bases = {name: BASES[name]() for name in (BASES if self.base == "best" else (self.base,))}
        records = {name: base.fit(train, validation, training) for name, base in bases.items()}
        best, reached = choose(
            validation,
            lambda inputs: ((name, base.predict(inputs)) for name, base in bases.items()),
            training,
        )
        self.fitted = bases[best]
        chosen = {"name": best, **records[best], **reached}
        return {"base": chosen, **super().fit(train, validation, training)}

    def save(self, folder: Path) -> None:
        super().save(folder)
        name = next(name for name, kind in BASES.items() if type(self.fitted) is kind)
        (folder / name).mkdir()
        self.fitted.save(folder / name)

    def restore(self, folder: Path) -> None:
        super().restore(folder)
        for name in BASES:
            if (folder / name).is_dir():
                self.fitted = BASES[name]()
                self.fitted.restore(folder / name)
                return
        raise BaselineError(f"{folder}: expected a folder of the base, {' or '.join(BASES)}. Received: none")
