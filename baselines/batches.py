"""The batches of an epoch, in an order that depends only on the seed and the number of the epoch."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np

from baselines import backend
from baselines.backend import keras
from baselines.protocol import must_be


class Batches(keras.utils.PyDataset):
    """Batches whose order depends only on the seed and the number of the epoch.

    ``order(rng)`` draws the rows of an epoch, always equally many; ``read(rows)`` returns their inputs and
    truth. With several ``devices`` the last rows are left out, so that each device has as many.
    """

    def __init__(
        self, read: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
        order: Callable[[np.random.Generator], np.ndarray], batch_size: int, seed: int,
    ) -> None:  # fmt: skip
        super().__init__(workers=backend.n_readers())
        self.read, self.order, self.batch_size, self.seed = read, order, batch_size, seed
        self.devices = 1
        self.fault: Exception | None = None
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draw the rows of an epoch."""
        rows = self.order(np.random.default_rng(np.random.SeedSequence([self.seed, epoch])))
        self.rows = rows[: len(rows) // self.devices * self.devices]

    def share(self, devices: int) -> None:
        """Have each batch shared by so many devices.

        Raises `BaselineError` if its size is no multiple of them, or if there are fewer cases than devices.
        """
        if self.batch_size % devices:
            raise must_be("batch_size", f"a multiple of the {devices} devices", self.batch_size)
        if len(self.rows) < devices:
            raise must_be("the number of cases", f"{devices} or more, one for each device", len(self.rows))
        self.devices = devices
        self.begin(0)

    def __len__(self) -> int:
        return ceil(len(self.rows) / self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self.read(self.rows[number * self.batch_size : (number + 1) * self.batch_size])
        except Exception as error:
            self.fault = error  # TensorFlow raises another one in its place
            raise
