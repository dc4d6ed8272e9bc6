"""When networks have learnt enough for a claim about them."""

import pytest

from harness.claims.diagnostics import with_diagnostics
from harness.claims.regime import lacking
from harness.claims.trainings import TrainingFacts
from harness.tracks import MASS_MAPPING, STAMPS

MAPS, ALERTS = with_diagnostics(MASS_MAPPING), with_diagnostics(STAMPS)
LEARNT = {"dicee": 0.06, "mae": 0.006, "mae_of_zeros": 0.02}


def run(late_gain, epochs=8):
    return TrainingFacts("unet", "night", 0, 7, 100, epochs, 13, 100, 5.0, late_gain, "a machine")


@pytest.mark.parametrize(
    ("facts", "scores", "words"),
    [
        ([run(0.02)], {}, []),
        ([run(0.02), run(0.07)], {}, []),  # 0.045 in the mean
        ([run(0.05), run(0.2)], {}, ["loss still falling: 12.5 % of its gain in the last quarter"]),
        ([run(None, epochs=3)], {}, ["too few epochs to tell whether its loss still falls, needs 4 or more"]),
        ([run(0.02)], {"dicee": 0.37}, ["DICEE 0.37, needs 0.09 or less"]),
        ([run(0.02)], {"dicee": 0.09}, []),
        ([run(0.02)], {"mae": 0.0238}, ["MAE 0.0238, needs less than 0.02, that of zeros"]),
        ([run(0.5)], {"dicee": 0.1, "mae": 0.02}, ["loss still falling", "MAE 0.02", "DICEE 0.1"]),
        ([run(None, epochs=0)], {"dicee": 1.0, "mae": 0.02}, []),  # zeros have nothing to learn
    ],
)
def test_what_maps_lack(facts, scores, words):
    found = lacking(MAPS, {"dicee": 0.09}, facts, LEARNT | scores)
    assert len(found) == len(words)
    assert all(text.startswith(word) for text, word in zip(found, words, strict=True))


def test_what_classifiers_lack():
    assert lacking(ALERTS, {"accuracy": 0.73}, [run(0.0)], {"accuracy": 0.75}) == []
    found = lacking(ALERTS, {"accuracy": 0.73}, [run(0.0)], {"accuracy": 0.7})
    assert found == ["accuracy 0.7, needs 0.73 or more"]
