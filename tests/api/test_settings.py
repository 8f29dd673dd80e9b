"""Settings come from the environment, and the defaults expose nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from api.settings import Settings, default_data_folder


def test_without_a_word_the_service_is_for_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "BAYTIDE_DATA", "BAYTIDE_HOST", "BAYTIDE_PORT"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings()
    assert (settings.host, settings.port, settings.database_url) == ("127.0.0.1", 8080, None)
    assert settings.data == default_data_folder()


def test_the_environment_has_its_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/night")
    monkeypatch.setenv("BAYTIDE_DATA", "/srv/night")
    monkeypatch.setenv("BAYTIDE_PORT", "9000")
    settings = Settings()
    assert (settings.database_url, settings.data, settings.port) == ("postgresql://db/night", Path("/srv/night"), 9000)


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("BAYTIDE_PORT", port)
    with pytest.raises(ValidationError, match="BAYTIDE_PORT"):
        Settings()


def test_an_ordinary_account_keeps_its_data_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_data_folder() == tmp_path / "baytide"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_folder() == tmp_path / ".local/share/baytide"
