"""UNets that map ellipticities to convergence, and the preparation of their training cases."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf, sqrt
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from baselines.mass_mapping.augmentation import Augmentation, augment, draw
from baselines.mass_mapping.inversion import MAP_SIZE, OFFICIAL, check_convergence, choose, components
from baselines.mass_mapping.kaiser_squires import smoothed_convergence
from baselines.mass_mapping.masked import MaskedKaiserSquires
from baselines.mass_mapping.wiener import Wiener
from baselines.network import Keep, Network, Precision, Schedule
from baselines.protocol import CHUNK, Baseline, BaselineError, Cases, Training, gather, must_be
from metrics import map_scores

MARGIN = 1.1  # the network's range over that of the training set's κ: tanh only tends to its bounds
AS_IT_IS = {"centre": 0.0, "half_range": 1.0, "spread": 1.0}
BASES: dict[str, type[Baseline]] = {"ks93-masked": MaskedKaiserSquires, "wiener": Wiener}


@dataclass
class UNet(Network):
    """The UNet of Barrienlens (2024).

    By default its sizes are those of the report, but not augmentation, output and β₁: the preset ``paper``
    has those of the report, or of its code.

    ``filters`` is the number of filters of the first stage, ``kernel`` the width of all of them in pixels. A
    map is padded by ``padding`` pixels on each side, then halved ``depth`` times. ``decoder`` says how wide
    the stages of the decoder are: see `networks.unet`. The report takes tanh for κ as it is; a
    ``standardised`` network learns κ less its mean in the training set, in units of its standard deviation
    there, and tanh bends it within 1.1 times its range. ``patience`` epochs in a row without a lower
    validation loss end the training, if it is not 0. ``keep`` says which epoch's weights are kept: those of
    the last one, or of the one with the lowest validation loss. The ``cosine`` schedule lowers the learning
    rate to 0 over all epochs; ``plateau`` halves it whenever three epochs in a row do not lower the
    validation loss. ``beta_1`` is Adam's. ``loss_settings`` are settings of the loss.
    """

    track: ClassVar[str] = "mass-mapping"
    summary: ClassVar[str] = "UNet (Barrienlens 2024)"
    layers: ClassVar[str] = "baselines.mass_mapping.networks"
    prediction_batch: ClassVar[int] = 16
    attention: ClassVar[bool] = False
    residual: ClassVar[bool] = False
    shows_ellipticities: ClassVar[bool] = True  # to the network, beside the extra channels
    n_extra_channels: ClassVar[int] = 0  # input maps beside e1, e2 and Δe
    extra_channel_probability: ClassVar[float] = 1.0  # in training; for the other cases these maps are 0

    filters: int = 64
    depth: int = 8
    padding: int = 64
    kernel: int = 3
    decoder: Literal["as-meant", "as-run"] = "as-meant"
    dropout: float = 0.5
    epochs: int = 50
    batch_size: int = 8
    learning_rate: float = 1e-4
    beta_1: float = 0.9
    loss: Literal["mse", "focal", "multifocal", "wmape", "dicee", "dpeaks", "combined"] = "multifocal"
    loss_settings: dict[str, float] = field(default_factory=dict)
    standardised: bool = True
    augmentation: Augmentation = "spin-2"
    patience: int = 0
    keep: Keep = "best"
    schedule: Schedule = "constant"
    precision: Precision = "float32"
    jit: bool = False
    model: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        counts = (self.filters, self.kernel, self.epochs, self.batch_size)
        if not (min(counts) >= 1 and 0 < self.learning_rate < inf and 0 <= self.dropout < 1):
            positive = "filters, kernel, epochs, batch_size and learning_rate"
            raise must_be(positive, "positive, dropout 0 or more and below 1", self)
        if self.patience < 0:
            raise must_be("patience", "0, for none, or a number of epochs", self.patience)
        if not 0 <= self.beta_1 < 1:
            raise must_be("beta_1", "0 or more and below 1", self.beta_1)
        size = MAP_SIZE + 2 * self.padding
        if not (self.depth >= 1 and 0 <= self.padding < MAP_SIZE and size % 2**self.depth == 0):
            expected = f"0 to {MAP_SIZE - 1}, and make a size that can be halved depth times"
            raise must_be("padding", expected, f"{self.padding}, a size of {size}, and depth = {self.depth}")

    @property
    def kernels(self) -> tuple[int, ...]:
        """Widths of the encoder's kernels, which lie side by side; the decoder has the first."""
        return (self.kernel,)

    def extra_channels(self, inputs: np.ndarray) -> np.ndarray:
        """Further input maps (n, n_extra_channels, 128, 128) float32 of ellipticities (n, 128, 128, 3)."""
        return np.empty((len(inputs), 0, *inputs.shape[1:3]), np.float32)

    def network_inputs(self, epsilon: np.ndarray, extra: np.ndarray) -> np.ndarray:
        """Ellipticities (n, H, W, 3), if the network sees them, with extra channels (n, m, H, W) behind them.

        Returns (n, H, W, channels) float32.
        """
        if not (np.ndim(epsilon) == 4 and epsilon.shape[-1] == 3):
            components(epsilon)  # raises
        shown = epsilon if self.shows_ellipticities else epsilon[..., :0]
        channels = shown.shape[-1]
        inputs = np.empty((*shown.shape[:3], channels + extra.shape[1]), np.float32)
        inputs[..., :channels] = shown  # half the time of np.concatenate
        inputs[..., channels:] = np.moveaxis(extra, 1, -1)
        if not np.isfinite(inputs).all():
            components(epsilon)
        return inputs

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one case at the input and at the output of the network."""
        channels = 3 * self.shows_ellipticities + self.n_extra_channels
        return (MAP_SIZE, MAP_SIZE, channels), (MAP_SIZE, MAP_SIZE)

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        """Train the network; return its number of weights, its range, the best epoch and the scores there.

        Extra channels are kept in an unnamed file on the disk of the training's folder, 32 kB a map.
        """
        if not (len(train) and len(validation)):
            cases = f"{len(train)} and {len(validation)}"
            raise must_be("the numbers of training and of validation cases", "1 or more", cases)
        self.loss_function()  # refuses wrong settings before any work
        examples, unseen = (Examples(cases, self, training) for cases in (train, validation))
        return self.learn(examples, unseen, training)

    def learn(self, train: Examples, validation: Examples, training: Training) -> dict[str, Any]:
        """Train a new network; return what `fit` does."""
        scale = train.scale() if self.standardised else AS_IT_IS
        best = self.optimise(partial(self.new_network, **scale), train, validation, training)
        return {"weights": self.model.count_params(), **scale, **best}

    def new_network(self, **scale: float) -> Any:
        """The untrained network, with the scale of its output."""
        from baselines.mass_mapping.networks import unet

        return unet(
            self.filters, self.depth, self.padding, self.kernels, self.dropout, self.shapes[0][-1],
            self.decoder, self.attention, self.residual, **scale,
        )  # fmt: skip

    def optimise(
        self, network: Callable[[], Any], train: Examples, validation: Examples, training: Training
    ) -> dict[str, Any]:
        """Train what ``network`` makes with this baseline's settings; keep it, and return its best epoch."""
        from baselines.backend import keras
        from baselines.batches import Batches
        from baselines.keras_loop import fit
        from baselines.learning_rate import adam

        batches = Batches(train.read, train.shuffled, self.batch_size, training.seed)
        unseen = Batches(validation.read, validation.in_order, self.batch_size, training.seed)
        loss = self.loss_function()

        def build() -> keras.Model:
            model = network()
            steps = self.epochs * len(batches)
            model.compile(adam(self.learning_rate, self.schedule, steps, self.beta_1), loss)
            return model

        self.model, best = fit(
            build, batches, unseen, self.epochs, training, patience=self.patience, schedule=self.schedule,
            scores=official, precision=self.precision, jit=self.jit, keep=self.keep,
        )  # fmt: skip
        return best

    def loss_function(self) -> Any:
        """The `MapLoss` with the loss settings; `BaselineError` for unknown ones and for refused values."""
        from baselines.mass_mapping.losses import LOSSES

        defaults = LOSSES[self.loss].defaults
        for name in self.loss_settings.keys() - defaults.keys():
            available = ", ".join(f"{each} = {value:g}" for each, value in defaults.items()) or "none"
            raise BaselineError(f"loss {self.loss} has no setting {name!r}; its settings are: {available}")
        try:
            return LOSSES[self.loss](**self.loss_settings)
        except ValueError as error:
            raise BaselineError(f"loss_settings of {self.loss}: {error}") from error

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Convergence (n, 128, 128) of ellipticity maps (n, 128, 128, 3); `BaselineError` before `fit`."""

        def read(batch: slice) -> np.ndarray:
            return self.network_inputs(inputs[batch], self.extra_channels(inputs[batch]))

        return self.outputs(len(inputs), read)


EXAMPLE = np.dtype([("case", np.int64), ("symmetry", np.int64), ("with_extra_channels", np.bool_)])
"""A row of the cases, an index into ``SYMMETRIES``, and whether its extra channels are given or 0."""


class Examples:
    """Training cases of a network. Extra channels are computed once and stored on disk."""

    def __init__(self, cases: Cases, baseline: UNet, training: Training) -> None:
        self.cases, self.baseline = cases, baseline
        shape = (len(cases), baseline.n_extra_channels, MAP_SIZE, MAP_SIZE)
        self.extra = np.empty(shape, np.float16)
        if baseline.n_extra_channels:
            # Gone with the process, however that ends.
            with tempfile.TemporaryFile(dir=training.folder) as file:
                for number, (inputs, _) in enumerate(cases.chunks(), 1):
                    file.write(baseline.extra_channels(inputs).astype(np.float16).tobytes())
                    training.progress(min(number * CHUNK, len(cases)), len(cases), "cases prepared")
                file.flush()
                self.extra = np.memmap(file, np.float16, "r", shape=shape)

    def scale(self) -> dict[str, float]:
        """The mean of κ, half the width of a range about it that holds κ, and its standard deviation.

        For a residual network they are those of the correction, about 0.
        """
        least, most, total, squares = inf, -inf, 0.0, 0.0
        for start in range(0, len(self.cases), CHUNK):
            chunk = slice(start, start + CHUNK)
            target = self.cases.truth[chunk].astype(np.float32)
            check_convergence(target, np.arange(start, start + len(target)))
            if self.baseline.residual:
                target -= self.extra[chunk, -1]
            least, most = min(least, float(target.min())), max(most, float(target.max()))
            total += float(target.mean(axis=(1, 2), dtype=np.float64).sum())
            squares += float(np.square(target, dtype=np.float64).mean(axis=(1, 2)).sum())
        mean, square = total / len(self.cases), squares / len(self.cases)
        centre = 0.0 if self.baseline.residual else mean
        half_range = MARGIN * max(most - centre, centre - least) or 1.0  # 0 if all maps are the same constant
        return {"centre": centre, "half_range": half_range, "spread": sqrt(max(square - centre**2, 0.0))}

    def shuffled(self, rng: np.random.Generator) -> np.ndarray:
        """The examples (N,) of an epoch of training: every case once, in random order."""
        examples = self.in_order(rng)
        examples["symmetry"] = draw(self.baseline.augmentation, len(examples), rng)
        probability = self.baseline.extra_channel_probability
        examples["with_extra_channels"] = rng.random(len(examples)) < probability
        examples["case"] = rng.permutation(len(examples))
        return examples

    def in_order(self, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG002
        """The examples (N,) of a validation: every case once, under the identity, with its extra channels."""
        examples = np.zeros(len(self.cases), EXAMPLE)
        examples["case"], examples["with_extra_channels"] = np.arange(len(examples)), True
        return examples

    def read(self, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, 128, 128, 3 + n_extra_channels) and targets (n, 128, 128) of examples (n,), float32."""
        examples = np.sort(examples, order="case")  # as they lie on the disk
        cases, mask = examples["case"], examples["with_extra_channels"].astype(np.float16)
        extra = self.extra[cases] * mask[:, None, None, None]
        target = gather(self.cases.truth, cases)[:, None]
        check_convergence(target[:, 0], cases)
        epsilon, maps = augment(
            gather(self.cases.inputs, cases), np.concatenate([extra, target], axis=1),
            examples["symmetry"], self.baseline.augmentation,
        )  # fmt: skip
        return self.baseline.network_inputs(epsilon, maps[:, :-1]), maps[:, -1].astype(np.float32)


def official(target: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    """The means of the ranked scores over maps (n, H, W)."""
    scores = map_scores(target, prediction, OFFICIAL)
    return {name: float(np.mean(score)) for name, score in scores.items()}


@dataclass
class UNet2k(UNet):
    """UNet-2k of the same report: in each stage of the encoder a small and a large kernel, side by side."""

    summary: ClassVar[str] = "UNet with kernels of two widths in its encoder (Barrienlens 2024)"

    large_kernel: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filters % 2 or self.large_kernel < 1:
            raise must_be("filters", "even, and large_kernel positive", self)

    @property
    def kernels(self) -> tuple[int, ...]:
        """The small kernel, which the decoder has too, and the large one."""
        return (self.kernel, self.large_kernel)


@dataclass
class UNetAttention(UNet):
    """The UNet with attention gates (Oktay et al. 2018) on its skip connections."""

    summary: ClassVar[str] = "UNet with attention gates (Oktay et al. 2018)"
    attention: ClassVar[bool] = True


@dataclass
class UNetKS93(UNet):
    """The UNet with the KS93 map as a fourth channel, which is 0 for a random half of the training cases."""

    summary: ClassVar[str] = "UNet with the KS93 map as an additional input (Barrienlens 2024)"
    n_extra_channels: ClassVar[int] = 1
    extra_channel_probability: ClassVar[float] = 0.5

    ks93_sigma: float = 2.0  # pixels; of the published code

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.ks93_sigma < inf:
            raise must_be("ks93_sigma", "0 or more, in pixels", self.ks93_sigma)

    def extra_channels(self, inputs: np.ndarray) -> np.ndarray:
        """KS93 smoothed by a Gaussian of ``ks93_sigma`` pixels, (n, 1, 128, 128)."""
        return smoothed_convergence(inputs, self.ks93_sigma)[:, None]


@dataclass
class UNetKS93Only(UNetKS93):
    """The UNet with the KS93 map as its only input, which the report mentions without a score."""

    summary: ClassVar[str] = "UNet with the KS93 map as its only input (Barrienlens 2024)"
    shows_ellipticities: ClassVar[bool] = False
    extra_channel_probability: ClassVar[float] = 1.0


@dataclass
class UNetFinetuned(UNet):
    """The UNet, then trained further in its last layer only, with the loss 0.95 MultiFocal + 0.05 WMAPE.

    A run of `UNet` that it starts from takes the place of the first training.
    """

    summary: ClassVar[str] = "UNet with its last layer fine-tuned for WMAPE (Barrienlens 2024)"
    starts_from: ClassVar[str] = "unet"
    same_as_start: ClassVar[tuple[str, ...]] = (
        "filters", "depth", "padding", "kernel", "decoder", "standardised",
    )  # fmt: skip

    finetuning_epochs: int = 10
    finetuning_learning_rate: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.finetuning_epochs >= 1 and 0 < self.finetuning_learning_rate < inf):
            raise must_be("finetuning_epochs and finetuning_learning_rate", "positive", self)

    def learn(self, train: Examples, validation: Examples, training: Training) -> dict[str, Any]:
        """Train the UNet, then its last layer; return the record of both."""
        from baselines.mass_mapping.networks import LAST, keras

        if training.start:
            self.restore(training.start)
            first: dict[str, Any] = {"weights": self.model.count_params()}
        else:
            first = super().learn(train, validation, training)
        whole = self.model

        def tunable() -> keras.Model:
            model = keras.models.clone_model(whole)
            model.set_weights(whole.get_weights())
            for layer in model.layers:
                layer.trainable = layer.name == LAST
            return model

        second = replace(training, folder=training.folder / "finetuning", start=None)
        second.folder.mkdir(exist_ok=True)
        epochs, rate = self.finetuning_epochs, self.finetuning_learning_rate
        tuner = replace(self, epochs=epochs, learning_rate=rate, loss="combined", loss_settings={})
        best = tuner.optimise(tunable, train, validation, second)
        self.model = tuner.model
        return {**first, "finetuning": best}


@dataclass
class UNetResidual(UNet):
    """A UNet that corrects a training-free map, its base. Two smoothed KS93 maps are further inputs.

    With the base ``wiener`` it is like DeepMass (Jeffrey et al. 2020, MNRAS 492, 5023). ``best`` takes the
    base with the better validation scores.
    """

    summary: ClassVar[str] = "UNet that learns the correction to a training-free map (as DeepMass)"
    sigmas: ClassVar[tuple[float, ...]] = (1.0, 2.0)  # pixels, of the KS93 maps
    n_extra_channels: ClassVar[int] = len(sigmas) + 1
    residual: ClassVar[bool] = True

    base: Literal["best", "ks93-masked", "wiener"] = "best"
    fitted: Any = field(default=None, init=False, repr=False, compare=False)

    def extra_channels(self, inputs: np.ndarray) -> np.ndarray:
        """The smoothed KS93 maps, and last the base, which the network corrects: (n, 3, 128, 128)."""
        plain = [smoothed_convergence(inputs, sigma) for sigma in self.sigmas]
        return np.stack([*plain, self.fitted.predict(inputs)], axis=1)

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        """Fit and choose the base, then train the network; return the record of both."""
        self.loss_function()  # refuses wrong settings before the bases are fitted
        bases = {name: BASES[name]() for name in (BASES if self.base == "best" else (self.base,))}
        records = {name: base.fit(train, validation, training) for name, base in bases.items()}

        def attempts(inputs: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
            return ((name, base.predict(inputs)) for name, base in bases.items())

        best, scores = choose(validation, attempts, training)
        self.fitted = bases[best]
        chosen = {"name": best, **records[best], **scores}
        return {"base": chosen, **super().fit(train, validation, training)}

    def save(self, folder: Path) -> None:
        """Write the network, and the base in a folder of its name."""
        super().save(folder)
        name = next(name for name, kind in BASES.items() if type(self.fitted) is kind)
        (folder / name).mkdir()
        self.fitted.save(folder / name)

    def restore(self, folder: Path) -> None:
        """Read both again; `BaselineError` if one is missing."""
        super().restore(folder)
        name = next((name for name in BASES if (folder / name).is_dir()), None)
        if name is None:
            raise must_be(f"the folder of the base in {folder}", " or ".join(BASES), "none")
        self.fitted = BASES[name]()
        self.fitted.restore(folder / name)
