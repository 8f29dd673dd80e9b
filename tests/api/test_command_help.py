"""Every command of the service has an example in its help, which is one of it and can be run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from api.cli.app import app

GROUPS = ("calendar", "facilities", "gates", "ledger", "overstays", "permits", "rounds", "waitlist", "webhooks")
NO_IDS = ("30000", "04318827")
"""Cents and a code in examples, which the API's own models check."""
ALONE = ("grant-planner", "kpis", "owners", "withdraw")


def commands() -> Iterator[tuple[str, Any]]:
    """Give the commands of the service by their words."""
    top: Any = typer.main.get_command(app)
    for name in ALONE:
        yield name, top.commands[name]
    for group in GROUPS:
        for name, command in top.commands[group].commands.items():
            yield f"{group} {name}", command


def example_of(words: str, command: Any) -> list[str]:  # noqa: ANN401 -- of the library
    """Return what the example gives the command, without what a shell does with it."""
    told = shlex.split(command.help.partition("Example: ")[2])
    assert told[: 1 + len(words.split())] == ["baytide", *words.split()]
    given = told[1 + len(words.split()) :]
    end = next((k for k, word in enumerate(given) if word == ">" or word.endswith(";")), len(given))
    return given[:end]


@pytest.fixture
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("2027.csv", "events.csv", "round.json"):
        Path(name).write_text("")


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize(("words", "command"), [pytest.param(*one, id=one[0]) for one in commands()])
def test_the_example_of_a_command_can_be_run(words: str, command: Any) -> None:  # noqa: ANN401 -- of the library
    with command.make_context(words, example_of(words, command)) as context:
        assert not context.args


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize(("words", "command"), [pytest.param(*one, id=one[0]) for one in commands()])
def test_a_number_that_no_thing_has_is_refused_before_the_database_is_asked(words: str, command: Any) -> None:  # noqa: ANN401
    given = example_of(words, command)
    for k, word in enumerate(given):
        if word.isdigit() and word not in NO_IDS:
            with pytest.raises(typer.BadParameter):
                command.make_context(words, [*given[:k], "9" * 30, *given[k + 1 :]])
