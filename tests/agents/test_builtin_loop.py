"""The built-in agent's loop, with the real SDK against the scripted model over real HTTP."""

import itertools
from pathlib import Path

import pytest

from factory.agents.builtin import DEFAULT_MODEL, Access, Builtin, batches
from factory.agents.model import Call
from factory.agents.runtime import Asked, Failed, Finished
from factory.tools.table import TOOLS
from tests.agents.sessions import FINISH, held, uses


def test_a_session_edits_a_file_runs_its_test_and_finishes(tmp_path: Path) -> None:
    session = held(
        tmp_path,
        {"thinking": "hm", **uses("write", path="sum.py", content="print(1 + 1)\n")},
        {"text": "now two", "thinking": "so", **uses("edit", path="sum.py", old="1 + 1", new="2 + 2")},
        uses("run", command="python3 sum.py"),
        FINISH,
    )

    assert isinstance(session.outcome, Finished)
    assert session.outcome.summary == "all done"
    assert (session.place.root / "sum.py").read_text() == "print(2 + 2)\n"
    assert session.results[-1]["content"] == "4\n[exit code 0]"
    assert [request.status for request in session.requests] == [200] * 4


def test_every_request_begins_with_the_one_before_and_is_read_from_the_cache(tmp_path: Path) -> None:
    session = held(tmp_path, uses("search"), uses("todo", items=[]), uses("search"), FINISH)

    bodies = [request.body for request in session.requests]
    for before, after in itertools.pairwise(bodies):
        assert after["messages"][: len(before["messages"])] == before["messages"]
        assert (after["system"], after["tools"]) == (before["system"], before["tools"])
    assert bodies[0]["cache_control"] == {"type": "ephemeral"}
    assert bodies[0]["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert not {"temperature", "tool_choice", "thinking"} & set(bodies[0])
    calls = session.events("model_called")
    assert calls[0]["cache_read_tokens"] == 0
    assert all(call["cache_read_tokens"] > call["input_tokens"] for call in calls[1:])


def test_usage_is_recorded_for_each_request_and_added_up(tmp_path: Path) -> None:
    counts = {
        "input_tokens": 1_000_000,
        "output_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }

    session = held(tmp_path, {"usage": counts, **uses("search")}, {"usage": counts, **FINISH})

    calls = session.events("model_called")
    assert [(call["model"], call["usd"], call["stop"]) for call in calls] == [(DEFAULT_MODEL, 2.0, "tool_use")] * 2
    assert session.outcome.usage.requests == 2
    assert session.outcome.usage.usd == 4.0
    assert session.outcome.usage.input_tokens == 2_000_000


def test_a_model_without_a_known_price_is_unpriced_not_free(tmp_path: Path) -> None:
    session = held(tmp_path, FINISH, model="claude-sonnet-5-5-preview")

    assert session.requests[0].body["model"] == "claude-sonnet-5-5-preview"
    assert session.outcome.usage.requests == 1
    assert session.outcome.usage.usd is None


def test_parallel_calls_are_answered_in_order_in_one_message(tmp_path: Path) -> None:
    calls = [
        {"name": "write", "input": {"path": "a", "content": "1"}},
        {"name": "read", "input": {"path": "a"}},
        {"name": "search", "input": {}},
        {"name": "edit", "input": {"path": "a", "old": "1", "new": "2"}},
        {"name": "read", "input": {"path": "a"}},
    ]

    session = held(tmp_path, {"tools": calls}, FINISH)

    assert len(session.sent) == 3
    asked = [block["id"] for block in session.sent[1]["content"]]
    assert [block["tool_use_id"] for block in session.sent[2]["content"]] == asked
    assert session.results[1]["content"].endswith("\t1")
    assert session.results[4]["content"].endswith("\t2")
    assert [event["tool"] for event in session.events("tool_used")][-1] == "finish"


def test_readers_run_together_and_writers_alone() -> None:
    calls = [Call(str(number), name, {}) for number, name in enumerate(["read", "search", "edit", "run", "read", "no"])]

    assert [[call.name for call in batch] for batch in batches(calls)] == [
        ["read", "search"],
        ["edit"],
        ["run"],
        ["read"],
        ["no"],
    ]


def test_a_wrong_input_and_an_unknown_tool_are_told_and_the_work_goes_on(tmp_path: Path) -> None:
    session = held(
        tmp_path, {"tools": [{"name": "fly", "input": {}}, {"name": "read", "input": {"file": "a"}}]}, FINISH
    )

    assert isinstance(session.outcome, Finished)
    assert [result["is_error"] for result in session.results] == [True, True]
    assert "there is no tool 'fly'" in session.results[0]["content"]
    assert "path: Field required" in session.results[1]["content"]
    assert [event["ok"] for event in session.events("tool_used")] == [False, False, True]


def test_a_question_is_an_outcome(tmp_path: Path) -> None:
    session = held(tmp_path, uses("finish", question="which colour?"))

    assert isinstance(session.outcome, Asked)
    assert session.outcome.question == "which colour?"


def test_who_only_talks_is_asked_once_to_finish_and_then_taken_at_its_word(tmp_path: Path) -> None:
    session = held(tmp_path, {"text": "I am done."}, {"text": "Really done."})

    assert isinstance(session.outcome, Finished)
    assert session.outcome.summary == "Really done."
    assert "`finish`" in session.sent[-1]["content"][0]["text"]


def test_who_says_nothing_at_all_is_asked_too(tmp_path: Path) -> None:
    session = held(tmp_path, {}, max_turns=2)

    assert session.requests[1].status == 200
    assert session.outcome.usage.requests == 2


def test_a_finish_beside_a_failed_call_does_not_count(tmp_path: Path) -> None:
    hasty = {
        "tools": [{"name": "run", "input": {"command": "exit 1"}}, {"name": "finish", "input": {"summary": "green!"}}]
    }

    session = held(tmp_path, hasty, FINISH)

    assert isinstance(session.outcome, Finished)
    assert session.outcome.summary == "all done"
    assert "Not finished" in session.results[1]["content"]


def test_a_cut_off_call_is_not_run(tmp_path: Path) -> None:
    session = held(tmp_path, {"stop_reason": "max_tokens", **uses("write", path="half", content="ha")}, FINISH)

    assert not (session.place.root / "half").exists()
    assert session.results[0]["is_error"]
    assert "cut off" in session.results[0]["content"]


def test_cut_off_talk_is_told_so(tmp_path: Path) -> None:
    session = held(tmp_path, {"stop_reason": "max_tokens", "text": "and then"}, FINISH)

    assert "cut off" in session.sent[-1]["content"][0]["text"]


def test_a_paused_turn_is_sent_back_as_it_is(tmp_path: Path) -> None:
    session = held(tmp_path, {"stop_reason": "pause_turn", "text": "wait"}, FINISH, model="claude-haiku-4-5")

    assert isinstance(session.outcome, Finished)
    assert session.sent[-1]["role"] == "assistant"


def test_a_refusal_runs_nothing_and_says_its_kind(tmp_path: Path) -> None:
    session = held(tmp_path, {"stop_reason": "refusal", **uses("write", path="a", content="a")})

    assert isinstance(session.outcome, Failed)
    assert session.outcome.code == "refused"
    assert "general_harms" in session.outcome.reason
    assert not (session.place.root / "a").exists()


def test_a_conversation_that_has_grown_too_long_ends(tmp_path: Path) -> None:
    session = held(tmp_path, {"stop_reason": "model_context_window_exceeded", "text": "a"})

    assert isinstance(session.outcome, Failed)
    assert session.outcome.code == "turns"


def test_the_turn_limit_is_looked_at_before_paying(tmp_path: Path) -> None:
    session = held(tmp_path, uses("search"), uses("search"), uses("search"), max_turns=2)

    assert isinstance(session.outcome, Failed)
    assert session.outcome.code == "turns"
    assert len(session.requests) == session.outcome.usage.requests == 2


def test_the_transcript_holds_the_whole_conversation_and_no_key(tmp_path: Path) -> None:
    session = held(tmp_path, {"thinking": "hm", "text": "so", **uses("read", path="é")}, FINISH)

    assert [line["role"] for line in session.transcript] == [
        "opening",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert session.transcript[1]["content"] == [{"type": "text", "text": "do it"}]
    assert [block["type"] for block in session.transcript[2]["content"]] == ["thinking", "text", "tool_use"]
    assert len(session.transcript[0]["tools"]) == len(TOOLS)
    assert "k-test" not in (session.notes / "transcript.jsonl").read_text()


def test_a_tool_that_was_used_is_recorded_with_what_it_was_about(tmp_path: Path) -> None:
    session = held(tmp_path, uses("run", command="true \x1b[2J" + "x" * 500), FINISH)

    (event, _) = session.events("tool_used")
    assert event["command"].startswith("true \\x1b[2J")
    assert len(event["command"]) == 200


def test_without_a_key_it_says_the_remedy_and_never_shows_one() -> None:
    problem = Builtin(Access()).problem({})

    assert problem is not None
    assert "ANTHROPIC_API_KEY" in problem
    assert Builtin(Access(token="t")).problem({}) is None
    assert "secret" not in repr(Access(key="secret", token="secret"))
    assert "ANTHROPIC_BASE_URL" in (Builtin(Access(key="k", base_url="localhost:1")).problem({}) or "")


def test_it_is_made_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    assert Builtin.from_environment().problem({}) is not None

    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    assert Builtin.from_environment().problem({}) is None
