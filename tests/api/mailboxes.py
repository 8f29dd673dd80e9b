"""A mail server on this machine that records what it takes, and refuses or hangs as it is told."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class Mailbox:
    """What came, and what is answered: a status per command, or nothing at all."""

    port: int = 0
    got: list[tuple[str, EmailMessage]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """Command, or address of a recipient → answer, as `550 no such user`; `hang` answers nothing."""
    connections: int = 0
    most_connections: int | None = None
    """Whoever comes beyond so many is turned away."""
    pause_s: float = 0.0
    """Before a mail is taken."""
    taking: int = 0
    most_at_once: int = 0
    secured: int = 0
    log_ins: list[str] = field(default_factory=list)

    def texts(self) -> list[str]:
        return [message.get_content() for _, message in self.got]

    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for _, message in self.got]


@contextlib.contextmanager
def receiving_mail(context: ssl.SSLContext | None = None) -> Iterator[Mailbox]:
    """Run a mail server; with a context it offers STARTTLS."""
    box, end = Mailbox(), threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            if line == "hang":
                end.wait(30)
                raise ConnectionAbortedError
            self.wfile.write(line.encode() + b"\r\n")

        def handle(self) -> None:
            box.connections += 1
            self.recipient = ""
            with contextlib.suppress(OSError):
                full = box.most_connections is not None and box.connections > box.most_connections
                self.say("421 too many connections" if full else box.answers.get("CONNECT", "220 here"))
                while not full and (line := self.rfile.readline().decode().strip()) and self.obey(line):
                    pass

        def finish(self) -> None:
            super().finish()
            self.request.close()

        def obey(self, line: str) -> bool:
            command, _, rest = line.partition(" ")
            command = command.upper()
            if command == "RCPT":
                self.recipient = rest.partition("<")[2].partition(">")[0]
                self.say(box.answers.get(self.recipient, "250 ok"))
            elif command == "STARTTLS" and context is not None:
                self.say("220 go on")
                self.request = context.wrap_socket(self.request, server_side=True)
                self.setup()
                box.secured += 1
            elif command == "DATA":
                self.data()
            elif command in ("EHLO", "HELO"):
                offered = "250-STARTTLS\r\n" if context is not None else ""
                self.say(f"250-here\r\n{offered}250 AUTH PLAIN")
            elif command == "AUTH":
                box.log_ins.append(rest)
                self.say(box.answers.get("AUTH", "235 welcome"))
            else:
                self.say(box.answers.get(command, "250 ok" if command != "QUIT" else "221 bye"))
            return command != "QUIT"

        def data(self) -> None:
            self.say("354 go on")
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            box.taking += 1
            box.most_at_once = max(box.most_at_once, box.taking)
            time.sleep(box.pause_s)
            box.taking -= 1
            answer = box.answers.get("DATA", "250 taken")
            if answer.startswith("2"):
                message = message_from_bytes(b"".join(lines), policy=policy.default)
                box.got.append((self.recipient, message))
            self.say(answer)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever leaves in the middle is no fault of the test."""

    server = Server(("127.0.0.1", 0), Handler)
    box.port = server.server_address[1]
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    try:
        yield box
    finally:
        end.set()
        server.shutdown()
        server.server_close()
        serving.join()
