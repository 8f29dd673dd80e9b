"""Accounts, login sessions and tokens as they come in and go out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.accounts.passwords import LONGEST, SHORTEST
from api.accounts.service import Language

NewPassword = Annotated[SecretStr, Field(min_length=SHORTEST, max_length=LONGEST)]
GivenPassword = Annotated[SecretStr, Field(max_length=LONGEST)]
NO_ZERO = r"^[^\x00]*$"
"""Everything but the one character that PostgreSQL does not store."""
LogInName = Annotated[str, Field(min_length=1, max_length=80, pattern=NO_ZERO, examples=["wang-204718"])]
Word = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_ZERO)]


class Incoming(BaseModel):
    """What comes in: nothing unknown, nothing by another name."""

    model_config = ConfigDict(extra="forbid")


class AccountIn(Incoming):
    """An account to be made."""

    name: Annotated[str, Field(min_length=1, max_length=40, examples=["wang"])]
    """Letters, digits, dot and dash; never a phone number. A number is added."""
    password: NewPassword
    language: Language = "zh"


class AccountMade(BaseModel):
    """The name to log in with."""

    log_in_name: str


class AccountOut(BaseModel):
    """One's own account."""

    log_in_name: str
    issuer: str
    language: Language
    created_at: datetime
    roles: list[str]
    owners: list[int]
    household: int | None


class AccountChange(Incoming):
    """What one may change of one's account."""

    language: Language


class PasswordChange(Incoming):
    """The password now, and the one to come."""

    log_in_name: LogInName
    old: GivenPassword
    new: NewPassword


class LogIn(Incoming):
    """Log-in name and password."""

    log_in_name: LogInName
    password: GivenPassword


class LoginSessionMade(BaseModel):
    """A login session; its secret is in the cookie only."""

    csrf_token: str
    """Send it with whatever changes something: as header X-CSRF-Token or as form field csrf_token."""
    expires_at: datetime


class LoginSessionOut(BaseModel):
    """One of the places where somebody is logged in."""

    id: int
    created_at: datetime
    expires_at: datetime
    current: bool


class CsrfOut(BaseModel):
    """The token of the login session."""

    csrf_token: str


class TokenMade(BaseModel):
    """A token as OAuth 2.0 answers (RFC 6749, section 5.1); shown once."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    """Seconds."""


class TokenOut(BaseModel):
    """A token of a program; what it is cannot be seen again."""

    id: int
    label: str
    created_at: datetime
    expires_at: datetime
