"""Input files as text: encodings named, nothing guessed, faults gathered instead of raised one by one."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from pathlib import Path

from api.errors import Fault


@dataclass(slots=True)
class Findings:
    """Faults and warnings gathered while a folder is read."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sha256: dict[str, str] = field(default_factory=dict)

    def fault(self, file: str, line: int, name: str, message: str) -> None:
        """Note that a field in a line of a file is wrong."""
        self.faults.append(Fault(file=file, line=line, field=name, message=message))


def read_text(path: Path, findings: Findings) -> str | None:
    """Text of a file, its hash noted; None after a fault (missing, empty, not UTF-8)."""
    content = read_bytes(path, findings)
    if content is None:
        return None
    text = _decoded(path.name, content, findings)
    if text is not None and not text.strip():
        findings.fault(path.name, 1, "file", "is empty")
        return None
    return text


def read_bytes(path: Path, findings: Findings) -> bytes | None:
    """Read a file whole, noting its hash; None after a fault (missing, no plain file, unreadable)."""
    obstacle = find_obstacle(path)
    if obstacle is not None:
        findings.fault(path.name, 1, "file", obstacle)
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        findings.fault(path.name, 1, "file", f"cannot be read: {error.strerror}")
        return None
    findings.sha256[path.name] = hashlib.sha256(content).hexdigest()
    return content


def find_obstacle(path: Path) -> str | None:
    """Say why a path cannot be read as a plain file; a pipe or a device would be waited for without end."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "is a link to nothing" if path.is_symlink() else "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if stat.S_ISREG(mode) else "is not a file"


def require_json_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """
    Build a JSON object of which no key stands twice; the `object_pairs_hook` of those who read plans.

    Raises
    ------
    RepeatedKey
        With the key; a reader that takes the last and one that takes the first would see two different plans.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        raise RepeatedKey(first_repeated(pairs))
    return content


def first_repeated(pairs: list[tuple[str, object]]) -> str:
    """Return the first key that stands twice; the empty text without."""
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    return ""


class RepeatedKey(ValueError):
    """A JSON object names a key twice."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key!r} stands twice in one object")


def _decoded(name: str, content: bytes, findings: Findings) -> str | None:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or _every_other_byte_is_zero(content):
        findings.fault(name, 1, "encoding", "is UTF-16, expected UTF-8; save it again as UTF-8")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        findings.fault(name, line, "encoding", f"is not UTF-8{_guess(content)}; save it again as UTF-8")
        return None
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        findings.fault(name, line, "encoding", "holds a zero byte; this is not a text file")
        return None
    return text


def _every_other_byte_is_zero(content: bytes) -> bool:
    """Whether a file looks like UTF-16 without a mark, as most of the text of these files is ASCII."""
    return 4 * max(content[::2].count(0), content[1::2].count(0)) > len(content)


def _guess(content: bytes) -> str:
    try:
        content.decode("gb18030")
    except UnicodeDecodeError:
        return ""
    return " but GBK, as it seems"
