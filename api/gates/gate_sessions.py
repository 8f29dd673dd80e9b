"""What the events of one plate come to: gate sessions, the same whatever order the events came in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal

State = Literal["open", "closed", "no_entry", "no_exit"]
SAME_PASSAGE = timedelta(minutes=2)
"""Two entries, or two exits, that follow each other within this are one car seen twice."""
FORGOTTEN_AFTER = timedelta(days=14)
"""A car that came so long ago and was not seen to leave has left unseen; no stay but one in ten thousand is longer."""


@dataclass(frozen=True, slots=True, order=True)
class Passage:
    """A car seen at a moment, coming (`entry`) or going (`exit`)."""

    at: datetime
    direction: str


@dataclass(frozen=True, slots=True)
class GateSession:
    """
    A car's time at a facility.

    `open`: it came and has not left. `closed`: both were seen. `no_entry`: it left, nobody saw it come. `no_exit`: it
    came, and came again or was never heard of.
    """

    entered_at: datetime | None
    left_at: datetime | None
    state: State

    @property
    def began_at(self) -> datetime:
        """The moment that names the session among those of its plate."""
        began = self.left_at if self.entered_at is None else self.entered_at
        if began is None:
            raise ValueError("a gate session has an entry or an exit")
        return began


def gate_sessions_of(passages: Iterable[Passage], *, now: datetime) -> list[GateSession]:
    """
    Put the passages of one plate at one facility together, in the order of their times.

    Of an entry and an exit at the same moment the one comes first that the car can do: whoever is inside leaves.
    """
    made: list[GateSession] = []
    inside: datetime | None = None
    last: Passage | None = None
    for passage in _in_order(set(passages)):
        is_again = last is not None and passage.direction == last.direction and passage.at - last.at <= SAME_PASSAGE
        last = passage
        if is_again:
            continue
        if passage.direction == "exit":
            made.append(GateSession(inside, passage.at, "no_entry" if inside is None else "closed"))
            inside = None
        else:
            if inside is not None:
                made.append(GateSession(inside, None, "no_exit"))
            inside = passage.at
    if inside is not None:
        made.append(GateSession(inside, None, "no_exit" if now - inside > FORGOTTEN_AFTER else "open"))
    return made


def _in_order(passages: set[Passage]) -> Iterable[Passage]:
    """Sort passages by time; at one moment an exit comes first where the one before was an entry, else the entry."""
    before = "exit"
    for _, group in groupby(sorted(passages), key=lambda passage: passage.at):
        together = sorted(group, key=lambda passage: passage.direction == before)
        yield from together
        before = together[-1].direction


@dataclass(frozen=True, slots=True)
class ListedStay:
    """A stay as the allow-list had it; `listed_until` is when it was taken off, None where it never was."""

    id: int
    starts_at: datetime
    ends_at: datetime
    listed_until: datetime | None = None


UNSEEN_ENTRY = timedelta(hours=24)
"""A car that nobody saw come is taken to have come within this before it left."""
EARLY = timedelta(hours=2)
"""So much earlier than its stay a car may come and still be the one of the stay."""


def stay_of(seen: GateSession, stays: Sequence[ListedStay]) -> int | None:
    """
    Find the stay that a car came for: the first that its time at the facility touches, up to `EARLY` before it begins.

    A plate that was taken off the list may be another household's by the time it comes. Of a car that nobody saw come,
    the last stay that began before it left, within `UNSEEN_ENTRY`.
    """
    entered = seen.entered_at
    if entered is not None:
        left = seen.left_at or entered
        listed = [s for s in stays if s.listed_until is None or entered < s.listed_until]
        touched = [s for s in listed if s.starts_at - EARLY <= left and entered < s.ends_at]
        touched = touched if seen.left_at else [s for s in touched if s.starts_at - EARLY <= entered]
        first = min(touched, key=lambda s: (s.starts_at, s.id), default=None)
        return None if first is None else first.id
    left = seen.began_at
    before = [s for s in stays if s.starts_at <= left and s.ends_at > left - UNSEEN_ENTRY]
    last = max(before, key=lambda s: (s.starts_at, s.id), default=None)
    return None if last is None else last.id
