"""Logging in and out, for pages by cookie and for programs by token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.security import OAuth2PasswordRequestForm

from api.accounts import queries, service
from api.accounts.dependencies import COOKIE, SignedIn, Transaction, keys_of
from api.accounts.refusals import LogInRefused, NotSignedIn
from api.accounts.schemas import NO_ZERO, CsrfOut, LogIn, LoginSessionMade, LoginSessionOut, TokenMade, TokenOut
from api.accounts.secrets import csrf_token, hash_secret
from api.accounts.showing import address_of, clear_login_cookie, set_login_cookie
from api.dependencies import AdmittedToLogIn

router = APIRouter(prefix="/v1", tags=["log-in"])
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.post("/login-sessions", summary="Log in for pages", status_code=201, dependencies=[AdmittedToLogIn])
def post_login_session(request: Request, response: Response, given: LogIn) -> LoginSessionMade:
    """Open a login session, kept by the browser as a cookie; answer with the token that changes have to carry."""
    keys = keys_of(request)
    opened = service.open_with_password(
        request.app.state.engine,
        keys,
        kind="login_session",
        name=given.log_in_name,
        password=given.password.get_secret_value(),
        address=address_of(request),
    )
    set_login_cookie(request, response, opened.secret, ends=opened.ends)
    response.headers["Cache-Control"] = "no-store"
    return LoginSessionMade(csrf_token=csrf_token(keys.csrf, opened.secret), expires_at=opened.ends)


@router.get("/login-sessions", summary="Where one is logged in")
def get_login_sessions(request: Request, transaction: Transaction, principal: SignedIn) -> list[LoginSessionOut]:
    """List the open login sessions of the account, the newest first."""
    here = hash_secret(request.cookies.get(COOKIE, ""))
    rows = queries.list_login_sessions(transaction, principal.account_id or 0)
    return [
        LoginSessionOut(
            id=row.id, created_at=row.created_at, expires_at=row.expires_at, current=row.secret_hash == here
        )
        for row in rows
    ]


@router.get("/login-sessions/current", summary="The token that changes have to carry")
def get_current_login_session(request: Request, response: Response, principal: SignedIn) -> CsrfOut:
    """Give a page the token of its login session."""
    if principal.way != "login_session":
        raise NotSignedIn("no login session")
    response.headers["Cache-Control"] = "no-store"
    return CsrfOut(csrf_token=csrf_token(keys_of(request).csrf, request.cookies[COOKIE]))


@router.delete("/login-sessions/current", summary="Log out", status_code=204, response_class=Response)
def delete_current_login_session(
    request: Request, response: Response, transaction: Transaction, principal: SignedIn
) -> None:
    """Close the login session of this browser."""
    if principal.way == "login_session":
        secret_hash = hash_secret(request.cookies[COOKIE])
        queries.revoke_login_sessions(transaction, principal.account_id or 0, secret_hash=secret_hash)
    clear_login_cookie(request, response)


@router.delete("/login-sessions/{login_session}", summary="Log out elsewhere", status_code=204, response_class=Response)
def delete_login_session(transaction: Transaction, principal: SignedIn, login_session: Id) -> None:
    """Close one login session; it is refused from this moment."""
    if not queries.revoke_login_sessions(transaction, principal.account_id or 0, session_id=login_session):
        raise queries.SecretNotFound("no such login session")


@router.delete("/login-sessions", summary="Log out everywhere", status_code=204, response_class=Response)
def delete_login_sessions(request: Request, response: Response, transaction: Transaction, principal: SignedIn) -> None:
    """Close every login session of the account, and revoke its tokens."""
    queries.revoke_login_sessions(transaction, principal.account_id or 0)
    queries.revoke_bearer_tokens(transaction, principal.account_id or 0)
    clear_login_cookie(request, response)


@router.post("/tokens", summary="A token for a program", dependencies=[AdmittedToLogIn])
def post_token(
    request: Request,
    response: Response,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    label: Annotated[str, Form(max_length=80, pattern=NO_ZERO, description="What the token is for")] = "",
) -> TokenMade:
    """Give a bearer token for log-in name and password (OAuth 2.0, RFC 6749, section 4.3)."""
    if len(form.password) > 200 or len(form.username) > 80:
        raise LogInRefused("too long")
    opened = service.open_with_password(
        request.app.state.engine,
        keys_of(request),
        kind="bearer_token",
        name=form.username,
        password=form.password,
        address=address_of(request),
        label=label,
    )
    response.headers["Cache-Control"] = "no-store"
    return TokenMade(access_token=opened.secret, expires_in=int(service.TOKEN_LASTS.total_seconds()))


@router.get("/tokens", summary="One's tokens")
def get_tokens(transaction: Transaction, principal: SignedIn) -> list[TokenOut]:
    """List the tokens of the account that work, the newest first."""
    rows = queries.list_bearer_tokens(transaction, principal.account_id or 0)
    return [TokenOut(id=row.id, label=row.label, created_at=row.created_at, expires_at=row.expires_at) for row in rows]


@router.delete("/tokens/{token}", summary="Revoke a token", status_code=204, response_class=Response)
def delete_token(transaction: Transaction, principal: SignedIn, token: Id) -> None:
    """Revoke one's token; it is refused from this moment."""
    if not queries.revoke_bearer_tokens(transaction, principal.account_id or 0, token_id=token):
        raise queries.SecretNotFound("no such token")
