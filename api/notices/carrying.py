"""
The job that carries notices out of the house, by mail.

What is sent stays locked until it is noted as sent: two workers never send the same. A mail is sent again only when the
worker died between both, under the same Message-ID.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

from sqlalchemy import Connection, Engine, Row

from api.accounts.keys import Keys
from api.accounts.sealing import SealBroken, unseal
from api.jobs.crew import do_together
from api.jobs.queries import work
from api.notices import carrying_queries as queries
from api.notices.contacts import EMAIL, code_of
from api.notices.mail import MailServer, MailServerAway, Outcome, mail_server, message_of
from api.notices.rendering import LANGUAGES, Text, moment_of, render
from api.notices.schemas import told_of
from api.offers.service import note_delivered
from api.settings import Settings

JOB = "deliver_notices"
Counts = dict[str, int]

UNSAYABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What saying a notice raises where its facts are such as nobody thought of."""
_logger = logging.getLogger("baytide")
_AT_ONCE = 5000
_LONGEST_S = 50.0
"""Of one run: the clock asks again every minute."""
_SENDERS = 4
"""Threads that send, each with a connection to the mail server and one to the database."""
_AWAY_PAUSE = timedelta(minutes=2)
GIVEN_UP_AFTER = timedelta(days=7)
"""What no server took until then stands in the inbox only."""
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720, 720, 720))
"""Before the second and each later try; after the last the inbox has to do."""


def deliver_notices(engine: Engine, *, settings: Settings, now: datetime | None = None) -> Counts:
    """
    Send what households are told by mail, and let the time of offers begin that were delivered.

    Parameters
    ----------
    now
        Aware; this moment without.
    """
    moment = now or datetime.now(UTC)
    routed = route_notices(engine, by_mail=settings.smtp_host is not None, now=moment)
    with work(engine) as connection:
        failed = queries.give_up(connection, before=moment - GIVEN_UP_AFTER, now=moment)
    counts = {"routed": routed, "mails": 0, "again": 0, "failed": failed, "away": 0}
    if settings.smtp_host is not None:
        for name, number in _send_all(engine, settings, now=moment).items():
            counts[name] += number
    return {**counts, "told": settle_notices(engine, now=moment)}


def route_notices(engine: Engine, *, by_mail: bool, now: datetime) -> int:
    """Choose the ways of all new notices; return how many there were."""

    def some(connection: Connection) -> int:
        return queries.route(connection, most=_AT_ONCE, by_mail=by_mail, now=now)

    return _in_parts(engine, some)


def settle_notices(engine: Engine, *, now: datetime) -> int:
    """Note which notices are told now, and let the time of their offers begin; return how many."""

    def some(connection: Connection) -> int:
        told = queries.settle(connection, most=_AT_ONCE, now=now)
        offers = [offer for offer in told if offer is not None]
        if offers:
            note_delivered(connection, offers, now=now)
        return len(told)

    return _in_parts(engine, some)


def _in_parts(engine: Engine, some: Callable[[Connection], int]) -> int:
    done = 0
    while True:
        with work(engine) as connection:
            part = some(connection)
        done += part
        if part < _AT_ONCE:
            return done


def _send_all(engine: Engine, settings: Settings, *, now: datetime) -> Counts:
    """Send codes, for which somebody waits, then notices, until none is due or the server is away."""
    keys, end, away = Keys(settings), time.monotonic() + _LONGEST_S, threading.Event()

    def send(server: MailServer, *, most: float = math.inf, leads: bool = True) -> Counter[str]:
        done: Counter[str] = Counter()
        for channel in ("code", "mail"):
            while time.monotonic() < end and not away.is_set() and done.total() < most:
                with work(engine) as connection:
                    row = queries.claim_mail(connection, channel, now=now)
                    if row is None:
                        break
                    try:
                        done[_send_one(connection, row, server, settings, keys, now=now)] += 1
                    except MailServerAway:  # nothing that waits is to blame: it waits on, and another is tried first
                        queries.postpone(connection, row.id, next_at=now + _AWAY_PAUSE if leads else now)
                        if not leads:  # it may take fewer connections: whether it is away the first one finds out
                            return done
                        away.set()
        return done

    with mail_server(settings) as first:
        done = send(first, most=1)  # a server that is away costs one attempt, not one a thread
        if done and not away.is_set():

            def go_on(number: int) -> Counter[str]:
                if number == 0:
                    return send(first)
                with mail_server(settings) as another:
                    return send(another, leads=False)

            done.update(do_together(go_on, threads=_SENDERS))
            done.update(send(first))  # what another gave back when the first had nothing left to do
    return {**done, "away": int(away.is_set())}


def _send_one(
    connection: Connection, row: Row[Any], server: MailServer, settings: Settings, keys: Keys, *, now: datetime
) -> str:
    """Send one mail and note what became of it; return the name it is counted under."""
    message = _unsendable(row, now=now) or _written(connection, row, settings, keys, now=now)
    if isinstance(message, str):
        queries.end_delivery(connection, row.id, error=message, now=now)
        return "failed"
    to = unseal(keys.contact_seal, row.email_sealed, what=EMAIL).decode()
    return _note(connection, row, server.send(message, to=to), now=now)


def _written(
    connection: Connection, row: Row[Any], settings: Settings, keys: Keys, *, now: datetime
) -> EmailMessage | str:
    """Write a mail, or say in a word why there is none. One that nobody can write must not keep the others waiting."""
    try:
        to = unseal(keys.contact_seal, row.email_sealed, what=EMAIL).decode()
        text = _text_of(connection, row, keys, now=now)
        return "late" if text is None else _message(text, row, to=to, settings=settings, now=now)
    except SealBroken:
        return "sealed"
    except UNSAYABLE as error:
        _logger.error("delivery %d cannot be written: %s", row.id, type(error).__name__)
        return "unwritable"


def _unsendable(row: Row[Any], *, now: datetime) -> str | None:
    """Say why a mail is not to be sent any more: its address or its occasion is gone."""
    if row.email_sealed is None:
        return "no_address"
    if row.channel == "code":
        return "late" if row.code_nonce is None or row.code_until <= now else None
    return "no_address" if row.verified_at is None or row.bounced_at is not None or not row.by_mail else None


def _text_of(connection: Connection, row: Row[Any], keys: Keys, *, now: datetime) -> Text | None:
    language = LANGUAGES[row.language]
    if row.channel == "code":
        until = (row.code_until.astimezone(UTC)).strftime("%Y-%m-%d %H:%M UTC")
        code = code_of(keys, row.code_nonce, row.household_id)
        said = language.code_text.format(code=code, until=until)
        return Text(language.code_subject.format(code=code), tuple(said.split("\n\n")))
    notice = queries.find_notice(connection, row.notice_id)
    ends = moment_of(notice.facts.get("to")) if notice.kind == "leave_soon" else None
    return None if ends is not None and ends <= now else render(told_of(notice), language)


def _message(text: Text, row: Row[Any], *, to: str, settings: Settings, now: datetime) -> EmailMessage:
    return message_of(text, to=to, number=row.id, language=LANGUAGES[row.language], settings=settings, now=now)


def _note(connection: Connection, row: Row[Any], outcome: Outcome, *, now: datetime) -> str:
    if outcome == "sent":
        queries.end_delivery(connection, row.id, error=None, now=now)
        return "mails"
    if outcome == "again" and row.attempts < len(PAUSES):
        queries.try_later(connection, row.id, error="not_now", next_at=now + PAUSES[row.attempts])
        return "again"
    queries.end_delivery(connection, row.id, error="gave_up" if outcome == "again" else outcome, now=now)
    if outcome == "bounced":
        queries.note_bounce(connection, row.household_id, now=now)
    return "failed"
