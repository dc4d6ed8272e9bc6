"""Convolutional networks for stamps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import softmax

from baselines.protocol import BaselineError, Cases, Training
from baselines.stamps.preparation import N_CLASSES, STAMP_SHAPE, class_labels, prepare, prepared
from baselines.stamps.sampling import SAMPLERS


@dataclass
class PlainCNN:
    """The plain network of Castillo & Foix (2020): cross-entropy, Adam, the smaller classes repeated.

    The defaults are theirs, but for the batch size, which they do not state: 32 is ALeRCE's. ``size`` is the
    width in pixels of the central part of the stamp that is looked at.
    """

    track: ClassVar[str] = "stamps"
    summary: ClassVar[str] = "plain convolutional network, 210,117 weights (Castillo & Foix 2020)"
    packages: ClassVar[tuple[str, ...]] = ("keras", "tensorflow")

    epochs: int = 19
    batch_size: int = 32
    learning_rate: float = 1e-3
    sampling: Literal["balanced", "unchanged"] = "balanced"
    size: Literal[21, 41, 63] = 21
    model: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not (self.epochs >= 1 and self.batch_size >= 1 and 0 < self.learning_rate < float("inf")):
            raise BaselineError(f"epochs, batch_size and learning_rate must be positive, got {self}")

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        from baselines import training as loop
        from baselines.stamps.networks import keras, plain_cnn

        def build() -> keras.Model:
            model = plain_cnn(self.size)
            model.compile(
                optimizer=keras.optimizers.Adam(self.learning_rate),
                loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"],
            )
            return model

        def batches(cases: Cases, sampling: str) -> loop.Batches:
            labels, stamps = class_labels(cases), prepared(cases, self.size)
            return loop.Batches(
                read=lambda rows: (stamps[rows], labels[rows]),
                order=lambda rng: SAMPLERS[sampling](labels, rng),
                batch_size=self.batch_size,
                seed=training.seed,
            )

        seen = batches(train, self.sampling)
        self.model, reached = loop.fit(build, seen, batches(validation, "unchanged"), self.epochs, training)
        return {"weights": self.model.count_params(), "cases_an_epoch": len(seen.rows), **reached}

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        if self.model is None:
            raise BaselineError("the network has learnt nothing yet: train it, or restore a trained one")
        logits = self.model.predict_on_batch(prepare(inputs, self.size))
        probabilities: np.ndarray = softmax(logits, axis=1)
        return probabilities

    def save(self, folder: Path) -> None:
        from baselines import training as loop

        loop.save(self.model, folder)

    def restore(self, folder: Path) -> None:
        from baselines import training as loop

        self.model = loop.load(folder, (self.size, self.size, STAMP_SHAPE[2]), (N_CLASSES,))
