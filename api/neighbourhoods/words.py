"""The fixed words and shapes of single values in a folder; each parser raises ValueError with what was expected."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date

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
    """Return `accessible`, `ev` or both, in order."""
    words = text.lower().split()
    if any(word not in NEEDS for word in words):
        raise ValueError(f"is {text!r}, expected accessible, ev or both separated by a space")
    return " ".join(need for need in NEEDS if need in words)


def parse_yes(text: str) -> bool:
    """Whether a cell says `yes`; `no` is no."""
    if text.lower() not in ("yes", "no"):
        raise ValueError(f"is {text!r}, expected yes or nothing")
    return text.lower() == "yes"


def parse_date(text: str) -> date:
    """Return the date of `2027-02-06`; other spellings of ISO 8601 (2026-W38-1, 20260914) are refused."""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"is {text!r}, expected a date like 2027-02-06")


def has_control_character(text: str) -> bool:
    """Whether a text holds a sign that is none, such as an escape or a line break."""
    return any(unicodedata.category(sign) == "Cc" for sign in text)


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that takes exactly one of some words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"is {text!r}, expected {' or '.join(words)}")
        return text

    return parse
