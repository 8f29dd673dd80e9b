"""The `dev` script where it has to choose or explain, without installing anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

DEV = Path(__file__).parents[1] / "dev"


def run_in_bash(script: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run lines of bash with the functions of `dev` at hand."""
    command = ["bash", "-c", f'source "$1"; shift; {script}', "bash", str(DEV), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=cwd)


@pytest.mark.parametrize(
    ("distribution", "known", "chosen"),
    [
        (
            "Debian 12",
            "postgresql-15 postgresql-15-postgis-3 postgresql-15-postgis-3-scripts",
            "postgresql-15-postgis-3",
        ),
        ("Ubuntu 24.04", "postgresql-16-postgis-3 postgresql-16-postgis-3-scripts", "postgresql-16-postgis-3"),
        ("two at once", "postgresql-16-postgis-3 postgresql-17-postgis-3", "postgresql-17-postgis-3"),
        ("nine before ten", "postgresql-9-postgis-3 postgresql-18-postgis-3", "postgresql-18-postgis-3"),
    ],
)
def test_a_fresh_machine_gets_the_newest_postgis_its_distribution_has(
    distribution: str, known: str, chosen: str
) -> None:
    answer = run_in_bash(
        'postgres_versions() { :; }; apt-cache() { tr " " "\\n" <<<"$listing"; }; listing=$1; choose_postgis_package',
        known,
    )
    assert answer.stdout == chosen + "\n", distribution


def test_a_server_that_is_there_gets_its_own_postgis_and_no_second_server() -> None:
    answer = run_in_bash(
        "postgres_versions() { echo 16; echo 14; }\n"
        "apt-cache() { printf 'postgresql-%s-postgis-3\\n' 14 15 16 17; }\n"
        "choose_postgis_package"
    )
    assert answer.stdout == "postgresql-16-postgis-3\n"


def test_a_distribution_with_only_old_postgres_is_refused_with_the_version_that_is_needed() -> None:
    answer = run_in_bash(
        "postgres_versions() { echo 13; }; apt-cache() { echo postgresql-13-postgis-3; }; choose_postgis_package"
    )
    assert answer.returncode == 1
    assert "postgresql-15-postgis-3 or newer" in answer.stderr


@pytest.mark.parametrize(
    ("version", "fits"),
    [("3.9", False), ("3.10", False), ("3.11", True), ("3.14", True), ("3.15", False), ("2.7", False)],
)
def test_only_a_python_that_the_pinned_packages_have_wheels_for_is_taken(version: str, fits: bool) -> None:
    answer = run_in_bash('asked=$1; python_version() { echo "$asked"; }; python_fits any', version)
    assert (answer.returncode == 0) == fits


def test_a_python_too_old_is_passed_over_for_the_next_one(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho 3.8\n")
    old.chmod(0o755)
    answer = run_in_bash("PATH=$1:$PATH; find_python", str(tmp_path))
    assert answer.returncode == 0, "this machine's own Python is somewhere else on the path"
    assert answer.stdout.strip() != str(old)


@pytest.mark.parametrize(
    ("last_words", "advice"),
    [
        ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 12 (apt-get)", "another package"),
        ("Temporary failure resolving 'mirror.example'", "no connection"),
        ("npm error code EAI_AGAIN", "no connection"),
        ("error: dns error: failed to lookup address information", "no connection"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "disk is full"),
        ("ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "not trusted"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "not the file that was pinned"),
        ("npm error code EINTEGRITY", "not the file that was pinned"),
        ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "dpkg --configure -a"),
        ("E: Unable to locate package postgresql-16-postgis-3", "universe"),
        ("ERROR: No matching distribution found for numba==0.68.1", "lacks a pinned package"),
        ("PermissionError: [Errno 13] Permission denied: 'x'", "chown"),
        ("something never seen before", "starts afresh"),
    ],
)
def test_a_failed_step_says_what_to_do(tmp_path: Path, last_words: str, advice: str) -> None:
    answer = run_in_bash(
        'logs=$1; words=$2; failing() { echo "$words" >&2; false; echo after; }; step "a step" try failing',
        str(tmp_path),
        last_words,
    )
    assert answer.returncode == 1
    assert answer.stdout.startswith("… a step ✗")
    assert last_words in answer.stderr, "the end of the log is shown"
    assert "    after\n" not in answer.stderr, "the step stops where it fails"
    assert advice in answer.stderr.partition("What to do: ")[2]


def test_a_step_that_works_is_one_line_and_keeps_its_log(tmp_path: Path) -> None:
    answer = run_in_bash('logs=$1; step "a step" try echo "many words"; echo next', str(tmp_path))
    assert answer.returncode == 0
    first, second = answer.stdout.splitlines()
    assert first.startswith("… a step ✓ ")
    assert second == "next"
    assert (tmp_path / "try.log").read_text("utf-8") == "many words\n"


def test_dev_works_through_a_symlink_from_a_folder_with_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "some where"
    folder.mkdir()
    (folder / "baytide dev").symlink_to(DEV)
    answer = subprocess.run(["./baytide dev", "help"], cwd=folder, capture_output=True, encoding="utf-8", check=True)
    assert answer.stdout.startswith("usage: ./dev COMMAND")


def test_an_unknown_command_is_refused_with_the_list_of_commands() -> None:
    answer = subprocess.run([DEV, "tests"], capture_output=True, encoding="utf-8", check=False)
    assert answer.returncode == 2
    assert "unknown command: tests" in answer.stderr
    assert "\n  test " in answer.stderr


def test_a_machine_with_wrk_installs_nothing_for_the_load_test() -> None:
    answer = run_in_bash("wrk() { :; }; install_system_packages() { echo installing; }; set_up_wrk")
    assert (answer.returncode, answer.stdout) == (0, "")


def test_the_load_test_fetches_wrk_only_where_it_is_missing(tmp_path: Path) -> None:
    script = """
        logs=$1 there=
        command() { [[ $1 == -v && $2 == wrk ]] && { [[ $there ]]; return; }; builtin command "$@"; }
        become_root_if_needed() { echo "asked for root: $1"; }
        step() { echo "$1"; there=yes; }
        apt-get() { :; }
        set_up_wrk
    """
    answer = run_in_bash(script, str(tmp_path))
    assert (answer.returncode, answer.stdout) == (0, "asked for root: wrk\nsystem package: wrk\n"), answer.stderr


def test_without_apt_a_missing_wrk_is_named_with_what_to_do() -> None:
    answer = run_in_bash("command() { return 1; }; set_up_wrk")
    assert answer.returncode == 1
    assert "missing: wrk" in answer.stderr
    assert "Install it" in answer.stderr


def test_dev_and_the_continuous_integration_script_can_be_run() -> None:
    for script in (DEV, DEV.parent / ".ci/run"):
        assert os.access(script, os.X_OK)
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
