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
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine

from api.accounts.keys import Keys
from api.accounts.sealing import SealBroken
from api.gates import list_queries, push_queries
from api.gates.allow_list import read_allow_list, refresh_allow_list
from api.gates.list_schemas import AllowListPush, allow_list_out
from api.jobs.crew import do_together
from api.jobs.queries import work
from api.settings import Settings
from api.webhooks.addresses import CallRules, rules_of
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
    """What a webhook is to be told of a facility's list; `body` is None where a plate's seal is broken."""

    endpoint_id: int
    owner_id: int
    facility_id: int
    known: int | None
    failures: int
    version: int
    num_rows: int
    body: bytes | None


def push_allow_lists(engine: Engine, *, settings: Settings, now: datetime | None = None) -> dict[str, int]:
    """
    Tell the webhooks of owners what has changed in the lists of their facilities.

    Parameters
    ----------
    now
        Aware; this moment without.
    """
    moment, keys, rules, start = now or datetime.now(UTC), Keys(settings), rules_of(settings), time.monotonic()
    with work(engine) as connection:
        places = push_queries.list_facilities_to_push(connection, kind=KIND)
    by_owner: dict[int, list[int]] = {}
    for place in places:
        by_owner.setdefault(place.owner_id, []).append(place.id)
    waiting = deque(by_owner.values())  # of an owner one thread at a time, so that versions never overtake each other

    def push(_number: int) -> Counter[str]:
        done: Counter[str] = Counter()
        while time.monotonic() - start < _LONGEST_S:
            try:
                facilities = waiting.popleft()
            except IndexError:
                break
            failed: set[int] = set()
            for facility_id in facilities:
                for due in _due(engine, keys, facility_id, now=moment + _since(start)):
                    if due.endpoint_id in failed or time.monotonic() - start > _LONGEST_S:
                        continue  # it is left alone for this minute, and nothing is lost
                    arrived = _call(engine, keys, due, rules=rules, start=start, now=moment)
                    if arrived is not None:
                        done["pushed" if arrived else "failed"] += 1
                        failed |= set() if arrived else {due.endpoint_id}
        return done

    return {"pushed": 0, "failed": 0, **do_together(push, threads=_CALLERS)}


def _since(start: float) -> timedelta:
    return timedelta(seconds=time.monotonic() - start)


def _due(engine: Engine, keys: Keys, facility_id: int, *, now: datetime) -> list[_Due]:
    """Write what each webhook of a facility's owner has not been told yet."""
    due = []
    with work(engine) as connection:
        version = refresh_allow_list(connection, facility_id, now=now)
        told = push_queries.pushed(connection, facility_id)
        owner_id = push_queries.find_owner(connection, facility_id)
        if owner_id is None:
            return []
        for endpoint in webhooks_for(connection, keys, owner_id=owner_id, kind=KIND, now=now):
            before = told.get(endpoint.id)
            known, failures = (before.version, before.failures) if before else (None, 0)
            if known == version or (before and before.next_at > now) or _is_left_alone(endpoint, failures, now=now):
                continue
            num_rows, body = _body(connection, keys, facility_id, version=version, known=known, now=now)
            due.append(_Due(endpoint.id, owner_id, facility_id, known, failures, version, num_rows, body))
    return due


def _body(
    connection: Connection, keys: Keys, facility_id: int, *, version: int, known: int | None, now: datetime
) -> tuple[int, bytes | None]:
    """Write what a webhook is sent that took a version last; return how many rows came, and None for a broken seal."""
    try:
        # What it answered too late, or while the worker died, it may have taken all the same: rows that came and went.
        found = read_allow_list(
            connection, keys, facility_id, version=version, since=known, came_and_went=True, now=now
        )
    except SealBroken:  # it must not keep the others waiting
        return 0, None
    shown = allow_list_out(facility_id, found).model_dump(by_alias=True)
    since = None if found.whole else known
    push = AllowListPush.model_validate({**shown, "kind": KIND, "since": since, "at": now})
    return len(found.added), push.model_dump_json(by_alias=True).encode()


def _call(engine: Engine, keys: Keys, due: _Due, *, rules: CallRules, start: float, now: datetime) -> bool | None:
    """Call a webhook when nobody else does; return whether it took the list, None where that is its due no more."""
    with work(engine) as connection:
        wait_for_call(connection, due.endpoint_id)  # what else it hears comes before or after
        endpoint = _find_waiting(connection, keys, due, now=now)
        if endpoint is None:
            return None
        if due.body is None:
            answer = Delivery(None, "sealed", again=False)
        else:
            answer = send_signed(
                endpoint.url,
                body=due.body,
                secret=endpoint.secret,
                former_secret=endpoint.former_secret,
                rules=rules,
                now=now + _since(start),
            )
        _note(connection, due, endpoint, answer, now=now)
    return answer.arrived


def _find_waiting(connection: Connection, keys: Keys, due: _Due, *, now: datetime) -> Endpoint | None:
    """
    Return a webhook as it is now, if it still is to be told this.

    While we waited it may have been taken away, given a new secret or told the same by somebody else, or the facility
    may have gone to another owner, whose plates are none of the former one's business.
    """
    told = push_queries.pushed(connection, due.facility_id).get(due.endpoint_id)
    known, failures = (told.version, told.failures) if told else (None, 0)
    if (known, failures) != (due.known, due.failures):
        return None
    if push_queries.find_owner(connection, due.facility_id) != due.owner_id:
        return None
    found = webhooks_for(connection, keys, owner_id=due.owner_id, kind=KIND, now=now)
    endpoint = next((one for one in found if one.id == due.endpoint_id), None)
    return None if endpoint is None or _is_left_alone(endpoint, failures, now=now) else endpoint


def _is_left_alone(endpoint: Endpoint, failures: int, *, now: datetime) -> bool:
    """Tell whether a webhook that failed is spared a list; one it has not failed to take comes: a gate needs it."""
    return failures > 0 and endpoint.paused_until is not None and endpoint.paused_until > now


def _note(connection: Connection, due: _Due, endpoint: Endpoint, answer: Delivery, *, now: datetime) -> None:
    endpoint_id, facility_id = due.endpoint_id, due.facility_id
    if answer.arrived:
        note_success(connection, endpoint_id, now=now)
        push_queries.note_push(connection, endpoint_id, facility_id, version=due.version, now=now)
        list_queries.note_export(
            connection, facility_id, way="webhook", version=due.version, num_rows=due.num_rows, now=now
        )
    elif answer.status == GONE:
        remove_endpoint(connection, endpoint_id, now=now)
    else:
        _note_failure(connection, due, endpoint, answer, now=now)


def _note_failure(connection: Connection, due: _Due, endpoint: Endpoint, answer: Delivery, *, now: datetime) -> None:
    """Leave the list alone for a while, and where nobody answers the webhook; after three days tell the owner."""
    endpoint_id, facility_id = due.endpoint_id, due.facility_id
    failing_since = push_queries.note_failed_push(
        connection,
        endpoint_id,
        facility_id,
        error=answer.error or "",
        next_at=now + pause_after(due.failures),
        now=now,
    )
    if answer.again:
        pause(connection, endpoint_id, until=now + pause_after(endpoint.failures))
    if now - failing_since >= GIVEN_UP_AFTER:
        _logger.warning("allow_list_not_taken webhook=%d facility=%d error=%s", endpoint_id, facility_id, answer.error)
        facts = {"webhook": endpoint_id, "failing_since": failing_since.isoformat()}
        tell_owner(connection, facility_id, "list_not_taken", facts, now=now)
