"""Rows of a plan that stand in columns and become objects a few at a time: a metropolis has millions of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload

Json = dict[str, Any]
_CHUNK = 5000
"""Rows that exist as objects at a time."""


class Rows(Sequence[Json]):
    """A list of `count` rows, of which `make(begin, end)` makes some whenever they are asked for."""

    __slots__ = ("_count", "_make")

    def __init__(self, count: int, *, make: Callable[[int, int], list[Json]]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Json]:
        for begin in range(0, self._count, _CHUNK):
            yield from self._make(begin, min(begin + _CHUNK, self._count))

    @overload
    def __getitem__(self, index: int) -> Json: ...

    @overload
    def __getitem__(self, index: slice) -> list[Json]: ...

    def __getitem__(self, index: int | slice) -> Json | list[Json]:
        if isinstance(index, slice):
            begin, end, step = index.indices(self._count)
            return self._make(begin, end) if step == 1 and begin < end else [self[at] for at in range(begin, end, step)]
        at = range(self._count)[index]
        return self._make(at, at + 1)[0]


def in_memory(plan: Mapping[str, Any]) -> Json:
    """Turn a plan with `Rows` into one of lists, each row an object of its own."""
    return {key: list(value) if isinstance(value, Rows) else value for key, value in plan.items()}
