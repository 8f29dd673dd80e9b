"""Making an account and reading one's own."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from api.accounts import queries, service
from api.accounts.dependencies import SignedIn, Transaction, keys_of
from api.accounts.principal import Principal
from api.accounts.schemas import AccountChange, AccountIn, AccountMade, AccountOut, PasswordChange
from api.accounts.showing import address_of
from api.dependencies import AdmittedToLogIn

router = APIRouter(prefix="/v1", tags=["accounts"])


@router.post("/accounts", summary="Make an account", status_code=201, dependencies=[AdmittedToLogIn])
def post_account(request: Request, wanted: AccountIn) -> AccountMade:
    """Make an account with a password. The log-in name is the wished name with a number: note it down."""
    _, name = service.register(
        request.app.state.engine,
        keys_of(request),
        name=wanted.name,
        password=wanted.password.get_secret_value(),
        language=wanted.language,
        address=address_of(request),
    )
    return AccountMade(log_in_name=name)


@router.get("/account", summary="One's own account")
def get_account(transaction: Transaction, principal: SignedIn) -> AccountOut:
    """Say who one is, and what one may do."""
    return _shown(transaction, principal)


@router.patch("/account", summary="Change one's account")
def patch_account(transaction: Transaction, principal: SignedIn, change: AccountChange) -> AccountOut:
    """Choose the language of letters and pages."""
    queries.set_language(transaction, principal.account_id or 0, change.language)
    return _shown(transaction, principal)


@router.post(
    "/account/password",
    summary="Change one's password",
    status_code=204,
    response_class=Response,
    dependencies=[AdmittedToLogIn],
)
def post_password(request: Request, change: PasswordChange) -> None:
    """Replace the password, which the old one allows; every login session and token of the account ends."""
    service.change_password(
        request.app.state.engine,
        keys_of(request),
        name=change.log_in_name,
        old=change.old.get_secret_value(),
        new=change.new.get_secret_value(),
        address=address_of(request),
    )


def _shown(connection: Connection, principal: Principal) -> AccountOut:
    row = queries.get_account(connection, principal.account_id or 0)
    return AccountOut(
        log_in_name=row.subject,
        issuer=row.issuer,
        language=row.language,
        created_at=row.created_at,
        roles=sorted(principal.roles),
        owners=sorted(principal.owner_ids),
        household=principal.household_id,
    )
