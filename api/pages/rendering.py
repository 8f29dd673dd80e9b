"""Templates into HTML."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.pages.assets import TEMPLATES


def render(template: str, **content: Any) -> str:  # noqa: ANN401 -- whatever the template shows
    """Render a template; everything is escaped unless it was marked as safe where it was made."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content)
