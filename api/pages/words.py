"""Rules, reasons and numbers as people say them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from api.calendars.clock import DAY_MIN, hours_text
from api.neighbourhoods.model import Facility, Window

KIND_WORDS: Mapping[str, str] = {
    "park_garage": "Park garage",
    "office_tower": "Office tower",
    "public_car_park": "Public car park",
    "off_peak_road": "Off-peak road",
    "other": "Car park",
}

BAY_KIND_WORDS: Mapping[str, str] = {
    "standard": "standard",
    "accessible": "accessible",
    "ev": "charging",
    "large": "large",
}

REASON_WORDS: Mapping[str, str] = {
    "no_home_access": "no way on foot from the home",
    "too_far": "everything is too far to walk",
    "no_day": "no day of the term was asked for",
    "no_window": "nothing near is open for the whole stay",
    "no_suitable_bay": "no bay fits the car or the need",
    "full": "every bay in reach went to a stay worth more",
    "no_value": "a bay would be worth nothing to the plan",
    "rejected": "turned down in review",
}

_DAY_WORDS: Mapping[str, str] = {"daily": "every day", "workdays": "workdays", "rest_days": "rest days"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
CURRENCIES: Mapping[str, str] = {"CN": "¥", "SG": "S$", "MC": "€", "HK": "HK$", "JP": "¥", "GB": "£", "US": "$"}


def reason_words(reason: str) -> str:
    """Say why a demand got no bay; a reason of a later version is shown as it stands."""
    return REASON_WORDS.get(reason, reason.replace("_", " "))


def window_words(window: Window) -> str:
    """Say when a window is open: `workdays 18:00 – next day 08:00, in by 22:00, 1 May to 30 Sep`."""
    words = f"{days_words(window.days)} {clock_words(window.from_min)} – {clock_words(window.to_min)}"
    if window.last_entry_min is not None:
        words += f", in by {clock_words(window.last_entry_min)}"
    if window.season is not None:
        words += ", " + " to ".join(f"{day} {_MONTHS[month - 1]}" for month, day in window.season)
    return words


def days_words(days: str) -> str:
    """Say on which days: a day kind, or weekdays."""
    return _DAY_WORDS.get(days) or ", ".join(name.capitalize() for name in days.split())


def clock_words(minutes: int) -> str:
    """Say an hour of a day: past midnight it is the next day's."""
    return hours_text(minutes) if minutes <= DAY_MIN else f"next day {hours_text(minutes - DAY_MIN)}"


def date_words(day: date) -> str:
    """Say a date: `1 Dec 2026`."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def price_words(facility: Facility, *, country: str) -> str | None:
    """Say the monthly price, or nothing where none is known."""
    if facility.monthly_price_cents is None:
        return None
    if facility.monthly_price_cents == 0:
        return "free"
    amount = f"{facility.monthly_price_cents / 100:,.2f}".removesuffix(".00")
    return f"{CURRENCIES.get(country, '')}{amount} a month"


def limits_words(facility: Facility) -> list[str]:
    """Say what else a driver must know: height, hours without movement, closures."""
    words = []
    if facility.max_height_m is not None:
        words.append(f"cars up to {facility.max_height_m:g} m high")
    if facility.no_movement is not None:
        start, end = (hours_text(minutes % DAY_MIN) for minutes in facility.no_movement)
        words.append(f"no driving in or out {start} – {end}")
    for closure in facility.closures:
        reason = f" ({closure.reason})" if closure.reason else ""
        start_text, end_text = (f"{date_words(moment)} {moment:%H:%M}" for moment in (closure.start, closure.end))
        words.append(f"closed {start_text} – {end_text}{reason}")
    return words


def number_words(value: float) -> str:
    """Write a whole number with its thousands apart."""
    return f"{value:,.0f}"


def share_words(part: float, whole: float) -> str:
    """Write a share in per cent, `–` of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else "–"
