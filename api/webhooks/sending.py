"""
One signed request to somebody else's program.

The header `Baytide-Signature` says `t=1767225600,v1=5257a8…`: seconds since 1970, and HMAC-SHA-256 of these digits, a
full stop and the body. Whoever receives it refuses old times, so that nobody can send the same again later.
"""

from __future__ import annotations

import contextlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import SplitResult

from api.webhooks.addresses import (
    AddressBlocked,
    CallRules,
    NameUnknown,
    UnusableUrl,
    port_of,
    read_url,
    resolve,
)

SIGNATURE = "Baytide-Signature"
TOLERANCE_S = 300
"""How old a signature may be for whoever receives it."""
LIMIT_S = 10.0
"""For a whole delivery, from the look-up of the name to the answer."""
MOST_BODY_BYTES = 16 * 1024 * 1024
"""The whole allow-list of nine thousand bays for two weeks."""
GONE = 410
"""Whoever answers this wants to be called no more."""
GIVEN_UP_AFTER = timedelta(days=3)
_LONGEST_PAUSE = timedelta(hours=6)
_READ_BYTES = 16 * 1024
"""Of an answer; nobody looks at it."""
_STRICT = CallRules()
_LATER = frozenset({408, 425, 429})
_UNCONNECTED: dict[type[Exception], tuple[str, bool]] = {
    UnusableUrl: ("url", False),
    AddressBlocked: ("blocked", False),
    NameUnknown: ("name", True),
    TimeoutError: ("timeout", True),
    OSError: ("connection", True),
}
"""Why there is no connection, and whether there may be one later; the first that fits."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    What became of a delivery.

    Attributes
    ----------
    status
        Of the answer, where there was one.
    error
        Why it did not arrive, in one word: `url`, `blocked`, `name`, `connection`, `tls`, `timeout`, `answer`,
        `redirect`, `status` or `too_large`; None where it did.
    again
        Whether trying again later makes sense.
    """

    status: int | None
    error: str | None
    again: bool

    @property
    def arrived(self) -> bool:
        """Whether the other side took it."""
        return self.error is None


def pause_after(failures: int) -> timedelta:
    """Return for how long a webhook is left alone that has failed again, after so many failures before."""
    return min(timedelta(minutes=2 ** min(failures, 12)), _LONGEST_PAUSE)


def sign(body: bytes, *, secret: bytes, now: datetime) -> str:
    """Return what `Baytide-Signature` says of a body."""
    seconds = int(now.timestamp())
    return f"t={seconds},v1={_mac(body, secret=secret, seconds=seconds)}"


def is_signed(body: bytes, signature: str, *, secret: bytes, now: datetime) -> bool:
    """Tell whether a body came from whoever knows the secret, within the last five minutes."""
    said = [part.partition("=")[::2] for part in signature.split(",")]
    seconds = next((value for name, value in said if name == "t"), "")
    if not seconds.isdecimal() or abs(now.timestamp() - int(seconds)) > TOLERANCE_S:
        return False
    right = _mac(body, secret=secret, seconds=int(seconds))
    return any(name == "v1" and hmac.compare_digest(value.encode(), right.encode()) for name, value in said)


def _mac(body: bytes, *, secret: bytes, seconds: int) -> str:
    return hmac.digest(secret, b"%d." % seconds + body, "sha256").hex()


def send_signed(
    url: str,
    *,
    body: bytes,
    secret: bytes,
    now: datetime,
    former_secret: bytes | None = None,
    rules: CallRules = _STRICT,
    limit_s: float = LIMIT_S,
) -> Delivery:
    """
    Send a JSON body, signed, once; redirects are not followed, and private networks are not called.

    Parameters
    ----------
    former_secret
        While a secret is being changed: the body is signed with both.
    rules
        What may be called; without, public addresses with TLS only.
    limit_s
        For all of it.
    """
    if len(body) > MOST_BODY_BYTES:
        return Delivery(None, "too_large", again=False)
    signature = sign(body, secret=secret, now=now)
    if former_secret is not None:
        signature += "," + sign(body, secret=former_secret, now=now).partition(",")[2]
    deadline = time.monotonic() + limit_s
    try:
        parts = read_url(url, rules)
        connected = _connect(parts, rules=rules, deadline=deadline)
    except (UnusableUrl, AddressBlocked, NameUnknown, OSError) as error:
        word, again = next(what for kind, what in _UNCONNECTED.items() if isinstance(error, kind))
        return Delivery(None, word, again=again)
    return _send(connected, parts, body=body, signature=signature, rules=rules, deadline=deadline)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _connect(parts: SplitResult, *, rules: CallRules, deadline: float) -> socket.socket:
    """Connect to one of the addresses that were checked: the name is not looked up again."""
    port = port_of(parts)
    addresses = resolve(parts.hostname or "", port, rules=rules, limit_s=_left(deadline))
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return _reach(address, port, limit_s=_left(deadline) / 2)
    return _reach(addresses[-1], port, limit_s=_left(deadline))


def _reach(address: str, port: int, *, limit_s: float) -> socket.socket:
    connected = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        connected.settimeout(limit_s)
        connected.connect((address, port))
    except OSError:
        connected.close()
        raise
    return connected


def _send(
    connected: socket.socket, parts: SplitResult, *, body: bytes, signature: str, rules: CallRules, deadline: float
) -> Delivery:
    # Whoever answers byte by byte is cut off by this, not by a limit that begins anew with every byte.
    cut, handle = threading.Event(), connected.dup()
    cutting = threading.Timer(max(0.0, deadline - time.monotonic()), _cut_off, (handle, cut))
    cutting.daemon = True
    cutting.start()
    try:
        status = _exchange(connected, parts, body=body, signature=signature, rules=rules)
    except ssl.SSLError:
        return Delivery(None, "timeout" if cut.is_set() else "tls", again=True)
    except TimeoutError:
        return Delivery(None, "timeout", again=True)
    except (OSError, http.client.HTTPException):
        return Delivery(None, "timeout" if cut.is_set() else "answer", again=True)
    finally:
        cutting.cancel()
        cutting.join()
        handle.close()
        connected.close()
    return Delivery(None, "timeout", again=True) if cut.is_set() else _judged(status)


def _cut_off(handle: socket.socket, cut: threading.Event) -> None:
    cut.set()
    with contextlib.suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def _exchange(connected: socket.socket, parts: SplitResult, *, body: bytes, signature: str, rules: CallRules) -> int:
    """Speak HTTP on a connection that is there, under the name that was asked for; return the status."""
    host, port = parts.hostname or "", port_of(parts)
    speaking: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=rules.trusted)
        speaking = http.client.HTTPSConnection(host, port, context=context)
        speaking.sock = context.wrap_socket(connected, server_hostname=host)
    else:
        speaking = http.client.HTTPConnection(host, port)
        speaking.sock = connected
    with contextlib.closing(speaking):
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Baytide",
            "Connection": "close",
            SIGNATURE: signature,
        }
        speaking.request("POST", target, body=body, headers=headers)
        with speaking.getresponse() as answer:
            answer.read(_READ_BYTES)
            return answer.status


def _judged(status: int) -> Delivery:
    if 200 <= status < 300:
        return Delivery(status, None, again=False)
    if 300 <= status < 400:
        return Delivery(status, "redirect", again=False)
    return Delivery(status, "status", again=status >= 500 or status in _LATER)
