"""
What a language needs to tell every kind of notice.

A sentence is a template; it is said where all its fields are known, otherwise the next one of its alternatives, or
nothing. So no field is ever left open, whatever a notice carries.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

Sentence = tuple[str, ...]
"""Alternatives, the one that says most first."""


@dataclass(frozen=True, slots=True)
class Words:
    """A kind: its subject, which ends in an alternative without fields, its sentences, and what the next date means."""

    subject: Sentence
    sentences: tuple[Sentence, ...]
    next: Sentence = ()


@dataclass(frozen=True, slots=True)
class Language:
    """A language: all kinds, and how times and numbers are said."""

    code: str
    kinds: Mapping[str, Words]
    reasons: Mapping[str, str]
    reason: str
    next: str
    code_subject: str
    code_text: str
    footer: str
    read_more: str
    day: Callable[[date], str]
    moment: Callable[[datetime], str]
    span: Callable[[datetime, datetime], str]
    metres: Callable[[int], str]
    minutes: Callable[[int], str]
    dates: Callable[[Sequence[date]], str]
    separator: str


def said(sentence: Sentence, fields: Mapping[str, str]) -> str | None:
    """Return the first alternative all of whose fields are known, filled; None where there is none."""
    usable = (template for template in sentence if fields_of(template) <= fields.keys())
    found = next(usable, None)
    return None if found is None else found.format_map(fields)


def fields_of(template: str) -> set[str]:
    """Name the fields of a template."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}
