"""
How often somebody may ask: no limit for people, an end for programs that run wild.

Counted in the memory of one process, since a look into the database would cost more than most requests; with N worker
processes a principal may ask up to N times as often. What must hold for all processes together (log-ins, look-ups,
holds, bookings ahead) is counted in the database, by `accounts.attempts` and `bookings`.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.accounts.attempts import network_of
from api.accounts.dependencies import COOKIE
from api.accounts.secrets import read_secret
from api.telemetry import NOT_COUNTED

BURST_S = 5.0
"""So many seconds' worth may come at once: a phone that opens a page asks some sixty times, most of it map tiles."""
MOST_BUCKETS = 20_000
"""Kept at a time, some 5 MB; one untouched for `BURST_S` is full, which is as good as forgotten."""
_OF_ANONYMOUS_ADDRESS = 3
"""An address asks as often as so many who show a secret: a household, a café."""
_OF_ADDRESS = 20
"""The same for all that comes from it, with secrets true or made up: an estate behind one carrier's address."""
_COOKIE = f"{COOKIE}=".encode()
_STATUS = 429
_ROUNDING_S = 1e-6
"""What adding up a hundred times may be off; nobody waits for that."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many requests a second in the long run; `BURST_S` seconds' worth of them at once."""

    per_s: float

    @property
    def token_s(self) -> float:
        """Seconds in which a bucket gains one token."""
        return 1 / self.per_s

    @property
    def full_s(self) -> float:
        """Seconds in which an empty bucket fills, one token at least."""
        return max(BURST_S, self.token_s)


class Buckets:
    """
    Token buckets, each kept as the one moment at which it is full again; the least recently used are forgotten.

    For one thread: the event loop's.
    """

    def __init__(self, *, most: int = MOST_BUCKETS, clock: Callable[[], float] = time.monotonic) -> None:
        self._full_at: OrderedDict[bytes, float] = OrderedDict()
        self._most = most
        self._clock = clock

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, wanted: Sequence[tuple[bytes, Allowance]]) -> float:
        """Take a token of every bucket, or of none; return the seconds until each has one, zero when taken."""
        now = self._clock()
        after = [max(now, self._full_at.get(key, now)) + allowed.token_s for key, allowed in wanted]
        wait_s = max(full_at - now - allowed.full_s for full_at, (_, allowed) in zip(after, wanted, strict=True))
        if wait_s > _ROUNDING_S:
            return wait_s
        for full_at, (key, _) in zip(after, wanted, strict=True):
            self._full_at[key] = full_at
            self._full_at.move_to_end(key)
        while len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return 0.0


class RateLimits:
    """
    Middleware: whoever asks more often than allowed is told when to come back (429, RFC 6585), and nothing is done.

    A request counts for the secret it shows (token, login cookie, gate's key) and for the address it comes from, more
    generously: a secret costs nothing to make up, and what it opens is found out later. Both are known here by hashes
    only; that of addresses has a key that ends with the process.
    """

    def __init__(self, app: ASGIApp, *, per_s: float) -> None:
        self._app = app
        self._buckets = Buckets()
        self._of_secret = Allowance(per_s)
        self._of_anonymous_address = Allowance(_OF_ANONYMOUS_ADDRESS * per_s)
        self._of_address = Allowance(_OF_ADDRESS * per_s)
        self._key = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["path"].startswith(NOT_COUNTED):
            await self._app(scope, receive, send)
            return
        wait_s = self._buckets.take(self._wanted(scope))
        await (_refusal(wait_s) if wait_s > 0 else self._app)(scope, receive, send)

    def _wanted(self, scope: Scope) -> list[tuple[bytes, Allowance]]:
        client = scope.get("client")
        address = hashlib.blake2b(network_of(client[0] if client else "").encode(), key=self._key).digest()
        hashed = hash_of_shown(scope["headers"])
        if hashed is None:
            return [(b"anonymous" + address, self._of_anonymous_address)]
        return [(hashed, self._of_secret), (address, self._of_address)]


def hash_of_shown(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the hash of the secret that a request shows, None without one of ours; a cookie only where no token is."""
    cookie: str | None = None
    for name, value in headers:
        if name == b"authorization":
            shown = read_secret(value.decode("latin-1").partition(" ")[2].strip())
            return None if shown is None else shown.hashed
        if name == b"cookie" and _COOKIE in value:
            cookie = value.partition(_COOKIE)[2].partition(b";")[0].strip().decode("latin-1")
    shown = None if cookie is None else read_secret(cookie)
    return None if shown is None else shown.hashed


def _refusal(wait_s: float) -> JSONResponse:
    return JSONResponse(
        {
            "type": "too-many-requests",
            "title": "Too many requests",
            "status": _STATUS,
            "detail": "Too many requests came in a short time; Retry-After says in how many seconds to ask again.",
        },
        status_code=_STATUS,
        media_type="application/problem+json",
        headers={"Retry-After": str(math.ceil(wait_s))},
    )
