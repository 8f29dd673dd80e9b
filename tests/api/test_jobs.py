"""Jobs: queued with the transaction that asks for them, done by workers that may be killed at any moment."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import procrastinate.schema
import pytest
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from api.db.migrations.versions import r0003_jobs
from api.jobs.queries import enqueue, work
from api.jobs.service import expire_due_holds, forget, roll_horizon
from api.jobs.worker import job_app, work_on
from tests.api.booking_town import make_household, make_town

ROOT = Path(__file__).parents[2]


@pytest.fixture
def queue(engine: Engine) -> Iterator[Engine]:
    """Give a database whose queue is empty, before and after."""
    yield emptied(engine)
    emptied(engine)


def emptied(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(
            text(
                "TRUNCATE jobs.procrastinate_jobs, jobs.procrastinate_workers, jobs.procrastinate_periodic_defers, "
                "neighbourhoods, accounts, owners CASCADE"
            )
        )
    return engine


def waiting(connection: Connection) -> list[str]:
    return list(
        connection.scalars(text("SELECT task_name FROM jobs.procrastinate_jobs WHERE status = 'todo' ORDER BY id"))
    )


def as_the_service(connection: Connection) -> Connection:
    connection.execute(text("SELECT set_config('role', 'baytide_service', true)"))
    return connection


# -------------------------------------------------------------------------------------------------------- the queue


def test_a_job_is_there_when_its_transaction_commits_and_never_was_when_it_is_rolled_back(queue: Engine) -> None:
    with queue.connect() as lost:
        assert enqueue(as_the_service(lost), "expire_holds") is not None
        lost.rollback()
    with queue.connect() as connection:
        assert waiting(connection) == []
    with queue.begin() as kept:
        job = enqueue(as_the_service(kept), "expire_holds", arguments={"facility": 7})
    with queue.connect() as connection:
        [row] = connection.execute(text("SELECT id, task_name, args, status FROM jobs.procrastinate_jobs"))
    assert (row.id, row.task_name, row.args, row.status) == (job, "expire_holds", {"facility": 7}, "todo")


def test_the_same_job_waits_only_once(queue: Engine) -> None:
    with queue.begin() as connection:
        assert enqueue(as_the_service(connection), "roll_horizon", queueing_lock="roll_horizon") is not None
        assert enqueue(connection, "roll_horizon", queueing_lock="roll_horizon") is None
        assert enqueue(connection, "roll_horizon", queueing_lock="another") is not None
    with queue.connect() as connection:
        assert waiting(connection) == ["roll_horizon"] * 2


def test_the_service_can_neither_read_nor_change_the_queue(queue: Engine) -> None:
    for statement in ("SELECT * FROM jobs.procrastinate_jobs", "DELETE FROM jobs.procrastinate_jobs"):
        with queue.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
            as_the_service(connection).execute(text(statement))


def test_the_migrations_know_every_change_of_the_queues_own_tables() -> None:
    changes = sorted(path.name for path in procrastinate.schema.migrations_path.glob("*.sql"))
    assert changes[-1] == r0003_jobs.NEWEST_CHANGE, "write a migration that runs the changes after it"


# --------------------------------------------------------------------------------------------------------- the work


def add_hold(connection: Connection, *, town_bays: int, ends_in: timedelta) -> list[int]:
    """Let households hold bays until so long from now; return the stays."""
    town = make_town(connection, bays=town_bays)
    return list(
        connection.scalars(
            text(
                "INSERT INTO stays (bay_id, household_id, during, kind, state, expires_at) "
                "SELECT b.id, h.id, tstzrange(now(), now() + interval '8 hours'), 'booking', 'held', now() + :ends_in "
                "FROM (SELECT id, row_number() OVER () AS n FROM bays WHERE bay_group_id = :group) b "
                "JOIN unnest(CAST(:households AS bigint[])) WITH ORDINALITY AS h (id, n) USING (n) RETURNING id"
            ),
            {
                "ends_in": ends_in,
                "group": town.near_group,
                "households": [make_household(connection, town).id for _ in range(town_bays)],
            },
        )
    )


def states(connection: Connection) -> dict[int, str]:
    return {row.id: row.state for row in connection.execute(text("SELECT id, state FROM stays ORDER BY id"))}


def test_holds_whose_time_is_over_end_at_their_own_moment(queue: Engine) -> None:
    with queue.begin() as connection:
        held = add_hold(connection, town_bays=3, ends_in=timedelta(minutes=-2))
        connection.execute(
            text("UPDATE stays SET expires_at = now() + interval '5 minutes' WHERE id = :id"), {"id": held[0]}
        )
    assert expire_due_holds(queue) == {"holds": 2}
    with queue.connect() as connection:
        assert states(connection) == {held[0]: "held", held[1]: "expired", held[2]: "expired"}
        late = connection.scalars(text("SELECT now() - ended_at FROM stays WHERE state = 'expired'")).all()
    assert all(timedelta(minutes=1) < span < timedelta(minutes=5) for span in late)
    assert expire_due_holds(queue) == {"holds": 0}


def test_a_hold_that_is_being_confirmed_is_left_alone_and_nobody_waits(queue: Engine) -> None:
    with queue.begin() as connection:
        [first, second] = add_hold(connection, town_bays=2, ends_in=timedelta(seconds=-1))
    with queue.begin() as confirming:
        confirming.execute(
            text("UPDATE stays SET state = 'confirmed', expires_at = NULL WHERE id = :id"), {"id": first}
        )
        assert expire_due_holds(queue) == {"holds": 1}
    with queue.connect() as connection:
        assert states(connection) == {first: "confirmed", second: "expired"}


LATE_GARAGE = """
    WITH place AS (
        INSERT INTO neighbourhoods (slug, name, timezone, country, crs, seed, term_from, term_to, policy, has_walks,
            input_sha256, warnings)
        VALUES (:zone, :zone, :zone, 'CN', 'EPSG:4326', 1, '2026-01-01', '2026-12-31', '{}', true, '{}', '[]')
        RETURNING id
    ), facility AS (
        INSERT INTO facilities (neighbourhood_id, code, position, name, kind, geometry, buffer_bays, extra)
        SELECT id, 'f', 0, 'F', 'other', 'SRID=4326;POINT(121.5 31.2)', 0, '{}' FROM place
        RETURNING id
    ), bay_group AS (
        INSERT INTO bay_groups (facility_id, code, position, kinds) SELECT id, 'std', 0, '{standard}' FROM facility
        RETURNING id
    ), hours AS (
        INSERT INTO share_windows (bay_group_id, position, days, from_min, to_min, bays)
        SELECT id, 0, 'daily', 1080, 1920, 2 FROM bay_group
    )
    SELECT id FROM facility
"""


def late_town(connection: Connection, *zones: str) -> list[int]:
    """Store a published garage in each zone, and nothing of what is sold."""
    return [int(connection.execute(text(LATE_GARAGE), {"zone": zone}).scalar_one()) for zone in zones]


def nights(connection: Connection, facility: int) -> int:
    return int(
        connection.execute(text("SELECT count(*) FROM openings WHERE facility_id = :id"), {"id": facility}).scalar_one()
    )


def test_the_horizon_moves_where_a_new_day_has_begun_and_nowhere_else(queue: Engine) -> None:
    with queue.begin() as connection:
        shanghai, paris = late_town(connection, "Asia/Shanghai", "Europe/Paris")
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert roll_horizon(queue, now=noon)["facilities"] == 2
    assert roll_horizon(queue, now=noon) == {}
    # At 17:00 UTC it is one in the morning of the next day in Shanghai, and evening in Paris.
    assert roll_horizon(queue, now=noon + timedelta(hours=5)) == {
        "facilities": 1,
        "added": 1,
        "removed": 0,
        "holds_ended": 0,
        "stays_outside": 0,
        "nights_placed": 0,
        "nights_without_bay": 0,
    }
    with queue.connect() as connection:
        assert (nights(connection, shanghai), nights(connection, paris)) == (15, 14)
    assert roll_horizon(queue, now=noon + timedelta(hours=12))["facilities"] == 1
    with queue.connect() as connection:
        assert (nights(connection, shanghai), nights(connection, paris)) == (15, 15)


def test_what_has_served_its_time_is_forgotten_and_nothing_else(queue: Engine) -> None:
    with queue.begin() as connection:
        connection.execute(text("INSERT INTO accounts (id, issuer, subject) VALUES (1, 'test', 'a')"))
        for age, name in ((3, "old"), (0, "new")):
            connection.execute(
                text(
                    "INSERT INTO booking_requests (account_id, key, request_sha256, outcome, created_at) "
                    "VALUES (1, :name, '', '{}', now() - :age * interval '1 day')"
                ),
                {"name": name, "age": age},
            )
            connection.execute(
                text(
                    "INSERT INTO login_sessions (account_id, secret_hash, expires_at) "
                    "VALUES (1, CAST(:name AS bytea), now() + (1 - :age) * interval '1 day')"
                ),
                {"name": name, "age": age},
            )
    done = forget(queue)
    assert (done["booking_requests"], done["login_sessions"], done["bearer_tokens"]) == (1, 1, 0)
    with queue.connect() as connection:
        assert connection.scalars(text("SELECT key FROM booking_requests")).all() == ["new"]
        assert connection.scalars(text("SELECT secret_hash FROM login_sessions")).all() == [b"new"]


def test_the_worker_can_neither_see_nor_make_what_opens_an_account(queue: Engine) -> None:
    live = ("login_sessions", "bearer_tokens", "booking_requests")
    add = (
        "INSERT INTO login_sessions (account_id, secret_hash, expires_at) VALUES (1, :hash, now() + interval '1 day')",
        "INSERT INTO bearer_tokens (account_id, secret_hash, expires_at) VALUES (1, :hash, now() + interval '1 day')",
        "INSERT INTO booking_requests (account_id, key, request_sha256, outcome) VALUES (1, 'a', :hash, '{}')",
    )
    with queue.begin() as connection:
        connection.execute(text("INSERT INTO accounts (id, issuer, subject) VALUES (1, 'test', 'a')"))
        for statement in add:
            connection.execute(text(statement), {"hash": b"real"})
    with work(queue) as connection:
        assert [connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in live] == [0, 0, 0]
    for statement in add:
        with work(queue) as connection, pytest.raises(DBAPIError, match=r"row-level security|permission denied"):
            connection.execute(text(statement.replace("'a'", "'b'")), {"hash": b"forged"})
    done = forget(queue, now=datetime.now(UTC) + timedelta(days=99))
    assert [done[table] for table in live] == [0, 0, 0], "they are not over by the database's own clock"


# ------------------------------------------------------------------------------------------------------- the worker


def test_a_worker_does_at_its_start_what_has_become_late(queue: Engine, caplog: pytest.LogCaptureFixture) -> None:
    with queue.begin() as connection:
        held = add_hold(connection, town_bays=1, ends_in=timedelta(minutes=-1))
        [facility] = late_town(connection, "Asia/Tokyo")
    with caplog.at_level(logging.INFO, logger="baytide"):
        asyncio.run(work_on(queue, wait=False))
    with queue.connect() as connection:
        assert states(connection) == {held[0]: "expired"}
        assert nights(connection, facility) in (14, 15)  # fifteen in the small hours, when last night's is still on
        assert waiting(connection) == []
    said = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("job_done job=expire_holds holds=1 ") for line in said)
    assert any(line.startswith("job_done job=roll_horizon facilities=") for line in said)


def test_a_job_that_fails_is_told_and_keeps_no_other_from_being_done(
    queue: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with queue.begin() as connection:
        held = add_hold(connection, town_bays=1, ends_in=timedelta(minutes=-1))
        late_town(connection, "Asia/Tokyo")
        connection.execute(text("UPDATE neighbourhoods SET timezone = 'Nowhere/Atall' WHERE slug = 'Asia/Tokyo'"))
    with caplog.at_level(logging.INFO, logger="baytide"):
        asyncio.run(work_on(queue, wait=False))
    # Others that look at zones fail of the same; each is told once.
    failed = [r for r in caplog.records if r.getMessage().startswith("job_failed")]
    assert len({r.getMessage().split()[1] for r in failed}) == len(failed)
    [told] = [r for r in failed if r.getMessage().startswith("job_failed job=roll_horizon")]
    assert told.getMessage().startswith("job_failed job=roll_horizon kind=ZoneInfoNotFoundError")
    assert "at=jobs/service.py:" in told.getMessage()
    assert "Nowhere" not in told.getMessage(), "an error's words repeat what somebody sent"
    assert told.exc_info is None
    with queue.connect() as connection:
        assert states(connection) == {held[0]: "expired"}


@contextmanager
def worker(engine: Engine) -> Iterator[subprocess.Popen[str]]:
    """Run `baytide worker` on a database; it is killed at the end if it still runs."""
    address = engine.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "worker"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(engine: Engine, question: str, **values: object) -> None:
    """Wait until a question to the database is answered with yes."""
    until = time.monotonic() + 40
    while time.monotonic() < until:
        with engine.connect() as connection:
            if connection.scalar(text(question), values):
                return
        time.sleep(0.05)
    pytest.fail(f"not within 40 seconds: {question}")


ROLLED = "SELECT materialised_until IS NOT NULL FROM facilities WHERE id = :id"
STUCK = """
    SELECT true FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'
"""


def test_a_job_cut_off_by_a_kill_is_finished_by_another_worker_and_does_no_harm_twice(queue: Engine) -> None:
    with queue.begin() as connection:
        # Rolled in the order of zones: the first is written and committed, the second waits for us.
        first, second = late_town(connection, "Asia/Shanghai", "Europe/Paris")
        connection.execute(
            text("UPDATE facilities SET materialised_until = now() - interval '1 day' WHERE id = :id"), {"id": second}
        )
    with queue.begin() as changing, worker(queue) as killed:
        changing.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": second})
        wait_for(queue, ROLLED, id=first)
        wait_for(queue, STUCK)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait(timeout=20) == -signal.SIGKILL
    with queue.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": second})  # its transaction is gone
        written = nights(connection, first)
        assert (written, nights(connection, second)) in {(14, 0), (15, 0)}
        before = connection.execute(text("SELECT id FROM openings ORDER BY id")).all()
        status = connection.scalar(text("SELECT status FROM jobs.procrastinate_jobs WHERE task_name = 'roll_horizon'"))
        assert status == "doing"
        # The dead worker is not heard of for a minute.
        connection.execute(text("UPDATE jobs.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"))
    with worker(queue) as another:
        wait_for(queue, "SELECT materialised_until > now() FROM facilities WHERE id = :id", id=second)
        wait_for(queue, "SELECT count(*) = 0 FROM jobs.procrastinate_jobs WHERE task_name = 'roll_horizon'")
        another.send_signal(signal.SIGTERM)
        said, _ = another.communicate(timeout=30)
    assert another.returncode == 0, said
    assert "job_taken_over job=roll_horizon" in said
    with queue.connect() as connection:
        assert nights(connection, second) in (14, 15)
        assert (
            connection.execute(text("SELECT id FROM openings WHERE facility_id = :id ORDER BY id"), {"id": first}).all()
            == before
        )


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM], ids=["interrupt key", "service manager"])
def test_a_worker_that_is_asked_to_end_finishes_its_job_first(queue: Engine, asked: signal.Signals) -> None:
    with queue.begin() as connection:
        [facility] = late_town(connection, "Asia/Shanghai")
        connection.execute(text("UPDATE facilities SET materialised_until = now() - interval '1 day'"))
    with worker(queue) as working:
        with queue.begin() as changing:
            changing.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": facility})
            wait_for(queue, STUCK)
            working.send_signal(asked)
            with pytest.raises(subprocess.TimeoutExpired):
                working.wait(timeout=1)
        said, _ = working.communicate(timeout=30)
    assert working.returncode == 0, said
    assert said.splitlines()[-1].endswith("worker_stopped")
    assert "job_done job=roll_horizon facilities=1 " in said
    with queue.connect() as connection:
        assert nights(connection, facility) in (14, 15)
        assert connection.scalar(text("SELECT count(*) FROM jobs.procrastinate_workers")) == 0


def test_a_worker_without_a_database_says_so_in_one_sentence(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "api.cli", "worker"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": f"postgresql://nobody@/nothing?host={tmp_path}"},
        check=False,
    )
    assert answer.returncode == 3
    assert answer.stderr.count("\n") == 1
    assert "cannot be reached" in answer.stderr


def test_the_clock_and_the_start_of_a_worker_ask_for_one_job_not_two(queue: Engine) -> None:
    async def ask_twice() -> None:
        app = job_app(queue)
        async with app.open_async():
            await app.tasks["roll_horizon"].defer_async()
            with pytest.raises(AlreadyEnqueued):
                await app.tasks["roll_horizon"].defer_async()

    asyncio.run(ask_twice())
    with queue.connect() as connection:
        assert waiting(connection) == ["roll_horizon"]


def test_a_stalled_job_gives_way_to_the_same_one_that_waits(queue: Engine) -> None:
    with queue.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, lock, queueing_lock, status) "
                "VALUES ('default', 'expire_holds', 'expire_holds', 'expire_holds', 'doing'), "
                "('default', 'expire_holds', 'expire_holds', 'expire_holds', 'todo')"
            )
        )
        held = add_hold(connection, town_bays=1, ends_in=timedelta(minutes=-1))
    asyncio.run(work_on(queue, wait=False))
    with queue.connect() as connection:
        assert states(connection) == {held[0]: "expired"}
        assert connection.scalar(text("SELECT count(*) FROM jobs.procrastinate_jobs")) == 0


def test_work_is_done_with_the_rights_of_the_worker_alone(queue: Engine) -> None:
    with work(queue) as connection:
        assert connection.scalar(text("SELECT current_user")) == "baytide_service"
        assert connection.scalar(text("SELECT acts_as('worker')"))
    with work(queue) as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.execute(text("DELETE FROM neighbourhoods"))
