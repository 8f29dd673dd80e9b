"""neighbourhood.toml: name, place, coordinate system, term and policy."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import available_timezones

import holidays

from api.neighbourhoods.files import Findings, read_text
from api.neighbourhoods.model import CRS_NAMES, Policy
from api.neighbourhoods.words import parse_date
from geo.countries import country_box

FILE = "neighbourhood.toml"
_KEYS = ("name", "timezone", "country", "crs", "seed", "term", "policy")
_POLICY_KEYS = ("tier_value_m", "waiting_value_m", "keep_value_m", "max_walk_m")
_MOST_VALUE_M = 10_000_000
"""Nobody says more than ten thousand kilometres aloud, and sums over a million demands must fit into 63 bits."""
SEED_BOUND = 2**63
_MOST_CHARACTERS, _LONGEST_LINE = 100_000, 5_000
_LONGEST_TERM_DAYS = 3 * 366


@dataclass(frozen=True, slots=True)
class Settings:
    """What neighbourhood.toml says."""

    name: str
    timezone: str
    country: str
    crs: str
    seed: int
    term_from: date
    term_to: date
    policy: Policy


class _Reader:
    """Keys of a TOML table looked up with their lines, faults noted."""

    def __init__(self, text: str, findings: Findings) -> None:
        self.text = text
        self.findings = findings

    def line_of(self, key: str, *, table: str = "") -> int:
        """Return the line where a key stands, the table's own when it is missing, else 1."""
        lines = self.text.splitlines()
        here, table_line = "", 1
        for number, line in enumerate(lines, start=1):
            if header := re.match(r"\s*\[([^\]]+)\]", line):
                here = header[1].strip()
                if here == table:
                    table_line = number
            elif (here == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line)) or (
                not here and table and re.match(rf"\s*{re.escape(table)}\s*(\.\s*{re.escape(key)}\s*)?=", line)
            ):
                return number
        return table_line

    def fault(self, key: str, message: str, *, table: str = "") -> None:
        name = f"{table}.{key}" if table else key
        self.findings.fault(FILE, self.line_of(key, table=table), name, message)


def read_settings(folder: Path, findings: Findings) -> Settings | None:
    """Read neighbourhood.toml; None after a fault."""
    text = read_text(folder / FILE, findings)
    if text is None:
        return None
    lines = text.splitlines()
    longest = max(range(len(lines)), key=lambda at: len(lines[at]))
    if len(text) > _MOST_CHARACTERS or len(lines[longest]) > _LONGEST_LINE:
        # A key of thousands of dots takes a parser minutes and all memory.
        limits = f"{_MOST_CHARACTERS} characters in lines of at most {_LONGEST_LINE}"
        findings.fault(FILE, longest + 1, "file", f"is too large to be settings, expected at most {limits}")
        return None
    try:
        content = tomllib.loads(text)
    except RecursionError:
        findings.fault(FILE, longest + 1, "file", "is nested too deeply to be settings")
        return None
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"at line (\d+)", str(error))
        findings.fault(FILE, int(where[1]) if where else len(text.splitlines()), "file", f"is not TOML: {error}")
        return None
    noted = len(findings.faults)
    reader = _Reader(text, findings)
    _warn_of_unknown(content, findings)
    try:
        settings = _settings(content, reader)
    except RecursionError:  # a value of a thousand levels, which cannot even be shown
        findings.fault(FILE, longest + 1, "file", "is nested too deeply to be settings")
        return None
    return settings if len(findings.faults) == noted else None


def _warn_of_unknown(content: Mapping[str, object], findings: Findings) -> None:
    policy = content.get("policy")
    unknown = [key for key in content if key not in _KEYS]
    unknown += [f"policy.{key}" for key in policy if key not in _POLICY_KEYS] if isinstance(policy, dict) else []
    findings.warnings.extend(f"{FILE}: {key!r} is not known and is ignored" for key in unknown)


def _settings(content: Mapping[str, object], reader: _Reader) -> Settings:
    term_from, term_to = _term(content.get("term"), reader)
    return Settings(
        name=_text(content, "name", reader),
        timezone=_timezone(content, reader),
        country=_country(content, reader),
        crs=_crs(content, reader),
        seed=_seed(content, reader),
        term_from=term_from,
        term_to=term_to,
        policy=_policy(content.get("policy", {}), reader),
    )


def _text(content: Mapping[str, object], key: str, reader: _Reader) -> str:
    value = content.get(key)
    if value is None:
        reader.fault(key, "is missing")
    elif not isinstance(value, str) or not value.strip():
        reader.fault(key, f"is {value!r}, expected a text")
    else:
        return value.strip()
    return ""


def _timezone(content: Mapping[str, object], reader: _Reader) -> str:
    zone = _text(content, "timezone", reader)
    if zone and zone not in available_timezones():
        reader.fault("timezone", f"is {zone!r}, expected an IANA time zone like Asia/Shanghai")
    return zone


def _country(content: Mapping[str, object], reader: _Reader) -> str:
    country = _text(content, "country", reader).upper()
    if country and country_box(country) is None and country not in holidays.list_supported_countries():
        reader.fault("country", f"is {country!r}, expected an ISO 3166 code of two letters like CN")
    return country


def _crs(content: Mapping[str, object], reader: _Reader) -> str:
    crs = _text(content, "crs", reader)
    if crs and crs not in CRS_NAMES:
        reader.fault("crs", f"is {crs!r}, expected {', '.join(CRS_NAMES[:-1])} or {CRS_NAMES[-1]}")
    return crs


def _seed(content: Mapping[str, object], reader: _Reader) -> int:
    seed = content.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int) or not -SEED_BOUND <= seed < SEED_BOUND:
        reader.fault("seed", f"is {seed!r}, expected a whole number of at most 63 bits")
        return 0
    return seed


def _term(term: object, reader: _Reader) -> tuple[date, date]:
    nothing = date.min, date.min
    if not isinstance(term, dict):
        reader.fault("term", "is missing; write [term] with from and to, both inclusive dates")
        return nothing
    ends = [_date(term, key, reader) for key in ("from", "to")]
    if ends[0] is None or ends[1] is None:
        return nothing
    if ends[1] < ends[0]:
        reader.fault("to", f"is {ends[1]}, before from = {ends[0]}", table="term")
    elif (ends[1] - ends[0]).days > _LONGEST_TERM_DAYS:
        reader.fault("to", f"is {ends[1]}, more than three years after from = {ends[0]}", table="term")
    return ends[0], ends[1]


def _date(term: Mapping[str, object], key: str, reader: _Reader) -> date | None:
    value = term.get(key)
    if isinstance(value, str):
        with suppress(ValueError):
            value = parse_date(value)
    if value is None:
        reader.fault(key, "is missing", table="term")
    elif isinstance(value, datetime) or not isinstance(value, date) or not 1971 <= value.year <= 2199:
        reader.fault(key, f"is {value!r}, expected a date like 2026-12-01", table="term")
    else:
        return value
    return None


def _policy(content: object, reader: _Reader) -> Policy:
    if not isinstance(content, dict):
        reader.fault("policy", "is not a table; write [policy]")
        return Policy()
    default = Policy()
    tiers = content.get("tier_value_m", list(default.tier_value_m))
    if not (isinstance(tiers, list) and len(tiers) == 3 and all(_is_value(value) for value in tiers)):
        reader.fault(
            "tier_value_m",
            f"is {tiers!r}, expected three whole numbers of metres from 0 to {_MOST_VALUE_M}",
            table="policy",
        )
        tiers = list(default.tier_value_m)
    return Policy(
        tier_value_m=(tiers[0], tiers[1], tiers[2]),
        waiting_value_m=_value(content, "waiting_value_m", default.waiting_value_m, reader),
        keep_value_m=_value(content, "keep_value_m", default.keep_value_m, reader),
        max_walk_m=_max_walk(content, default.max_walk_m, reader),
    )


def _is_value(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_VALUE_M


def _value(content: Mapping[str, object], key: str, default: int, reader: _Reader) -> int:
    value = content.get(key, default)
    if not _is_value(value):
        reader.fault(key, f"is {value!r}, expected a whole number of metres from 0 to {_MOST_VALUE_M}", table="policy")
        return default
    assert isinstance(value, int)  # noqa: S101  (for the type checker; _is_value has just said so)
    return value


def _max_walk(content: Mapping[str, object], default: float, reader: _Reader) -> float:
    value = content.get("max_walk_m", default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100_000:
        reader.fault("max_walk_m", f"is {value!r}, expected metres above 0 and up to 100000", table="policy")
        return default
    return float(value)
