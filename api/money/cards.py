"""No card data, ever: what looks like the number of a card is refused before it is stored or logged."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from api.money.errors import PaymentRefused

_DIGITS = re.compile(r"(?:\d[ .\-/_]*){13,}")
_SHORTEST, _LONGEST = 13, 19
"""Digits of a card's number (ISO/IEC 7812)."""


def refuse_card_numbers(words: str) -> str:
    """
    Return a text as it is; raise PaymentRefused where 13 to 19 digits of it would pass as the number of a card.

    Spaces, dots and dashes between groups of digits are looked through, whatever other groups stand beside, and so are
    digits of other scripts.
    """
    for run in _DIGITS.findall(unicodedata.normalize("NFKC", words)):
        if any(_SHORTEST <= len(digits) <= _LONGEST and _passes(digits) for digits in _numbers_in(run)):
            raise PaymentRefused("this looks like the number of a card, which is never to be sent or stored")
    return words


def _numbers_in(run: str) -> Iterator[list[int]]:
    """Give the numbers that groups of digits beside each other make; of a very long group also its parts."""
    groups = [[int(digit) for digit in group] for group in re.findall(r"\d+", run)]
    for first in range(len(groups)):
        digits: list[int] = []
        for group in groups[first:]:
            digits = digits + group
            yield digits
    for group in groups:
        if len(group) > _LONGEST:
            for length in range(_SHORTEST, _LONGEST + 1):
                yield from (group[k : k + length] for k in range(len(group) - length + 1))


def _passes(digits: list[int]) -> bool:
    """Whether digits pass the check of ISO/IEC 7812-1 (Luhn)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
