"""The script file: what it refuses, what it picks, and the program that serves it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from factory.testing import BadScript, Script
from factory.testing.script import Cue, NoCue

GOOD: Any = {
    "schema": 1,
    "conversations": [
        {"name": "accents", "when": ["accent", "caf."], "unless": ["tea"], "turns": [{"text": "a"}, {"text": "b"}]},
        {"name": "anything with a cup", "when": ["cup"], "turns": [{"text": "c"}]},
    ],
    "default": {"turns": [{"text": "d"}]},
}


def test_the_first_conversation_whose_conditions_hold_is_taken() -> None:
    script = Script.parse(json.dumps(GOOD))

    def who(text: str) -> str | None:
        return script.cue(text, 0).conversation

    assert who("the accent of café in a cup") == "accents"
    assert who("the accent of café with tea in a cup") == "anything with a cup"
    assert who("accent only") == "default"


def test_a_cue_is_the_turn_with_that_index() -> None:
    script = Script.parse(json.dumps(GOOD))

    match script.cue("accent of café", 1):
        case Cue() as cue:
            assert (cue.index, cue.turn.text) == (1, "b")
        case NoCue() as missing:
            pytest.fail(missing.reason)


def test_a_script_that_lacks_a_turn_says_which() -> None:
    script = Script.parse(json.dumps({**GOOD, "default": None}))

    beyond, unknown = script.cue("accent of café", 2), script.cue("Bonjour", 0)

    assert isinstance(beyond, NoCue)
    assert beyond.reason == "conversation 'accents' has no turn index 2: it has 2 turns, counted from 0"
    assert isinstance(unknown, NoCue)
    assert "'Bonjour'" in unknown.reason
    assert "accents, anything with a cup" in unknown.reason


def with_turn(**turn: Any) -> Any:
    return {"conversations": [{"name": "a", "turns": [{"text": "x"}, turn]}]}


@pytest.mark.parametrize(
    ("script", "place", "reason"),
    [
        ({"schema": 2}, "schema", "Input should be 1"),
        ({"colour": 1}, "colour", "Extra inputs are not permitted"),
        ({"conversations": [{"turns": []}]}, "conversations.0.name", "Field required"),
        ({"conversations": [{"name": "a", "when": ["("], "turns": []}]}, "conversations.0.when.0", "not a regular"),
        ({"conversations": [{"name": "a", "turns": []}] * 2}, "", "two conversations are called 'a'"),
        ({"default": {"when": ["x"], "turns": []}}, "", "the default conversation has no conditions"),
        (with_turn(tool=[]), "conversations.0.turns.1.tool", "Extra inputs are not permitted"),
        (with_turn(tools=[{"input": {}}]), "conversations.0.turns.1.tools.0.name", "Field required"),
        (with_turn(stop_reason="bored"), "conversations.0.turns.1.stop_reason", "Input should be"),
        (with_turn(fault={"times": 1}), "conversations.0.turns.1.fault", "a fault has exactly one of"),
        (with_turn(fault={"status": 200}), "conversations.0.turns.1.fault.status", "Input should be greater"),
        (with_turn(usage={"tokens": 3}), "conversations.0.turns.1.usage.tokens", "Extra inputs"),
    ],
)
def test_a_bad_script_names_the_place_at_fault(tmp_path: Path, script: Any, place: str, reason: str) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))

    with pytest.raises(BadScript) as caught:
        Script.load(path)

    assert caught.value.place == place
    assert reason in caught.value.reason
    assert str(path) in caught.value.sentence
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b'{"conversations": [{"name": "a", "turns": [{"text": "\\ud800"}]}]}']
)
def test_a_file_that_is_not_json_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "script.json"
    path.write_bytes(content)

    with pytest.raises(BadScript):
        Script.load(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadScript, match="cannot be read"):
        Script.load(tmp_path / "nothing.json")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_program_says_where_it_listens_and_ends_when_told(
    tmp_path: Path, post: Any, ending: signal.Signals
) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(GOOD))
    command = [sys.executable, "-m", "factory.testing.model_server", str(path), "--port", "0"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout
        first = program.stdout.readline()
        url = first.removeprefix("listening on ").strip()
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a cup"}]}
        status, _, answer = post(url, body)
        program.send_signal(ending)
        rest, errors = program.communicate(timeout=20)

    assert url.startswith("http://127.0.0.1:")
    assert (status, answer["content"]) == (200, [{"type": "text", "text": "c"}])
    assert (program.returncode, rest, errors) == (0, "", "")


def test_the_program_refuses_a_bad_script_with_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text("{}}")
    command = [sys.executable, "-m", "factory.testing.model_server", str(path)]
    root = Path(__file__).parents[2]

    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
