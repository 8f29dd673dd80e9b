"""A request's one transaction and whoever makes it, handed to routes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Security
from fastapi.security import APIKeyCookie, OAuth2PasswordBearer
from sqlalchemy import Connection

from api.accounts.keys import Keys
from api.accounts.opening import open_for
from api.accounts.principal import COMMITTEE_WORKER, OWNER, PLANNER, Principal
from api.accounts.queries import add_act
from api.accounts.refusals import CsrfRefused, NoHousehold, NotAllowed, NotSignedIn
from api.accounts.secrets import Secret, hash_secret, is_csrf_token, read_secret
from api.dependencies import Admitted

COOKIE = "baytide_login"
CSRF_HEADER, CSRF_FIELD = "X-CSRF-Token", "csrf_token"
VISIT_HEADER, _LONGEST_VISIT = "On-Behalf-Of", 200
_VISIT = "A committee worker's visit to a household"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

_bearer = OAuth2PasswordBearer(
    tokenUrl="/v1/tokens",
    scheme_name="token",
    description="For programs and gates: a token from /v1/tokens, or a gate's key.",
    auto_error=False,
)
_cookie = APIKeyCookie(
    name=COOKIE,
    scheme_name="login_session",
    description=f"For pages; whatever changes something also carries {CSRF_HEADER}.",
    auto_error=False,
)


def keys_of(request: Request) -> Keys:
    """Return the service's keys."""
    keys: Keys = request.app.state.keys
    return keys


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows of whoever makes it: nothing is looked up yet."""

    secret: Secret | None
    visit: bytes | None


@dataclass(frozen=True, slots=True)
class _Opened:
    connection: Connection
    principal: Principal


async def _shown(
    request: Request,
    _token: Annotated[str | None, Security(_bearer)],
    _login: Annotated[str | None, Security(_cookie)],
    _visit: Annotated[
        str | None,
        Header(alias=VISIT_HEADER, max_length=_LONGEST_VISIT, description=_VISIT),
    ] = None,
) -> Shown:
    """Declare what a request may show; `shown_in` reads it."""
    return await shown_in(request)


async def shown_in(request: Request) -> Shown:
    """
    Read what a request shows, and refuse what a page of another site could have sent.

    Raises
    ------
    NotSignedIn
        What is shown is none of our secrets.
    CsrfRefused
        A login session that changes something without the token of its page.
    """
    secret: Secret | None = None
    authorization = request.headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        secret = read_secret(token.strip()) if scheme.lower() == "bearer" else None
        if secret is None or secret.kind == "login_session":
            raise NotSignedIn("not one of our tokens")
    elif cookie := request.cookies.get(COOKIE):
        secret = read_secret(cookie)
        secret = secret if secret and secret.kind == "login_session" else None
        if secret and request.method not in _SAFE_METHODS:
            await _require_csrf_token(request, cookie)
    visit = request.headers.get(VISIT_HEADER)
    return Shown(secret, hash_secret(visit) if visit else None)


async def _require_csrf_token(request: Request, cookie: str) -> None:
    shown = request.headers.get(CSRF_HEADER)
    if shown is None and request.headers.get("content-type", "").partition(";")[0].strip().lower() in _FORMS:
        field = (await request.form()).get(CSRF_FIELD)
        shown = field if isinstance(field, str) else None
    if shown is None or not is_csrf_token(keys_of(request).csrf, cookie, shown=shown):
        raise CsrfRefused("no token of this login session")


async def shown_by_somebody(request: Request) -> Shown:
    """Read what a request shows, for routes that leave it to their one statement to find out who asks."""
    shown = await shown_in(request)
    if shown.secret is None:
        raise NotSignedIn("nobody is signed in")
    return shown


SHOWN_BY_SOMEBODY: dict[str, Any] = {
    "security": [{_bearer.scheme_name: []}, {_cookie.scheme_name: []}],
    "parameters": [
        {
            "name": VISIT_HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "maxLength": _LONGEST_VISIT},
            "description": _VISIT,
        }
    ],
}
"""How a route that calls `shown_by_somebody` says so in the interface's description."""


def act_of(request: Request) -> str:
    """Name what a request does, as a household is told of it."""
    return f"{request.method} {request.scope['route'].path}"


def _opened(
    request: Request, shown: Annotated[Shown, Depends(_shown)], _turn: Annotated[None, Admitted]
) -> Iterator[_Opened]:
    """Open the one transaction of a request; commit when the route has returned, before anything is sent."""
    with request.app.state.engine.begin() as connection:
        principal = open_for(connection, secret=shown.secret, visit=shown.visit)
        if principal.on_behalf:
            add_act(connection, principal, act=act_of(request))
        yield _Opened(connection, principal)


# `scope="function"`: the commit comes before the answer, so that what was said to be done is done.
_Open = Annotated[_Opened, Depends(_opened, scope="function")]


async def _transaction(opened: _Open) -> Connection:
    return opened.connection


async def _anyone(opened: _Open) -> Principal:
    return opened.principal


Transaction = Annotated[Connection, Depends(_transaction)]
"""The request's transaction; row-level security shows what is the principal's."""
Anyone = Annotated[Principal, Depends(_anyone)]
"""Whoever asks, perhaps nobody."""


async def _signed_in(principal: Anyone) -> Principal:
    if principal.account_id is None:
        raise NotSignedIn("nobody is signed in")
    return principal


SignedIn = Annotated[Principal, Depends(_signed_in)]
"""An account."""
ONLY_SIGNED_IN = Depends(_signed_in)
"""For routes that nobody else may ask, and whose answers the database chooses by who asks."""


async def _resident(principal: SignedIn) -> Principal:
    if principal.household_id is None:
        raise NoHousehold("no household")
    return principal


async def _planner(principal: SignedIn) -> Principal:
    return _with_role(principal, PLANNER)


async def _owner(principal: SignedIn) -> Principal:
    return _with_role(principal, OWNER)


async def _committee_worker(principal: SignedIn) -> Principal:
    return _with_role(principal, COMMITTEE_WORKER)


async def _gate(principal: Anyone) -> Principal:
    if principal.way != "gate_device":
        raise NotSignedIn("no gate's key")
    return principal


def _with_role(principal: Principal, role: str) -> Principal:
    if role not in principal.roles:
        raise NotAllowed(f"needs the role {role}")
    return principal


Resident = Annotated[Principal, Depends(_resident)]
"""An account with a household, or a committee worker who visits one."""
Planner = Annotated[Principal, Depends(_planner)]
"""An account granted the role planner."""
Owner = Annotated[Principal, Depends(_owner)]
"""An account that speaks for one or more owners."""
CommitteeWorker = Annotated[Principal, Depends(_committee_worker)]
"""An account with a mandate that holds."""
Gate = Annotated[Principal, Depends(_gate)]
"""A gate device; `facility_id` says where."""
