"""
The job that calls webhooks.

A webhook is called by one thread at a time, in the order in which things happened, and what is sent stays locked until
it is noted: two workers never send the same. One that hangs delays only itself; after a failure it is left alone for a
while, with everything that waits for it.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Row

from api.accounts.keys import Keys
from api.accounts.sealing import SealBroken, unseal
from api.jobs.crew import do_together
from api.jobs.queries import work
from api.notices.carrying import UNSAYABLE, route_notices, settle_notices
from api.notices.carrying_queries import end_delivery, find_notice, try_later
from api.notices.schemas import notice_out
from api.settings import Settings
from api.webhooks import queries
from api.webhooks.addresses import CallRules, rules_of
from api.webhooks.sending import GIVEN_UP_AFTER, GONE, Delivery, pause_after, send_signed
from api.webhooks.service import SECRET, URL

Counts = dict[str, int]

_logger = logging.getLogger("baytide")
_LONGEST_S = 50.0
_CALLERS = 4
"""Threads that call, each with a connection to the database meanwhile."""


def deliver_webhooks(engine: Engine, *, settings: Settings, now: datetime | None = None) -> Counts:
    """
    Call webhooks with what waits for them.

    Parameters
    ----------
    now
        Aware; this moment without.
    """
    moment = now or datetime.now(UTC)
    routed = route_notices(engine, by_mail=settings.smtp_host is not None, now=moment)
    keys, rules, start = Keys(settings), rules_of(settings), time.monotonic()

    def call(_number: int) -> Counter[str]:
        done: Counter[str] = Counter()
        while (spent_s := time.monotonic() - start) < _LONGEST_S:
            by_now = moment + timedelta(seconds=spent_s)  # another worker left to this one what came since it began
            with work(engine) as connection:
                endpoint = queries.claim_endpoint(connection, now=by_now)
                if endpoint is None:
                    break
                row = queries.claim(connection, endpoint, now=by_now)
                if row is not None:
                    done[_call(connection, row, keys, rules, at=by_now, now=moment)] += 1
        return done

    counts = {"calls": 0, "again": 0, "failed": 0, **do_together(call, threads=_CALLERS)}
    return {"routed": routed, **counts, "told": settle_notices(engine, now=moment)}


def _call(connection: Connection, row: Row[Any], keys: Keys, rules: CallRules, *, at: datetime, now: datetime) -> str:
    """
    Call one webhook and note what became of it; return the name it is counted under.

    Signed is the moment of the call: the receiver's clock may differ from ours. Pauses are counted from when the job
    began, as it begins every minute.
    """
    if row.removed_at is not None:
        end_delivery(connection, row.id, error="removed", now=now)
        return "failed"
    try:
        body = _body(connection, row)
    except UNSAYABLE as error:  # it must not keep the others waiting
        _logger.error("delivery %d cannot be written: %s", row.id, type(error).__name__)
        end_delivery(connection, row.id, error="unwritable", now=now)
        return "failed"
    former = row.former_sealed if row.former_until is not None and row.former_until > now else None
    try:
        url = unseal(keys.contact_seal, row.url_sealed, what=URL).decode()
        secret = unseal(keys.contact_seal, row.secret_sealed, what=SECRET)
        former_secret = None if former is None else unseal(keys.contact_seal, former, what=SECRET)
    except SealBroken:
        end_delivery(connection, row.id, error="sealed", now=now)
        return "failed"
    answer = send_signed(url, body=body, secret=secret, former_secret=former_secret, rules=rules, now=at)
    return _note(connection, row, answer, now=now)


def _body(connection: Connection, row: Row[Any]) -> bytes:
    """Write what is sent. A call that is made again has the same `delivery`: whoever gets it twice can tell."""
    if row.event is not None:
        said = {"delivery": row.id, "at": row.created_at, **row.event}
    else:
        notice = find_notice(connection, row.notice_id)
        shown = notice_out(notice, language="zh").model_dump(mode="json", by_alias=True, exclude={"text", "subject"})
        said = {"delivery": row.id, "at": notice.created_at, "kind": notice.kind, "notice": shown}
    return orjson.dumps(said)


def _note(connection: Connection, row: Row[Any], answer: Delivery, *, now: datetime) -> str:
    error = answer.error
    if error is None:
        end_delivery(connection, row.id, error=None, now=now)
        queries.note_success(connection, row.endpoint_id, now=now)
        return "calls"
    if answer.status == GONE:
        queries.remove_endpoint(connection, row.endpoint_id, now=now)
    until, late = now + pause_after(row.failures), now - row.created_at >= GIVEN_UP_AFTER
    if late or not answer.again:
        end_delivery(connection, row.id, error=error, now=now)
    else:
        try_later(connection, row.id, error=error, next_at=until)
    if answer.again:
        queries.give_up(connection, row.endpoint_id, before=now - GIVEN_UP_AFTER, now=now)
        queries.pause(connection, row.endpoint_id, until=until)
    return "again" if answer.again and not late else "failed"
