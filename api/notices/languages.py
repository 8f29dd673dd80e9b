"""The language a household reads: the one a request asks for, else that of the account."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

from api.notices.rendering import LANGUAGES

AcceptLanguage = Annotated[
    str | None,
    Header(alias="Accept-Language", max_length=200, description="`zh` or `en`; the account's own language without"),
]


def asked_language(header: str | None) -> str | None:
    """Return the first of our languages by weight in `Accept-Language` (RFC 9110, section 12.5.4); None for none."""
    weighed = []
    for k, part in enumerate((header or "").split(",")):
        tag, _, weight = part.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        if primary in LANGUAGES and (share := _share(weight)) > 0:
            weighed.append((-share, k, primary))
    return min(weighed)[2] if weighed else None


def _share(weight: str) -> float:
    name, _, number = weight.strip().partition("=")
    try:
        return float(number) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
