"""Rows of a plan that are made as they are asked for read like the list that they stand for."""

from __future__ import annotations

import pytest

from api.planning.rows import Rows, in_memory


def numbers(count: int) -> Rows:
    return Rows(count, make=lambda begin, end: [{"n": number} for number in range(begin, end)])


@pytest.mark.parametrize("count", [0, 1, 4999, 5000, 5001, 12_000])
def test_every_row_comes_once_and_in_order(count: int) -> None:
    rows = numbers(count)
    assert [row["n"] for row in rows] == list(range(count))
    assert len(rows) == count
    assert bool(rows) == (count > 0)


def test_rows_are_found_by_index_and_slice_like_those_of_a_list() -> None:
    rows, whole = numbers(9), [{"n": number} for number in range(9)]
    assert (rows[0], rows[8], rows[-1]) == (whole[0], whole[8], whole[-1])
    for part in (slice(None), slice(2, 5), slice(5, 2), slice(None, None, -2), slice(7, 100)):
        assert rows[part] == whole[part]
    with pytest.raises(IndexError):
        rows[9]


def test_a_plan_in_memory_has_lists_that_are_its_own() -> None:
    plan = {"value_m": 3, "assignments": numbers(2)}
    first, second = in_memory(plan), in_memory(plan)
    first["assignments"][0]["n"] = 7
    first["assignments"].append({})
    assert second == {"value_m": 3, "assignments": [{"n": 0}, {"n": 1}]}
