"""A database that cannot be used says so in one sentence."""

from __future__ import annotations

import socket

import pytest
from sqlalchemy import Engine, create_engine, text

from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.db.preparing import check_database, open_database, refuse_old_server
from api.errors import DatabaseUnavailable
from api.settings import Settings


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_database_that_is_down_is_named_without_its_password() -> None:
    url = f"postgresql://planner:s3cret@127.0.0.1:{closed_port()}/baytide"
    with pytest.raises(DatabaseUnavailable) as raised, open_database(Settings(database_url=url)):
        pass
    sentence = str(raised.value)
    assert "cannot be reached" in sentence
    assert "127.0.0.1" in sentence
    assert "s3cret" not in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("url", ["not an address", "mysql://localhost/x", "sqlite://"])
def test_an_address_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="write postgresql://"), open_database(Settings(database_url=url)):
        pass


@pytest.mark.parametrize("version", [90624, 140011])
def test_a_server_that_is_too_old_is_refused(version: int) -> None:
    with pytest.raises(DatabaseUnavailable, match=f"PostgreSQL {version // 10000}, 15 or newer is needed"):
        refuse_old_server(version)


@pytest.mark.parametrize("version", [150000, 150004, 180001])
def test_a_server_that_is_new_enough_is_taken(version: int) -> None:
    refuse_old_server(version)


def test_a_role_that_may_not_make_postgis_is_told_who_may(cluster: PrivateCluster) -> None:
    administration = make_engine(cluster.url("postgres"))
    with administration.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE IF EXISTS bare"))
        connection.execute(text("DROP ROLE IF EXISTS modest"))
        connection.execute(text("CREATE ROLE modest LOGIN"))
        connection.execute(text("CREATE DATABASE bare OWNER modest"))
    administration.dispose()
    engine = make_engine(cluster.url("bare").replace("//baytide@", "//modest@"))
    with pytest.raises(
        DatabaseUnavailable, match=r"no extension postgis .* administrator run CREATE EXTENSION postgis"
    ):
        check_database(engine)
    engine.dispose()


def test_a_server_without_postgis_names_the_package(cluster: PrivateCluster) -> None:
    administration = make_engine(cluster.url("postgres"))
    with administration.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE IF EXISTS lacking"))
        connection.execute(text("CREATE DATABASE lacking"))
    administration.dispose()
    # The server of the tests has PostGIS; a view in front of the catalogue's hides it from this database.
    engine = create_engine(cluster.url("lacking"), connect_args={"options": "-csearch_path=hidden,pg_catalog"})
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA hidden"))
        connection.execute(
            text(
                "CREATE VIEW hidden.pg_available_extensions AS "
                "SELECT * FROM pg_catalog.pg_available_extensions WHERE name NOT LIKE 'postgis%'"
            )
        )
    with pytest.raises(DatabaseUnavailable, match=r"no extension postgis: install it there .*postgresql-postgis"):
        check_database(engine)
    engine.dispose()


def test_the_usual_ways_of_writing_an_address_all_work(worker_engine: Engine) -> None:
    address = worker_engine.url.render_as_string()
    for scheme in ("postgres://", "postgresql://", "postgresql+psycopg://"):
        engine = make_engine(address.replace("postgresql+psycopg://", scheme))
        check_database(engine)
        engine.dispose()
