"""A free port of this machine that no other machine reaches, told to whoever started us."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def open_door() -> Iterator[socket.socket]:
    """Take a port and say its address on a line, as `service_processes.running` waits for it."""
    # The protocol is said as the service says it, so that answers are sent without delay.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as door:
        door.bind(("127.0.0.1", 0))
        door.listen()  # from here on whoever knocks waits until somebody serves
        sys.stdout.write(f"http://127.0.0.1:{door.getsockname()[1]}/\n")
        sys.stdout.flush()
        yield door
