"""The declarations of claims and boards, and how they are selected."""

from importlib import resources

import pytest

from harness.claims.spec import KINDS, SEEDS, STANDINGS, Side, preset_size, select
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING


def test_selected_by_name_kind_and_track():
    assert {spec.kind for spec in select("smoke")} == {"claim", "experiment", "board"}
    assert {spec.kind for spec in select("smoke", ["ablation"])} == {"ablation"}
    assert {spec.track for spec in select("smoke", ["stamps"])} == {"stamps"}
    assert [spec.name for spec in select("smoke", ["kernel-3-beats-2"])] == ["kernel-3-beats-2"]
    assert select("smoke", KINDS) == select("smoke", KINDS, real=True)


def test_what_cannot_be_selected():
    with pytest.raises(HarnessError, match=r"must be one of .* got 'earth-is-flat'"):
        select("smoke", ["earth-is-flat"])
    with pytest.raises(HarnessError, match="--stamps"):
        select("smoke", ["real-stamps"])


def test_a_preset_may_change_a_claim():
    (laptop,), (paper,) = (select(preset, ["padding-helps-borders"]) for preset in ("laptop", "paper"))
    assert laptop.sides[0].settings == {"padding": 32}
    assert paper.sides[0].settings == {"padding": 64, "depth": 7}


def test_a_difference_of_differences_has_four_sides():
    (claim,) = select("smoke", ["metadata-add-most"])
    words = [(weight, side.baseline) for weight, side in zip(claim.weights, claim.sides, strict=True)]
    assert words == [(1, "cnn-metadata"), (-1, "cnn-rotinv"), (-1, "cnn-rotinv"), (1, "cnn")]


def test_sides_in_words():
    assert str(Side("unet", {"kernel": 2}, "unet", "random")) == "unet, kernel = 2, random split"
    assert str(Side("cnn", {}, "cnn", start="stamps")) == "cnn, trained on stamps first"
    without = Side("unet", {"loss": "multifocal", "loss_settings": {"focal": 0.0}}, "unet")
    assert str(without) == "unet, loss = multifocal, loss_settings.focal = 0.0"


def test_a_claim_has_the_preset_that_it_is_meant_for():
    names = ["multifocal-beats-mse", "kernel-3-beats-2"]
    assert [spec.preset for spec in select(None, names)] == ["night", "laptop"]
    assert [spec.preset for spec in select("smoke", names)] == ["smoke", "smoke"]


def test_wmape_decides_only_claims_about_it():
    about = {spec.name for spec in select("laptop", KINDS, real=True) if "wmape" in spec.expected}
    assert about == {"finetuning-trades-for-wmape", "zeros-win-wmape"}


def test_regimes_are_twice_the_reported_errors():
    maps, stamps = select("laptop", ["kernel-3-beats-2", "rotation-invariance"])
    assert maps.regime == {"dicee": pytest.approx(0.09)}
    assert stamps.regime == {"accuracy": pytest.approx(0.7304)}  # 26.96 % wrong, 13.48 % in the report


def test_numbers_of_the_reports():
    (claim,) = select("laptop", ["finetuning-trades-for-wmape"])
    assert [each["scores"]["wmape"] for each in claim.reported] == [1.35, 1.53]
    for spec in select("laptop", KINDS, real=True):
        assert len(spec.reported) <= (len(spec.sides) if spec.expected else 8)


def test_size_of_a_preset():
    for preset, seeds in SEEDS.items():
        assert preset_size(preset).cases["mass-mapping"] == MASS_MAPPING.claim_cases[preset]
        assert preset_size(preset).seeds == seeds
    assert preset_size("smoke", 7).seeds == {"mass-mapping": 7, "stamps": 7}


def test_every_table_says_what_it_is_about():
    text = (resources.files("harness.claims") / "claims.toml").read_text(encoding="utf-8")
    specs = select("laptop", KINDS, real=True)
    assert len(specs) == sum(line.startswith("[") for line in text.splitlines())
    assert all(spec.says and spec.source for spec in specs)
    assert all((spec.standing in STANDINGS) == bool(spec.expected) for spec in specs)
