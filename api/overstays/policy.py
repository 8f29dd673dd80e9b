"""What a neighbourhood does about cars that leave late: grace, the ladder of consequences, when strikes expire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from api.errors import TellsWhy

Act = Literal["warning", "fee", "suspension", "end"]
_HARDER_AND_HARDER: tuple[str, ...] = get_args(Act)


class UnusablePolicy(TellsWhy):
    """A ladder that makes no sense; the message says where."""


@dataclass(frozen=True, slots=True)
class Rung:
    """
    One consequence.

    `amount_cents` of a fee; `nights` that a suspension lasts, or that the plate stays off every list after an end.
    """

    act: Act
    amount_cents: int | None = None
    nights: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """
    Rules of a neighbourhood; whoever is struck more often than there are rungs stays on the last.

    Attributes
    ----------
    grace_min
        A car that is gone so many minutes after its leave-by time is not late.
    remind_min
        How long before its leave-by time a car of a permit that is still there is reminded.
    wait_h
        Hours from the strike until its consequence, in which an appeal makes it wait.
    """

    grace_min: int
    remind_min: int
    expires_days: int
    appeal_days: int
    wait_h: int
    ladder: tuple[Rung, ...]

    @property
    def grace(self) -> timedelta:
        """Time after the leave-by time that is allowed."""
        return timedelta(minutes=self.grace_min)

    def rung(self, place: int) -> Rung:
        """Return the consequence of the so-and-so-many-th strike, from 1."""
        return self.ladder[min(place, len(self.ladder)) - 1]

    def document(self) -> dict[str, Any]:
        """Return it as JSON that `policy_from` reads."""
        return asdict(self)


DEFAULT = Policy(
    grace_min=15,
    remind_min=30,
    expires_days=180,
    appeal_days=7,
    wait_h=24,
    ladder=(
        Rung("warning"),
        Rung("fee", amount_cents=5000),
        Rung("suspension", nights=7),
        Rung("end", nights=30),
    ),
)


def policy_from(document: Mapping[str, Any]) -> Policy:
    """
    Read a policy.

    Raises
    ------
    UnusablePolicy
        When a rung has not what it needs, or something follows the end.
    """
    rungs = tuple(Rung(**rung) for rung in document["ladder"])
    for number, rung in enumerate(rungs, start=1):
        if (rung.act == "fee") != bool(rung.amount_cents):
            raise UnusablePolicy(f"rung {number}: a fee, and nothing else, has amount_cents")
        if (rung.act in ("suspension", "end")) != bool(rung.nights):
            raise UnusablePolicy(f"rung {number}: a suspension or an end, and nothing else, has nights")
        if rung.act == "end" and number < len(rungs):
            raise UnusablePolicy(f"rung {number}: nothing comes after the end of the permit")
    if not rungs:
        raise UnusablePolicy("the ladder has no rung")
    return Policy(**{**document, "ladder": rungs})


@dataclass(frozen=True, slots=True)
class Offence:
    """A late exit that was struck; it counts until it expires, and `lifted` ones count for nothing."""

    stay_id: int
    leave_by: datetime
    expires_at: datetime
    lifted: bool = False


def hardness(act: str, *, amount_cents: int | None, nights: int | None) -> tuple[int, int]:
    """Say how hard a consequence is, to compare with another."""
    return _HARDER_AND_HARDER.index(act), amount_cents or nights or 0


def places_of(offences: Sequence[Offence]) -> dict[int, int]:
    """
    Say of every strike which one it is: 1 and how many before it still counted when it was earned; 0 of a lifted one.

    Depends on what happened when, not on the order in which gates told of it.

    Returns
    -------
    dict
        Place by stay.
    """
    standing: Sequence[Offence] = sorted(
        (one for one in offences if not one.lifted), key=lambda one: (one.leave_by, one.stay_id)
    )
    counted = {
        one.stay_id: 1 + sum(before.expires_at > one.leave_by for before in standing[:number])
        for number, one in enumerate(standing)
    }
    return {one.stay_id: 0 for one in offences if one.lifted} | counted
