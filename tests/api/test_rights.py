"""The service's own role: it owns nothing, and identity that is not one's own is not there for it, raw SQL or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from api.accounts.opening import open_as, open_for
from api.accounts.principal import ANONYMOUS, Principal
from api.accounts.queries import find_account
from api.accounts.secrets import read_secret
from api.db.account_tables import accounts, log_in_attempts
from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.db.migrating import migrate
from api.db.preparing import check_database
from api.db.schema import metadata
from api.grants.service import grant_planner
from api.vehicles.service import register_vehicle
from tests.api.accounts import (
    KEYS,
    SomeAccount,
    make_account,
    make_committee_worker,
    make_gate_key,
    make_owner,
    make_planner,
    make_resident,
)
from tests.api.estates import SLUG, Estates, give_facility, make_estates

IDENTITY = (
    "accounts",
    "acts",
    "bearer_tokens",
    "committee_visits",
    "gate_devices",
    "grants",
    "household_members",
    "households",
    "login_sessions",
    "plate_claims",
    "plate_disputes",
    "vehicles",
)
PLATE = "沪A8K123"


@pytest.fixture
def estates(engine: Engine) -> Estates:
    return make_estates(engine)


@pytest.fixture
def street(engine: Engine, estates: Estates) -> list[SomeAccount]:
    """Fill every identity table: two residents in dispute over a plate, an owner's gate, a committee's visit."""
    residents = [
        make_resident(engine, estates.east, "first", plate=PLATE),
        make_resident(engine, estates.west, "second"),
    ]
    with engine.begin() as connection:
        open_as(connection, residents[1].principal)
        connection.execute(text("UPDATE vehicles SET withdrawn_at = now()"))
        register_vehicle(connection, KEYS, residents[1].household_id, plate=PLATE, height_m=None, needs="")
    owner = make_owner(engine)
    give_facility(engine, estates.garage, *owner.principal.owner_ids)
    make_gate_key(engine, estates.garage)
    worker = make_committee_worker(engine, SLUG, "East")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO committee_visits (account_id, household_id, secret_hash, expires_at) "
                "VALUES (:a, :h, 'x', now())"
            ),
            {"a": worker.account_id, "h": residents[0].household_id},
        )
        connection.execute(
            text("INSERT INTO acts (household_id, account_id, sub_district, act) VALUES (:h, :a, 'East', 'looked up')"),
            {"a": worker.account_id, "h": residents[0].household_id},
        )
        connection.execute(
            text("INSERT INTO login_sessions (account_id, secret_hash, expires_at) VALUES (:a, 'y', now() + '1 day')"),
            {"a": residents[0].account_id},
        )
    return [*residents, owner, worker]


@contextmanager
def acting(engine: Engine, principal: Principal) -> Iterator[Connection]:
    """Give a transaction of the service's role in somebody's name, committed at its end."""
    with engine.begin() as connection:
        open_as(connection, principal)
        yield connection


def counts(connection: Connection) -> dict[str, int]:
    return {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in IDENTITY}


def test_the_role_owns_nothing_and_passes_by_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        role = connection.execute(text("SELECT * FROM pg_roles WHERE rolname = 'baytide_service'")).one()
        owned = connection.scalar(text("SELECT count(*) FROM pg_class WHERE relowner = :oid"), {"oid": role.oid})
    assert owned == 0
    rights = (role.rolsuper, role.rolbypassrls, role.rolcreaterole, role.rolcreatedb, role.rolcanlogin)
    assert not any(rights)


def test_every_identity_table_has_its_policies_forced(engine: Engine) -> None:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
        ).scalars()
        # The import of a folder asks as owner whether anybody lives where it would replace.
        assert set(IDENTITY) - {"households"} <= set(rows)


def test_a_table_that_names_a_person_is_an_identity_table_or_holds_pseudonyms_on_purpose(engine: Engine) -> None:
    """Whoever adds a table that refers to accounts, households or vehicles protects it, or says here why not."""
    pseudonyms = {
        "stays",  # occupancy: everybody may see what is taken, a household's number says nothing
        "owners",  # organisations, not people
    }
    persons = {"accounts", "households", "vehicles"}
    naming = {
        table.name
        for table in metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name in persons
    }
    with engine.connect() as connection:
        protected = set(connection.execute(text("SELECT relname FROM pg_class WHERE relrowsecurity")).scalars())
    assert naming - protected <= pseudonyms


def test_a_request_runs_as_the_role_until_its_transaction_ends(engine: Engine, street: list[SomeAccount]) -> None:
    with engine.begin() as connection:
        found = open_for(connection, secret=read_secret(street[0].token))
        assert connection.scalar(text("SELECT current_user")) == "baytide_service"
        assert found == street[0].principal
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT current_user")) != "baytide_service"
        assert not connection.scalar(text("SELECT acting_account()"))


@pytest.mark.usefixtures("street")
def test_nobody_sees_no_identity_at_all(engine: Engine) -> None:
    with engine.connect() as connection:
        everything = counts(connection)
    assert min(everything.values()) > 0, everything
    with acting(engine, ANONYMOUS) as connection:
        assert set(counts(connection).values()) == {0}


def test_a_resident_sees_exactly_what_is_the_households_own(engine: Engine, street: list[SomeAccount]) -> None:
    with acting(engine, street[0].principal) as connection:
        seen = counts(connection)
        assert connection.execute(text("SELECT id FROM accounts")).scalars().all() == [street[0].account_id]
        assert connection.execute(text("SELECT id FROM households")).scalars().all() == [street[0].household_id]
    assert seen == {
        "accounts": 1,
        "acts": 1,
        "bearer_tokens": 1,
        "committee_visits": 0,
        "gate_devices": 0,
        "grants": 0,
        "household_members": 1,
        "households": 1,
        "login_sessions": 1,
        "plate_claims": 1,
        "plate_disputes": 0,
        "vehicles": 1,
    }


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts SET language = 'en' WHERE id = :account",
        "UPDATE accounts SET password_hash = 'mine now' WHERE id = :account",
        "UPDATE households SET home_id = home_id WHERE id = :household",
        "UPDATE vehicles SET withdrawn_at = now() WHERE household_id = :household",
        "UPDATE plate_disputes SET outcome = 'holder', decided_at = now() WHERE household_id <> :household",
        "UPDATE login_sessions SET revoked_at = now() WHERE account_id = :account",
        "UPDATE bearer_tokens SET revoked_at = now() WHERE account_id = :account",
        "UPDATE grants SET revoked_at = now()",
        "UPDATE gate_devices SET revoked_at = now()",
        "DELETE FROM household_members WHERE household_id = :household",
        "DELETE FROM login_sessions WHERE account_id = :account",
    ],
)
def test_what_belongs_to_another_household_does_not_change(
    engine: Engine, street: list[SomeAccount], estates: Estates, statement: str
) -> None:
    victim = street[0]
    stranger = make_resident(engine, estates.west, "stranger")
    with acting(engine, stranger.principal) as connection:
        values = {"account": victim.account_id, "household": victim.household_id}
        wanted = {name: value for name, value in values.items() if f":{name}" in statement}
        assert connection.execute(text(statement), wanted).rowcount == 0


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO household_members (account_id, household_id) VALUES (:mine, :household)",
        "INSERT INTO vehicles (household_id, plate_hash, plate_sealed) VALUES (:household, 'h', 's')",
        "INSERT INTO plate_disputes (household_id, plate_hash, plate_sealed) VALUES (:household, 'h', 's')",
        "INSERT INTO grants (account_id, role) VALUES (:mine, 'planner')",
        "INSERT INTO grants (account_id, role, owner_id, granted_by) SELECT :mine, 'owner', id, :mine FROM owners",
        "INSERT INTO bearer_tokens (account_id, secret_hash, expires_at) VALUES (:account, 'z', now() + '1 day')",
        "INSERT INTO login_sessions (account_id, secret_hash, expires_at) VALUES (:account, 'z', now() + '1 day')",
        "INSERT INTO gate_devices (facility_id, label, key_hash) SELECT id, 'mine', 'k' FROM facilities",
        "INSERT INTO acts (household_id, account_id, sub_district, act) VALUES (:household, :mine, 'East', 'x')",
        """INSERT INTO committee_visits (household_id, account_id, secret_hash, expires_at)
           VALUES (:household, :mine, 'v', now())""",
        "INSERT INTO owners (name, verified_at, created_by) VALUES ('mine', now(), :mine)",
        "UPDATE households SET id = :household",
        "UPDATE vehicles SET household_id = :household",
        "DELETE FROM accounts",
        "DELETE FROM vehicles",
        "DELETE FROM acts",
        "UPDATE accounts SET disabled_at = NULL",
        "UPDATE acts SET act = 'nothing happened'",
        "TRUNCATE accounts CASCADE",
        "ALTER TABLE accounts DISABLE ROW LEVEL SECURITY",
        "DROP POLICY accounts_read ON accounts",
        "CREATE TABLE mine (id int)",
    ],
)
def test_what_would_take_from_another_is_refused(
    engine: Engine, street: list[SomeAccount], estates: Estates, statement: str
) -> None:
    victim, stranger = street[0], make_resident(engine, estates.west, "stranger")
    values = {"account": victim.account_id, "household": victim.household_id, "mine": stranger.account_id}
    wanted = {name: value for name, value in values.items() if f":{name}" in statement}
    refused = pytest.raises(ProgrammingError, match=r"row-level security|permission denied|must be owner")
    with refused, acting(engine, stranger.principal) as connection:
        connection.execute(text(statement), wanted)


def test_a_committee_worker_sees_households_of_the_mandate_only(engine: Engine, street: list[SomeAccount]) -> None:
    first, worker = street[0], street[3]
    with acting(engine, worker.principal) as connection:
        assert connection.execute(text("SELECT id FROM households")).scalars().all() == [first.household_id]
        assert connection.scalar(text("SELECT count(*) FROM vehicles")) == 0, "without the exact plate none"
        assert connection.execute(text("SELECT id FROM accounts")).scalars().all() == [worker.account_id]
    with engine.begin() as connection:
        connection.execute(text("UPDATE grants SET expires_at = now() WHERE role = 'committee_worker'"))
    with acting(engine, worker.principal) as connection:
        assert connection.scalar(text("SELECT count(*) FROM households")) == 0


@pytest.mark.usefixtures("street")
def test_a_planner_sees_neither_households_nor_cars_but_those_in_dispute(engine: Engine, estates: Estates) -> None:
    make_resident(engine, estates.west, "bystander")
    with acting(engine, make_planner(engine).principal) as connection:
        seen = counts(connection)
    assert (seen["households"], seen["household_members"], seen["acts"], seen["plate_claims"]) == (0, 0, 0, 0)
    assert (seen["vehicles"], seen["plate_disputes"]) == (1, 1)
    assert seen["accounts"] == 1


def test_an_owner_sees_the_gates_of_its_own_facilities(engine: Engine, street: list[SomeAccount]) -> None:
    with acting(engine, street[2].principal) as connection:
        assert connection.scalar(text("SELECT count(*) FROM gate_devices")) == 1
    with acting(engine, make_owner(engine, "other").principal) as connection:
        assert connection.scalar(text("SELECT count(*) FROM gate_devices")) == 0


def test_an_account_is_found_by_its_exact_identity_and_no_other_way(engine: Engine, street: list[SomeAccount]) -> None:
    with acting(engine, ANONYMOUS) as connection:
        assert find_account(connection, "first%") is None
        found = find_account(connection, street[0].log_in_name)
        assert found is not None
        assert found.id == street[0].account_id
        assert connection.scalar(text("SELECT count(*) FROM accounts")) == 1


def test_the_log_in_attempts_name_nobody() -> None:
    assert not log_in_attempts.foreign_keys
    assert {column.name for column in log_in_attempts.columns} == {"id", "kind", "subject_hash", "address_hash", "at"}
    assert "phone" not in {column.name for column in accounts.columns}


def test_the_service_works_where_its_log_in_is_no_superuser(engine: Engine, estates: Estates) -> None:
    """Row-level security is void for superusers: log in as a role that has nothing but the service's role."""
    resident = make_resident(engine, estates.east)
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS plain_log_in"))
        connection.execute(text("CREATE ROLE plain_log_in LOGIN IN ROLE baytide_service NOINHERIT"))
    try:
        with engine.connect() as connection:
            connection.execute(text("SET SESSION AUTHORIZATION plain_log_in"))
            connection.commit()
            try:
                with connection.begin():
                    found = open_for(connection, secret=read_secret(resident.token))
                    assert found.household_id == resident.household_id
                    assert connection.scalar(text("SELECT count(*) FROM households")) == 1
                with connection.begin(), pytest.raises(DBAPIError, match="permission denied"):
                    connection.execute(text("SELECT * FROM households"))
            finally:
                connection.execute(text("RESET SESSION AUTHORIZATION"))
                connection.commit()
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP ROLE plain_log_in"))


def test_values_of_a_failed_statement_stay_out_of_its_error(engine: Engine) -> None:
    with pytest.raises(DBAPIError) as failed, engine.begin() as connection:
        connection.execute(text("SELECT CAST(:plate AS bigint) FROM no_such_table"), {"plate": PLATE})
    assert "8K123" not in str(failed.value)


def test_a_database_owned_by_a_plain_role_keeps_identity_from_its_owner_too(cluster: PrivateCluster) -> None:
    """Row-level security is void for superusers, without FORCE for owners: here the log-in is owner, nothing more."""
    administration = make_engine(cluster.url("postgres"))
    with administration.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in (
            "DROP DATABASE IF EXISTS plainly_owned",
            "DROP ROLE IF EXISTS plain_owner",
            "CREATE ROLE plain_owner LOGIN",
            "GRANT baytide_service TO plain_owner",
            "CREATE DATABASE plainly_owned OWNER plain_owner",
        ):
            connection.execute(text(statement))
    extended = make_engine(cluster.url("plainly_owned"))
    check_database(extended)
    extended.dispose()
    owned = make_engine(cluster.url("plainly_owned").replace("//baytide@", "//plain_owner@"))
    check_database(owned)
    migrate(owned)
    estates = make_estates(owned)
    resident = make_resident(owned, estates.east, plate=PLATE)
    grant_planner(owned, make_account(owned).log_in_name)
    with owned.begin() as connection:
        assert connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")) is False
        assert connection.scalar(text("SELECT count(*) FROM accounts")) == 0
        assert connection.scalar(text("SELECT count(*) FROM vehicles")) == 0
    with acting(owned, resident.principal) as connection:
        assert connection.scalar(text("SELECT count(*) FROM vehicles")) == 1
    owned.dispose()
    with administration.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE plainly_owned"))
        connection.execute(text("DROP ROLE plain_owner"))
    administration.dispose()
