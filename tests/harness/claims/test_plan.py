"""Which runs claims need, planned without any data."""

from functools import cache
from pathlib import Path

import pytest

from harness.claims.data import SplitData
from harness.claims.diagnostics import with_diagnostics
from harness.claims.plan import Run, all_settings, plan, run_name, runs_of
from harness.claims.spec import KINDS, Side, preset_size, select
from harness.claims.trainings import MEASURES
from harness.runs.registry import baseline_class
from harness.tracks import get_track
from tests.harness.claims.conftest import TINY


def sizes(seeds):
    """Sizes of the preset "laptop" with so many seeds."""
    return {"laptop": preset_size("laptop", seeds)}


def made_up(specs, folds=3):
    """Prepared data that are nowhere."""
    keys = {
        (spec.preset, data, side.split)
        for spec in specs
        for side in spec.sides
        for data in (spec.data, side.start)
    }
    return {
        (preset, data, split): tuple(
            SplitData(Path(f"{data}-{split}-{fold}"), (f"{data} {split} {fold}",))
            for fold in range(folds if data == "real" else 1)
        )
        for preset, data, split in keys
    }


def test_runs_of_a_baseline_with_a_point_in_its_name_have_zips_of_their_own(tmp_path):
    runs = [Run(tmp_path / f"unet-v1.5-{number}", tmp_path, "unet-v1.5", "smoke", {}, 0) for number in (0, 1)]
    assert [run.submission.name for run in runs] == ["unet-v1.5-0.zip", "unet-v1.5-1.zip"]


def test_equal_runs_of_several_claims_are_one(tmp_path):
    specs = select("laptop", ["rotation-invariance", "rotation-costs-threefold", "entropy-raises-accuracy"])
    planned = plan(tmp_path, specs, made_up(specs), sizes(2))
    assert planned["rotation-invariance"] == planned["rotation-costs-threefold"]
    assert [[len(folds) for folds in seeds] for seeds in planned["rotation-invariance"]] == [[1, 1], [1, 1]]
    assert len(runs_of(planned.values())) < sum(len(runs_of([sides])) for sides in planned.values())
    assert not any(tmp_path.iterdir())


def test_runs_of_real_alerts_have_folds_and_follow_their_start(tmp_path):
    specs = select("laptop", ["pretraining-helps"], real=True)
    planned = plan(tmp_path, specs, made_up(specs), sizes(1))
    ((pretrained,), (plain,)) = planned["pretraining-helps"]
    assert len(pretrained) == len(plain) == 3
    assert len({run.start for run in pretrained}) == 1
    assert all(run.start is None for run in plain)
    assert pretrained[0].start.data == Path("stamps--0")
    order = runs_of(planned.values())
    assert len(order) == 7
    assert order[0] == pretrained[0].start


def test_fine_tuning_starts_from_the_very_run_that_it_is_compared_with(tmp_path):
    specs = select("laptop", ["finetuning-trades-for-wmape"])
    (((tuned,),), ((plain,),)) = plan(tmp_path, specs, made_up(specs), sizes(1))[specs[0].name]
    assert (tuned.start, tuned.baseline, plain.baseline) == (plain, "unet-finetuned", "unet")


def test_a_run_is_known_by_all_that_it_depends_on():
    given = {
        "baseline": "unet", "settings": {"filters": 4, "loss": "mse"}, "seed": 0,
        "fingerprints": ("a", "b"), "versions": {"numpy": "2.0"},
    }  # fmt: skip
    # The name that 0.1.0 gave it, whose finished runs are found again.
    assert run_name(**given) == "unet-326786ba3afffac1"
    changes = [
        {"baseline": "unet-2k"},
        {"settings": {"filters": 8, "loss": "mse"}},
        {"settings": {"filters": 4, "loss": "mse", "loss_settings": {"focal": 1.0}}},
        {"seed": 1},
        {"fingerprints": ("a", "c")},
        {"versions": {"numpy": "2.1"}},
        {"start": "unet-0123456789abcdef"},
    ]
    names = {run_name(**given | change) for change in changes}
    assert len(names | {run_name(**given)}) == 8


def test_a_setting_is_the_same_whether_it_is_said_or_not():
    assert all_settings(TINY, Side("unet", {}, "unet")) == all_settings(
        TINY, Side("unet", {"filters": 4}, "unet")
    )


def test_settings_replace_those_of_the_preset_where_a_baseline_has_them():
    chosen = {"epochs": 3, "loss_settings.peaks": 0.5}
    settings = all_settings(TINY, Side("unet", {"loss": "mse"}, "unet"), chosen)
    assert (settings["epochs"], settings["loss"], settings["loss_settings"]) == (3, "mse", {"peaks": 0.5})
    assert all_settings(TINY, Side("unet", {"epochs": 7}, "unet"), chosen)["epochs"] == 7  # a side's own stay
    assert all_settings(TINY, Side("zeros", {}, "zeros"), chosen) == {}


@cache
def claims(preset):
    return {spec.name: spec for spec in select(preset, KINDS, real=True)}


@pytest.mark.parametrize("preset", ["smoke", "laptop", "night", "gpu", "paper"])
@pytest.mark.parametrize("name", claims("smoke"))
def test_sides_differ_in_one_thing(name, preset):
    spec = claims(preset)[name]
    settings = [all_settings(preset, side) for side in spec.sides]
    assert all(baseline_class(side.baseline).track == spec.track for side in spec.sides)
    differing = {
        key
        for chosen in settings
        for key in chosen.keys() & settings[0].keys()
        if chosen[key] != settings[0][key]
    }
    differing |= {
        key
        for key in ("baseline", "split", "start")
        for side in spec.sides[:2]
        if getattr(side, key) != getattr(spec.sides[0], key)
    }
    if spec.sides[0].first:  # it starts from the other side
        differing -= {"start"}
    if spec.expected:
        differing -= {"sampling", "epochs"} if len(spec.sides) > 2 else set()
        judged = {**spec.expected, **spec.beside}
        scores = {score.key for score in with_diagnostics(get_track(spec.track)).scores}
        assert judged.keys() <= scores | {info.key for info in MEASURES}
        assert spec.regime.keys() <= scores
        assert all(low < high for low, high in judged.values())
    if len({side.like for side in spec.sides}) > 1 and spec.expected:
        assert "baseline" in differing  # a method of another kind, with the settings of its own table
    elif spec.expected or spec.over:
        assert len(differing) == 1
    else:
        assert len({str(side) for side in spec.sides}) == len(spec.sides)
