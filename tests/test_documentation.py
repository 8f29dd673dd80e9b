"""What the pages say of the code is so: links lead somewhere, limits are the code's, and no module is left out."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")
LIMIT = re.compile(r"^\| `(\w+)\.([A-Z_]+)` \| ([\d._]+) \|", re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """Headings of a page as a forge links to them: lower case, words joined by hyphens."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """List the links of a page to files or headings that are not there."""
    broken = []
    for link in LINK.findall(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors_of(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading\n[there](#a-heading) [gone](#another) [lost](lost.md) [out](https://example.org)\n", "utf-8"
    )
    assert broken_links(page) == ["#another", "lost.md"]


def limits_told() -> list[tuple[str, str, str]]:
    return LIMIT.findall((ROOT / "docs/allocator.md").read_text("utf-8"))


@pytest.mark.parametrize(("module", "name", "value"), limits_told(), ids=str)
def test_a_work_limit_is_told_as_it_stands_in_the_code(module: str, name: str, value: str) -> None:
    assert getattr(importlib.import_module(f"allocator.{module}"), name) == ast.literal_eval(value)


def test_work_limits_are_told() -> None:
    assert len(limits_told()) > 20


def test_every_module_of_the_allocator_has_its_place_in_the_overview() -> None:
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| [^|`]+ \| (`.*`) \|$", page, re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    modules = {file.stem for file in (ROOT / "allocator").glob("*.py")} - {"__init__"}
    assert sorted(told) == sorted(modules)
