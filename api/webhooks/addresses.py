"""
Which addresses may be called: none that leads into a private network.

A name is looked up once, every address found is checked, and the connection goes to one of those: what the name says a
moment later does not matter (DNS rebinding).
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from api.errors import ApiError
from api.settings import Settings

LONGEST_URL = 1000
_FIRST_FREE_PORT = 1024
_PORTS = {"https": 443, "http": 80}
_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: an IPv4 address in the last four bytes."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""RFC 8215: an IPv4 address wherever the network's own operator wants it."""


class UnusableUrl(ApiError):
    """An address of a webhook that cannot be called, whatever it leads to."""


class AddressBlocked(ApiError):
    """A name that leads into a network which is not public."""


class NameUnknown(ApiError):
    """A name that leads nowhere, or whose look-up takes too long."""


@dataclass(frozen=True, slots=True)
class CallRules:
    """
    What may be called.

    Attributes
    ----------
    http
        Also without TLS; for tests.
    loopback
        Also this machine; for tests.
    trusted
        A file of certificates to trust instead of the system's.
    """

    http: bool = False
    loopback: bool = False
    trusted: Path | None = None


def rules_of(settings: Settings) -> CallRules:
    """Return what the settings allow to call."""
    return CallRules(settings.webhook_http, settings.webhook_loopback, settings.webhook_trusted)


def read_url(url: str, rules: CallRules) -> SplitResult:
    """
    Take the address of a webhook apart.

    Raises
    ------
    UnusableUrl
        No https, no host, a password in it, a port of other services, or signs that an address does not have.
    """
    if len(url) > LONGEST_URL or not url.isascii() or any(sign <= " " or sign == "\\" for sign in url):
        raise UnusableUrl(f"an address has at most {LONGEST_URL} signs, ASCII without blanks")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnusableUrl("not an address") from error
    if parts.scheme != "https" and not (rules.http and parts.scheme == "http"):
        raise UnusableUrl("the address must begin with https://")
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise UnusableUrl("the address must name a host, and neither a password nor a fragment")
    if port is not None and port < _FIRST_FREE_PORT and port != _PORTS[parts.scheme]:
        raise UnusableUrl("ports below 1024 belong to other services")
    return parts


def refuse_private(parts: SplitResult, rules: CallRules) -> None:
    """
    Refuse an address that says itself that it may not be called; other names are looked up when they are called.

    Raises
    ------
    UnusableUrl
        The host is this machine (RFC 6761), or an address, however it is written, that is not in a public network.
    """
    host = (parts.hostname or "").removesuffix(".")
    numbers = ["::1"] if host == "localhost" or host.endswith(".localhost") else _numbers(host)
    if not all(may_be_called(number, rules) for number in numbers):
        raise UnusableUrl("the host is not in a public network")


def _numbers(host: str) -> list[str]:
    """Return the address that a host is, as `10.1` is 10.0.0.1; nothing for a name, which is not looked up."""
    try:
        answers = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return []
    return [str(answer[4][0]) for answer in answers]


def port_of(parts: SplitResult) -> int:
    """Return the port an address names, or that of its scheme."""
    return parts.port or _PORTS[parts.scheme]


def resolve(host: str, port: int, *, rules: CallRules, limit_s: float) -> list[str]:
    """
    Look a name up and return its addresses, all of which may be called.

    Raises
    ------
    AddressBlocked
        One of them may not.
    NameUnknown
        There is none, or nobody answers in time.
    """
    found: list[str] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))

    # A look-up takes no time limit of its own.
    asking = threading.Thread(target=look_up, daemon=True)
    asking.start()
    asking.join(limit_s)
    addresses = list(found)
    if not addresses:
        raise NameUnknown("the host has no address")
    if not all(may_be_called(address, rules) for address in addresses):
        raise AddressBlocked("the host is not in a public network")
    return addresses


def may_be_called(address: str, rules: CallRules) -> bool:
    """Tell whether an address is public, also behind the ways of writing IPv4 as IPv6."""
    seen = _innermost(ip_address(address.partition("%")[0]))
    if seen.is_loopback:
        return rules.loopback
    special = seen.is_multicast or seen.is_reserved or seen.is_unspecified or seen.is_link_local or seen.is_private
    local = isinstance(seen, IPv6Address) and (seen.is_site_local or seen in _LOCAL_NAT64)
    return seen.is_global and not special and not local


def _innermost(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (not int(address) >> 32 and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFF_FFFF)  # and the old way of writing ::1.2.3.4
    return address.ipv4_mapped or address.sixtofour or address
