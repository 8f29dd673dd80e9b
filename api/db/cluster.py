"""The private database: a PostgreSQL of our own in the data folder, reached by a socket, for a machine without one."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from api.db.accounts import is_postgres, server_account
from api.db.binaries import Binaries, find_binaries
from api.errors import DatabaseUnavailable

ROLE = "baytide"
"""The role the cluster is made with, and its only log-in."""
_PORT = 5432
_LONGEST_SOCKET_PATH = 107
"""Bytes a Unix socket address may have on Linux (unix(7)); PostgreSQL refuses more."""
_START_LIMIT_S = 60


class PrivateCluster:
    """
    A PostgreSQL server in a folder, without any network port.

    Several processes may use one cluster: the first starts it, the last to leave stops it, and a process that is killed
    counts as having left. PostgreSQL refuses to run as root; then it runs as `postgres`, or `nobody` without that.

    Parameters
    ----------
    folder
        Holds the database files, the log and the locks; made when missing.
    durable
        False turns off every wait for the disk: for tests only, a crash of the machine may then lose the data.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder.absolute()
        self.durable = durable
        self.files = self.folder / "postgres"
        self._account = server_account()
        self._in_use: int | None = None

    @property
    def socket_folder(self) -> Path:
        """Where the socket lies: in the data folder, or in a short place of our own when that path is too long."""
        inside = self.folder / "socket"
        if len(os.fsencode(inside / f".s.PGSQL.{_PORT}")) <= _LONGEST_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"baytide-{digest}"

    def url(self, database: str = ROLE) -> str:
        """Return the address of one of the cluster's databases."""
        return f"postgresql+psycopg://{ROLE}@/{database}?host={quote(str(self.socket_folder), safe='')}&port={_PORT}"

    def start(self) -> None:
        """
        Make the cluster if there is none, start it if it does not run, and note that this process uses it.

        Raises
        ------
        DatabaseUnavailable
            The programs are missing, the folder cannot be used, or the server does not come up (with its last words).
        """
        self._make_folders()
        with self._starting_or_stopping():
            if self._in_use is None:
                self._in_use = os.open(self.folder / "in-use.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._in_use, fcntl.LOCK_SH)
            if not (self.files / "PG_VERSION").exists():
                self._initialise(find_binaries())
            if not self.is_running():
                self._launch(find_binaries(major=self._major()))
            self._make_database()

    def stop(self) -> None:
        """Leave the cluster; the last process to leave shuts it down."""
        if self._in_use is None:
            return
        with self._starting_or_stopping():
            if self._is_last_user() and (self.files / "PG_VERSION").exists():
                binaries = find_binaries(major=self._major())
                self._run([binaries.folder / "pg_ctl", "-D", self.files, "-m", "fast", "-w", "stop"], may_fail=True)
                self._leave_short_place()
            os.close(self._in_use)
            self._in_use = None

    def is_running(self) -> bool:
        """Tell whether the server takes connections."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def __enter__(self) -> PrivateCluster:
        try:
            self.start()
        except BaseException:  # interrupted too: the server may be up already
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _make_folders(self) -> None:
        """Make the data folder, and the parts of it that belong to the account of the server."""
        try:
            if not self.folder.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                self.folder.chmod(0o755)  # whatever the umask: the server's account must get through to its files
            self._own_folder(self.socket_folder)
            log = self.folder / "log"
            self._own_folder(log)
        except OSError as error:
            raise DatabaseUnavailable(
                f"the data folder {self.folder} cannot be used ({error.strerror}): choose another with BAYTIDE_DATA."
            ) from error
        if self._account and self._run(["test", "-x", self.folder], may_fail=True).returncode:
            raise DatabaseUnavailable(
                f"the account {self._account.name}, under which the database runs, may not enter {self.folder}: "
                "choose a folder that others may enter with BAYTIDE_DATA."
            )

    def _leave_short_place(self) -> None:
        """Remove the folder of the socket when it is not in the data folder and nothing is left in it."""
        if self.socket_folder.parent != self.folder:
            with suppress(OSError):
                self.socket_folder.rmdir()

    def _own_folder(self, folder: Path) -> None:
        """Make a folder that only the server's account can enter, or refuse one that somebody else made."""
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        expected = {os.geteuid(), self._account.uid} if self._account else {os.geteuid()}
        if folder.is_symlink() or status.st_uid not in expected:
            raise DatabaseUnavailable(f"{folder} belongs to somebody else: remove it, or choose another BAYTIDE_DATA.")
        if self._account and status.st_uid != self._account.uid:
            os.chown(folder, self._account.uid, self._account.gid)

    @contextmanager
    def _starting_or_stopping(self) -> Iterator[None]:
        """Let one process at a time start or stop the cluster; the lock dies with its holder."""
        with (self.folder / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _is_last_user(self) -> bool:
        """Tell whether no other process uses the cluster, by trying to own the lock that users share."""
        assert self._in_use is not None  # noqa: S101 -- narrowing for the type checker; stop() has looked
        try:
            fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _major(self) -> int:
        return int((self.files / "PG_VERSION").read_text().strip())

    def _initialise(self, binaries: Binaries) -> None:
        """Run initdb beside the final place and move it there: an interrupted one is never taken for a cluster."""
        unfinished = self.folder / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._own_folder(unfinished)
        command: list[str | Path] = [
            binaries.folder / "initdb",
            "-D",
            unfinished,
            "-U",
            ROLE,
            "-A",
            "trust",
            "-E",
            "UTF8",
        ]
        command += ["--locale=C", "--data-checksums", "--no-instructions"]
        # Trust is safe here: the only door is a socket in a folder that nobody but the server's account may enter.
        self._run(command if self.durable else [*command, "--no-sync"])
        unfinished.rename(self.files)

    def _launch(self, binaries: Binaries) -> None:
        """Start the server and wait until it answers, after a crash too."""
        self._forget_dead_server()
        log = self.folder / "log" / "postgres.log"
        command: list[str | Path] = [
            binaries.folder / "pg_ctl",
            "-D",
            self.files,
            "-l",
            log,
            "-w",
            "-t",
            str(_START_LIMIT_S),
        ]
        result = self._run([*command, "-o", self._options(), "start"], may_fail=True)
        if result.returncode and not self.is_running():
            lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else [result.stderr.strip()]
            raise DatabaseUnavailable(f"the private database did not start; {log} ends with: {' / '.join(lines[-2:])}")

    def _options(self) -> str:
        """Return the server's settings as one shell-quoted string, which is how pg_ctl wants them."""
        settings = {
            "listen_addresses": "",
            "port": str(_PORT),
            "unix_socket_directories": str(self.socket_folder),
            "unix_socket_permissions": "0700",
            "max_connections": "60",
            "log_timezone": "UTC",
            "timezone": "UTC",
            "log_error_verbosity": "terse",  # the detail of an error is the row that broke a rule: somebody's
        }
        waits = "on" if self.durable else "off"
        settings |= {"fsync": waits, "full_page_writes": waits, "synchronous_commit": waits}
        return " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())

    def _forget_dead_server(self) -> None:
        """
        Remove the pid files of a server that crashed, once its process is surely not a PostgreSQL any more.

        PostgreSQL does so itself, except when the number now belongs to another process of the same account, which is
        common in containers, where numbers start at one after every restart.
        """
        deadline = time.monotonic() + _START_LIMIT_S
        while (pid := self._pid_on_file()) and is_postgres(pid):
            # Shutting down or recovering: let it finish, then look again.
            if self.is_running() or time.monotonic() > deadline:
                return
            time.sleep(0.1)
        for leftover in (self.files / "postmaster.pid", self.socket_folder / f".s.PGSQL.{_PORT}.lock"):
            leftover.unlink(missing_ok=True)

    def _pid_on_file(self) -> int | None:
        try:
            return int((self.files / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.socket_folder), port=_PORT, user=ROLE, dbname="postgres", autocommit=True, connect_timeout=10
        )

    def _make_database(self) -> None:
        """Make the service's database when the cluster is new."""
        with self._connect() as connection:
            if not connection.execute("SELECT true FROM pg_database WHERE datname = %s", [ROLE]).fetchone():
                connection.execute(f'CREATE DATABASE "{ROLE}"')

    def _run(self, command: Sequence[str | Path], *, may_fail: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a program under the server's account, without our environment, from a folder everybody may enter."""
        account = self._account
        with tempfile.TemporaryFile("w+") as words:
            # A file, not a pipe: the server inherits it from pg_ctl, and a pipe would never see its end.
            done = subprocess.run(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                check=False,
                start_new_session=True,  # Ctrl-C is for us; the server is stopped by stop()
            )
            words.seek(0)
            said = words.read().strip()
        if done.returncode and not may_fail:
            program = Path(command[0]).name
            raise DatabaseUnavailable(f"{program} failed: {said.splitlines()[-1] if said else 'without a word'}")
        return subprocess.CompletedProcess(done.args, done.returncode, "", said)
