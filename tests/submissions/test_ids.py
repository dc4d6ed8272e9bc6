import pytest

from submissions.ids import explain, lookup


def test_leading_zeros_are_found_again_where_one_case_alone_is_meant():
    find = lookup(["00087_00323", "00087_00324", "7", "07", "x"])
    assert find("00087_00323") == "00087_00323"
    assert find("87_323") == "00087_00323"
    assert (find("7"), find("07")) == ("7", "07")
    assert (find("007"), find("87_325"), find("")) == ("", "", "")


@pytest.mark.parametrize(
    "text", ["1.23457E+18", "1,23457E+18", "1234567890123450000", "1234567890123450", "12.0"]
)
def test_rounded_numbers_are_explained(text):
    assert "let it keep them as text" in explain(text)


@pytest.mark.parametrize("text", ["1234567890123456789", "123456789012340", "00087_00323", "alert", "1500"])
def test_other_ids_are_not(text):
    assert explain(text) == ""
