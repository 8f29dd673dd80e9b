"""The fixed words and shapes of single values in a folder; each parser raises ValueError with what was expected."""

from __future__ import annotations

from api.neighbourhoods.model import DAY_KINDS, NEEDS, WEEKDAYS


def parse_days(text: str) -> str:
    """`daily`, `workdays`, `rest_days` as they are; weekdays in order, each once."""
    words = text.lower().split()
    if len(words) == 1 and words[0] in DAY_KINDS:
        return words[0]
    if not words or any(word not in WEEKDAYS for word in words):
        raise ValueError(f"is {text!r}, expected daily, workdays, rest_days or weekdays like 'mon tue'")
    return " ".join(day for day in WEEKDAYS if day in words)


def parse_needs(text: str) -> str:
    """`accessible`, `ev` or both, in order."""
    words = text.lower().split()
    if any(word not in NEEDS for word in words):
        raise ValueError(f"is {text!r}, expected accessible, ev or both separated by a space")
    return " ".join(need for need in NEEDS if need in words)


def parse_yes(text: str) -> bool:
    """Whether a cell says `yes`; `no` is no."""
    if text.lower() not in ("yes", "no"):
        raise ValueError(f"is {text!r}, expected yes or nothing")
    return text.lower() == "yes"


def one_of(*words: str) -> object:
    """Return a parser that takes exactly one of some words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"is {text!r}, expected {' or '.join(words)}")
        return text

    return parse
