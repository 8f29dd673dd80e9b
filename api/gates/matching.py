"""
Which car a plate as a camera read it belongs to.

The rule, in this order; a step decides only where exactly one candidate is left, and several leave it to a person:

1. The reading is the plate of a car on the facility's list around that time, or of any registered car: that car.
2. Letters and digits that cameras mix up are made equal (0 O D Q; 1 I L; 8 B; 2 Z; 5 S), and an unread character (`?`,
   `*` or `_`) or a province left out may be anything: the one listed plate that is then equal.
3. The one listed plate that differs by one character wrong, missing or too many. A reading in a known format that the
   camera is sure of (`SURE` and above) is another car and never taken for one that differs so much.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from api.vehicles.plates import PlateUnknown, normalise_plate

SURE = 0.95
"""Confidence from which a well-formed reading is believed."""
_ALIKE = str.maketrans(
    {"O": "0", "D": "0", "Q": "0", "I": "1", "L": "1", "B": "8", "Z": "2", "S": "5", "*": "?", "_": "?"}
)
_UNREAD = "?"
_WHOLE, _SHORTER = -1, -2
"""Keys of a plate as it is, and of what is left of it without some character."""


@dataclass(frozen=True, slots=True)
class Match:
    """The plate a reading is taken for, or None; `how` is `exact`, `corrected` or `unknown`."""

    plate: str | None
    how: str


class PlateIndex:
    """Plates that may be meant, found by a reading of them without looking at each."""

    def __init__(self, plates: Iterable[str]) -> None:
        self._plates = frozenset(plates)
        self._alike: dict[str, set[str]] = defaultdict(set)
        self._near: dict[tuple[int, str], set[str]] = defaultdict(set)
        for plate in self._plates:
            seen = _folded(plate)
            for known in (seen, seen[1:]):  # the province is one character
                self._alike[known].add(plate)
            self._near[_WHOLE, seen].add(plate)
            for place, rest in _with_one_left_out(seen):
                self._near[place, rest].add(plate)
                self._near[_SHORTER, rest].add(plate)

    def __contains__(self, reading: str) -> bool:
        return reading in self._plates

    def alike(self, reading: str) -> set[str]:
        """Find the plates that a reading equals but for what cameras mix up or could not read."""
        seen = _folded(reading)
        if _UNREAD not in seen:
            return self._alike.get(seen, set())
        return {plate for known, plates in self._alike.items() if _fits(seen, known) for plate in plates}

    def near(self, reading: str) -> set[str]:
        """Find the plates that one character wrong, missing or too many makes of a reading."""
        seen = _folded(reading)
        found = self._near.get((_WHOLE, seen), set()) | self._near.get((_SHORTER, seen), set())
        for place, rest in _with_one_left_out(seen):
            found |= self._near.get((place, rest), set()) | self._near.get((_WHOLE, rest), set())
        return found


def match_plate(
    reading: str,
    listed: PlateIndex,
    *,
    confidence: float | None,
    is_registered: bool,
    is_expected: Callable[[str], bool] = lambda _plate: True,
) -> Match:
    """
    Take a reading for a plate by the rule above.

    Parameters
    ----------
    reading
        As `clean_reading` returns it.
    listed
        Plates on the list; `is_expected` tells which of them around that time.
    confidence
        From 0 to 1; unknown without.
    is_registered
        The reading is the plate of a car that some household has registered.
    """
    if not reading:
        return Match(None, "unknown")
    if is_registered or (reading in listed and is_expected(reading)):
        return Match(reading, "exact")
    is_sure = confidence is not None and confidence >= SURE and _is_well_formed(reading)
    for candidates in (listed.alike(reading), set() if is_sure else listed.near(reading)):
        expected = [plate for plate in candidates if is_expected(plate)]
        if len(expected) == 1:
            return Match(expected[0], "corrected")
        if expected:
            break
    return Match(None, "unknown")


def clean_reading(text: str) -> str:
    """Return a reading as it is compared: capitals, no spacers; `""` for one that cannot be a plate at all."""
    reading = "".join(c for c in unicodedata.normalize("NFKC", text).upper() if c.isalnum() or c in "?*_")
    return reading if any("0" <= c <= "9" or "A" <= c <= "Z" for c in reading) else ""


def _folded(plate: str) -> str:
    return plate.translate(_ALIKE)


def _fits(seen: str, plate: str) -> bool:
    return len(seen) == len(plate) and all(a in (b, _UNREAD) for a, b in zip(seen, plate, strict=True))


def _with_one_left_out(text: str) -> Iterable[tuple[int, str]]:
    """List what is left of a text without its k-th character, for every k: two that share one differ by it alone."""
    return ((k, text[:k] + text[k + 1 :]) for k in range(len(text)))


def _is_well_formed(reading: str) -> bool:
    try:
        return normalise_plate(reading) == reading
    except PlateUnknown:
        return False
