"""Logging in and out with plain forms, for browsers with or without scripts."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.accounts import queries, service
from api.accounts.dependencies import COOKIE, Anyone, Transaction, keys_of
from api.accounts.refusals import CsrfRefused, LogInRefused, TooManyAttempts
from api.accounts.secrets import csrf_token, hash_secret
from api.accounts.showing import address_of, clear_login_cookie, set_login_cookie
from api.dependencies import AdmittedToLogIn
from api.pages.rendering import render

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
}
_REFUSED = "登录名与密码不符。 Log-in name and password do not go together."
_TOO_MANY = "尝试次数过多，请稍后再试。 Too many attempts: wait a while, then try again."


@router.get("/log-in")
def get_log_in(request: Request, principal: Anyone) -> Response:
    """Show the form, or who is logged in already and the way out."""
    if principal.way != "login_session":
        return _page()
    return _page(csrf=csrf_token(keys_of(request).csrf, request.cookies[COOKIE]))


@router.post("/log-in", dependencies=[AdmittedToLogIn])
def post_log_in(
    request: Request,
    log_in_name: Annotated[str, Form(max_length=80)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Log in and go to the start page; with a word to whoever may not."""
    _require_own_form(request)
    try:
        opened = service.open_with_password(
            request.app.state.engine,
            keys_of(request),
            kind="login_session",
            name=log_in_name,
            password=password,
            address=address_of(request),
        )
    except LogInRefused:
        return _page(words=_REFUSED, status=401)
    except TooManyAttempts as error:
        return _page(words=_TOO_MANY, status=429, more={"Retry-After": str(error.retry_after_s)})
    response = RedirectResponse("/", status_code=303, headers={"Cache-Control": "no-store"})
    set_login_cookie(request, response, opened.secret, ends=opened.ends)
    return response


@router.post("/log-out")
def post_log_out(request: Request, transaction: Transaction, principal: Anyone) -> Response:
    """Close the login session of this browser; its form carries the token."""
    if principal.account_id is not None and principal.way == "login_session":
        secret_hash = hash_secret(request.cookies[COOKIE])
        queries.revoke_login_sessions(transaction, principal.account_id, secret_hash=secret_hash)
    response = RedirectResponse("/log-in", status_code=303)
    clear_login_cookie(request, response)
    return response


def _require_own_form(request: Request) -> None:
    """Refuse a form that a page of another site sent: it would log somebody in as somebody else."""
    origin = request.headers.get("origin")
    same = origin is None or urlsplit(origin).netloc == request.url.netloc
    if not same or request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise CsrfRefused("a form of another site")


def _page(
    *, words: str = "", csrf: str | None = None, status: int = 200, more: dict[str, str] | None = None
) -> Response:
    page = render("log_in.html", words=words, csrf=csrf)
    return HTMLResponse(page, status_code=status, headers={**_HEADERS, **(more or {})})
