"""A signed request reaches whoever it is for, once, and nobody in a private network."""

from __future__ import annotations

import hmac
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.webhooks.addresses import CallRules, UnusableUrl, may_be_called, read_url
from api.webhooks.sending import MOST_BODY_BYTES, SIGNATURE, Delivery, is_signed, send_signed, sign
from tests.api.receivers import Receiver, make_certificate, receiving

NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
HERE = CallRules(http=True, loopback=True)
BODY, SECRET = '{"name": "江浦公园"}'.encode(), b"shared by two"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def send(url: str, **settings: Any) -> Delivery:  # noqa: ANN401 -- as they are
    return send_signed(url, **{"body": BODY, "secret": SECRET, "now": NOW, "rules": HERE, **settings})


def test_what_is_sent_arrives_signed(receiver: Receiver) -> None:
    assert send(f"{receiver.url}?to=us") == Delivery(204, None, again=False)
    [(path, headers, body)] = receiver.got
    assert (path, body, headers["Content-Type"]) == ("/hook?to=us", BODY, "application/json")
    assert headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert is_signed(body, headers[SIGNATURE], secret=SECRET, now=NOW)


def test_a_signature_is_what_the_documentation_says() -> None:
    mac = hmac.new(SECRET, b"1795456800." + BODY, "sha256").hexdigest()
    assert sign(BODY, secret=SECRET, now=NOW) == f"t=1795456800,v1={mac}"


@pytest.mark.parametrize(
    ("body", "secret", "later_s"),
    [(b"{}", SECRET, 0), (BODY, b"another", 0), (BODY, SECRET, 301), (BODY, SECRET, -301)],
)
def test_another_body_secret_or_time_is_no_signature(body: bytes, secret: bytes, later_s: int) -> None:
    signature = sign(BODY, secret=SECRET, now=NOW)
    assert is_signed(BODY, signature, secret=SECRET, now=NOW + timedelta(seconds=299))
    assert not is_signed(body, signature, secret=secret, now=NOW + timedelta(seconds=later_s))


@pytest.mark.parametrize("nonsense", ["", "t=", "v1=00", "t=x,v1=00", "t=1795456800", "t=1795456800,v1=ü"])
def test_nonsense_is_no_signature(nonsense: str) -> None:
    assert not is_signed(BODY, nonsense, secret=SECRET, now=NOW)


def test_a_secret_can_be_changed_without_a_gap(receiver: Receiver) -> None:
    send(receiver.url, secret=b"new", former_secret=SECRET)
    [(_, headers, body)] = receiver.got
    assert is_signed(body, headers[SIGNATURE], secret=SECRET, now=NOW)
    assert is_signed(body, headers[SIGNATURE], secret=b"new", now=NOW)


@pytest.mark.parametrize(
    ("status", "delivery"),
    [
        (200, Delivery(200, None, again=False)),
        (404, Delivery(404, "status", again=False)),
        (429, Delivery(429, "status", again=True)),
        (503, Delivery(503, "status", again=True)),
    ],
)
def test_the_answer_says_whether_it_arrived(receiver: Receiver, status: int, delivery: Delivery) -> None:
    receiver.status = status
    assert send(receiver.url) == delivery


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 307, {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    assert send(receiver.url) == Delivery(307, "redirect", again=False)
    assert [path for path, _, _ in receiver.got] == ["/hook"]


def test_whoever_answers_byte_by_byte_is_cut_off(receiver: Receiver) -> None:
    receiver.drip_s = 0.05
    begun = time.monotonic()
    assert send(receiver.url, limit_s=0.5) == Delivery(None, "timeout", again=True)
    assert time.monotonic() - begun < 5


def test_whoever_never_answers_is_left_and_whoever_is_away_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert send(url, limit_s=0.3) == Delivery(None, "timeout", again=True)
    assert send(url, limit_s=0.3) == Delivery(None, "connection", again=True)


def test_a_body_beyond_the_limit_is_not_sent(receiver: Receiver) -> None:
    assert send(receiver.url, body=b"x" * (MOST_BODY_BYTES + 1)) == Delivery(None, "too_large", again=False)
    assert receiver.got == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1",
        "169.254.169.254", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1",
        "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "fec0::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::", "2002:a00:1::",
        "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "64:ff9b:1:a00:1::808:808", "2001:0:53aa:64c:0:0:f5ff:fffe",
    ],
)  # fmt: skip
def test_no_address_of_a_private_network_is_called(address: str) -> None:
    assert not may_be_called(address, CallRules())


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_public_addresses_are_called(address: str) -> None:
    assert may_be_called(address, CallRules())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]"])
def test_this_machine_is_blocked_however_it_is_written(receiver: Receiver, host: str) -> None:
    answer = send(f"http://{host}:{receiver.port}/", rules=CallRules(http=True))
    assert (answer.error, answer.again) == ("blocked", False)
    assert receiver.got == []


def answering(*rounds: list[str]) -> tuple[Any, list[str]]:
    """Give a resolver that answers one round after the other, and the names it was asked for."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        addresses = rounds[min(len(asked), len(rounds)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return look_up, asked


def test_a_name_that_leads_elsewhere_a_moment_later_is_called_where_it_led(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """DNS rebinding: the second look-up would lead home, so there is none."""
    look_up, asked = answering(["93.184.216.34"], ["127.0.0.1"])
    called: list[Any] = []

    def refuse(_: socket.socket, address: Any) -> None:  # noqa: ANN401 -- as the socket module has it
        called.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    answer = send(f"http://rebinding.example:{receiver.port}/", rules=CallRules(http=True))
    assert answer.error == "connection"
    assert asked == ["rebinding.example"]
    assert called == [("93.184.216.34", receiver.port)]
    assert receiver.got == []


def test_one_private_address_among_public_ones_blocks_the_name(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    look_up, _ = answering(["93.184.216.34", "127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert send(f"http://two.example:{receiver.port}/", rules=CallRules(http=True)).error == "blocked"


def test_a_name_nobody_knows_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert send("http://nowhere.example/") == Delivery(None, "name", again=True)


def test_a_look_up_that_takes_for_ever_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def silent(*_: object, **__: object) -> list[object]:
        answered.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    begun = time.monotonic()
    assert send("http://slow.example/", limit_s=0.2).error == "name"
    assert time.monotonic() - begun < 10
    answered.set()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "ftp://example.com/", "https:///x", "https://u:p@example.com/", "https://u@example.com/",
        "https://example.com:22/", "https://example.com:80/", "https://example.com:99999/", "https://example.com/#x",
        "https://exämple.com/", "https://example.com/a b", "https://example.com/\r\nX: y", "https://example.com\\@x/",
        "https://[::1/", "", "example.com", "https://example.com/" + "x" * 1000,
    ],
)  # fmt: skip
def test_addresses_that_no_webhook_has_are_refused(url: str) -> None:
    with pytest.raises(UnusableUrl):
        read_url(url, CallRules())
    assert send(url, rules=CallRules()) == Delivery(None, "url", again=False)


@pytest.mark.parametrize("url", ["https://example.com", "https://example.com:443/a?b=c", "https://example.com:8443/"])
def test_ordinary_addresses_are_taken(url: str) -> None:
    assert read_url(url, CallRules()).hostname == "example.com"


def test_with_tls_the_name_that_was_asked_for_is_the_one_that_is_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trusted, context = make_certificate(tmp_path, "gate.example")
    rules = CallRules(loopback=True, trusted=trusted)
    look_up, _ = answering(["127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with receiving(context) as receiver:
        assert send(f"https://gate.example:{receiver.port}/", rules=rules) == Delivery(204, None, again=False)
        assert receiver.got[0][1]["Host"] == f"gate.example:{receiver.port}"
        # The twins: another name, and a certificate nobody trusts.
        assert send(f"https://other.example:{receiver.port}/", rules=rules).error == "tls"
        assert send(f"https://gate.example:{receiver.port}/", rules=CallRules(loopback=True)).error == "tls"
        assert len(receiver.got) == 1


def test_with_tls_too_whoever_answers_byte_by_byte_is_cut_off(tmp_path: Path) -> None:
    trusted, context = make_certificate(tmp_path)
    with receiving(context) as receiver:
        receiver.drip_s = 0.05
        answer = send(receiver.url, rules=CallRules(loopback=True, trusted=trusted), limit_s=0.6)
        assert answer == Delivery(None, "timeout", again=True)
