"""What commands are given, read by the models that the API reads its requests by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from api.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import BaseModel

Read = TypeVar("Read", bound="BaseModel")


class UnusableWords(ApiError):
    """What a command was given cannot be used; the message names every field and what is wrong with it."""


def read_words(model: type[Read], values: Mapping[str, Any], *, source: str | None = None) -> Read:
    """Read values as the API would; raise UnusableWords with a line for each fault, after the name of its source."""
    from pydantic import ValidationError

    try:
        return model.model_validate(values)
    except ValidationError as error:
        before = "" if source is None else f"{source}: "
        faults = (f"{before}{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise UnusableWords("\n".join(faults)) from None


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON file, or a TOML file by its name; raise UnusableWords where it is neither or no object."""
    import json
    import tomllib

    try:
        content = path.read_text(encoding="utf-8-sig")
        found = tomllib.loads(content) if path.suffix == ".toml" else json.loads(content)
    except ValueError as error:
        raise UnusableWords(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise UnusableWords(f"{path}: must hold one object")
    return found
