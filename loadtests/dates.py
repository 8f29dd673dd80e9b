"""
How right told dates are over made-up seasons of two terms, against two simpler ways.

`python -m loadtests.dates [SEASONS]` prints a table for docs/measurements.md; counts, not seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial

import numpy as np
from scipy.stats import gamma

from api.waitlist.calibration import Calibration, Outcome, Told, calibration
from api.waitlist.dates import Answer, Dates, Outlook, answers, is_news, look_ahead, too_thin
from api.waitlist.lists import Floats, Ints, Lists
from api.waitlist.recalibrating import Levels, learn_levels
from api.waitlist.record import best_positions
from loadtests.seasons import LOOK, PAUSE_D, TERM_D, Season, Setting, Wait, lists_of, record_of

DAY_0 = date(2026, 3, 2)
FUTURES = 200
SETTINGS = {
    "300 wait, 60 places, few bays come free": Setting(facilities=60, bays=12, given_up=0.002),
    "300 wait, 50 places, many come free": Setting(given_up=0.004, refused=0.15),
    "50 wait, 10 places": Setting(waiting=50, facilities=10, given_up=0.004, refused=0.15),
    "1,000 wait, 120 places": Setting(waiting=1000, facilities=120, given_up=0.003, refused=0.12),
}
_BANDS = (1, 2, 3, 5, 8, 13, 21)


@dataclass(slots=True)
class Said:
    """What a household was told on a day, and the last day of its list."""

    on: int
    answer: Answer
    wait: Wait
    last: int


@dataclass(slots=True)
class History:
    """Positions seen every week, for the way that goes by them: (day, position, wait, last day)."""

    seen: list[tuple[int, int, Wait, int]] = field(default_factory=list)


def by_rate(season: Season, lists: Lists, position: Ints, _history: History, now: float) -> Floats:
    """Wait for as many bays as one's position, coming free at the pooled rate of the last sixty days."""
    recent = sum(now - 60 < when <= now for when in season.freed)
    rate = recent / min(60.0, now - season.terms[0].begin + 1e-9) / season.setting.facilities
    options = np.diff(lists.option_ptr)
    days = np.arange(1, len(lists.window_d) + 1)
    return np.asarray(gamma.cdf(days[None, :], position[:, None], scale=1.0 / (rate * options[:, None] + 1e-9)))


def by_past_waits(_season: Season, lists: Lists, position: Ints, history: History, now: float) -> Floats:
    """Take the product-limit curve of waits that once stood in the same band of positions."""
    days = len(lists.window_d)
    band = np.searchsorted(_BANDS, position, side="right")
    curves = {int(b): _curve(history, int(b), now=int(now), days=days) for b in np.unique(band)}
    return np.array([curves[int(b)] for b in band])


def _curve(history: History, band: int, *, now: int, days: int) -> Floats:
    at_risk, events = np.zeros(days), np.zeros(days)
    for day, position, wait, last in history.seen:
        if np.searchsorted(_BANDS, position, side="right") == band and day < now:
            ends = [x for x in (wait.reached, wait.gone, float(last), float(now)) if x is not None]
            stay = min(int(min(ends)) - day, days - 1)
            at_risk[: stay + 1] += 1
            events[stay] += wait.reached is not None and wait.reached < now and int(wait.reached) - day < days
    return np.asarray(1.0 - np.cumprod(1.0 - events / np.maximum(at_risk, 1.0)))


Way = Callable[[Season, Lists, Ints, History, float], Floats]


def live(setting: Setting, *, seed: int, way: Way | None = None) -> list[Said]:
    """Live two terms; look every morning, tell what is news; return all dates told."""
    season = Season(setting, seed=seed)
    told: list[Said] = []
    history = History()
    for number in range(2):
        term = season.begin_term(float(number * (TERM_D + PAUSE_D)))
        newest: dict[int, Said] = {}
        for day in range(int(term.begin), int(term.end)):
            now = day + LOOK if day > term.begin else day + 0.41
            season.live_until(now)
            for said in _look(season, told, history, newest, now=now, seed=seed, way=way):
                newest[id(said.wait)] = said
                if isinstance(said.answer, Dates):
                    told.append(said)
        season.live_until(term.end)
    return told


def _look(
    season: Season,
    told: Sequence[Said],
    history: History,
    newest: dict[int, Said],
    *,
    now: float,
    seed: int,
    way: Way | None,
) -> list[Said]:
    day, last = int(now), int(season.terms[-1].end) - 1
    today = DAY_0 + timedelta(days=day)
    lists, waits = lists_of(season, now)
    position = best_positions(lists.option_ptr, lists.option_group)
    if way and day % 7 == 0:
        history.seen += [(day, int(p), wait, last) for p, wait in zip(position, waits, strict=True)]
    record = record_of(season, now)
    if too_thin(record) or not waits:
        return []
    if way is None:
        levels = learn_levels(*_past(told, now=today), today=today)
        outlook = look_ahead(lists, record, levels=levels, seed=seed * 10 + len(season.terms), futures=FUTURES)
    else:
        outlook = Outlook(way(season, lists, position, history, now), Levels(0.5, 0.9), seed)
    news = []
    for wait, answer, chance in zip(waits, answers(lists, outlook, today=today), outlook.chance[:, -1], strict=True):
        before = newest.get(id(wait))
        on = DAY_0 + timedelta(days=before.on) if before else None
        need = outlook.levels.most
        if is_news(before.answer if before else None, on, answer, chance=float(chance), need=need, today=today):
            news.append(Said(day, answer, wait, last))
    return news


def _past(told: Sequence[Said], *, now: date) -> tuple[list[Told], list[Outcome]]:
    """Return dates told and what had become of those waits before a day."""
    said, outcomes = [], []
    for one in told:
        if isinstance(one.answer, Dates):
            said.append(Told(DAY_0 + timedelta(days=one.on), one.answer.half_by, one.answer.most_by))
            reached = None if one.wait.reached is None else DAY_0 + timedelta(days=int(one.wait.reached))
            gone = one.last if one.wait.gone is None else min(one.last, int(one.wait.gone))
            known = reached is not None and reached < now
            outcomes.append(Outcome(reached if known else None, min(DAY_0 + timedelta(days=gone), now)))
    return said, outcomes


def season_calibration(seed: int, *, setting: Setting, way: Way | None = None) -> Calibration:
    """Live a season and measure its dates."""
    end = DAY_0 + timedelta(days=10_000)
    return calibration(*_past(live(setting, seed=seed, way=way), now=end), now=end)


def main() -> None:
    """Print the table."""
    seasons = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    print(
        "| seasons | way | dates a season | by the first, mean ± sd | by the second | 45–55 / 85–95 in | width, days |"
    )
    print("|---|---|---|---|---|---|---|")
    ways: dict[str, Way | None] = {"lived forward": None, "position ÷ rate": by_rate, "past waits": by_past_waits}
    with ProcessPoolExecutor(2) as pool:
        for name, setting in SETTINGS.items():
            for called, way in ways.items():
                found = list(pool.map(partial(season_calibration, setting=setting, way=way), range(seasons)))
                print(f"| {name} | {called} | {_row(found)} |", flush=True)


def _row(found: Sequence[Calibration]) -> str:
    if not any(c.estimates for c in found):
        return "0 | none | none | none | none"
    half = np.array([c.reached_by_p50 for c in found if c.reached_by_p50 is not None])
    most = np.array([c.reached_by_p90 for c in found if c.reached_by_p90 is not None])
    width = np.median([c.median_width_days for c in found if c.median_width_days is not None])
    within = f"{(abs(half - 0.5) <= 0.05).mean():.2f} / {(abs(most - 0.9) <= 0.05).mean():.2f}"
    shares = f"{half.mean():.2f} ± {half.std():.2f} | {most.mean():.2f} ± {most.std():.2f}"
    return f"{np.mean([c.estimates for c in found]):.0f} | {shares} | {within} | {width:.0f}"


if __name__ == "__main__":
    main()
