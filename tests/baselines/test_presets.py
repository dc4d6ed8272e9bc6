import tomllib
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Literal

import pytest

from baselines.presets import PRESETS, make, preset_text, searched, settings, updated
from baselines.protocol import BaselineError
from baselines.stamps.cnn import (
    Alerce,
    MetadataCNN,
    PlainCNN,
    RotationInvariantCNN,
    RotationInvariantEntropyCNN,
)
from baselines.stamps.trivial import Majority


@dataclass
class Example:
    steps: int = 3
    rate: float = 0.5
    deep: bool = False
    name: str = "x"
    limit: float | None = None
    kind: Literal["a", 1] = "a"
    weights: dict[str, float] = field(default_factory=dict)


EXPECTED = {
    **{"steps": "an integer", "rate": "a number", "deep": "true or false", "name": "a text"},
    **{"limit": r"float \| None", "kind": "one of a, 1", "weights": "a table of numbers"},
}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_table_makes_its_baseline(preset):
    tables = tomllib.loads(files("baselines.presets").joinpath(f"{preset}.toml").read_text())
    for name in tables:
        (entry,) = entry_points(group="astroboard.baselines", name=name)
        made = make(entry.load(), settings(preset, name))
        own = {key: value for key, value in tables[name].items() if key != "like"}
        assert own.items() <= settings(preset, name).items()
        assert {key: getattr(made, key) for key in settings(preset, name)} == settings(preset, name)


def test_paper_is_the_published_setting():
    published = PlainCNN(19, 1460, 1e-3, "balanced-once", 21, keep="last", loss="cross-entropy")
    assert make(PlainCNN, settings("paper", "cnn")) == published == PlainCNN()
    for name, kind in {
        "cnn-rotinv": RotationInvariantCNN,
        "cnn-rotinv-entropy": RotationInvariantEntropyCNN,
        "cnn-metadata": MetadataCNN,
        "alerce": Alerce,
    }.items():
        assert make(kind, settings("paper", name)) == kind()


def test_text_of_a_preset_is_read_back(tmp_path):
    chosen = {"epochs": 3, "rate": 1e-05, "deep": True, "name": 'Ω "x"', "weights": {"a": 1.5}}
    for name in ("mine", "lost.unet"):
        text = preset_text(name, chosen, "a comment", "paper")
        (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
        assert settings(str(tmp_path / "mine.toml"), name) == chosen
    (tmp_path / "cnn.toml").write_text(preset_text("cnn", {"epochs": 3}, "", str(tmp_path / "mine.toml")))
    assert settings(str(tmp_path / "cnn.toml"), "cnn") == settings("paper", "cnn") | {"epochs": 3}


def test_baseline_without_a_table_has_its_defaults():
    assert settings("paper", "majority") == {}
    assert make(Majority, {}) == Majority()


def test_table_like_another(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[unet]\nfilters = 9\nepochs = 3\n[unet-2k]\nlike = 'unet'\nepochs = 1\n")
    assert settings(str(path), "unet-2k") == settings("laptop", "unet-2k") | {"filters": 9, "epochs": 1}
    for wrong in ("'none'", "3"):
        path.write_text(f"[unet-2k]\nlike = {wrong}\n")
        with pytest.raises(BaselineError, match=r"\[.*\] must be a table, got None"):
            settings(str(path), "unet-2k")


def test_what_a_file_leaves_out_is_that_of_its_base(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[cnn]\nepochs = 2\nlearning_rate = 1\n")
    assert settings(str(path), "cnn") == settings("laptop", "cnn") | {"epochs": 2, "learning_rate": 1}
    path.write_text('base = "night"\n[unet]\nprecision = "mixed_bfloat16"\n[unet-residual]\nloss = "mse"\n')
    assert settings(str(path), "unet") == settings("night", "unet") | {"precision": "mixed_bfloat16"}
    assert "loss_settings" in settings("night", "unet-residual")
    assert "loss_settings" not in settings(str(path), "unet-residual")
    path.write_text('base = "nigth"\n[unet]\n')
    with pytest.raises(BaselineError, match=r"mine\.toml: base must be smoke, .* got 'nigth'"):
        settings(str(path), "unet")


def test_a_file_without_the_table_says_what_it_has(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[unett]\nfilters = 8\n[cnn]\n")
    with pytest.raises(BaselineError, match=r"with the table \[unet\], got \[unett\], \[cnn\]"):
        settings(str(path), "unet")
    path.write_text("filters = 8\n[unet]\n")
    with pytest.raises(BaselineError, match=r"filters must be in a table, such as \[unet\], got filters = 8"):
        settings(str(path), "unet")


def test_a_preset_that_is_nearly_named_is_proposed():
    with pytest.raises(BaselineError, match=r"got 'labtop'; did you mean laptop\?"):
        settings("labtop", "unet")


def test_an_entry_of_a_setting_is_changed_alone():
    assert updated({"a": {"b": 1, "c": 2}}, {"a.b": 3, "d": 4}) == {"a": {"b": 3, "c": 2}, "d": 4}


def test_an_entry_of_a_setting_that_is_no_table_is_refused():
    with pytest.raises(BaselineError, match=r"epochs\.x must be an entry of a table, got epochs = 8"):
        updated({"epochs": 8}, {"epochs.x": 3})
    with pytest.raises(BaselineError, match=r"loss_settings\.peaks must be an entry of a table"):
        updated({}, {"loss_settings": 5, "loss_settings.peaks": 3})


def test_another_loss_drops_the_settings_of_the_one_before():
    chosen = {"loss": "combined", "loss_settings": {"mse": 0.2}, "epochs": 3}
    assert updated(chosen, {"loss": "mse"}) == {"loss": "mse", "epochs": 3}
    assert updated(chosen, {"loss": "combined"}) == chosen
    own = {"loss_settings": {"peaks": 5.0}}  # of the default loss
    assert updated(own, {"loss": "multifocal"}) == own | {"loss": "multifocal"}
    assert updated(chosen, {"loss": "multifocal", "loss_settings.peaks": 5.0}) == {
        "loss": "multifocal", "epochs": 3, "loss_settings": {"peaks": 5.0},
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "most = 3\n[unet]\nfilters = [8]",
        "[unet]\nfilters = [8]\nmost = 3",
        "[unet]\nfilters = [8]\nmost.laptop = 5",
        "[unet]\nfilters = [8]\n[most]\nlaptop = 5",
        "[unet]\nfilters = [8]\n[most]\nfilters = 2",
        "[unet]\nfilters = [8]\n[most.labtop]\nfilters = 2",
    ],
)
def test_limits_of_a_search_are_tables_of_presets(tmp_path, text):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(
        BaselineError, match=r"mine\.toml: \[(most|unet)\].* must be (a table for each|tables of)"
    ):
        searched("unet", "laptop", tmp_path / "mine.toml")


@pytest.mark.parametrize("content", [b"[cnn", b"\xff", b"cnn = 3"])
def test_file_that_is_no_preset_is_refused(tmp_path, content):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(BaselineError, match=r"mine\.toml"):
        settings(str(path), "cnn")


@pytest.mark.parametrize("name", ["huge", "", ".", "../presets/smoke"])
def test_unknown_preset_is_refused(name):
    with pytest.raises(BaselineError, match="smoke, laptop, night, gpu, paper"):
        settings(name, "cnn")


def test_unknown_setting_is_answered_with_those_there_are():
    with pytest.raises(
        BaselineError, match=r"cnn has no setting 'epoch'.*epochs = 19.*learning_rate = 0\.001"
    ):
        make(PlainCNN, {"epoch": 3}, "cnn")
    with pytest.raises(BaselineError, match="none"):
        make(Majority, {"shares": [1, 0, 0, 0, 0]})


@pytest.mark.parametrize(
    "good",
    [
        {"steps": 7},
        {"rate": 1},
        {"rate": 1e-3},
        {"deep": True},
        {"limit": 2.0},
        {"kind": 1},
        {"weights": {"a": 1, "b": 0.5}},
    ],
)
def test_values_of_the_right_type_are_taken(good):
    assert make(Example, good) == Example(**good)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 1.0},
        {"steps": True},
        {"rate": "1"},
        {"rate": False},
        {"deep": 1},
        {"name": 3},
        {"limit": "2"},
        {"kind": "b"},
        {"kind": True},
        {"kind": [1]},
        {"weights": 3.0},
        {"weights": {"a": "x"}},
        {"weights": {"a": True}},
    ],
)
def test_values_of_another_type_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(BaselineError, match=rf"example: {name} must be {EXPECTED[name]}, got "):
        make(Example, wrong, "example")
