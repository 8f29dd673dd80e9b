"""What a browser or a program shows besides its body: where it calls from, and the cookie it keeps."""

from __future__ import annotations

from datetime import datetime

from fastapi import Request, Response

from api.accounts.dependencies import COOKIE

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def address_of(request: Request) -> str:
    """Return the network address of whoever asks; only ever to be hashed."""
    return request.client.host if request.client else ""


def set_login_cookie(request: Request, response: Response, secret: str, *, ends: datetime) -> None:
    """Let the browser keep a login session: out of reach of scripts, never sent along by other sites' forms."""
    response.set_cookie(
        COOKIE, secret, expires=ends, path="/", httponly=True, samesite="lax", secure=not is_loopback(request)
    )


def clear_login_cookie(request: Request, response: Response) -> None:
    """Let the browser forget it."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=not is_loopback(request))


def is_loopback(request: Request) -> bool:
    """Tell whether the browser is on this machine, where there is no TLS; everywhere else the cookie needs it."""
    return request.url.hostname in _LOOPBACK
