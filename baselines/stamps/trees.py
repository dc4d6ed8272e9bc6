"""Boosted trees on metadata, without images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from zipfile import ZipFile

import numpy as np

from baselines.protocol import BaselineError, Cases, Training, must_be, untrained
from baselines.stamps.metadata import COLUMNS, column_names, features_of, metadata_features
from baselines.stamps.preparation import N_CLASSES, class_labels
from metrics import log_loss

FILE = "trees.skops"
MAX_BYTES = 64 << 20  # of its files when unpacked; 200 trees a class take 5 MB
MAX_LEAVES = 31  # of a tree
HUGE = 1e100  # beyond any value of a leaf, and of a sum over many
TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]  # beside what skops knows


@dataclass
class MetadataTrees:
    """Histogram-based gradient boosting, every class with the same total weight.

    ``columns`` names the metadata, separated by blanks; ``?`` marks columns that may be missing. Of up to
    ``iterations`` trees a class, as many are kept as give the lowest log-loss on the validation set.
    """

    track: ClassVar[str] = "stamps"
    summary: ClassVar[str] = "gradient-boosted trees on the metadata alone"
    packages: ClassVar[tuple[str, ...]] = ("sklearn", "skops")
    needs_metadata: ClassVar[bool] = True

    iterations: int = 200
    learning_rate: float = 0.05
    columns: str = COLUMNS
    model: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.names = column_names(self.columns)
        if not (self.iterations >= 1 and 0 < self.learning_rate < float("inf")):
            raise must_be("iterations and learning_rate", "positive", self)

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        """Fit the trees; return the number of iterations kept, and their validation log-loss."""
        labels, features = class_labels(train), features_of(train, self.names)
        validation_labels, validation_features = class_labels(validation), features_of(validation, self.names)
        if len(np.unique(labels)) < 2:
            raise must_be("training cases", "of two classes or more", f"class {labels[0]} alone")
        # A column without any value cannot be binned; on a constant one no tree splits.
        features[:, np.isnan(features).all(axis=0)] = 0
        training.progress(0, 2, f"{self.iterations} trees a class")
        model = self._trees(self.iterations, training.seed).fit(features, labels)
        stages = model.staged_predict_proba(validation_features)
        losses = [log_loss(validation_labels, _of_all_classes(model, stage)) for stage in stages]
        best = int(np.argmin(losses)) + 1
        training.progress(1, 2, f"{best} trees a class, log-loss {losses[best - 1]:.4f}")
        self.model = self._trees(best, training.seed).fit(features, labels)
        training.progress(2, 2, "done")
        seen = np.minimum(np.bincount(labels, minlength=N_CLASSES), 1)  # balanced: all weigh the same
        shares = (seen / seen.sum()).tolist()
        return {"iterations": best, "val_log_loss": losses[best - 1], "class_shares": shares}

    def _trees(self, iterations: int, seed: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            max_iter=iterations, max_leaf_nodes=MAX_LEAVES, learning_rate=self.learning_rate,
            class_weight="balanced", early_stopping=False,
            random_state=int(np.random.SeedSequence(seed).generate_state(1)[0]),
        )  # fmt: skip

    def predict(self, inputs: np.ndarray, metadata: np.ndarray | None = None) -> np.ndarray:  # noqa: ARG002
        """Class probabilities (n, 5) from metadata (n,) alone; `BaselineError` before `fit`."""
        if self.model is None:
            raise untrained("metadata-trees")
        features = metadata_features(metadata, self.names)
        return _of_all_classes(self.model, self.model.predict_proba(features))

    def save(self, folder: Path) -> None:
        """Write the trees as ``trees.skops``."""
        from skops import io

        io.dump(self.model, folder / FILE)

    def restore(self, folder: Path) -> None:
        """Read the trees again; `BaselineError` for a file with any type that trees do not need.

        No code in the file is run. Of what it holds only the nodes, the classes and the prediction without
        any tree are used, in a model that is made here: scikit-learn's compiled code believes the rest.
        """
        from skops import io

        path = folder / FILE
        try:
            with ZipFile(path) as files:
                size = sum(member.file_size for member in files.infolist())
            if size > MAX_BYTES:
                raise must_be(str(path), f"{MAX_BYTES:,} bytes at most when unpacked", f"{size:,}")
            self.model = self._again(io.load(path, trusted=TRUSTED))
        except Exception as error:  # skops raises many kinds of errors on a damaged file
            raise BaselineError(f"{path} holds no trees that can be loaded: {str(error)[:300]!r}") from error

    def _again(self, stored: Any) -> Any:
        """A model with the nodes of another one, all of which were checked."""
        columns, classes = len(self.names), np.asarray(stored.classes_)
        model = self._trees(1, 0)
        if (type(stored), stored.n_features_in_) != (type(model), columns):
            got = f"{type(stored).__name__} on {stored.n_features_in_}"
            raise must_be("the model", f"trees on {columns} columns", got)
        if classes.dtype.kind not in "iu" or not np.isin(classes, np.arange(N_CLASSES)).all():
            raise must_be("the classes", f"numbers below {N_CLASSES}", classes)
        model.fit(np.zeros((len(classes), columns)), classes)
        if not np.array_equal(classes, model.classes_):
            raise must_be("the classes", "in order, each once", classes)
        trees = [
            [_checked(tree, like, columns) for tree, like in zip(trees, model._predictors[0], strict=True)]
            for trees in stored._predictors
        ]
        baseline, shape = np.array(stored._baseline_prediction, np.float64), model._baseline_prediction.shape
        if baseline.shape != shape or not (np.abs(baseline) < HUGE).all():
            raise must_be("the prediction without any tree", f"{shape}, finite", baseline)
        model._predictors, model._baseline_prediction = trees, baseline
        return model


def _checked(tree: Any, like: Any, columns: int) -> Any:
    """A tree with the nodes of ``tree``, of the type of ``like``; `BaselineError` if one of them is unsound.

    Children must come later than their parents, so that every path ends.
    """
    nodes = np.array(tree.nodes)
    if nodes.dtype != like.nodes.dtype or nodes.ndim != 1 or not 1 <= len(nodes) < 2 * MAX_LEAVES:
        expected = f"1 to {2 * MAX_LEAVES - 1} {like.nodes.dtype}"
        raise must_be("the nodes of a tree", expected, f"{nodes.dtype} {nodes.shape}")
    index = np.arange(len(nodes))
    leaf, inner = nodes["is_leaf"] == 1, nodes["is_leaf"] == 0
    sound = leaf & (np.abs(nodes["value"]) < HUGE)
    sound |= inner & (nodes["feature_idx"] >= 0) & (nodes["feature_idx"] < columns)
    for side in ("left", "right"):
        sound &= leaf | ((nodes[side] > index) & (nodes[side] < len(nodes)))
    sound &= leaf | ~np.isnan(nodes["num_threshold"])
    sound &= (nodes["missing_go_to_left"] <= 1) & (nodes["is_categorical"] == 0)
    if not sound.all():
        fault = nodes[~sound][0]
        raise must_be("a node of a tree", f"sound, of {len(nodes)} on {columns} numbers", fault)
    return type(like)(nodes, like.binned_left_cat_bitsets, like.raw_left_cat_bitsets)


def _of_all_classes(model: Any, probabilities: np.ndarray) -> np.ndarray:
    """Probabilities (n, 5) float32, 0 for classes that the training set had no case of."""
    all_classes = np.zeros((len(probabilities), N_CLASSES), np.float32)
    all_classes[:, model.classes_] = probabilities
    return all_classes
