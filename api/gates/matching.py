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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from api.vehicles.plates import PlateUnknown, normalise_plate

SURE = 0.95
"""Confidence from which a well-formed reading is believed."""
_ALIKE = str.maketrans(
    {"O": "0", "D": "0", "Q": "0", "I": "1", "L": "1", "B": "8", "Z": "2", "S": "5", "*": "?", "_": "?"}
)
_UNREAD = "?"
_LONGEST_PROVINCE = 1


@dataclass(frozen=True, slots=True)
class Match:
    """The plate a reading is taken for, or None; `how` is `exact`, `corrected` or `unknown`."""

    plate: str | None
    how: str


def match_plate(reading: str, listed: Sequence[str], *, confidence: float | None, is_registered: bool) -> Match:
    """
    Take a reading for a plate by the rule above.

    Parameters
    ----------
    reading
        As `clean_reading` returns it.
    listed
        Plates on the list around that time.
    confidence
        From 0 to 1; unknown without.
    is_registered
        The reading is the plate of a car that some household has registered.
    """
    if not reading:
        return Match(None, "unknown")
    if reading in listed or is_registered:
        return Match(reading, "exact")
    for candidates in (_alike(reading, listed), _near(reading, listed, confidence=confidence)):
        if len(candidates) == 1:
            return Match(candidates[0], "corrected")
        if candidates:
            break
    return Match(None, "unknown")


def clean_reading(text: str) -> str:
    """Return a reading as it is compared: capitals, no spacers; `""` for one that cannot be a plate at all."""
    reading = "".join(c for c in unicodedata.normalize("NFKC", text).upper() if c.isalnum() or c in "?*_")
    return reading if any("0" <= c <= "9" or "A" <= c <= "Z" for c in reading) else ""


def _folded(plate: str) -> str:
    return plate.translate(_ALIKE)


def _alike(reading: str, listed: Iterable[str]) -> list[str]:
    """List the plates that a reading equals but for what cameras mix up or could not read."""
    seen = _folded(reading)
    return [plate for plate in listed if _fits(seen, _folded(plate)) or _fits(seen, _folded(plate[_LONGEST_PROVINCE:]))]


def _fits(seen: str, plate: str) -> bool:
    return len(seen) == len(plate) and all(a in (b, _UNREAD) for a, b in zip(seen, plate, strict=True))


def _near(reading: str, listed: Iterable[str], *, confidence: float | None) -> list[str]:
    """List the plates one edit away from a reading that may be wrong."""
    if confidence is not None and confidence >= SURE and _is_well_formed(reading):
        return []
    seen = _folded(reading)
    return [plate for plate in listed if _is_one_edit(seen, _folded(plate))]


def _is_one_edit(a: str, b: str) -> bool:
    """Tell whether one character put in, taken out or changed makes two texts equal."""
    if abs(len(a) - len(b)) > 1:
        return False
    same = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if len(a) == len(b):
        return a[same + 1 :] == b[same + 1 :]
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return longer[same + 1 :] == shorter[same:]


def _is_well_formed(reading: str) -> bool:
    try:
        return normalise_plate(reading) == reading
    except PlateUnknown:
        return False
