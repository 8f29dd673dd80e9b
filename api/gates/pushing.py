"""
Allow-lists sent to the webhooks of owners when they change, signed.

A webhook is told what came and what went since the version it took last; what failed is sent again with all that came
meanwhile, so that versions are never missed and never come in another order, and what it does not take for days its
owner hears of. While it is called nothing is locked but the webhook itself, which gets one call at a time, whatever it
is told.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from api.accounts.keys import Keys
from api.gates import list_queries, push_queries
from api.gates.allow_list import read_allow_list, refresh_allow_list
from api.gates.list_schemas import AllowListPush, allow_list_out
from api.jobs.crew import do_together
from api.jobs.queries import work
from api.settings import Settings
from api.webhooks.addresses import rules_of
from api.webhooks.queries import note_success, pause, remove_endpoint, wait_for_call
from api.webhooks.sending import GIVEN_UP_AFTER, GONE, Delivery, pause_after, send_signed
from api.webhooks.service import Endpoint, tell_owner, webhooks_for

KIND = "allow_list"
_logger = logging.getLogger("baytide")
_LONGEST_S = 50.0
"""For all calls of one minute; whoever is left is called in the next."""
_CALLERS = 4
"""Threads that call, for an owner each: one whose webhook hangs delays only itself."""


@dataclass(frozen=True, slots=True)
class _Due:
    """What a webhook is to be told of a facility's list."""

    endpoint: Endpoint
    facility_id: int
    known: int | None
    failures: int
    version: int
    num_rows: int
    body: bytes


def push_allow_lists(engine: Engine, *, settings: Settings, now: datetime | None = None) -> dict[str, int]:
    """
    Tell the webhooks of owners what has changed in the lists of their facilities.

    Parameters
    ----------
    now
        Aware; this moment without.
    """
    moment, keys = now or datetime.now(UTC), Keys(settings)
    rules, end = rules_of(settings), time.monotonic() + _LONGEST_S
    with work(engine) as connection:
        places = push_queries.list_facilities_to_push(connection, kind=KIND)
    by_owner: dict[int, list[int]] = {}
    for place in places:
        by_owner.setdefault(place.owner_id, []).append(place.id)
    waiting = deque(by_owner.items())  # of an owner one thread at a time, so that versions never overtake each other

    def push(_number: int) -> Counter[str]:
        done: Counter[str] = Counter()
        while time.monotonic() < end:
            try:
                owner_id, facilities = waiting.popleft()
            except IndexError:
                break
            failed: set[int] = set()
            for facility_id in facilities:
                for due in _due(engine, keys, facility_id, owner_id=owner_id, now=moment):
                    if due.endpoint.id in failed or time.monotonic() > end:
                        continue  # it is left alone for this minute, and nothing is lost
                    with work(engine) as connection:
                        wait_for_call(connection, due.endpoint.id)  # what else it hears comes before or after
                        if not _is_next(connection, due):
                            continue
                        sent = send_signed(
                            due.endpoint.url,
                            body=due.body,
                            secret=due.endpoint.secret,
                            former_secret=due.endpoint.former_secret,
                            rules=rules,
                            now=moment,
                        )
                        _note(connection, due, sent, now=moment)
                    done["pushed" if sent.arrived else "failed"] += 1
                    failed |= set() if sent.arrived else {due.endpoint.id}
        return done

    return {"pushed": 0, "failed": 0, **do_together(push, threads=_CALLERS)}


def _due(engine: Engine, keys: Keys, facility_id: int, *, owner_id: int, now: datetime) -> list[_Due]:
    """Write what each webhook of a facility's owner has not been told yet."""
    due = []
    with work(engine) as connection:
        version = refresh_allow_list(connection, facility_id, now=now)
        told = push_queries.pushed(connection, facility_id)
        for endpoint in webhooks_for(connection, keys, owner_id=owner_id, kind=KIND, now=now):
            if endpoint.paused_until is not None and endpoint.paused_until > now:
                continue
            before = told.get(endpoint.id)
            known = None if before is None else before.version
            if known == version or (before is not None and before.next_at > now):
                continue
            found = read_allow_list(connection, keys, facility_id, version=version, since=known, now=now)
            shown = allow_list_out(facility_id, found).model_dump(by_alias=True)
            push = AllowListPush.model_validate({**shown, "kind": KIND, "since": known, "at": now})
            body = push.model_dump_json(by_alias=True).encode()
            failures = 0 if before is None else before.failures
            due.append(_Due(endpoint, facility_id, known, failures, version, len(found.added), body))
    return due


def _is_next(connection: Connection, due: _Due) -> bool:
    """Whether a webhook still stands where it did: while we waited, somebody else may have told it the same."""
    told = push_queries.pushed(connection, due.facility_id).get(due.endpoint.id)
    return (told.version, told.failures) == (due.known, due.failures) if told else due.known is None


def _note(connection: Connection, due: _Due, answer: Delivery, *, now: datetime) -> None:
    endpoint_id, facility_id = due.endpoint.id, due.facility_id
    if answer.arrived:
        note_success(connection, endpoint_id)
        push_queries.note_push(connection, endpoint_id, facility_id, version=due.version, now=now)
        list_queries.note_export(
            connection, facility_id, way="webhook", version=due.version, num_rows=due.num_rows, now=now
        )
    elif answer.status == GONE:
        remove_endpoint(connection, endpoint_id, now=now)
    else:
        _note_failure(connection, due, answer, now=now)


def _note_failure(connection: Connection, due: _Due, answer: Delivery, *, now: datetime) -> None:
    """Leave the list alone for a while, and where nobody answers the webhook; after three days tell the owner."""
    endpoint_id, facility_id = due.endpoint.id, due.facility_id
    failing_since = push_queries.note_failed_push(
        connection,
        endpoint_id,
        facility_id,
        error=answer.error or "",
        next_at=now + pause_after(due.failures),
        now=now,
    )
    if answer.again:
        pause(connection, endpoint_id, until=now + pause_after(due.endpoint.failures))
    if now - failing_since >= GIVEN_UP_AFTER:
        _logger.warning("allow_list_not_taken webhook=%d facility=%d error=%s", endpoint_id, facility_id, answer.error)
        facts = {"webhook": endpoint_id, "failing_since": failing_since.isoformat()}
        tell_owner(connection, facility_id, "list_not_taken", facts, now=now)
