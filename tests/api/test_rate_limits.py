"""Nobody keeps the others from asking, and nobody who uses the pages notices that there is a limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from starlette.types import Message, Receive, Scope, Send

from api.accounts.attempts import network_of
from api.accounts.secrets import hash_secret, new_secret
from api.app import create_app
from api.rate_limits import Allowance, Buckets, RateLimits, hash_of_shown
from api.settings import Settings

HERE = "http://127.0.0.1"
SLOW = Settings(secret="a secret of the tests, long enough to be one", requests_per_s=0.2)  # type: ignore[arg-type]  # pydantic makes it a SecretStr
"""One request at once with a secret (five seconds' worth), three without, twenty from one address."""


class Hands:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(SLOW, engine), base_url=HERE, raise_server_exceptions=False) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def num_taken(buckets: Buckets, key: bytes, allowed: Allowance) -> int:
    taken = 0
    while buckets.take([(key, allowed)]) == 0:
        taken += 1
    return taken


def test_a_bucket_gives_its_burst_then_what_flows_in_and_never_more_than_it_holds() -> None:
    """At 20/s a bucket holds five seconds' worth, 100; half a second brings 10, and an hour no more than 100."""
    clock, allowed = Hands(), Allowance(20)
    buckets = Buckets(clock=clock)
    assert num_taken(buckets, b"a", allowed) == 100
    clock.now += 0.5
    assert num_taken(buckets, b"a", allowed) == 10
    clock.now += 3600
    assert num_taken(buckets, b"a", allowed) == 100
    assert buckets.take([(b"a", allowed)]) == pytest.approx(1 / 20)


def test_who_waits_as_long_as_was_said_gets_in_and_not_a_moment_sooner() -> None:
    clock, allowed = Hands(), Allowance(0.1)
    buckets = Buckets(clock=clock)
    assert num_taken(buckets, b"a", allowed) == 1  # ten seconds a token: one at least fits in
    wait_s = buckets.take([(b"a", allowed)])
    assert wait_s == pytest.approx(10)
    clock.now += wait_s - 0.01
    assert buckets.take([(b"a", allowed)]) > 0
    clock.now += 0.02
    assert buckets.take([(b"a", allowed)]) == 0


def test_where_one_bucket_is_empty_no_other_loses_a_token() -> None:
    clock, narrow, wide = Hands(), Allowance(1), Allowance(2)
    buckets = Buckets(clock=clock)
    assert num_taken(buckets, b"narrow", narrow) == 5
    for _ in range(50):
        assert buckets.take([(b"wide", wide), (b"narrow", narrow)]) > 0
    assert num_taken(buckets, b"wide", wide) == 10


def test_buckets_take_no_more_room_however_many_come() -> None:
    clock, allowed = Hands(), Allowance(1)
    buckets = Buckets(most=100, clock=clock)
    for n in range(10_000):
        buckets.take([(b"regular", allowed)])
        clock.now += 0.001
        buckets.take([(n.to_bytes(4, "big"), allowed)])
    assert len(buckets) == 100
    assert buckets.take([(b"regular", allowed)]) > 0, "who came all the time is remembered"


def test_a_refusal_is_a_problem_that_says_when_to_come_back(client: TestClient) -> None:
    answers = [client.get("/v1/neighbourhoods") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.json()["type"], refused.json()["status"]) == ("too-many-requests", 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 2  # three tokens in five seconds
    assert "default-src 'none'" in refused.headers["content-security-policy"]
    assert 'http_response_status_code="429"' in client.get("/metrics").text


def test_what_watches_the_service_is_never_refused(client: TestClient) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/assets/page.css"):
        assert [client.get(path).status_code for _ in range(30)] == [200] * 30, path


def test_each_secret_has_a_measure_of_its_own(client: TestClient) -> None:
    tokens = [new_secret("bearer_token"), new_secret("gate_device")]
    for token in tokens:
        assert [client.get("/v1/account", headers=bearer(token)).status_code for _ in range(2)] == [401, 429]
    cookie = {"Cookie": f"theme=dark; baytide_login={new_secret('login_session')}"}
    assert [client.get("/v1/neighbourhoods", headers=cookie).status_code for _ in range(2)] == [200, 429]
    assert client.get("/v1/neighbourhoods").status_code == 200, "and so has the address"


def test_making_up_secrets_helps_nobody(client: TestClient) -> None:
    """Twenty times what one secret may: that much comes from one address, whatever it shows."""
    answers = [client.get("/v1/account", headers=bearer(new_secret("bearer_token"))) for _ in range(25)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 5


@pytest.mark.parametrize("shown", ["Bearer ", "Bearer nothing-of-ours", "Basic btt_x", "x", ""])
def test_what_is_no_secret_of_ours_counts_for_the_address(client: TestClient, shown: str) -> None:
    answers = [client.get("/v1/neighbourhoods", headers={"Authorization": shown}) for _ in range(4)]
    if shown.endswith("btt_x"):
        assert answers[1].status_code == 429  # begins like one of ours, so it has its own measure
    else:
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


def test_zero_lets_everybody_ask_without_end(engine: Engine) -> None:
    without = create_app(SLOW.model_copy(update={"requests_per_s": 0.0}), engine)
    with TestClient(without, base_url=HERE) as client:
        assert {client.get("/v1/no-such-thing").status_code for _ in range(400)} == {404}


def test_a_page_with_its_tiles_is_within_the_usual_measure(engine: Engine) -> None:
    """A hundred requests at once of one who is logged in, three hundred of those who are not, behind one address."""
    with TestClient(create_app(Settings(secret=SLOW.secret), engine), base_url=HERE) as client:
        mine = {"Cookie": f"baytide_login={new_secret('login_session')}"}
        assert {client.get("/v1/no-such-thing", headers=mine).status_code for _ in range(100)} == {404}
        assert {client.get("/v1/no-such-thing").status_code for _ in range(300)} == {404}


def test_the_secret_that_counts_is_the_one_that_opens() -> None:
    token, cookie = new_secret("bearer_token"), new_secret("login_session")
    shown = [(b"cookie", f"baytide_login={cookie}; other=1".encode()), (b"authorization", f"bearer {token}".encode())]
    assert hash_of_shown(shown) == hash_secret(token)
    assert hash_of_shown(shown[:1]) == hash_secret(cookie)
    assert hash_of_shown([(b"cookie", b"other=1"), (b"accept", b"*/*")]) is None
    assert hash_of_shown([(b"authorization", b"Bearer \xff\xfe")]) is None


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa:bbbb:cccc:dddd", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("not:an:address", "not:an:address"),
        ("", ""),
    ],
)
def test_an_address_is_counted_as_the_household_behind_it(address: str, counted: str) -> None:
    assert network_of(address) == counted


def test_looking_costs_next_to_nothing() -> None:
    """Twenty millionths of a second at most, the best of several tries: the machine has other work."""

    async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
        pass

    async def receive() -> Message:
        raise AssertionError

    async def send(_message: Message) -> None:
        raise AssertionError

    token = f"Bearer {new_secret('bearer_token')}".encode()
    headers = [(b"host", b"here"), (b"accept", b"*/*"), (b"user-agent", b"tests"), (b"authorization", token)]
    scope = {"type": "http", "path": "/v1/bookings", "headers": headers, "client": ("192.0.2.7", 1)}

    async def spent_s(times: int) -> float:
        limits = RateLimits(nothing, per_s=1_000_000)
        begin = time.perf_counter()
        for _ in range(times):
            await limits(scope, receive, send)
        return (time.perf_counter() - begin) / times

    assert min(asyncio.run(spent_s(1000)) for _ in range(7)) < 20e-6
