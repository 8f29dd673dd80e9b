"""The private cluster: made, shared, left, and started again after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from api.db.binaries import find_binaries
from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.errors import DatabaseUnavailable


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="baytide-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made) / "data"


def one(cluster: PrivateCluster, question: str) -> object:
    engine = make_engine(cluster.url())
    with engine.begin() as connection:
        answer = connection.scalar(text(question))
    engine.dispose()
    return answer


def tell(cluster: PrivateCluster, command: str) -> None:
    engine = make_engine(cluster.url())
    with engine.begin() as connection:
        connection.execute(text(command))
    engine.dispose()


def test_a_cluster_starts_keeps_what_it_is_told_and_stops(folder: Path) -> None:
    with PrivateCluster(folder, durable=False) as cluster:
        tell(cluster, "CREATE TABLE kept AS SELECT 42 AS n")
        assert cluster.is_running()
    assert not cluster.is_running()
    with PrivateCluster(folder, durable=False) as again:
        assert one(again, "SELECT n FROM kept") == 42


def test_the_service_waits_for_the_disk_and_listens_to_no_network(folder: Path) -> None:
    with PrivateCluster(folder) as cluster:
        settings = ("fsync", "full_page_writes", "synchronous_commit", "data_checksums", "listen_addresses")
        assert [one(cluster, f"SELECT current_setting('{name}')") for name in settings] == ["on", "on", "on", "on", ""]


def test_the_last_process_to_leave_stops_the_server(folder: Path) -> None:
    first, second = PrivateCluster(folder, durable=False), PrivateCluster(folder, durable=False)
    first.start()
    second.start()
    first.stop()
    assert second.is_running()
    second.stop()
    assert not second.is_running()


def test_processes_that_start_at_once_share_one_cluster(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from api.db.cluster import PrivateCluster\n"
        "with PrivateCluster(Path(sys.argv[1]), durable=False) as c:\n"
        "    with c._connect() as connection:\n"
        "        print(connection.execute('SELECT system_identifier FROM pg_control_system()').fetchone()[0])\n"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        for _ in range(3)
    ]
    said = [racer.communicate(timeout=60) for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0], said
    assert len({words for words, _ in said}) == 1


def test_a_crashed_server_is_started_again_with_what_was_committed(folder: Path) -> None:
    cluster = PrivateCluster(folder)
    cluster.start()
    tell(cluster, "CREATE TABLE kept AS SELECT 42 AS n")
    os.kill(int((folder / "postgres/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    again = PrivateCluster(folder)
    again.start()
    assert one(again, "SELECT n FROM kept") == 42
    cluster.stop()
    again.stop()


def test_a_pid_file_whose_number_belongs_to_another_program_now_is_forgotten(folder: Path) -> None:
    with PrivateCluster(folder, durable=False) as cluster:
        lines = (folder / "postgres/postmaster.pid").read_text().splitlines()
    # This very process: it is alive, and of the account of the tests, but no PostgreSQL.
    (folder / "postgres/postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with PrivateCluster(folder, durable=False) as cluster:
        assert cluster.is_running()


def test_an_interrupted_initdb_is_not_taken_for_a_cluster(folder: Path) -> None:
    (folder / "postgres.unfinished/base").mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(folder / "postgres.unfinished", 65534, 65534)
    with PrivateCluster(folder, durable=False) as cluster:
        assert cluster.is_running()


def test_a_deep_data_folder_gets_its_socket_in_a_short_place(folder: Path) -> None:
    deep = folder.joinpath(*["a-rather-long-name-of-a-folder"] * 4)
    with PrivateCluster(deep, durable=False) as cluster:
        assert len(str(cluster.socket_folder)) < 60
        assert one(cluster, "SELECT 1") == 1
    assert not cluster.socket_folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_a_folder_the_servers_account_may_not_enter_is_refused_in_one_sentence() -> None:
    with (
        tempfile.TemporaryDirectory() as closed,
        pytest.raises(DatabaseUnavailable, match=r"may not enter .*BAYTIDE_DATA"),
    ):
        PrivateCluster(Path(closed) / "data", durable=False).start()


def test_without_programs_the_package_to_install_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="apt-get install postgresql postgresql-postgis"):
        find_binaries(folders=(tmp_path,))


def programs(folder: Path, version: str) -> Path:
    """Put programs into a folder that only say their version."""
    folder.mkdir(parents=True)
    for name in ("postgres", "pg_ctl", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


def test_programs_without_postgis_name_the_package_of_their_version(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="apt-get install postgresql-97-postgis-3"):
        find_binaries(folders=(programs(tmp_path / "97/bin", "97.3"),))


def test_programs_that_are_too_old_are_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="PostgreSQL 14 is too old, 15 or newer is needed"):
        find_binaries(folders=(programs(tmp_path / "14/bin", "14.9"),))


def test_the_newest_programs_that_have_postgis_win(tmp_path: Path) -> None:
    for major in ("96", "98"):
        programs(tmp_path / major / "bin", f"{major}.1")
        extensions = tmp_path / major / "share/extension"
        extensions.mkdir(parents=True)
        (extensions / "postgis.control").touch()
    bare = programs(tmp_path / "99/bin", "99.1")
    found = find_binaries(folders=(tmp_path / "96/bin", bare, tmp_path / "98/bin"))
    assert (found.major, found.folder) == (98, tmp_path / "98/bin")


def test_a_folder_made_by_a_version_that_is_gone_names_that_version(folder: Path) -> None:
    with PrivateCluster(folder, durable=False):
        pass
    (folder / "postgres/PG_VERSION").write_text("12\n")
    with pytest.raises(DatabaseUnavailable, match="made by PostgreSQL 12"):
        PrivateCluster(folder, durable=False).start()
