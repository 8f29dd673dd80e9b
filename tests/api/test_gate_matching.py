"""The rule by which a plate read wrong is taken for the one car it can be, and for none where it can be two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.gates.matching import SURE, Match, PlateIndex, clean_reading, match_plate

LISTED = ["沪A12345", "沪B8Z205", "苏E5S1D0", "沪AD12345"]


def match(reading: str, *, listed: list[str] = LISTED, confidence: float | None = None) -> Match:
    return match_plate(clean_reading(reading), PlateIndex(listed), confidence=confidence, is_registered=False)


@pytest.mark.parametrize(
    ("reading", "plate"),
    [
        ("沪A12345", "沪A12345"),
        ("沪a·12345", "沪A12345"),
        ("沪AI2345", "沪A12345"),  # I for 1
        ("沪BB22O5", "沪B8Z205"),  # B for 8, 2 for Z, O for 0
        ("苏E551Q0", "苏E5S1D0"),  # 5 for S, Q for D
        ("A12345", "沪A12345"),  # the province was not read
        ("?A12345", "沪A12345"),
        ("沪A1?345", "沪A12345"),
        ("浙A12345", "沪A12345"),  # one character wrong
        ("沪A1234", "沪A12345"),  # one missing
        ("沪B8Z2055", "沪B8Z205"),  # one too many
        ("沪A12845", "沪A12345"),
    ],
)
def test_a_reading_is_taken_for_the_one_plate_it_can_be(reading: str, plate: str) -> None:
    found = match(reading)
    assert found.plate == plate
    assert found.how == ("exact" if clean_reading(reading) == plate else "corrected")


@pytest.mark.parametrize("reading", ["", "无牌车", "???", "沪C99999", "沪A12", "沪A1284?", "粤B12345X"])
def test_a_reading_of_no_car_that_is_expected_is_left_to_a_person(reading: str) -> None:
    assert match(reading) == Match(None, "unknown")


def test_a_reading_that_can_be_two_cars_is_left_to_a_person() -> None:
    assert match("沪A1234S", listed=["沪A12345", "沪A1234S"]).plate == "沪A1234S", "read exactly, it is that one"
    assert match("沪A123?5", listed=["沪A12345", "沪A12375"]).how == "unknown"
    assert match("沪A12335", listed=["沪A12345", "沪A12375"]).how == "unknown"


def test_a_reading_that_is_alike_one_car_is_not_taken_for_another_that_is_only_near() -> None:
    assert match("沪AI2345", listed=["沪A12345", "沪A12346"]).plate == "沪A12345"


def test_a_registered_car_is_itself_however_near_another_is() -> None:
    listed = PlateIndex(LISTED)
    assert match_plate("沪A12346", listed, confidence=0.5, is_registered=True) == Match("沪A12346", "exact")
    assert match_plate("沪A12346", listed, confidence=0.5, is_registered=False) == Match("沪A12345", "corrected")


def test_a_sure_reading_of_a_whole_plate_is_another_car() -> None:
    assert match("沪A12346", confidence=SURE).how == "unknown"
    assert match("沪A12346", confidence=SURE - 0.01).plate == "沪A12345"
    assert match("沪AI2345", confidence=SURE).plate == "沪A12345", "no plate has an I"


ALPHABET = "沪苏A1I0ODQ8B2Z5SX?"


def is_one_edit(a: str, b: str) -> bool:
    """Tell by trying every edit."""
    changed = {b[:k] + c + b[k + 1 :] for k in range(len(b)) for c in ALPHABET}
    longer = {b[:k] + c + b[k:] for k in range(len(b) + 1) for c in ALPHABET}
    shorter = {b[:k] + b[k + 1 :] for k in range(len(b))}
    return a in {b} | changed | longer | shorter


@given(st.lists(st.text("AX1?", min_size=1, max_size=5), unique=True, max_size=8), st.text("AX1", max_size=6))
def test_what_is_near_is_one_edit_away_and_all_of_it_is_found(listed: list[str], reading: str) -> None:
    assert PlateIndex(listed).near(reading) == {plate for plate in listed if is_one_edit(reading, plate)}


@given(st.lists(st.text(ALPHABET, min_size=6, max_size=8), unique=True, max_size=6), st.text(ALPHABET, max_size=9))
def test_what_is_corrected_is_always_listed_and_does_not_depend_on_the_order(listed: list[str], reading: str) -> None:
    found = match(reading, listed=listed)
    assert found.plate is None or found.plate in listed
    assert found == match(reading, listed=listed[::-1])
    if clean_reading(reading) in listed:
        assert found == Match(reading, "exact")
