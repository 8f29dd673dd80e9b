"""Review: single applications locked to a facility or kept from one, with a note; the next plan keeps to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.accounts.refusals import OwnHousehold
from api.rounds import allocation_queries as queries
from api.rounds.allocation_errors import ImpossibleDecision
from api.rounds.application_queries import is_own
from api.rounds.errors import RoundConflict


@dataclass(frozen=True, slots=True)
class Decision:
    """
    A reviewer's word on one application.

    Attributes
    ----------
    decision
        `lock` to a facility, or `reject` one; `reject` without a facility is none at all.
    note
        Why; counted in public, read by planners only.
    """

    application_id: int
    decision: str
    facility_id: int | None
    note: str


def decide(connection: Connection, round_id: int, wanted: Decision, *, decided_by: int | None, now: datetime) -> int:
    """
    Store a decision; return its id. The plan there is does not keep to it, so another one has to be made.

    Raises
    ------
    RoundNotFound, ApplicationNotFound
        There is no such round, or no such application in it.
    RoundConflict
        The round is not under review.
    OwnHousehold
        The application is of one's own household.
    ImpossibleDecision
        The facility is not the round's, or another decision on the application says otherwise.
    """
    _require_under_review(queries.lock_round(connection, round_id))
    queries.require_application(connection, wanted.application_id, of=round_id)
    _require_not_own(connection, wanted.application_id, account_id=decided_by)
    if wanted.facility_id is None:
        if wanted.decision == "lock":
            raise ImpossibleDecision("a lock names a facility")
    elif not queries.is_offered(connection, wanted.facility_id, by=round_id):
        raise ImpossibleDecision("the round does not give away bays of this facility")
    _require_kept_beside(wanted, queries.decisions_on(connection, wanted.application_id))
    return queries.add_decision(
        connection,
        round_id,
        application_id=wanted.application_id,
        facility_id=wanted.facility_id,
        decision=wanted.decision,
        note=wanted.note,
        decided_by=decided_by,
        now=now,
    )


def undo(connection: Connection, round_id: int, decision_id: int, *, account_id: int | None) -> None:
    """
    Take a decision back.

    Raises
    ------
    RoundNotFound, DecisionNotFound
        There is no such round, or no such decision in it.
    RoundConflict
        The round is not under review.
    OwnHousehold
        It is on the application of one's own household.
    """
    _require_under_review(queries.lock_round(connection, round_id))
    application_id = queries.remove_decision(connection, decision_id, of=round_id)
    _require_not_own(connection, application_id, account_id=account_id)


def _require_not_own(connection: Connection, application_id: int, *, account_id: int | None) -> None:
    if account_id is not None and is_own(connection, application_id, account_id=account_id):
        raise OwnHousehold("somebody else must decide on the application of one's own household")


def _require_under_review(row: Row[Any]) -> None:
    if row.state not in ("closed", "in_review"):
        raise RoundConflict(f"the round is {row.state}, decisions are for its review")


def _require_kept_beside(wanted: Decision, others: Sequence[Row[Any]]) -> None:
    """Refuse what no plan can keep together with what was decided before."""
    for other in others:
        same_place = other.facility_id == wanted.facility_id
        if same_place and other.decision == wanted.decision:
            raise ImpossibleDecision("that has been decided already")
        if wanted.decision == other.decision == "lock":
            raise ImpossibleDecision("the application is locked to another facility")
        if wanted.decision != other.decision and (same_place or None in (other.facility_id, wanted.facility_id)):
            raise ImpossibleDecision("the application is both locked and rejected there then; undo the other first")
