"""The time of an offer begins when its notice is told, by whichever way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from api.accounts.keys import Keys
from api.accounts.sealing import seal
from api.notices.carrying import PAUSES, deliver_notices
from api.notices.contacts import EMAIL
from api.notices.reading import read
from api.offers.service import make_offers
from api.settings import Settings
from tests.api.accounts import settings_of_tests
from tests.api.mailboxes import Mailbox, receiving_mail
from tests.api.round_town import NOW, make_round_town

SOON = NOW + timedelta(minutes=1)


@pytest.fixture
def household(engine: Engine) -> int:
    """Offer a bay to a household."""
    with engine.begin() as connection:
        town = make_round_town(connection)
        who = town.apply()
        make_offers(connection, [town.wanted(who, "a")], source="plan", now=NOW)
    return who["household"]


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with receiving_mail() as running:
        yield running


def settings_with(box: Mailbox) -> Settings:
    wanted = {"smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_security": "none"}
    return settings_of_tests().model_copy(update=wanted)


def add_contact(connection: Connection, household: int) -> None:
    sealed = seal(Keys(settings_of_tests()).contact_seal, b"wang@example.com", what=EMAIL)
    connection.execute(
        text(
            "INSERT INTO household_contacts (household_id, email_sealed, language, verified_at, changed_at) "
            "VALUES (:household, :email, 'zh', :now, :now)"
        ),
        {"household": household, "email": sealed, "now": NOW},
    )


def delivered(engine: Engine) -> datetime | None:
    with engine.connect() as connection:
        row = connection.execute(text("SELECT delivered_at, expires_at FROM offers")).one()
    assert (row.delivered_at is None) == (row.expires_at is None)
    found: datetime | None = row.delivered_at
    return found


def test_the_inbox_delivers_at_once_where_it_is_the_only_way(engine: Engine, household: int) -> None:
    assert household
    assert deliver_notices(engine, settings=settings_of_tests(), now=SOON)["told"] == 1
    assert delivered(engine) == SOON


def test_a_mail_delivers_when_it_is_taken(engine: Engine, household: int, box: Mailbox) -> None:
    with engine.begin() as connection:
        add_contact(connection, household)
    box.answers["DATA"] = "452 full"
    deliver_notices(engine, settings=settings_with(box), now=SOON)
    assert delivered(engine) is None
    box.answers.clear()
    later = SOON + PAUSES[0]
    deliver_notices(engine, settings=settings_with(box), now=later)
    assert delivered(engine) == later
    assert "请在" in box.texts()[0]


def test_a_mail_that_bounces_leaves_it_to_the_inbox(engine: Engine, household: int, box: Mailbox) -> None:
    with engine.begin() as connection:
        add_contact(connection, household)
    box.answers["wang@example.com"] = "550 gone"
    deliver_notices(engine, settings=settings_with(box), now=SOON)
    assert delivered(engine) == SOON


def test_whoever_reads_it_in_the_inbox_has_it(engine: Engine, household: int, box: Mailbox) -> None:
    with engine.begin() as connection:
        add_contact(connection, household)
        notice = connection.execute(text("SELECT id FROM notices WHERE kind = 'offer_made'")).scalar_one()
        read(connection, household, notice, now=SOON)
        read(connection, household, notice, now=SOON + timedelta(hours=1))
    assert delivered(engine) == SOON
    deliver_notices(engine, settings=settings_with(box), now=SOON + timedelta(hours=2))
    assert delivered(engine) == SOON, "the mail that follows gives no more time"
