"""A notice in words: its facts said in a language, with the reason and the next date."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from api.notices.chinese import CHINESE
from api.notices.english import ENGLISH
from api.notices.words import Language, said
from api.pages.words import CURRENCIES

LANGUAGES: Mapping[str, Language] = {language.code: language for language in (CHINESE, ENGLISH)}
_LONGEST_SUBJECT = 120
_LONGEST_TEXT = 400
_CODE = re.compile(r"[a-z]+(_[a-z]+)+")
"""A word of a program that no language knows yet."""
_FIRST_YEAR, _LAST_YEAR = 1970, 2999
"""What a reason in somebody's own words looks like a moment of is converted to no zone outside of these."""
_NAMES = ("facility", "new_facility", "round")


@dataclass(frozen=True, slots=True)
class Told:
    """
    What a notice tells.

    Attributes
    ----------
    names
        Of what the facts name by id, as far as it is still there: `facility`, `new_facility` and `round`.
    country
        Whose money amounts are in.
    """

    kind: str
    facts: Mapping[str, Any]
    names: Mapping[str, str | None]
    timezone: str
    country: str


@dataclass(frozen=True, slots=True)
class Text:
    """A subject, and paragraphs."""

    subject: str
    paragraphs: tuple[str, ...]

    @property
    def whole(self) -> str:
        """The paragraphs as one text."""
        return "\n".join(self.paragraphs)


def render(told: Told, language: Language) -> Text:
    """Say a notice."""
    fields = _fields(told, language)
    words = language.kinds[told.kind]
    sentences = [said(sentence, fields) for sentence in words.sentences]
    if "reason" in fields:
        sentences.append(language.reason.format_map(fields))
    sentences.append(said((*words.next, language.next), fields))
    subject = said(words.subject, fields) or told.kind
    return Text(subject[:_LONGEST_SUBJECT], tuple(sentence for sentence in sentences if sentence))


def _fields(told: Told, language: Language) -> dict[str, str]:
    """Say every fact under its name, without the unit: `walk_m` is `walk`; ids are the names of what they name."""
    zone = ZoneInfo(told.timezone)
    fields: dict[str, str] = {}
    for name, value in told.facts.items():
        spoken = _spoken(name, value, language, zone=zone, country=told.country)
        if spoken is not None:
            fields.setdefault(*spoken)
    for name in _NAMES:
        fields.pop(name, None)
    fields |= {name: _one_line(text) for name, text in told.names.items() if text}
    start, end = moment_of(told.facts.get("from")), moment_of(told.facts.get("to"))
    if start is not None and end is not None:
        fields["span"] = language.span(start.astimezone(zone), end.astimezone(zone))
    after = fields.pop("next_date", None) or fields.get("to")
    return fields | ({"next": after} if after else {})


def _spoken(name: str, value: object, language: Language, *, zone: ZoneInfo, country: str) -> tuple[str, str] | None:
    if isinstance(value, bool):
        return ("what", language.reasons[name]) if value and name in language.reasons else None
    if isinstance(value, int | float):
        return _number(name, value, language, country=country) if value or not name.endswith("cents") else None
    if isinstance(value, str) and name == "receipt":
        return name, _one_line(value)  # somebody's number, even where it looks like a date
    if isinstance(value, str):
        return _unprefixed(name), _text(value, language, zone)
    if isinstance(value, Sequence) and value:
        return _unprefixed(name), _listed(value, language, zone)
    return None


def _number(name: str, value: float, language: Language, *, country: str) -> tuple[str, str]:
    if name == "cents" or name.endswith("_cents"):
        return name.removesuffix("_cents").replace(
            "cents", "amount"
        ), f"{CURRENCIES.get(country, '')}{value / 100:,.2f}"
    if name.endswith("_min"):
        return name.removesuffix("_min"), language.minutes(round(value))
    if name.endswith("_m"):
        return name.removesuffix("_m"), language.metres(round(value))
    return name, f"{value:,}"


def _text(value: str, language: Language, zone: ZoneInfo) -> str:
    moment = moment_of(value)
    if moment is not None:
        return language.moment(moment.astimezone(zone))
    day = _date_of(value)
    if day is not None:
        return language.day(day)
    if value in language.reasons:
        return language.reasons[value]
    return value.replace("_", " ") if _CODE.fullmatch(value) else _one_line(value).rstrip("。.")


def _listed(values: Sequence[object], language: Language, zone: ZoneInfo) -> str:
    days = [day for day in map(_date_of, values) if day is not None]
    if len(days) == len(values):
        return language.dates(days)
    return ", ".join(_items(values, language, zone))


def _items(values: Sequence[object], language: Language, zone: ZoneInfo) -> Iterator[str]:
    """Say what is no plain list of dates: of objects, their times and walks; ids say nothing to anybody."""
    for value in values:
        parts = value.items() if isinstance(value, Mapping) else [("", value)]
        yield " ".join(
            _text(part, language, zone) if isinstance(part, str) else language.metres(round(part))
            for name, part in parts
            if isinstance(part, str) or (name.endswith("_m") and isinstance(part, int | float))
        )


def _unprefixed(name: str) -> str:
    """One name for nights that found no bay, whoever tells of them."""
    return "without_bay" if name == "dates_without_bay" else name


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 1] + "…"


def moment_of(value: object) -> datetime | None:
    """Read a moment with its offset; None for everything else, and for one that no clock shows."""
    if not isinstance(value, str) or len(value) <= len("2026-01-01"):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and _FIRST_YEAR <= moment.year <= _LAST_YEAR else None


def _date_of(value: object) -> date | None:
    if not isinstance(value, str) or len(value) != len("2026-01-01"):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None
