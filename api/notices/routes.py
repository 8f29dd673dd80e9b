"""A household reads what it is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import Connection

from api.accounts.dependencies import Transaction
from api.accounts.residents import Acting, ActingResident
from api.cursors import cursor_of, id_before
from api.notices import queries
from api.notices.languages import AcceptLanguage, asked_language
from api.notices.reading import read
from api.notices.schemas import NoticeOut, NoticePage, notice_out

router = APIRouter(prefix="/v1/notices", tags=["notices"])
NoticeId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_LIST = "notices"


@router.get("", summary="What the household is told")
def get_notices(
    transaction: Transaction,
    resident: ActingResident,
    cursor: Annotated[str | None, Query(max_length=60, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    language: AcceptLanguage = None,
    unread: Annotated[bool, Query(description="Only those that were not read yet")] = False,
) -> NoticePage:
    """List what the household was told of its applications, offers, permits and stays, the newest first."""
    before = id_before(cursor, of=_LIST)
    rows = queries.list_notices(transaction, resident.household_id, before=before, limit=limit + 1, unread=unread)
    more = cursor_of(rows[limit - 1].id, of=_LIST) if len(rows) > limit else None
    spoken = _language(transaction, resident, language)
    return NoticePage(notices=[notice_out(row, language=spoken) for row in rows[:limit]], next=more)


@router.post("/{notice}/read", summary="Note that a notice was read")
def post_read(
    transaction: Transaction, resident: ActingResident, notice: NoticeId, language: AcceptLanguage = None
) -> NoticeOut:
    """Keep when it was first read; the same again changes nothing."""
    row = read(transaction, resident.household_id, notice, now=datetime.now(UTC))
    return notice_out(row, language=_language(transaction, resident, language))


def _language(connection: Connection, resident: Acting, header: str | None) -> str:
    return asked_language(header) or queries.language_of(connection, resident.account_id)
