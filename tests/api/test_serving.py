"""Listening: the wanted port, the next free one, or a clear sentence."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

import pytest

from api.db.cluster import PrivateCluster
from api.serving import NoPort, listening_socket


def test_a_port_that_is_taken_gives_way_to_the_next_free_one() -> None:
    with socket.socket() as first:
        first.bind(("127.0.0.1", 0))
        first.listen()
        taken = first.getsockname()[1]
        with listening_socket("127.0.0.1", taken) as door:
            assert taken < door.getsockname()[1] <= taken + 20


def test_port_zero_takes_any_free_port() -> None:
    with listening_socket("127.0.0.1", 0) as door:
        assert door.getsockname()[1] > 0


def test_answers_are_sent_without_waiting_for_an_acknowledgement() -> None:
    async def is_undelayed() -> bool:
        with listening_socket("127.0.0.1", 0) as door:
            accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

            def look(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                connection = writer.get_extra_info("socket")
                accepted.set_result(bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
                writer.close()

            async with await asyncio.start_server(look, sock=door):
                _, writer = await asyncio.open_connection(*door.getsockname())
                writer.close()
                return await accepted

    assert asyncio.run(is_undelayed())


def test_an_address_of_another_machine_is_refused_in_one_sentence() -> None:
    with pytest.raises(NoPort, match=r"cannot listen on 192\.0\.2\.1"):
        listening_socket("192.0.2.1", 0)


def test_when_every_port_is_taken_the_way_out_is_named() -> None:
    with socket.socket() as last:
        last.bind(("127.0.0.1", 65_535))
        last.listen()
        with pytest.raises(NoPort, match="BAYTIDE_PORT"):
            listening_socket("127.0.0.1", 65_535)


@pytest.mark.parametrize("workers", [1, 2], ids=["one worker", "two workers"])
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM], ids=["interrupt key", "service manager"])
def test_the_service_starts_its_own_database_and_leaves_cleanly_when_asked(asked: signal.Signals, workers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="baytide-test-") as place:
        Path(place).chmod(0o755)
        data = Path(place) / "data"
        environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
        command = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--workers", str(workers)]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**environment, "BAYTIDE_DATA": str(data), "PYTHONUNBUFFERED": "1"},
        ) as service:
            try:
                assert service.stdout is not None
                address = re.search(r"http://127\.0\.0\.1:\d+/", service.stdout.readline())
                assert address is not None
                with urlopen(f"{address[0]}readyz", timeout=30) as answer:
                    assert answer.status == 200
            finally:
                service.send_signal(asked)
                said = service.communicate(timeout=60)
        assert (service.returncode, said[1]) == (0, "")
        assert not PrivateCluster(data).is_running()
