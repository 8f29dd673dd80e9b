"""Values inside a GeoJSON feature: where they stand, and what each may be."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from api.neighbourhoods.files import Findings

FILE = "facilities.geojson"
_ALIKE = 0.75
"""How close (0 to 1) an unknown key comes to one of ours before it is taken for a slip."""


def hint_for(key: str, known: Sequence[str]) -> str:
    """Say which key a misspelt one may stand for; the empty text when it is close to none."""
    close = difflib.get_close_matches(key, known, n=1, cutoff=_ALIKE)
    return f"; is it meant to be {close[0]!r}?" if close else ""


class Unusable(Exception):
    """A value that cannot be read further; its fault has been noted."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in facilities.geojson we are: a line, the path of fields to here, and whose they are."""

    findings: Findings
    line: int
    path: str = ""
    owner: str = ""
    """Said where the line alone does not tell the feature, as several stand in it."""

    def at(self, step: str | int) -> Place:
        """One field or index further down."""
        if isinstance(step, int):
            return replace(self, path=f"{self.path}[{step}]")
        return replace(self, path=f"{self.path}.{step}" if self.path else step)

    def fault(self, message: str) -> None:
        """Note what is wrong here."""
        whose = f" ({self.owner})" if self.owner else ""
        self.findings.fault(FILE, self.line, self.path or "feature", message + whose)

    def warn_of_unknown(self, item: Mapping[str, object], known: Sequence[str]) -> None:
        """Note keys of a part of the contract that it does not have: a rule misspelt is a rule left out."""
        for key in item:
            if key not in known:
                self.warn(f"{key!r} is not known and is ignored{hint_for(key, known)}")

    def warn(self, message: str) -> None:
        """Note what is odd here."""
        whose = f" ({self.owner})" if self.owner else ""
        self.findings.warnings.append(f"{FILE}:{self.line}: {self.path or 'feature'}: {message}{whose}")

    def refuse(self, message: str) -> Unusable:
        """Note what is wrong here and give the exception to raise."""
        self.fault(message)
        return Unusable(message)


def list_of(value: object, place: Place, *, default: Sequence[object] | None = None) -> Sequence[object]:
    """Return a list as it is, the default where it is missing; a fault and nothing where it is something else."""
    if value is None and default is not None:
        return default
    if not isinstance(value, list):
        place.fault(f"is {value!r}, expected a list")
        return ()
    return value


def one_word(value: object, words: Sequence[str], place: Place) -> str:
    """Return one of the known words; a fault and the empty text for anything else."""
    if value not in words:
        place.fault("is missing" if value is None else f"is {value!r}, expected one of {', '.join(words)}")
        return ""
    return str(value)


def optional_text(properties: Mapping[str, object], key: str, place: Place) -> str | None:
    """Return a text or None where it is missing; a fault and None for anything else."""
    value = properties.get(key)
    if value is not None and not isinstance(value, str):
        place.at(key).fault(f"is {value!r}, expected a text")
        return None
    return value


def number(value: object, place: Place, *, high: float, what: str) -> float | None:
    """Return a number from 0 to `high`, None where it is missing; a fault and None for anything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
        place.fault(f"is {value!r}, expected {what} between 0 and {high:g}")
        return None
    return float(value)


def whole_number(value: object, place: Place, *, high: int, required: bool = False) -> int | None:
    """Return a whole number from 0 to `high`, None where it is missing; a fault and None for anything else."""
    if value is None:
        if required:
            place.fault("is missing")
        return None
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not 0 <= value <= high:  # type: ignore[operator]  # a number by now
        place.fault(f"is {value!r}, expected a whole number between 0 and {high}")
        return None
    return int(value)  # type: ignore[call-overload, no-any-return]


MOST_BAYS = 100_000
"""No car park on earth has more; a larger number is a slip of the hand."""
