import json
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from skops import io

from baselines.protocol import Baseline, BaselineError, Cases, Training
from baselines.stamps.trees import FILE, TRUSTED, MetadataTrees

pytestmark = pytest.mark.slow

COLUMNS = "magpsf fwhm"


def cases(counts, seed):
    """Metadata that tell three classes apart, some of them missing."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int8)
    metadata = np.zeros(len(labels), [("magpsf", "f8"), ("fwhm", "f4"), ("ndethist", "f8")])
    metadata["magpsf"] = rng.normal(18, 1, len(labels)) + 2 * (labels == 1)
    metadata["fwhm"] = rng.normal(2, 0.3, len(labels)) + 2 * (labels == 3)
    metadata["ndethist"] = labels
    metadata["fwhm"][::11], metadata["magpsf"][::13] = -999, np.nan
    return Cases(np.zeros((len(labels), 1)), labels, np.arange(len(labels)), metadata)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    trees = MetadataTrees(iterations=30, columns=COLUMNS)
    folder = tmp_path_factory.mktemp("trees")
    record = trees.fit(cases([90, 30, 40, 50, 20], 0), cases([20] * 5, 1), Training(0, folder))
    (folder / "model").mkdir()
    trees.save(folder / "model")
    return trees, record, folder / "model"


def test_is_a_baseline_that_learns(trained):
    trees, record, _ = trained
    test = cases([40] * 5, 2)
    predicted = trees.predict(test.inputs, test.metadata).argmax(axis=1)
    assert isinstance(trees, Baseline)
    assert (predicted == test.truth)[np.isin(test.truth, (1, 3))].mean() > 0.7
    assert 1 <= record["iterations"] < 30  # the validation set ended it
    json.dumps(record, allow_nan=False)


def test_a_column_that_was_not_there_counts_for_nothing_where_it_is(tmp_path):
    trees = MetadataTrees(iterations=5, columns=f"{COLUMNS} elong?")
    test = cases([20] * 5, 1)
    trees.fit(cases([90, 30, 40, 50, 20], 0), test, Training(0, tmp_path))
    more = np.zeros(len(test), [*test.metadata.dtype.descr, ("elong", "f8")])
    for name in test.metadata.dtype.names:
        more[name] = test.metadata[name]
    more["elong"] = 1 + test.truth
    assert trees.predict(test.inputs, more).tobytes() == trees.predict(test.inputs, test.metadata).tobytes()


def test_as_many_trees_as_validate_best(trained):
    trees, record, _ = trained
    assert trees.model.n_iter_ == record["iterations"]


def test_predictions_are_probabilities_also_of_unknown_classes(tmp_path):
    test = cases([5] * 5, 2)
    trees = MetadataTrees(iterations=3, columns=COLUMNS)
    trees.fit(cases([30, 20, 0, 20], 0), test, Training(0, tmp_path))
    out = trees.predict(test.inputs, test.metadata)
    assert out.dtype == np.float32
    assert not out[:, [2, 4]].any()
    np.testing.assert_allclose(out.sum(axis=1), 1, atol=1e-6)


def test_same_seed_and_restored_give_the_same_bytes(trained, tmp_path):
    trees, _, folder = trained
    test = cases([20] * 5, 2)
    again, restored = (MetadataTrees(iterations=30, columns=COLUMNS) for _ in range(2))
    again.fit(cases([90, 30, 40, 50, 20], 0), cases([20] * 5, 1), Training(0, tmp_path))
    restored.restore(folder)
    expected = trees.predict(test.inputs, test.metadata).tobytes()
    assert again.predict(test.inputs, test.metadata).tobytes() == expected
    assert restored.predict(test.inputs, test.metadata).tobytes() == expected


class Other:
    """Of a type that no forest holds."""


def changed(model, field, value, index=0):
    """The model with another value in a node of its last tree."""
    model._predictors[-1][-1].nodes[field][index] = value


def leaf(model):
    return int(np.flatnonzero(model._predictors[-1][-1].nodes["is_leaf"])[0])


FAULTS = {
    "a_node_that_is_its_own_child": lambda model: changed(model, "left", 0),
    "a_child_that_comes_before": lambda model: changed(model, "right", 1, 2),
    "a_child_beyond_the_nodes": lambda model: changed(model, "right", 2**31),
    "a_child_just_beyond_the_nodes": lambda model: changed(
        model, "right", len(model._predictors[-1][-1].nodes)
    ),
    "a_column_beyond_the_columns": lambda model: changed(model, "feature_idx", 2),
    "a_negative_column": lambda model: changed(model, "feature_idx", -(2**40)),
    "a_category_with_a_wild_bit_set": lambda model: (
        changed(model, "is_categorical", 1),
        changed(model, "bitset_idx", 2**31),
    ),
    "a_node_that_is_half_a_leaf": lambda model: changed(model, "is_leaf", 2),
    "a_threshold_that_is_none": lambda model: changed(model, "num_threshold", np.nan),
    "a_leaf_that_is_infinite": lambda model: changed(model, "value", np.inf, leaf(model)),
    "a_leaf_that_is_no_number": lambda model: changed(model, "value", np.nan, leaf(model)),
    "a_leaf_too_high_to_add": lambda model: changed(model, "value", 1e308, leaf(model)),
    "missing_values_that_go_nowhere": lambda model: changed(model, "missing_go_to_left", 7),
    "a_tree_without_nodes": lambda model: setattr(
        model._predictors[0][0], "nodes", model._predictors[0][0].nodes[:0]
    ),
    "a_tree_of_a_thousand_nodes": lambda model: setattr(
        model._predictors[0][0], "nodes", np.repeat(model._predictors[0][0].nodes[-1:], 1000)
    ),
    "nodes_of_another_type": lambda model: setattr(model._predictors[0][0], "nodes", np.zeros((9, 9))),
    "a_tree_too_few": lambda model: model._predictors[0].pop(),
    "a_tree_too_many": lambda model: model._predictors[0].append(model._predictors[0][0]),
    "trees_that_are_none": lambda model: setattr(model, "_predictors", [[1, 2, 3, 4, 5]]),
    "classes_that_there_are_not": lambda model: setattr(model, "classes_", np.array([0, 1, 2, 3, 77])),
    "classes_that_are_names": lambda model: setattr(model, "classes_", np.array(list("abcde"))),
    "classes_that_repeat": lambda model: setattr(model, "classes_", np.array([0, 1, 1, 1, 4])),
    "columns_that_are_not_the_runs": lambda model: setattr(model, "n_features_in_", 3),
    "a_start_of_another_shape": lambda model: setattr(model, "_baseline_prediction", np.zeros((1, 4))),
    "a_start_that_is_infinite": lambda model: setattr(model, "_baseline_prediction", np.full((1, 5), np.inf)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_that_would_crash_or_hang_is_refused(trained, tmp_path, fault):
    model = io.load(trained[2] / FILE, trusted=TRUSTED)
    FAULTS[fault](model)
    io.dump(model, tmp_path / FILE)
    with pytest.raises(BaselineError, match=r"trees\.skops holds no trees that can be loaded"):
        MetadataTrees(columns=COLUMNS).restore(tmp_path)


def test_nothing_but_trees_is_taken_from_a_file(trained, tmp_path):
    """The categories of the columns would be written to memory without a look at how many there are."""
    trees, _, folder = trained
    model = io.load(folder / FILE, trusted=TRUSTED)
    model._bin_mapper.is_categorical_ = np.ones(2, np.uint8)
    model._bin_mapper.bin_thresholds_ = [np.array([1e9]), np.array([1e9])]
    model._loss = model._label_encoder = None
    io.dump(model, tmp_path / FILE)
    restored, test = MetadataTrees(columns=COLUMNS), cases([20] * 5, 2)
    restored.restore(tmp_path)
    expected = trees.predict(test.inputs, test.metadata)
    assert restored.predict(test.inputs, test.metadata).tobytes() == expected.tobytes()


def test_a_file_that_unpacks_to_too_much_is_refused(trained, tmp_path):
    with ZipFile(tmp_path / FILE, "w", ZIP_DEFLATED) as packed, ZipFile(trained[2] / FILE) as good:
        for name in good.namelist():
            packed.writestr(name, good.read(name))
        packed.writestr("more.npy", bytes(65 << 20))
    with pytest.raises(BaselineError, match="67,108,864 bytes at most"):
        MetadataTrees(columns=COLUMNS).restore(tmp_path)


@pytest.mark.parametrize("fault", ["none", "damaged", "code", "other", "columns"])
def test_files_that_are_no_such_trees_are_refused(trained, tmp_path, fault):
    path, columns = tmp_path / FILE, COLUMNS
    if fault == "damaged":
        path.write_bytes((trained[2] / FILE).read_bytes()[:-300])
    elif fault == "code":
        io.dump(Other(), path)
    elif fault == "other":
        io.dump(LogisticRegression().fit([[0, 0], [1, 1]], [0, 1]), path)
    elif fault == "columns":
        path.write_bytes((trained[2] / FILE).read_bytes())
        columns = "magpsf"
    with pytest.raises(BaselineError, match=r"trees\.skops"):
        MetadataTrees(columns=columns).restore(tmp_path)


def test_data_that_cannot_be_learnt_from_are_refused(tmp_path):
    good, training = cases([5] * 5, 0), Training(0, tmp_path)
    trees = MetadataTrees(iterations=2, columns=COLUMNS)
    with pytest.raises(BaselineError, match="two classes"):
        trees.fit(cases([9], 0), good, training)
    with pytest.raises(BaselineError, match="no metadata"):
        trees.fit(Cases(good.inputs, good.truth, good.group), good, training)
    with pytest.raises(BaselineError, match="must be trained"):
        MetadataTrees(columns=COLUMNS).predict(good.inputs, good.metadata)
    with pytest.raises(BaselineError, match="iterations"):
        MetadataTrees(iterations=0)
    with pytest.raises(BaselineError, match="drb"):
        MetadataTrees(columns="magpsf drb")
