"""What holds for the whole tree: who imports whom, what is pinned, what is promised, what may not be written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("allocator", "api", "geo")
LOCKS = ROOT / ".ci/requirements"

# ---------------------------------------------------------------------------------------------------- who imports whom


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the import contracts of a checkout."""
    command: list[str | Path] = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)


def test_every_import_contract_is_kept() -> None:
    answer = lint_imports(ROOT)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def copied_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the Python files alone, to be spoilt."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        for file in own_files(ROOT / package):
            if file.suffix == ".py":
                target = folder / file.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
    return folder


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("allocator/instance.py", "import api.errors", "The allocator knows no service and no map"),
        ("allocator/instance.py", "import geo", "The allocator knows no service and no map"),
        ("geo/__init__.py", "import api.errors", "The map knows no service and no allocator"),
        ("geo/__init__.py", "import allocator.instance", "The map knows no service and no allocator"),
        ("api/errors.py", "import allocator.instance", "Only planning calls the allocator"),
        ("api/facilities/queries.py", "import api.facilities.routes", "Inside a noun"),
        ("allocator/check.py", "import allocator.prices", "The allocator's checker shares nothing with its solver"),
        ("allocator/check.py", "import allocator.presolve", "The allocator's checker shares nothing with its solver"),
        ("allocator/new_trick.py", "import allocator.errors", "The allocator's checker shares nothing with its solver"),
        ("api/planning/check.py", "import allocator.instance", "The checker of plan files shares nothing"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    copied_packages: Path, tmp_path: Path, file: str, line: str, contract: str
) -> None:
    shutil.copytree(copied_packages, tmp_path, dirs_exist_ok=True)
    imported = tmp_path / (line.removeprefix("import ").replace(".", "/") + ".py")
    if not imported.exists() and not imported.with_suffix("").is_dir():
        imported.touch()
    with (tmp_path / file).open("a", encoding="utf-8") as spoilt:
        spoilt.write(f"\n{line}\n")

    answer = lint_imports(tmp_path)

    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert re.search(rf"^{re.escape(contract)}.* BROKEN\b", answer.stdout, re.MULTILINE), answer.stdout


# --------------------------------------------------------------------------------------------- what may not be written

# In parts, so that this file does not hold what it looks for.
FORBIDDEN_WORDS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
] + ["/".join(("", place, "")) for place in ("work", "root")]
FORBIDDEN = re.compile("|".join(rf"(?<![\w.-]){re.escape(word)}" for word in FORBIDDEN_WORDS).encode())


def own_files(folder: Path) -> Iterator[Path]:
    """Walk the files below a folder that belong to the project: neither installed nor made by a tool."""
    ignored = {
        line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines() if line.strip()
    }
    for entry in sorted(folder.iterdir()):
        if entry.name == ".git" or any(entry.match(pattern) for pattern in ignored):
            continue
        if entry.is_dir():
            yield from own_files(entry)
        elif not entry.is_symlink():
            yield entry


def find_forbidden_words(folder: Path) -> list[str]:
    """List the registry hosts and the paths of a single machine in a folder's files, as `file: what`."""
    return [
        f"{file.relative_to(folder)}: {found.group().decode()}"
        for file in own_files(folder)
        for found in FORBIDDEN.finditer(file.read_bytes())
    ]


def test_no_file_names_a_registry_host_or_a_path_of_one_machine() -> None:
    assert find_forbidden_words(ROOT) == []


@pytest.mark.parametrize("word", FORBIDDEN_WORDS)
def test_a_registry_host_or_a_path_of_one_machine_is_found(tmp_path: Path, word: str) -> None:
    (tmp_path / "notes.md").write_text(f"look at '{word}main'\n")
    assert find_forbidden_words(tmp_path) == [f"notes.md: {word}"]


# ------------------------------------------------------------------------------------------------------ what is pinned


def read_lock(name: str) -> dict[str, list[str]]:
    """Map each `name==version ; marker` of a requirements lock to its hashes."""
    text = re.sub(r"\\\n\s*", " ", (LOCKS / name).read_text("utf-8"))
    entries = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return {entry.split(" --hash=")[0].strip(): re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry) for entry in entries}


def pinned_names(name: str) -> set[str]:
    return {entry.partition("==")[0] for entry in read_lock(name)}


def required_names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_every_locked_package_is_one_version_with_hashes(name: str) -> None:
    lock = read_lock(name)
    assert len(lock) > 50
    assert [entry for entry in lock if not re.match(r"[a-z0-9-]+==[0-9][^ ]*( ; .+)?$", entry)] == []
    assert [entry for entry, hashes in lock.items() if not hashes] == []


def test_every_declared_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    runtime = required_names(project["dependencies"])
    development = required_names(project["optional-dependencies"]["dev"])
    assert runtime <= pinned_names("run.txt"), "run ./dev lock"
    assert runtime | development <= pinned_names("dev.txt"), "run ./dev lock"
    assert development & pinned_names("run.txt") <= {"setuptools"}, "what only developers need is not installed for all"


def test_developers_and_users_run_the_same_versions() -> None:
    assert read_lock("run.txt").items() <= read_lock("dev.txt").items()


def test_page_assets_are_pinned_by_hash_and_not_by_place() -> None:
    packages = json.loads((ROOT / "api/pages/package-lock.json").read_text("utf-8"))["packages"]
    installed = {place: package for place, package in packages.items() if place}
    assert {"node_modules/maplibre-gl", "node_modules/pmtiles", "node_modules/htmx.org"} <= installed.keys()
    assert [place for place, package in installed.items() if not package["integrity"].startswith("sha512-")] == []
    assert [place for place, package in installed.items() if "resolved" in package] == []


# ------------------------------------------------------------------------------------------ what the documents promise


def commands_in_documents() -> set[str]:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    return {command for file in documents for command in re.findall(r"\./dev ([a-z]+)", file.read_text("utf-8"))}


def test_every_dev_command_in_the_documents_exists() -> None:
    told = subprocess.run([ROOT / "dev", "help"], capture_output=True, encoding="utf-8", check=True).stdout
    offered = set(re.findall(r"^ {2}([a-z]+) ", told, re.MULTILINE))
    assert {"setup", "demo", "test", "check", "lock", "bench", "load", "help"} == offered
    assert {"demo", "test"} <= commands_in_documents() <= offered


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci/run").read_text("utf-8")
    assert re.search(r"^\./dev test\b", script, re.MULTILINE)
    assert re.search(r"^\./dev check\b", script, re.MULTILINE)
