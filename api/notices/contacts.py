"""Where a household wants to be written to: an address of mail, confirmed by a code that was sent there."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from api.accounts.keys import Keys
from api.accounts.opening import open_as
from api.accounts.principal import Principal
from api.accounts.refusals import TooManyAttempts
from api.accounts.sealing import SealBroken, seal, unseal
from api.errors import ApiError
from api.jobs.queries import enqueue
from api.notices import contact_queries as queries
from api.openings.permit_queries import rights_of_worker

EMAIL = "email"
CODE_LASTS = timedelta(hours=2)
MOST_TRIES = 5
_MOST_CODES = 5
_WITHIN = timedelta(hours=1)
_LONGEST = 254
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])"
)
"""An address as RFC 5321 has it, without the rare quoted ones."""
_ENCODED = "=?"
"""How an encoded word begins: written into a header, the address would be read as another one, or as none."""
_DELIVER = "deliver_notices"


class UnusableAddress(ApiError):
    """What was given is no address of mail."""


class ContactNotFound(ApiError):
    """The household has said of no address that it wants to be written to."""


class MailOff(ApiError):
    """The service has no server that takes mail."""


class CodeRefused(ApiError):
    """The code is another one, too old, or was tried too often."""


@dataclass(frozen=True, slots=True)
class Contact:
    """Where a household is written to."""

    email: str
    language: str
    by_mail: bool
    verified_at: datetime | None
    bounced_at: datetime | None
    code_until: datetime | None


def read_email(text: str) -> str:
    """
    Return an address of mail, its domain in small letters.

    Raises
    ------
    UnusableAddress
        It is none; it is not repeated.
    """
    local, _, domain = text.strip().rpartition("@")
    address = f"{local}@{domain.lower()}"
    if len(address) > _LONGEST or len(local) > 64 or _ENCODED in local or not _ADDRESS.fullmatch(address):
        raise UnusableAddress("no address of mail")
    return address


def code_of(keys: Keys, nonce: bytes, household_id: int) -> str:
    """Return the eight digits that confirm an address; nobody keeps them, they follow from a key."""
    digest = hmac.digest(keys.contact_code, nonce + household_id.to_bytes(8, "big"), "sha256")
    return f"{int.from_bytes(digest[:8], 'big') % 100_000_000:08d}"


def find_contact(connection: Connection, keys: Keys, household_id: int) -> Contact:
    """Return where a household is written to; ContactNotFound without, SealBroken where its key was lost."""
    row = queries.find_contact(connection, household_id)
    if row is None:
        raise ContactNotFound("no contact")
    email = unseal(keys.contact_seal, row.email_sealed, what=EMAIL).decode()
    return Contact(email, row.language, row.by_mail, row.verified_at, row.bounced_at, row.code_until)


def set_contact(
    connection: Connection, keys: Keys, household_id: int, *, email: str, language: str, by_mail: bool, now: datetime
) -> Contact:
    """
    Say where a household is written to. A new address gets a code, and nothing else before the code came back.

    Raises
    ------
    UnusableAddress
        No address of mail.
    TooManyAttempts
        Five codes within an hour are enough.
    """
    address = read_email(email)
    queries.lock_contact(connection, household_id)
    row = queries.find_contact(connection, household_id)
    known = row is not None and _is_sealed_as(keys, row.email_sealed, address)
    if row is not None and known and row.verified_at is not None and row.bounced_at is None:
        queries.change_contact(connection, household_id, language=language, by_mail=by_mail, now=now)
    else:
        _require_few_codes(connection, household_id, now=now)
        sealed = seal(keys.contact_seal, address.encode(), what=EMAIL)
        values = {"email": sealed, "language": language, "by_mail": by_mail, "nonce": secrets.token_bytes(16)}
        queries.put_contact(connection, household_id, {**values, "until": now + CODE_LASTS}, now=now)
        with rights_of_worker(connection):
            queries.queue_code(connection, household_id, now=now)
            enqueue(connection, _DELIVER, lock=_DELIVER, queueing_lock=_DELIVER)
    return find_contact(connection, keys, household_id)


def _is_sealed_as(keys: Keys, sealed: bytes, address: str) -> bool:
    """Tell whether an address is the one that is kept; what was sealed with another key is none that is known."""
    try:
        return unseal(keys.contact_seal, sealed, what=EMAIL).decode() == address
    except SealBroken:
        return False


def _require_few_codes(connection: Connection, household_id: int, *, now: datetime) -> None:
    sent = queries.list_codes(connection, household_id, since=now - _WITHIN)
    if len(sent) >= _MOST_CODES:
        raise TooManyAttempts(max(1, int((min(sent) + _WITHIN - now).total_seconds())))


def count_try(engine: Engine, household_id: int, *, now: datetime) -> None:
    """
    Count a try of a code in a transaction of its own: it counts although it fails.

    Raises
    ------
    CodeRefused
        There is no code to try, it is too old, or this was one try too many.
    """
    with engine.begin() as connection:
        open_as(connection, Principal(None, household_id, frozenset(), frozenset(), "anonymous"))
        counted = queries.count_try(connection, household_id, most=MOST_TRIES, now=now)
    if not counted:
        raise CodeRefused("no code can be tried")


def verify(connection: Connection, keys: Keys, household_id: int, *, code: str, now: datetime) -> Contact:
    """
    Confirm the address with the code that was sent to it; `count_try` comes first.

    Raises
    ------
    CodeRefused
        Another code.
    """
    row = queries.find_contact(connection, household_id)
    right = None if row is None or row.code_nonce is None else code_of(keys, row.code_nonce, household_id)
    if right is None or not hmac.compare_digest(right.encode(), code.encode()):
        raise CodeRefused("another code")
    queries.note_verified(connection, household_id, now=now)
    return find_contact(connection, keys, household_id)


def erase_contact(connection: Connection, household_id: int, *, now: datetime) -> None:
    """Forget where a household is written to; what was on its way there is not sent."""
    queries.delete_contact(connection, household_id)
    with rights_of_worker(connection):
        queries.stop_mails(connection, household_id, now=now)
