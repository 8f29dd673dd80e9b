"""Made-up seasons of waiting lists, told by laws that the estimator of dates does not know."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from api.waitlist.lists import Lists, Record

LOOK = 0.25
"""Dates are worked out at six in the morning."""
TERM_D, PAUSE_D = 80, 10
WINDOW_D = 3.0
_DAYS = (127, 31, 96, 15, 112, 21, 10)
_DAYS_SHARE = (0.6, 0.2, 0.07, 0.05, 0.04, 0.02, 0.02)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a season is drawn from: sizes, and means of the rates (facilities differ by `spread`, terms by `shock`)."""

    waiting: int = 300
    facilities: int = 50
    bays: int = 14
    refused: float = 0.1
    list_refused: float = 0.2
    given_up: float = 0.0012
    left: float = 0.0015
    withdrawn: float = 0.04
    spread: float = 0.4
    shock: float = 0.15
    wave: float = 0.3


@dataclass(slots=True)
class Wait:
    """One household on one list."""

    rank: float
    days: int
    groups: tuple[int, ...]
    joined: float
    leaves: float
    reached: float | None = None
    gone: float | None = None


@dataclass(slots=True)
class Right:
    """One permit, first offered: when made, due and decided, from when in force, when and how it ended."""

    group: int
    days: int
    listed: bool
    made: float
    due: float
    refused: bool
    decided: float
    ends: float
    ended: float | None = None
    freed: bool = False


@dataclass(slots=True)
class Term:
    """One round: its lists and rights, from the day of publication."""

    begin: float
    end: float
    waits: list[Wait]
    rights: list[Right] = field(default_factory=list)
    free: np.ndarray[tuple[int, int], np.dtype[np.int64]] | None = None


class Season:
    """Two terms lived through day by day; `waits` and `rights` of both stay as the record."""

    def __init__(self, setting: Setting, *, seed: int) -> None:
        self.setting = setting
        self.rng = np.random.default_rng([seed, 77])
        s, n = setting, setting.facilities
        self.size = np.maximum(self.rng.poisson(s.bays, n), 2)
        self.place = self.rng.random((n, 2))
        self.refuse_factor = self.rng.gamma(1 / s.spread**2, s.spread**2, n)
        self.give_factor = self.rng.gamma(1 / s.spread**2, s.spread**2, n)
        self.open = np.ones(n, dtype=bool)
        self.terms: list[Term] = []
        self.freed: list[float] = []
        self._events: list[tuple[float, int, str, object]] = []
        self._count = 0

    def begin_term(self, begin: float) -> Term:
        """Publish a round: an offer for every bay, everybody else on the list."""
        s, rng = self.setting, self.rng
        shock = rng.normal(0.0, s.shock, 3)
        self._refused = s.refused * np.exp(shock[0])
        self._listed = s.list_refused * np.exp(shock[0])
        self._given = s.given_up * np.exp(shock[1])
        self._left = s.left * np.exp(shock[2])
        self._phase = rng.random() * 2 * np.pi
        self._events = []
        term = Term(begin, begin + TERM_D, [])
        term.free = np.zeros((s.facilities, 7), dtype=np.int64)
        self.terms.append(term)
        published = begin + 0.4
        for _ in range(s.waiting):
            self._join(term, published)
        for group in range(s.facilities):
            if self.open[group]:
                for _ in range(int(self.size[group])):
                    self._offer(term, group, int(rng.choice(_DAYS, p=_DAYS_SHARE)), published, listed=False)
            if rng.random() < s.withdrawn:
                self._at(begin + rng.random() * TERM_D, "withdraw", group)
        for _ in range(rng.poisson(0.02 * s.waiting)):
            self._at(begin + rng.random() * TERM_D, "join", None)
        return term

    def live_until(self, moment: float) -> None:
        """Let happen what happens before a moment."""
        term = self.terms[-1]
        while self._events and self._events[0][0] <= moment:
            when, _, what, who = heapq.heappop(self._events)
            if what == "release" and isinstance(who, Right) and who.ended is None:
                who.ended, who.freed = when, True
                self.freed.append(when)
                self._put(term, who.group, who.days, 1)
                self._follow(term, who.group, when)
            elif what == "leave" and isinstance(who, Wait) and who.reached is None:
                who.gone = when
            elif what == "withdraw" and isinstance(who, int):
                self._withdraw(term, who, when)
            elif what == "join":
                self._join(term, when)

    def _at(self, when: float, what: str, who: object) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, what, who))

    def _join(self, term: Term, when: float) -> None:
        rng = self.rng
        near = np.argsort(((self.place - rng.random(2)) ** 2).sum(axis=1))
        groups = tuple(int(g) for g in near[: 1 + rng.poisson(1.2)])
        leaves = when + rng.exponential() / self._left
        rank = float(rng.choice(3, p=(0.05, 0.15, 0.8))) + rng.random()
        wait = Wait(rank, int(rng.choice(_DAYS, p=_DAYS_SHARE)), groups, when, leaves)
        term.waits.append(wait)
        term.waits.sort(key=lambda w: w.rank)
        if leaves < term.end:
            self._at(leaves, "leave", wait)

    def _offer(self, term: Term, group: int, days: int, when: float, *, listed: bool) -> None:
        rng = self.rng
        due = when + WINDOW_D
        chance = min((self._listed if listed else self._refused) * self.refuse_factor[group], 0.9)
        refused = bool(rng.random() < chance)
        lapses = refused and rng.random() < 0.4
        decided = due if lapses else when + (due - when) * float(rng.beta(1.0, 2.5))
        right = Right(
            group, days, listed, when, due, refused, decided, decided if refused else self._ends(group, decided)
        )
        term.rights.append(right)
        if right.ends < term.end:
            self._at(right.ends, "release", right)

    def _ends(self, group: int, since: float) -> float:
        """Thin a faster process: the hazard rises and falls over the weeks."""
        top, when = self._given * self.give_factor[group] * (1 + self.setting.wave), since
        while True:
            when += self.rng.exponential() / top
            wave = 1 + self.setting.wave * np.sin(2 * np.pi * when / 60.0 + self._phase)
            if self.rng.random() * (1 + self.setting.wave) < wave or when > since + 400:
                return float(when)

    def _follow(self, term: Term, group: int, when: float) -> None:
        if not self.open[group] or term.free is None:
            return
        for wait in term.waits:
            waits = group in wait.groups and wait.reached is None and wait.gone is None and wait.joined <= when
            if waits and all(term.free[group, d] > 0 for d in range(7) if wait.days >> d & 1):
                wait.reached = when
                self._put(term, group, wait.days, -1)
                self._offer(term, group, wait.days, when, listed=True)

    @staticmethod
    def _put(term: Term, group: int, days: int, bays: int) -> None:
        if term.free is not None:
            term.free[group] += [bays * (days >> d & 1) for d in range(7)]

    def _withdraw(self, term: Term, group: int, when: float) -> None:
        self.open[group] = False
        if term.free is not None:
            term.free[group] = 0
        for right in term.rights:
            if right.group == group and right.ended is None:
                right.ended = when


def waiting_now(term: Term, now: float) -> list[Wait]:
    """List who waits, best rank first."""
    return [w for w in term.waits if w.joined <= now and w.reached is None and w.gone is None]


def lists_of(season: Season, now: float) -> tuple[Lists, list[Wait]]:
    """Write down the lists as they stand."""
    term = season.terms[-1]
    waits = [w for w in waiting_now(term, now) if any(season.open[g] for g in w.groups)]
    live = [r for r in term.rights if r.ended is None and r.made <= now]
    pending = [r for r in live if r.decided > now]
    active = [r for r in live if r.decided <= now]
    options = [[g for g in w.groups if season.open[g]] for w in waits]
    days_left = int(term.end) - int(now)
    assert term.free is not None  # noqa: S101
    return (
        Lists(
            facility=np.arange(season.setting.facilities),
            free=term.free.copy(),
            entry_days=_ints([w.days for w in waits]),
            option_ptr=np.concatenate([[0], np.cumsum([len(o) for o in options])]).astype(np.int64),
            option_group=_ints([g for o in options for g in o]),
            permit_group=_ints([r.group for r in active]),
            permit_days=_ints([r.days for r in active]),
            offer_group=_ints([r.group for r in pending]),
            offer_days=_ints([r.days for r in pending]),
            offer_listed=np.array([r.listed for r in pending], dtype=bool),
            offer_waited_d=np.array([now - r.made for r in pending]),
            offer_left_d=np.array([r.due - now for r in pending]),
            window_d=np.full(days_left, WINDOW_D),
            begins_d=0.0,
            day_part=now - int(now),
        ),
        waits,
    )


def record_of(season: Season, now: float) -> Record:
    """Write down what has been seen so far, this term and before."""
    rights = [r for t in season.terms for r in t.rights]
    over = [r for r in rights if r.due <= now and (r.ended is None or r.ended >= r.decided)]
    taken = [(r, t) for t in season.terms for r in t.rights if not r.refused and r.decided <= now]
    to = np.array([min(now, t.end, r.ended if r.ended is not None else now) for r, t in taken])
    waits = [(w, t) for t in season.terms for w in t.waits]
    left_at = np.array([min(x for x in (now, t.end, w.reached, w.gone) if x is not None) for w, t in waits])
    return Record(
        offer_facility=_ints([r.group for r in over]),
        offer_listed=np.array([r.listed for r in over], dtype=bool),
        offer_refused=np.array([r.refused for r in over], dtype=bool),
        offer_share=np.array([(r.decided - r.made) / (r.due - r.made) for r in over]),
        offer_made_d=np.array([r.made - now for r in over]),
        permit_facility=_ints([r.group for r, _ in taken]),
        permit_from_d=np.array([r.decided for r, _ in taken]) - now,
        permit_to_d=to - now,
        permit_ended=np.array([r.freed for r, _ in taken], dtype=bool),
        wait_from_d=np.array([w.joined for w, _ in waits]) - now,
        wait_to_d=left_at - now,
        wait_left=np.array([w.gone is not None for w, _ in waits], dtype=bool),
        releases=len(season.freed),
        observed_d=now - season.terms[0].begin,
    )


def _ints(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)
