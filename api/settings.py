"""What can be set from outside; built once in main, cli or worker and passed down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_data_folder() -> Path:
    """Return where the service keeps its data when nobody says: the system's place for root, else the user's own."""
    if os.geteuid() == 0:
        return Path("/var/lib/baytide")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "baytide"


class Settings(BaseSettings):
    """The service's settings, from the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL")
    """A PostgreSQL with PostGIS; without one, a private cluster in the data folder."""
    data: Path = Field(default_factory=default_data_folder, validation_alias="BAYTIDE_DATA")
    """Where the private cluster lives."""
    host: str = Field(default="127.0.0.1", validation_alias="BAYTIDE_HOST")
    """Only this machine, unless somebody decides otherwise: the page of this version is the planner's."""
    port: int = Field(default=8080, ge=0, le=65535, validation_alias="BAYTIDE_PORT")
    workers: int = Field(default=1, ge=1, le=64, validation_alias="BAYTIDE_WORKERS")
    """Processes that serve."""
    requests_per_s: float = Field(
        default=20.0, ge=0, le=1_000_000, allow_inf_nan=False, validation_alias="BAYTIDE_REQUESTS_PER_S"
    )
    """Of one token, login session or gate in the long run, in each process; addresses as `rate_limits` says. 0: any."""
    secret: SecretStr | None = Field(default=None, min_length=32, validation_alias="BAYTIDE_SECRET")
    """What the service's keys are made from, the same for all its machines; without one, a file of the data folder."""
    smtp_host: str | None = Field(default=None, validation_alias="BAYTIDE_SMTP_HOST")
    """The server that takes our mail; without one, households are told in their inbox only."""
    smtp_port: int = Field(default=587, ge=1, le=65535, validation_alias="BAYTIDE_SMTP_PORT")
    smtp_security: Literal["starttls", "tls", "offered", "none"] = Field(
        default="starttls", validation_alias="BAYTIDE_SMTP_SECURITY"
    )
    """`starttls` and `tls` are required; `offered` takes STARTTLS where the server has it; `none` is for tests."""
    smtp_user: str | None = Field(default=None, validation_alias="BAYTIDE_SMTP_USER")
    smtp_password: SecretStr | None = Field(default=None, validation_alias="BAYTIDE_SMTP_PASSWORD")
    smtp_trusted: Path | None = Field(default=None, validation_alias="BAYTIDE_SMTP_TRUSTED")
    """A file of certificates to trust instead of the system's."""
    mail_from: str = Field(default="Baytide <baytide@localhost>", validation_alias="BAYTIDE_MAIL_FROM")
    """Who writes, name and address."""
    public_url: str | None = Field(default=None, validation_alias="BAYTIDE_PUBLIC_URL")
    """Where people reach the service, for links in mails; without, mails have none."""
    webhook_http: bool = Field(default=False, validation_alias="BAYTIDE_WEBHOOK_HTTP")
    """Whether webhooks may do without TLS; for tests."""
    webhook_loopback: bool = Field(default=False, validation_alias="BAYTIDE_WEBHOOK_LOOPBACK")
    """Whether webhooks may lead to this machine; for tests."""
    webhook_trusted: Path | None = Field(default=None, validation_alias="BAYTIDE_WEBHOOK_TRUSTED")
    """A file of certificates to trust instead of the system's."""
