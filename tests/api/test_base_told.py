"""What a plan says about its base has to add up, as far as anybody can tell without the base."""

from __future__ import annotations

from typing import Any

import pytest

from api.planning.base_told import wrong_base

NOTE = {"plan_sha256": "0a" * 32, "edits_sha256": "f9" * 32, "changed": 3, "moved": 1, "newly_served": 1}
PLAN: dict[str, Any] = {"assignments": [{}] * 4, "unserved": [{}] * 2}


def faults_of(**changes: object) -> list[str]:
    base: dict[str, Any] = {**NOTE, "no_longer_served": 1, **changes}
    return list(wrong_base({**PLAN, "base": base}))


def test_a_plan_without_a_base_and_one_whose_note_adds_up_hold() -> None:
    assert list(wrong_base(PLAN)) == []
    assert faults_of() == []


@pytest.mark.parametrize("word", ["", "0A" * 32, "0a" * 31, 7, None])
def test_a_hash_that_is_none_is_named(word: object) -> None:
    assert faults_of(plan_sha256=word) == [f"base: plan_sha256 is {word!r}, expected 64 hexadecimal digits"]


def test_changes_that_do_not_add_up_are_named() -> None:
    assert faults_of(changed=4) == ["base: changed is 4, its parts are 3 together"]


@pytest.mark.parametrize("parts", [{"moved": 4, "changed": 6}, {"no_longer_served": 3, "changed": 5}])
def test_more_changes_than_answers_are_named(parts: dict[str, int]) -> None:
    assert faults_of(**parts) == ["base: more demands changed than the plan serves or refuses"]


@pytest.mark.parametrize("count", [-1, True, 1.0, "1"])
def test_a_count_that_is_none_is_a_wrong_shape(count: object) -> None:
    with pytest.raises(ValueError, match="expected a whole number of at least 0"):
        faults_of(moved=count)
