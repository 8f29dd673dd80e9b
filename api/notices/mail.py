"""Handing mail to the server that takes ours (SMTP, RFC 5321): what it says decides whether to try again."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Literal

from api.errors import ApiError
from api.notices.rendering import Text
from api.notices.words import Language
from api.settings import Settings

_LIMIT_S = 10.0
"""For connecting and for each answer."""
_CLOSING = 421
_PERMANENT = 500

Outcome = Literal["sent", "again", "bounced", "refused"]
"""Taken; not now; the address takes no mail, for good; the message is not wanted, for good."""


class MailServerAway(ApiError):
    """The server cannot be reached, or takes nothing from us at present: no fault of a single mail."""


class MailServer:
    """A connection to the server, made when the first mail is sent and kept for the next ones."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connected: smtplib.SMTP | None = None

    def send(self, message: EmailMessage, *, to: str) -> Outcome:
        """
        Hand over one mail.

        Raises
        ------
        MailServerAway
            Nothing more can be sent at present.
        """
        try:
            server = self._connected = self._connected or self._connect()
            server.send_message(message, to_addrs=[to])
        except smtplib.SMTPRecipientsRefused as refused:
            return self._judged(refused.recipients[to][0], final="bounced")
        except smtplib.SMTPDataError as refused:
            return self._judged(refused.smtp_code, final="refused")
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise MailServerAway("the mail server takes nothing at present") from error
        return "sent"

    def _judged(self, status: int, *, final: Outcome) -> Outcome:
        if status == _CLOSING:
            self.close()
            raise MailServerAway("the mail server closes")
        return final if status >= _PERMANENT else "again"

    def _connect(self) -> smtplib.SMTP:
        wanted = self._settings
        host, port, name = wanted.smtp_host or "", wanted.smtp_port, domain_of(wanted)
        context = ssl.create_default_context(cafile=wanted.smtp_trusted)
        if wanted.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, name, timeout=_LIMIT_S, context=context)
        else:
            server = smtplib.SMTP(host, port, name, timeout=_LIMIT_S)
        try:
            server.ehlo_or_helo_if_needed()
            offered = wanted.smtp_security == "offered" and server.has_extn("starttls")
            if wanted.smtp_security == "starttls" or offered:
                server.starttls(context=context)  # raises where the server has none
            if wanted.smtp_user is not None and wanted.smtp_password is not None:
                server.login(wanted.smtp_user, wanted.smtp_password.get_secret_value())
        except (OSError, smtplib.SMTPException):
            server.close()
            raise
        return server

    def close(self) -> None:
        """End the connection, if there is one."""
        server, self._connected = self._connected, None
        if server is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()


@contextlib.contextmanager
def mail_server(settings: Settings) -> Iterator[MailServer]:
    """Use the server for a while."""
    server = MailServer(settings)
    try:
        yield server
    finally:
        server.close()


def message_of(
    text: Text, *, to: str, number: int, language: Language, settings: Settings, now: datetime
) -> EmailMessage:
    """
    Write a mail of plain text.

    A mail that is sent again because nobody knows whether it arrived has the same Message-ID. The link, if any, leads
    to the service's front page: it carries no secret, and fetching it changes nothing.
    """
    url = settings.public_url
    parts = [*text.paragraphs, *([language.read_more.format(url=url)] if url else []), "-- \n" + language.footer]
    message = EmailMessage(policy=policy.SMTP)
    name, address = parseaddr(settings.mail_from)
    message["From"] = Address(display_name=name, addr_spec=address)
    message["To"] = to
    message["Subject"] = text.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<delivery-{number}@{domain_of(settings)}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = language.code
    if url:
        message["List-Unsubscribe"] = f"<{url}>"
    message.set_content("\n\n".join(parts) + "\n")
    return message


def domain_of(settings: Settings) -> str:
    """Return the domain our mails come from."""
    return parseaddr(settings.mail_from)[1].rpartition("@")[2] or "localhost"
