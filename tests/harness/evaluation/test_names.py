"""Names that a reader takes for one another, and those that nobody does."""

from itertools import combinations

import pytest

from harness.evaluation.names import skeletons


@pytest.mark.parametrize(
    "other",
    [
        "alice lab", "ALICE LAB", "Alice-Lab.", "Al\u00ef\u0301ce Lab", "Alice\ufe00 Lab",
        "Alice\U000e0101 Lab", "Alice\u3164Lab", "Alice Lab\u115f", "Alice\u2800Lab",
        "Alice\u034f Lab", "Ali\u00adce Lab",
        "\u0410lice Lab", "\u0391lice Lab", "\u0410L\u0406\u0421\u0415 L\u0410B",
        "A\u05d5ice Lab", "Al\u02dbce Lab", "Ali\u03f2e Lab", "A\uffe8ice Lab",
        "A1ice Lab", "AIice Lab", "Al|ce Lab", "alIcE 1ab",
        "\uff21lice Lab", "\U0001d400lice Lab", "\u24b6lice Lab", "\U0001f170lice Lab",
        "\u1d00\u029f\u026a\u1d04\u1d07 \u029f\u1d00\u0299", "Alice \u0141ab",
        "A\u200dlice \u2066Lab", "Al\u2170ce Lab",
    ],
)  # fmt: skip
def test_look_alikes_of_one_name(other):
    assert skeletons("Alice Lab") & skeletons(other)


def test_look_alikes_of_other_names():
    for first, second in (
        ("modern", "rnodern"),
        ("НОВА", "Нова"),
        ("\u018fli", "\u04d8li"),  # schwas, Latin and Cyrillic, each confusable with the other alone
        ("Hова", "нова"),
        ("\u1e9ali", "\u1ea3li"),  # a with a half ring and with a hook: a pair
        ("\u2c70li", "\U0001041fli"),
        ("O2", "02"),
        ("Moon", "M\u0c82\u0d02n"),
        ("\u2110ris Lab", "1r\u2373s lab"),
        ("---", ""),
    ):
        assert skeletons(first) & skeletons(second)


def test_names_that_nobody_takes_for_one_another():
    numbered = [f"Team {number}" for number in range(60)]
    others = [
        "unet",
        "unet++",
        "unet2",
        "resnet",
        "cnn",
        "C",
        "C++",
        "LSST",
        "DES",
        "KiDS",
        "Нева",
        "東京",
        "京都",
    ]
    names = [*numbered, *others, *(f"Team {letter}" for letter in "ABCDEFGHJKMNPQRSTUVWXYZ")]
    assert [pair for pair in combinations(names, 2) if skeletons(pair[0]) & skeletons(pair[1])] == []
