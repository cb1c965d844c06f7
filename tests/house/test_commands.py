"""Every command: its help, its ``--json``, and what its exit code means."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from factory.base.locks import held
from factory.cli.main import COMMANDS, app
from factory.cli.telling import EXIT_BUG
from factory.git.repository import Repository
from factory.observe import card
from tests.conftest import commit

from .program import factory

NOT_FOR_PEOPLE = {"host"}


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its words, e.g. ``bead list``."""
    top = typer.main.get_command(app)
    for name in COMMANDS:
        command = top.get_command(None, name)  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            yield from ((f"{name} {word}", leaf) for word, leaf in inner.items())


LEAVES = dict(commands())


def test_a_group_keeps_the_words_of_its_commands() -> None:
    assert {"session list", "bead list", "pr list"} <= set(LEAVES)
    assert {"session", "bead", "pr"} & set(LEAVES) == set()


@pytest.mark.parametrize("words", [*COMMANDS, *LEAVES])
def test_every_command_has_help(words: str) -> None:
    result = CliRunner().invoke(app, [*words.split(), "--help"])

    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize("words", [words for words in LEAVES if words not in NOT_FOR_PEOPLE])
def test_every_command_speaks_json_and_says_what_it_does(words: str) -> None:
    options = {option for parameter in LEAVES[words].params for option in getattr(parameter, "opts", ())}

    assert "--json" in options
    assert LEAVES[words].help


def test_the_table_of_commands_says_what_each_command_says_itself() -> None:
    shown = {name for name, (_, line) in COMMANDS.items() if line}

    assert shown == set(COMMANDS) - NOT_FOR_PEOPLE


# ---------------------------------------------------------------- exit codes


def test_0_is_done(repo: Repository) -> None:
    said = factory(repo.root, "bead", "list", "--json")

    assert (said.code, said.document) == (0, {"schema": 1, "beads": []})


def test_1_is_for_what_the_caller_can_mend(tmp_path: Path, sealed: Path) -> None:  # noqa: ARG001 - seals the environment
    said = factory(tmp_path, "bead", "list")

    assert said.code == 1
    assert said.out == ""
    sentence, hint = said.err.splitlines()
    assert sentence.endswith("is not in a git repository")
    assert hint.startswith("hint: ")


def test_2_is_for_a_wrong_call(repo: Repository) -> None:
    assert factory(repo.root, "bead", "list", "--nonsense").code == 2
    assert factory(repo.root, "nonsense").code == 2


def test_3_is_a_bug_of_ours_and_shows_no_traceback(repo: Repository) -> None:
    (repo.common_dir / "factory").write_text("a file where a folder should be")

    said = factory(repo.root, "bead", "show", "fa-0000")

    assert said.code in (1, EXIT_BUG)
    assert "Traceback" not in said.err


def test_4_is_refused_by_policy(repo: Repository) -> None:
    commit(repo.root, {".factory/factory.toml": '[gates.tests]\nrun = "true"\n'})

    said = factory(repo.root, "run")

    assert said.code == 4
    assert "factory trust" in said.err


def test_75_is_try_again_later(repo: Repository) -> None:
    commit(repo.root, {".factory/factory.toml": '[gates.tests]\nrun = "true"\n'})
    with held(card.lock_path(repo)):
        said = factory(repo.root, "run", "--yes-trust")

    assert said.code == 75
    assert "already running" in said.err


def test_an_error_is_json_where_json_was_asked_for(tmp_path: Path, sealed: Path) -> None:  # noqa: ARG001
    said = factory(tmp_path, "bead", "list", "--json")

    assert said.code == 1
    assert said.out == ""
    error = json.loads(said.err)["error"]
    assert set(error) == {"sentence", "hint", "exit_code"}
    assert error["exit_code"] == 1
