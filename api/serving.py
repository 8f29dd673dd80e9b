"""Running the service on this machine, from the start of its database to a clean end."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
from functools import partial

import typer
import uvicorn
from sqlalchemy import Engine
from uvicorn.supervisors import Multiprocess

from api.app import create_app, create_worker_app, keep_what_there_is
from api.db.preparing import open_database
from api.errors import ApiError
from api.settings import Settings

_PORTS_TRIED = 20
_WORKER_STARTS_WITHIN_S = 30
"""A worker says nothing while it imports the service, on a busy machine for long; who is silent longer is replaced."""


class NoPort(ApiError):
    """Nothing to listen on."""


def serve(settings: Settings) -> None:
    """Open the database, serve until Ctrl-C, and leave everything as it should be."""
    with open_database(settings) as engine:
        serve_on(settings, engine)


def serve_on(settings: Settings, engine: Engine) -> None:
    """
    Serve on a database that is open, with one process or as many as the settings say; say where.

    Raises
    ------
    NoPort
        No port near the wanted one is free, or the address is not this machine's.
    """
    app = create_app(settings, engine)
    with listening_socket(settings.host, settings.port) as door:
        port = door.getsockname()[1]
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        typer.echo(f"Baytide: http://{shown}:{port}/ (Ctrl-C ends it)")
        if settings.workers > 1:
            _run_workers(settings, engine, door)
            return
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=5))
        # When it has shut down, uvicorn hands on the key press or the signal that asked for it. The default of that
        # signal would end the process there and then, and leave the private database running.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                keep_what_there_is()
                server.run(sockets=[door])
        finally:
            signal.signal(signal.SIGTERM, before)


def _run_workers(settings: Settings, engine: Engine, door: socket.socket) -> None:
    """Serve with several processes on one port; one that dies is replaced, and all end with this one."""
    address = engine.url.render_as_string(hide_password=False)
    app = partial(create_worker_app, settings.model_copy(update={"database_url": address}))
    config = uvicorn.Config(
        app,
        factory=True,
        workers=settings.workers,
        log_level="warning",
        access_log=False,  # ours says no address and no query
        timeout_graceful_shutdown=5,
        timeout_worker_healthcheck=_WORKER_STARTS_WITHIN_S,
    )
    Multiprocess(config, sockets=[door]).run()


def listening_socket(host: str, port: int) -> socket.socket:
    """
    Take a port: the wanted one, or the next free one after it.

    Raises
    ------
    NoPort
        None of them is free, or the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + _PORTS_TRIED, 65_536)):
        # The protocol is said: asyncio sends without delay (TCP_NODELAY) only on connections that say theirs, and every
        # answer would otherwise wait 40 ms for the other side's acknowledgement of its head.
        door = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, candidate))
            door.listen()  # from here on whoever knocks waits until the service is up
        except OSError as error:
            door.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                continue
            raise NoPort(f"cannot listen on {host}: {error.strerror}; name an address of this machine.") from error
        return door
    last = min(port + _PORTS_TRIED, 65_536) - 1
    raise NoPort(f"every port from {port} to {last} is taken: name another with --port or BAYTIDE_PORT.")
