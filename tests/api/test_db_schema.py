"""The schema: what the migrations make is what the tables say, and the database itself refuses nonsense."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.db.migrating import alembic_config, migrate
from api.db.preparing import check_database
from api.db.schema import metadata
from api.errors import DatabaseUnavailable
from api.overstays.policy import DEFAULT, policy_from


def fresh(cluster: PrivateCluster, name: str) -> Engine:
    administration = make_engine(cluster.url("postgres"))
    with administration.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    administration.dispose()
    return make_engine(cluster.url(name))


def test_the_migrations_make_what_the_tables_say(engine: Engine) -> None:
    with engine.begin() as connection:
        command.check(alembic_config(connection))


def test_checks_and_keys_are_in_the_catalogue(engine: Engine) -> None:
    """Alembic does not compare check constraints, so the catalogue is asked, one by one by name."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype IN ('c', 'f', 'p', 'u', 'x')"
            )
        )
        there = {(row[0], row[1]) for row in rows}
    preparer = engine.dialect.identifier_preparer
    wanted = {
        (table.name, preparer.format_constraint(constraint))
        for table in metadata.tables.values()
        for constraint in table.constraints
    }
    assert len(wanted) > 60
    assert wanted <= there
    assert {name for table, name in there if table in metadata.tables} == {name for _, name in wanted}


def test_the_text_of_every_check_is_the_same_on_both_sides(cluster: PrivateCluster, engine: Engine) -> None:
    """Make the tables from their definition in another database, and let both catalogues print their constraints."""
    question = text(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace AND contype <> 't' ORDER BY 1, 2"  # triggers: see test_money
    )
    other = fresh(cluster, "from_tables")
    check_database(other)
    metadata.create_all(other)
    with engine.connect() as migrated, other.connect() as defined:
        ours = {row[:3] for row in migrated.execute(question) if row[0] != "alembic_version"}
        theirs = {row[:3] for row in defined.execute(question)}
    other.dispose()
    assert ours == theirs


def test_strikes_given_before_their_rules_were_kept_have_those_of_today(cluster: PrivateCluster) -> None:
    engine = fresh(cluster, "strikes_before")
    check_database(engine)
    migrate(engine)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0006")
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # of strangers' rows there is none
        connection.execute(
            text(
                "INSERT INTO strikes (household_id, facility_id, stay_id, leave_by, late_until, struck_at, expires_at, "
                "appeal_until, place, act, effective_at) VALUES (1, 1, 1, '2026-03-03', '2026-03-04', '2026-03-04', "
                "'2026-09-03', '2026-03-09', 1, 'warning', '2026-03-05')"
            )
        )
    migrate(engine)
    with engine.begin() as connection:
        assert policy_from(connection.execute(text("SELECT policy FROM strikes")).scalar_one()) == DEFAULT
        forced = text("SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = 'strikes'")
        assert connection.execute(forced).scalar_one()
    engine.dispose()


def test_migrations_go_down_and_up_again(cluster: PrivateCluster) -> None:
    engine = fresh(cluster, "down_and_up")
    check_database(engine)
    migrate(engine)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert not set(metadata.tables) & set(inspect(engine).get_table_names())
    migrate(engine)
    assert set(metadata.tables) <= set(inspect(engine).get_table_names())
    engine.dispose()


def test_processes_that_migrate_at_once_wait_for_each_other(cluster: PrivateCluster) -> None:
    engine = fresh(cluster, "at_once")
    check_database(engine)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(migrate, [engine] * 3))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
    engine.dispose()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "Can't locate revision identified by '9999'"),
        ("UPDATE alembic_version SET version_num = '0001'", "already exists"),
    ],
)
def test_a_database_of_another_version_is_named_and_stays_as_it_was(
    cluster: PrivateCluster, change: str, said: str
) -> None:
    engine = fresh(cluster, "another_version")
    check_database(engine)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text(change))
        before = connection.scalar(text("SELECT version_num FROM alembic_version"))
    with pytest.raises(DatabaseUnavailable, match=f"is as it was .*{said}.*name another database"):
        migrate(engine)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == before
    engine.dispose()


NEIGHBOURHOOD = (
    "INSERT INTO neighbourhoods (slug, name, timezone, country, crs, seed, term_from, term_to, policy, has_walks, "
    "input_sha256, warnings) VALUES ('x', 'X', 'UTC', 'CN', '{crs}', 0, '2026-01-02', '{to}', '{{}}', "
    "false, '{{}}', '[]')"
)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (NEIGHBOURHOOD.format(crs="EPSG:4326", to="2026-01-01"), "neighbourhoods_term_check"),
        (NEIGHBOURHOOD.format(crs="EPSG:3857", to="2026-01-03"), "neighbourhoods_crs_check"),
        ("INSERT INTO bays (bay_group_id, number) VALUES (1, 0)", "bays_number_check"),
        ("INSERT INTO bays (bay_group_id, number) VALUES (404, 1)", "bays_bay_group_id_fkey"),
        (
            (
                "INSERT INTO share_windows (bay_group_id, position, days, from_min, to_min, bays) "
                "VALUES (1, 0, 'daily', 600, 600, 1)"
            ),
            "share_windows_hours_check",
        ),
        ("INSERT INTO walks (home_id, facility, position, walk_m) VALUES (1, 'f', 0, -1)", "walks_walk_m_check"),
    ],
)
def test_the_database_refuses(engine: Engine, statement: str, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), engine.begin() as connection:
        connection.execute(text(statement))
