"""The demo's project, backlog and script fit each other, whichever of the two conflicting changes lands first."""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from factory.base import process
from factory.base.ids import BeadId
from factory.base.settings import FILE, parse
from factory.base.templates import template
from factory.beads.bead import Bead, Setback
from factory.intake.demo import BACKLOG, PROJECT, SCRIPT
from factory.intake.describe import Wish, from_file
from factory.sessions.brief import brief
from factory.testing import Script
from factory.testing.script import Conversation, ToolCall
from factory.tools.table import TOOLS
from tests.tools.open_place import OpenPlace

_SETTINGS = parse((template(PROJECT) / FILE).read_bytes(), FILE)
_GATE = _SETTINGS.gates["tests"].run
_WISHES = {wish.key: wish for wish in from_file(template(BACKLOG))}
_CALLS = [
    pytest.param(call, id=f"{one.name}-{number}-{call.name}")
    for one in Script.load(template(SCRIPT)).conversations
    for number, turn in enumerate(one.turns)
    for call in turn.tools
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "inkwell"
    shutil.copytree(template(PROJECT), folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_project_is_green_from_the_start(project: Path) -> None:
    assert exit_code(project, _GATE) == 0


def test_every_bead_is_described_and_given_to_an_agent_of_the_settings() -> None:
    assert len(_WISHES) == 6
    assert all(len(wish.text) > 100 for wish in _WISHES.values())
    assert {wish.agent for wish in _WISHES.values()} == set(_SETTINGS.agents)


@pytest.mark.parametrize("call", _CALLS)
def test_the_tools_take_what_the_script_sends(call: ToolCall) -> None:
    TOOLS[call.name].input.model_validate(call.input)


@pytest.mark.parametrize("key", _WISHES)
def test_every_bead_has_a_conversation_of_its_own(key: str) -> None:
    assert conversation(key).name == key


@pytest.mark.parametrize(
    ("key", "code", "name"),
    [
        ("compounds", "gate", "compounds, after the gate"),
        ("count", "conflict", "count, after a conflict"),
        ("title", "conflict", "title, after a conflict"),
    ],
)
def test_a_rework_has_a_conversation_that_knows_what_happened(key: str, code: str, name: str) -> None:
    assert conversation(key, code).name == name


def test_the_first_change_for_compounds_passes_the_tests_its_agent_runs_and_fails_the_gate(project: Path) -> None:
    play(project, [conversation("compounds")])

    assert exit_code(project, "python3 -m unittest -q tests.test_words") == 0
    assert exit_code(project, _GATE) == 1


@pytest.mark.parametrize(("first", "second"), [("count", "title"), ("title", "count")])
def test_it_ends_green_whichever_command_lands_first(project: Path, first: str, second: str) -> None:
    play(
        project,
        [
            conversation("accents"),
            conversation("compounds"),
            conversation(first),
            conversation(second, "conflict"),
            conversation("compounds", "gate"),
            conversation("toc"),
            conversation("readme"),
        ],
    )

    assert exit_code(project, _GATE) == 0


def conversation(key: str, setback: str = "") -> Conversation:
    """The conversation that the bead's brief begins, after a first change was refused if ``setback`` says so."""
    first = brief(bead(_WISHES[key], setback), (), None, carried_over=False)
    script = Script.load(template(SCRIPT))
    found = script.cue(first, 0)
    return next(one for one in script.conversations if one.name == found.conversation)


def bead(wish: Wish, setback: str) -> Bead:
    before = Setback(setback, "it was refused", "evidence") if setback else None
    return Bead(BeadId("fa-7k2m"), wish.title, wish.text, setback=before)


def play(project: Path, conversations: Iterable[Conversation]) -> None:
    """Do every change of the conversations with the real tools; each must work."""
    calls = [call for one in conversations for turn in one.turns for call in turn.tools]
    for call in calls:
        if call.name in {"edit", "write"}:
            result = asyncio.run(TOOLS[call.name](OpenPlace(project), call.input))
            assert not result.is_error, f"{call.input['path']}: {result.text}"


def exit_code(project: Path, command: str) -> int:
    """How a shell command ends in the project, on the Python that runs this test."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return process.run(["sh", "-c", command], env={"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}, cwd=project).code
