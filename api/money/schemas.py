"""Money as it is asked for and shown; amounts are whole cents."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from api.money.paying import Balances, Request


class LineOut(BaseModel):
    """What was booked of a household: above zero it owes more, below zero less."""

    id: int
    reference: str
    kind: str
    account: Literal["receivable", "deposits", "refunds_payable"]
    cents: int
    receipt: str | None
    booked_at: datetime


class StatementOut(BaseModel):
    """A household's account."""

    due_cents: int = Field(description="What it owes")
    deposit_cents: int = Field(description="What is kept for it as deposits")
    owed_cents: int = Field(description="What it is owed, and can have paid out")
    lines: list[LineOut]


class RequestOut(BaseModel):
    """How to pay, or to be paid."""

    direction: Literal["in", "out"] = Field(description="`out` where the household is owed money")
    cents: int
    code: str = Field(description="To be shown at the counter")
    url: str | None = Field(description="Where to pay, of providers that have such an address")


class PaymentIn(BaseModel):
    """Money received or paid out at the counter."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(min_length=1, max_length=40, description="As the household shows it")
    cents: int = Field(gt=0, le=10**9)
    receipt: str = Field(min_length=1, max_length=60, description="Number of the receipt; never of a card")


class PaymentOut(BaseModel):
    """What was noted; nothing new where the receipt was noted before."""

    noted_cents: int


class FacilityIncome(BaseModel):
    """What a facility earned."""

    facility: int
    name: str
    cents: int
    nights: int = Field(description="Stays that began")
    cents_a_night: int | None


class IncomeOut(BaseModel):
    """Income of the owners the account speaks for."""

    facilities: list[FacilityIncome]


class AccountBalance(BaseModel):
    """A kind of account over everybody."""

    account: str
    debits: int
    credits: int
    balance: int


class TrialBalanceOut(BaseModel):
    """All accounts; their sum is nothing."""

    accounts: list[AccountBalance]
    sum: int


def statement_out(standing: Balances, rows: list[Row[object]]) -> StatementOut:
    """Show a household's account."""
    lines = [LineOut.model_validate(dict(row._mapping)) for row in rows]
    return StatementOut(
        due_cents=standing.due_cents,
        deposit_cents=standing.deposit_cents,
        owed_cents=standing.owed_cents,
        lines=lines,
    )


def request_out(request: Request) -> RequestOut:
    """Show how to pay."""
    direction: Literal["in", "out"] = "in" if request.direction == "in" else "out"
    return RequestOut(direction=direction, cents=request.cents, code=request.asked.code, url=request.asked.url)


def income_out(rows: list[Row[tuple[object, ...]]]) -> IncomeOut:
    """Show what facilities earned."""
    return IncomeOut(
        facilities=[
            FacilityIncome(
                facility=row.facility_id,
                name=row.name,
                cents=int(row.cents),
                nights=row.nights,
                cents_a_night=int(row.cents) // row.nights if row.nights else None,
            )
            for row in rows
        ]
    )


def trial_balance_out(rows: list[Row[tuple[object, ...]]]) -> TrialBalanceOut:
    """Show all accounts."""
    accounts = [
        AccountBalance(account=row.account, debits=int(row.debits), credits=int(row.credits), balance=int(row.balance))
        for row in rows
    ]
    return TrialBalanceOut(accounts=accounts, sum=sum(account.balance for account in accounts))
