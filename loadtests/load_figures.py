"""What a load test has found, and how it is told: a table for people, and JSON with fixed keys for programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from loadtests.answers import Answers
from loadtests.ceilings import Ceilings
from loadtests.invariants import Broken
from loadtests.tables import Rows, as_text, written
from loadtests.wrk import Posted

WANTED_SHARE = 0.4
NEARBY_LIMIT_MS = 50.0
RUSH_LIMIT_MS = 1000.0
WORKER_LIMIT_MB = 300.0
SEARCH_GROWTH_LIMIT = 2.0


@dataclass(frozen=True, slots=True)
class RushFound:
    """A rush at one place: its answers, and the bookings that were in the database after it."""

    answers: Answers
    rows: int

    @property
    def booked(self) -> int:
        """Residents who were told that they have a bay."""
        return self.answers.num(low=201, high=201)

    @property
    def refused(self) -> int:
        """Residents who were refused, and were told of alternatives."""
        return self.answers.num(low=409, high=409) - self.answers.without_alternatives


@dataclass(frozen=True, slots=True)
class PlaceFound:
    """What was found at one place: its size, rush and journeys, and the rates (arrivals a second) of its steps."""

    name: str
    bays: int
    rush: RushFound
    journeys: Answers
    rates: tuple[float, ...]

    @property
    def steady_step(self) -> int:
        """Number of the last, steady stretch."""
        return len(self.rates)


@dataclass(frozen=True, slots=True)
class Found:
    """Everything of one run; places from the smallest to the largest."""

    places: tuple[PlaceFound, ...]
    nearest: Posted
    ceilings: Ceilings
    broken: Broken
    settings: dict[str, str]
    workers_mb: tuple[float, ...]
    rush_size: tuple[int, int]
    """(bays, residents)."""

    @property
    def server_errors(self) -> int:
        """Answers that are the server's fault, and requests that were never answered though nobody hung up."""
        of_locust = sum(p.rush.answers.num_failed() + p.journeys.num_failed() for p in self.places)
        return of_locust + self.nearest.failed + self.nearest.socket_errors

    @property
    def unexpected(self) -> int:
        """Answers that are neither what was asked for nor an honest refusal."""
        of_locust = sum(p.rush.answers.num_unexpected() + p.journeys.num_unexpected() for p in self.places)
        return of_locust + self.nearest.other

    @property
    def nearby_p95_ms(self) -> float:
        """Nearby search at the largest place, at the steady share of saturation."""
        largest = self.places[-1]
        return largest.journeys.of_steps([largest.steady_step]).percentile_ms(95, route="nearby")

    @property
    def search_growth(self) -> float:
        """Nearby search at the largest place over that at the smallest, medians of the first, slowest step."""
        small, large = (
            p.journeys.of_steps([0]).percentile_ms(50, route="nearby") for p in (self.places[0], self.places[-1])
        )
        return large / small

    def holds(self) -> bool:
        """Tell whether every invariant holds, every rush was settled honestly, and the server made no error."""
        bays, residents = self.rush_size
        honest = all(
            (p.rush.booked, p.rush.refused, p.rush.rows) == (bays, residents - bays, bays) for p in self.places
        )
        return honest and not self.broken.any() and not self.server_errors and not self.unexpected


def as_json(found: Found) -> dict[str, Any]:
    """Return the figures with the keys that programs rely on."""
    broken, rush = found.broken, found.places[-1].rush
    return {
        "overlaps": broken.overlapping_on_bays + broken.overlapping_of_households,
        "lost": broken.lost + broken.cancelled_but_there + broken.without_booking + broken.unaccounted,
        "outside_window": broken.outside_openings + broken.in_buffers,
        "server_errors": found.server_errors,
        "bookings_per_s": _rounded(found.nearest.created_per_s),
        "fastapi_ceiling_per_s": _rounded(found.ceilings.fastapi_per_s),
        "pgbench_ceiling_per_s": _rounded(found.ceilings.pgbench_per_s),
        "nearby_p95_ms": _rounded(found.nearby_p95_ms),
        "rush": {"booked": rush.booked, "refused": rush.refused, "p99_ms": _rounded(rush.answers.percentile_ms(99))},
    }


def as_words(found: Found) -> str:
    """Write the tables and what they say about the targets."""
    parts = [as_text(route_table(found)), as_text(step_table(found)), as_text(ceiling_table(found))]
    parts.append("\n".join(_invariant_lines(found.broken)))
    parts.append("\n".join(_target_lines(found)))
    return "\n\n".join(parts)


def route_table(found: Found) -> Rows:
    """List requests by place and route, all steps together, the titles first."""
    titles = ["place", "route", "requests", "p50, ms", "p95, ms", "p99, ms", "refused", "errors"]
    return [titles] + [
        _route_row(place.name, route, answers)
        for place in found.places
        for answers in (place.rush.answers, place.journeys)
        for route in answers.routes()
    ]


def _route_row(place: str, route: str, answers: Answers) -> list[str]:
    times = [_number(answers.percentile_ms(percent, route=route), "{:,.1f}") for percent in (50, 95, 99)]
    counts = (answers.num_refused(route=route), answers.num_unexpected(route=route))
    return [place, route, f"{answers.num(route=route):,}", *times, *(f"{count:,}" for count in counts)]


def step_table(found: Found) -> Rows:
    """List arrivals a second, step by step, with what they met."""
    rows = [["place", "arrivals/s", "requests", "p50, ms", "p95, ms", "p99, ms", "errors", "nearby p95, ms"]]
    for place in found.places:
        for step in sorted(set(place.journeys.step)):
            answers = place.journeys.of_steps([step])
            steady = step == place.steady_step
            rows.append(
                [
                    place.name,
                    "steady" if steady else f"{place.rates[step]:,.0f}",
                    f"{answers.num():,}",
                    *(_number(answers.percentile_ms(percent), "{:,.1f}") for percent in (50, 95, 99)),
                    f"{answers.num_unexpected():,}",
                    _number(answers.percentile_ms(95, route="nearby"), "{:,.1f}"),
                ]
            )
    return rows


def ceiling_table(found: Found) -> Rows:
    """Put the nearest free bay, booked, beside both ceilings."""
    ours, ceilings = found.nearest, found.ceilings
    times = [_number(value, "{:,.1f}") for value in (ours.p50_ms, ours.p95_ms, ours.p99_ms)]
    return [
        ["what", "a second", "of FastAPI's", "of pgbench's", "p50, ms", "p95, ms", "p99, ms", "refused", "errors"],
        [
            "nearest free bay, booked",
            f"{ours.created_per_s:,.0f}",
            f"{ours.created_per_s / ceilings.fastapi_per_s:.2f}",
            f"{ours.created_per_s / ceilings.pgbench_per_s:.3f}",
            *times,
            f"{ours.refused:,}",
            f"{ours.failed + ours.other + ours.socket_errors:,}",
        ],
        ["FastAPI, bare insert", f"{ceilings.fastapi_per_s:,.0f}", "1", _share(ceilings), *["–"] * 5],
        ["pgbench, bare insert", f"{ceilings.pgbench_per_s:,.0f}", "–", "1", *["–"] * 5],
    ]


def _share(ceilings: Ceilings) -> str:
    return f"{ceilings.fastapi_per_s / ceilings.pgbench_per_s:.3f}"


def _invariant_lines(broken: Broken) -> list[str]:
    words = {
        "two stays on one bay at one moment": broken.overlapping_on_bays,
        "two stays of one household at one moment": broken.overlapping_of_households,
        "told confirmed and not there": broken.lost,
        "told cancelled and still there": broken.cancelled_but_there,
        "outside an opening": broken.outside_openings,
        "on a bay of the buffer": broken.in_buffers,
        "taking a bay without a booking": broken.without_booking,
        "rows and answers apart": broken.unaccounted,
    }
    return [f"{'✗' if number else '✓'} {what}: {number:,}" for what, number in words.items()]


def _target_lines(found: Found) -> list[str]:
    small, large = found.places[0], found.places[-1]
    growth = f"{found.search_growth:.1f} × that among {small.bays:,} (asked: {SEARCH_GROWTH_LIMIT:.0f})"
    share, worker_mb = found.nearest.created_per_s / found.ceilings.fastapi_per_s, max(found.workers_mb)
    targets = [
        (share >= WANTED_SHARE, f"bookings: {share:.2f} of the FastAPI ceiling (asked: {WANTED_SHARE})"),
        (
            found.nearby_p95_ms <= NEARBY_LIMIT_MS,
            f"nearby at 60 % of saturation: p95 {found.nearby_p95_ms:,.0f} ms (asked: {NEARBY_LIMIT_MS:,.0f})",
        ),
        (
            found.search_growth <= SEARCH_GROWTH_LIMIT,
            f"nearby among {large.bays:,} bays: {growth}",
        ),
        (
            worker_mb <= WORKER_LIMIT_MB,
            f"memory of a worker at its peak: {worker_mb:,.0f} MB (asked: {WORKER_LIMIT_MB:,.0f})",
        ),
        (not found.server_errors, f"server errors: {found.server_errors:,}"),
        (not found.unexpected, f"answers nobody should get: {found.unexpected:,}"),
    ]
    settings = ", ".join(f"{name} {value}" for name, value in found.settings.items())
    told = [f"{_mark(met)} {words}" for met, words in targets]
    return [settings, *(_rush_line(place) for place in found.places), *told]


def _rush_line(place: PlaceFound) -> str:
    rush = place.rush
    p99_ms = rush.answers.percentile_ms(99)
    return (
        f"{_mark(p99_ms <= RUSH_LIMIT_MS)} rush at {place.name}: {rush.booked} booked, {rush.refused} refused with "
        f"alternatives, {rush.rows} rows, p99 {p99_ms:,.0f} ms (asked: {RUSH_LIMIT_MS:,.0f})"
    )


def _mark(met: bool) -> str:
    return "✓" if met else "✗"


def _number(value: float, form: str) -> str:
    return written(None if math.isnan(value) else value, form)


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 1)
