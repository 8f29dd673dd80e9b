"""Accounts of every role, made through the service's own functions, each with a bearer token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine

from api.accounts.keys import Keys
from api.accounts.opening import act_as, open_as
from api.accounts.principal import ANONYMOUS, Principal
from api.accounts.secrets import hash_secret, new_secret
from api.accounts.service import add_numbered_account, open_account
from api.gates.queries import add_device
from api.grants.queries import verify_owner
from api.grants.service import Wanted, enter_owner, grant
from api.households.service import settle
from api.settings import Settings
from api.vehicles.service import register_vehicle

SECRET = "a secret of the tests, long enough to be one"
KEYS = Keys(Settings(secret=SECRET))  # type: ignore[arg-type]  # pydantic makes it a SecretStr
_PLATES = count(10_000)
_ANY_PLANNER = Principal(None, None, frozenset({"planner"}), frozenset(), "anonymous")


@dataclass(frozen=True, slots=True)
class SomeAccount:
    """An account as a test needs it: who it is, what it is called, and its token."""

    principal: Principal
    log_in_name: str
    token: str

    @property
    def account_id(self) -> int:
        assert self.principal.account_id is not None
        return self.principal.account_id

    @property
    def household_id(self) -> int:
        assert self.principal.household_id is not None
        return self.principal.household_id

    @property
    def headers(self) -> dict[str, str]:
        """What a request in this account's name carries."""
        return {"Authorization": f"Bearer {self.token}"}


def settings_of_tests() -> Settings:
    """Give settings with a secret, so that no key is written anywhere, and that let one client ask without end."""
    return Settings(secret=SECRET, requests_per_s=0)  # type: ignore[arg-type]  # pydantic makes it a SecretStr


def signed_in(client: TestClient, account: SomeAccount) -> TestClient:
    """Give another client of the same app that sends the account's token."""
    other = TestClient(
        client.app, base_url=str(client.base_url), headers=account.headers, raise_server_exceptions=False
    )
    other.portal = client.portal  # one event loop, as the service has: its asynchronous connections belong to one
    return other


def make_account(engine: Engine, name: str = "somebody", *, password_hash: str | None = None) -> SomeAccount:
    """Make an account without any role or household."""
    with engine.begin() as connection:
        open_as(connection, ANONYMOUS)
        account_id, subject = add_numbered_account(connection, name, password_hash=password_hash, language="en")
        principal = Principal(account_id, None, frozenset(), frozenset(), "bearer_token")
        act_as(connection, principal)
        token = open_account(connection, account_id, kind="bearer_token", label="tests").secret
    return SomeAccount(principal, subject, token)


def make_resident(
    engine: Engine,
    home_id: int,
    name: str = "resident",
    *,
    plate: str | None = None,
    needs: str = "",
    height_m: float | None = None,
) -> SomeAccount:
    """Make an account with a household in a home, and a car of a plate of its own."""
    account = make_account(engine, name)
    with engine.begin() as connection:
        open_as(connection, account.principal)
        settled = settle(connection, account.principal, home_id=home_id)
        number = plate or f"沪A{next(_PLATES)}"
        register_vehicle(connection, KEYS, settled.household_id or 0, plate=number, height_m=height_m, needs=needs)
    return SomeAccount(settled, account.log_in_name, account.token)


def make_planner(engine: Engine, name: str = "planner") -> SomeAccount:
    """Make a planner, as the command line does."""
    return with_grant(engine, make_account(engine, name), role="planner")


def make_owner(engine: Engine, name: str = "owner", *, verified: bool = True) -> SomeAccount:
    """Make an account that speaks for an owner of its own, verified or not."""
    account = make_account(engine, name)
    with engine.begin() as connection:
        open_as(connection, account.principal)
        owner = enter_owner(connection, account.principal, name=f"Owner of {account.log_in_name}")
        if verified:
            _verify(connection, owner.id, by=account.account_id)
    own = Principal(account.account_id, None, frozenset({"owner"}), frozenset({owner.id}), "bearer_token")
    return SomeAccount(own, account.log_in_name, account.token)


def make_committee_worker(
    engine: Engine, neighbourhood: str, sub_district: str, name: str = "committee", *, lasts: timedelta | None = None
) -> SomeAccount:
    """Make a committee worker with a mandate for a sub-district, of ninety days without `lasts`."""
    ends = datetime.now(UTC) + (lasts or timedelta(days=90))
    account = make_account(engine, name)
    return with_grant(
        engine,
        account,
        role="committee_worker",
        neighbourhood=neighbourhood,
        sub_district=sub_district,
        expires_at=ends,
    )


def make_gate_key(engine: Engine, facility_id: int) -> str:
    """Make a gate device of a facility and give its key."""
    key = new_secret("gate_device")
    with engine.begin() as connection:
        open_as(connection, _ANY_PLANNER)
        add_device(connection, facility_id, label="gate of the tests", key_hash=hash_secret(key))
    return key


def with_grant(engine: Engine, account: SomeAccount, **wanted: object) -> SomeAccount:
    """Grant an account a role, as a planner would."""
    with engine.begin() as connection:
        open_as(connection, _ANY_PLANNER)
        grant(connection, Wanted(log_in_name=account.log_in_name, **wanted), granted_by=None)  # type: ignore[arg-type]
    was = account.principal
    now = Principal(was.account_id, was.household_id, was.roles | {str(wanted["role"])}, was.owner_ids, was.way)
    return SomeAccount(now, account.log_in_name, account.token)


def _verify(connection: Connection, owner_id: int, *, by: int) -> None:
    act_as(connection, _ANY_PLANNER)
    verify_owner(connection, owner_id, verified_by=by)
