"""The wheel holds the three packages with their data files, and nothing that was only installed beside them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA_SUFFIXES = {".css", ".csv", ".html", ".ini", ".js", ".mako", ".mjs", ".pbf", ".sql", ".svg", ".toml"}
IGNORED = shutil.ignore_patterns("node_modules", "__pycache__", "*.egg-info")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel of a copy that also has page assets installed, and list its files."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for package in ("allocator", "api", "geo", "tests"):
        shutil.copytree(ROOT / package, folder / package, ignore=IGNORED)
    asset = folder / "api/pages/node_modules/maplibre-gl/dist/maplibre-gl.mjs"
    asset.parent.mkdir(parents=True)
    asset.write_text("export {}\n")
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder / "dist")]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(folder)], check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_every_source_and_data_file_is_in_the_wheel(packed: set[str]) -> None:
    wanted = {
        str(file.relative_to(ROOT))
        for package in ("allocator", "api", "geo")
        for file in (ROOT / package).rglob("*")
        if file.suffix in DATA_SUFFIXES | {".py", ".typed"} and "node_modules" not in file.parts
    }
    assert len(wanted) > 10
    assert wanted - packed == set()


def test_page_assets_and_tests_are_not_in_the_wheel(packed: set[str]) -> None:
    assert [name for name in packed if "node_modules" in name or name.startswith("tests/")] == []


def test_the_licence_is_in_the_wheel(packed: set[str]) -> None:
    assert [name for name in packed if name.endswith("/licenses/LICENSE")]
