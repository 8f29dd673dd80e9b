"""Money: a household's account, payments by code, owners' income, and the balance of everything."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.accounts.dependencies import Owner, Planner, SignedIn, Transaction
from api.accounts.principal import COMMITTEE_WORKER, PLANNER
from api.accounts.refusals import NotAllowed
from api.accounts.residents import ActingResident
from api.money import queries
from api.money.errors import ConfirmationRefused
from api.money.paying import balances, note_payment, request_payment
from api.money.providers import Counter, PaymentProvider
from api.money.schemas import (
    IncomeOut,
    PaymentIn,
    PaymentOut,
    RequestOut,
    StatementOut,
    TrialBalanceOut,
    income_out,
    request_out,
    statement_out,
    trial_balance_out,
)
from api.problems import BadRange

router = APIRouter(prefix="/v1/money", tags=["money"])
_COUNTER = Counter()
_MOST_LINES = 1000
_MOST_DAYS = 800


async def _raw(request: Request) -> bytes:
    return await request.body()


Raw = Annotated[bytes, Depends(_raw)]


@router.get("/statement", summary="The household's account")
def get_statement(transaction: Transaction, resident: ActingResident) -> StatementOut:
    """Show what the household owes and is owed, and how that came to be, the newest first."""
    standing = balances(transaction, resident.household_id)
    return statement_out(standing, queries.list_own_lines(transaction, resident.household_id, limit=_MOST_LINES))


@router.post("/payment-requests", summary="A code to pay with", status_code=201)
def post_payment_request(request: Request, transaction: Transaction, resident: ActingResident) -> RequestOut:
    """Give a code for all that is owed, one way or the other; it is shown at the counter, or paid at the provider's."""
    provider: PaymentProvider = getattr(request.app.state, "payment_provider", _COUNTER)
    found = request_payment(transaction, resident.household_id, provider=provider, now=datetime.now(UTC))
    return request_out(found)


@router.post("/payments", summary="Note money received or paid out", status_code=201)
def post_payment(transaction: Transaction, principal: SignedIn, paid: PaymentIn) -> PaymentOut:
    """Note what happened at the counter, for committee workers and planners; the same receipt is noted once."""
    if not principal.roles & {COMMITTEE_WORKER, PLANNER}:
        raise NotAllowed("needs the role committee_worker or planner")
    noted = note_payment(
        transaction,
        code=paid.code,
        cents=paid.cents,
        receipt=paid.receipt,
        provider=_COUNTER.name,
        account_id=principal.account_id,
        now=datetime.now(UTC),
    )
    return PaymentOut(noted_cents=noted)


@router.post("/providers/{provider}/confirmations", summary="A payment that a provider confirms")
def post_confirmation(request: Request, transaction: Transaction, body: Raw, provider: str) -> PaymentOut:
    """Note a payment in the words of its provider, which signs them; the same again changes nothing."""
    known: PaymentProvider | None = getattr(request.app.state, "payment_provider", None)
    if known is None or known.name != provider:
        raise ConfirmationRefused("no such provider")
    now = datetime.now(UTC)
    paid = known.payment_confirmed(body, request.headers, now=now)
    noted = note_payment(
        transaction,
        code=paid.code,
        cents=paid.cents,
        receipt=paid.receipt,
        provider=provider,
        account_id=None,
        now=now,
    )
    return PaymentOut(noted_cents=noted)


@router.get("/income", summary="What one's facilities earned")
def get_income(
    transaction: Transaction,
    owner: Owner,
    first: Annotated[date | None, Query(alias="from", description="First day; 30 days ago without")] = None,
    last: Annotated[date | None, Query(alias="to", description="Last day; today without")] = None,
) -> IncomeOut:
    """Show income by facility, and by bay and night; days are counted in UTC."""
    today = datetime.now(UTC).date()
    first, last = first or today - timedelta(days=30), last or today
    if not (date(2000, 1, 1) <= first <= last <= date(2199, 12, 30) and (last - first).days <= _MOST_DAYS):
        raise BadRange(f"`to` must not lie before `from`, nor more than {_MOST_DAYS} days after it.")
    rows = queries.list_income(
        transaction,
        sorted(owner.owner_ids),
        first=datetime(first.year, first.month, first.day, tzinfo=UTC),
        past=datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1),
    )
    return income_out(rows)


@router.get("/trial-balance", summary="All accounts, which add up to nothing")
def get_trial_balance(transaction: Transaction, _planner: Planner) -> TrialBalanceOut:
    """Show debits, credits and balance of every kind of account."""
    return trial_balance_out(queries.trial_balance(transaction))
