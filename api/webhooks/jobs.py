"""
The job that calls webhooks.

What is sent stays locked until it is noted, so two workers never send the same. A webhook that fails is left alone for
a while, with everything that waits for it: one that hangs costs ten seconds, not all of them.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Row

from api.accounts.keys import Keys
from api.accounts.sealing import unseal
from api.jobs.queries import work
from api.notices.carrying import UNSAYABLE, route_notices, settle_notices
from api.notices.carrying_queries import end_delivery, find_notice, try_later
from api.notices.schemas import notice_out
from api.settings import Settings
from api.webhooks import queries
from api.webhooks.addresses import CallRules, rules_of
from api.webhooks.sending import Delivery, send_signed
from api.webhooks.service import SECRET, URL

Counts = dict[str, int]

_logger = logging.getLogger("baytide")
_LONGEST_S = 50.0
_GIVEN_UP_AFTER = timedelta(days=3)
_LONGEST_PAUSE = timedelta(hours=6)
_GONE = 410


def deliver_webhooks(engine: Engine, *, settings: Settings, now: datetime | None = None) -> Counts:
    """
    Call webhooks with what waits for them.

    Parameters
    ----------
    now
        Aware; this moment without.
    """
    moment = now or datetime.now(UTC)
    counts = {
        "routed": route_notices(engine, by_mail=settings.smtp_host is not None, now=moment),
        "calls": 0,
        "again": 0,
        "failed": 0,
    }
    keys, rules, end = Keys(settings), rules_of(settings), time.monotonic() + _LONGEST_S
    while time.monotonic() < end:
        with work(engine) as connection:
            row = queries.claim(connection, now=moment)
            if row is None:
                break
            counts[_call(connection, row, keys, rules, now=moment)] += 1
    return {**counts, "told": settle_notices(engine, now=moment)}


def _call(connection: Connection, row: Row[Any], keys: Keys, rules: CallRules, *, now: datetime) -> str:
    """Call one webhook and note what became of it; return the name it is counted under."""
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
    answer = send_signed(
        unseal(keys.contact_seal, row.url_sealed, what=URL).decode(),
        body=body,
        secret=unseal(keys.contact_seal, row.secret_sealed, what=SECRET),
        former_secret=None if former is None else unseal(keys.contact_seal, former, what=SECRET),
        rules=rules,
        now=now,
    )
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
        queries.note_success(connection, row.endpoint_id)
        return "calls"
    if answer.status == _GONE:
        queries.remove_endpoint(connection, row.endpoint_id, now=now)
    if answer.again and now - row.created_at < _GIVEN_UP_AFTER:
        until = now + min(timedelta(minutes=2 ** min(row.failures, 12)), _LONGEST_PAUSE)
        try_later(connection, row.id, error=error, next_at=until)
        queries.pause(connection, row.endpoint_id, until=until)
        return "again"
    end_delivery(connection, row.id, error=error, now=now)
    return "failed"
