"""
Mails and calls of webhooks a second, beside a webhook that hangs: `python -m loadtests.deliveries`.

A durable private cluster, a mail server and receivers on this machine that take everything after a pause, and one
receiver that never answers. Printed are seconds and deliveries a second, with as many threads as the service has.
"""

from __future__ import annotations

import argparse
import json
import socketserver
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from api.accounts.keys import Keys
from api.accounts.sealing import seal
from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.db.migrating import migrate
from api.jobs.queries import work
from api.notices.carrying import deliver_notices
from api.notices.contacts import EMAIL
from api.notices.service import NewNotice, tell
from api.settings import Settings
from api.webhooks.jobs import deliver_webhooks
from api.webhooks.service import SECRET, URL
from loadtests.ceilings import require_durable

_ENDPOINTS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notices", type=int, default=400)
    parser.add_argument("--pause-ms", type=float, default=20.0, help="Until a server takes what it is sent.")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, _database() as engine:
        print(json.dumps(measure(engine, Path(folder), asked.notices, pause_s=asked.pause_ms / 1000)))
    return 0


@contextmanager
def _database() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="baytide-deliveries-") as place:
        Path(place).chmod(0o755)
        cluster = PrivateCluster(Path(place))
        cluster.start()
        engine = make_engine(cluster.url("postgres"))
        try:
            migrate(engine)
            yield engine
        finally:
            engine.dispose()
            cluster.stop()


def measure(engine: Engine, folder: Path, notices: int, *, pause_s: float) -> dict[str, float]:
    """Tell households something, and time how long it takes to reach them by mail and by webhook."""
    release = threading.Event()
    with _mail(pause_s) as smtp, _calls(pause_s) as well, _calls(3600, release=release) as hanging:
        settings = Settings(
            data=folder,
            smtp_host="127.0.0.1",
            smtp_port=smtp,
            smtp_security="none",
            mail_from="notices@baytide.example",
            webhook_http=True,
            webhook_loopback=True,
        )
        require_durable(engine)
        with engine.begin() as connection:
            households = _households(connection, Keys(settings), well=well, hanging=hanging)
        told = [NewNotice(households[k % _ENDPOINTS], "round_closed", {}, once=str(k)) for k in range(notices)]
        with work(engine) as connection:
            tell(connection, [*told, NewNotice(households[-1], "round_closed", {})], now=datetime.now(UTC))
        found: dict[str, float] = {"notices": notices, "pause_ms": pause_s * 1000}
        for name, deliver in (("mails", deliver_notices), ("calls", deliver_webhooks)):
            begun = time.monotonic()
            number = deliver(engine, settings=settings)[name]
            spent = time.monotonic() - begun
            found |= {name: number, f"{name}_s": round(spent, 1), f"{name}_per_s": round(number / spent, 1)}
        release.set()
    return found


def _households(connection: Connection, keys: Keys, *, well: int, hanging: int) -> list[int]:
    """Make households with a webhook each, all but the last, whose webhook hangs, with an address of mail."""
    connection.execute(
        text(
            "INSERT INTO neighbourhoods (slug, name, timezone, country, crs, seed, term_from, term_to, policy, "
            "has_walks, input_sha256, warnings) VALUES ('town', 'Town', 'Asia/Shanghai', 'CN', 'EPSG:4326', 1, "
            "'2026-01-01', '2026-12-31', '{}', true, '{}', '[]')"
        )
    )
    connection.execute(
        text(
            "INSERT INTO homes (neighbourhood_id, code, position, geometry) "
            "SELECT id, 'h', 0, 'SRID=4326;POINT(121.5 31.2)' FROM neighbourhoods"
        )
    )
    made = []
    for number in range(_ENDPOINTS + 1):
        household = connection.scalar(text("INSERT INTO households (home_id) SELECT id FROM homes RETURNING id"))
        hangs = number == _ENDPOINTS
        url = f"http://127.0.0.1:{hanging if hangs else well}/"
        connection.execute(
            text(
                "INSERT INTO webhook_endpoints (household_id, url_sealed, secret_sealed, created_at) "
                "VALUES (:h, :url, :secret, now())"
            ),
            {
                "h": household,
                "url": seal(keys.contact_seal, url.encode(), what=URL),
                "secret": seal(keys.contact_seal, b"btw_x", what=SECRET),
            },
        )
        if not hangs:
            connection.execute(
                text(
                    "INSERT INTO household_contacts (household_id, email_sealed, language, verified_at, changed_at) "
                    "VALUES (:h, :email, 'en', now(), now())"
                ),
                {"h": household, "email": seal(keys.contact_seal, f"h{number}@example.com".encode(), what=EMAIL)},
            )
        made.append(int(household or 0))
    return made


@contextmanager
def _mail(pause_s: float) -> Iterator[int]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                if line.upper().startswith(b"DATA"):
                    self.wfile.write(b"354 go on\r\n")
                    while self.rfile.readline() not in (b".\r\n", b""):
                        pass
                    time.sleep(pause_s)
                self.wfile.write(b"250 ok\r\n")

    with _served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


@contextmanager
def _calls(pause_s: float, *, release: threading.Event | None = None) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            (release or threading.Event()).wait(pause_s)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


@contextmanager
def _served(server: socketserver.ThreadingTCPServer | ThreadingHTTPServer) -> Iterator[int]:
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    raise SystemExit(main())
