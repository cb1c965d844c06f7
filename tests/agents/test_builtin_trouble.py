"""What the built-in agent does when the model service, the clock or a person gets in the way."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from factory.agents.builtin import Access, Builtin
from factory.agents.runtime import Failed, Finished, Memory
from factory.base.process import Finished as Ended
from factory.base.process import Limits
from factory.testing import Script, ScriptedModel
from tests.agents.sessions import FINISH, QUICK, a_task, held, uses
from tests.tools.open_place import OpenPlace, git_place


class Watched(OpenPlace):
    """A place that tells when a program in it has printed something."""

    printed = asyncio.Event()

    async def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_output: Callable[[bytes], None] | None = None,
    ) -> Ended:
        assert on_output is None
        return await super().run(argv, limits=limits, env=env, stdin=stdin, on_output=lambda _: self.printed.set())


SPENT = {"error_code": "enforced_spend_limit_reached"}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 401}, "auth"),
        ({"status": 403}, "auth"),
        ({"status": 402}, "billing"),
        ({"status": 429, "details": SPENT}, "billing"),
        ({"status": 400}, "protocol"),
        ({"status": 404}, "protocol"),
        ({"status": 413}, "protocol"),
        ({"error_event": "authentication_error"}, "auth"),
        ({"error_event": "invalid_request_error"}, "protocol"),
    ],
)
def test_what_will_not_pass_is_not_asked_again(fault: dict[str, Any], code: str, tmp_path: Path) -> None:
    session = held(tmp_path, {"fault": {"times": 99, **fault}, **FINISH})

    assert isinstance(session.outcome, Failed)
    assert session.outcome.code == code
    assert len(session.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429},
        {"status": 500},
        {"status": 503},
        {"status": 529},
        {"error_event": "overloaded_error"},
        {"error_event": "api_error"},
        {"cut_stream_after": 0},
        {"cut_stream_after": 5},
    ],
)
def test_what_does_not_pass_in_time_is_overloaded(fault: dict[str, Any], tmp_path: Path) -> None:
    session = held(tmp_path, {"fault": {"times": 99, **fault}, **FINISH})

    assert isinstance(session.outcome, Failed)
    assert session.outcome.code == "overloaded"
    assert len(session.requests) == QUICK.tries
    assert len(session.events("model_retried")) == QUICK.tries - 1


# httpx2 2.16 leaves its own byte stream to the garbage collector when a connection breaks inside it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("after", range(12))
def test_a_stream_that_breaks_anywhere_is_asked_again_without_a_doubled_message(after: int, tmp_path: Path) -> None:
    broken = {"text": "a" * 50, "fault": {"cut_stream_after": after}, **uses("write", path="a", content="1")}

    session = held(tmp_path, broken, FINISH)

    assert isinstance(session.outcome, Finished)
    first, again, last = session.requests
    assert first.body == again.body
    assert [message["role"] for message in last.body["messages"]] == ["user", "assistant", "user"]
    assert len(session.events("tool_used")) == 2


def test_a_broken_stream_has_been_paid_for_and_is_counted(tmp_path: Path) -> None:
    session = held(tmp_path, {"text": "a" * 50, "fault": {"cut_stream_after": 4}, **FINISH})

    assert [event["stop"] for event in session.events("model_called")] == ["broken", "tool_use"]
    assert session.outcome.usage.requests == 2


def test_an_error_inside_a_stream_is_asked_again(tmp_path: Path) -> None:
    fault = {"error_event": "overloaded_error", "error_event_after": 3, "times": 2}

    session = held(tmp_path, {"fault": fault, **FINISH})

    assert isinstance(session.outcome, Finished)
    assert len(session.requests) == 3


def test_what_the_service_asks_to_wait_is_waited(tmp_path: Path) -> None:
    session = held(tmp_path, {"fault": {"status": 429, "retry_after_s": 1}, **FINISH})

    assert isinstance(session.outcome, Finished)
    (retry,) = session.events("model_retried")
    assert 1.0 <= retry["wait_s"] <= 1.1


def test_a_wait_that_is_too_long_gives_the_workspace_back(tmp_path: Path) -> None:
    session = held(tmp_path, {"fault": {"status": 429, "retry_after_s": 3600}, **FINISH})

    assert isinstance(session.outcome, Failed)
    assert session.outcome.code == "overloaded"
    assert len(session.requests) == 1


def test_a_service_that_is_not_there_is_overloaded(tmp_path: Path) -> None:
    agent = Builtin(Access(key="k", base_url="http://127.0.0.1:1"), patience=QUICK)

    outcome = asyncio.run(agent.work(a_task(tmp_path), git_place(tmp_path / "root"), Memory()))

    assert isinstance(outcome, Failed)
    assert outcome.code == "overloaded"


def test_without_a_key_nothing_is_tried(tmp_path: Path) -> None:
    outcome = asyncio.run(Builtin(Access()).work(a_task(tmp_path), git_place(tmp_path / "root"), Memory()))

    assert isinstance(outcome, Failed)
    assert outcome.code == "auth"


def test_the_wall_clock_ends_a_model_that_does_not_answer(tmp_path: Path) -> None:
    session = held(tmp_path, {"delay_s": 60, **FINISH}, limits=Limits(0.5))

    assert isinstance(session.outcome, Failed)
    assert session.outcome.code == "timeout"


def test_the_wall_clock_ends_a_tool_and_what_it_started(tmp_path: Path) -> None:
    session = held(tmp_path, uses("run", command="setsid sleep 300 & sleep 300"), limits=Limits(1.0))

    assert isinstance(session.outcome, Failed)
    assert session.outcome.code == "timeout"
    assert session.outcome.usage.requests == 1
    assert session.place.survivors() == []


def test_no_model_is_asked_once_the_time_is_over(tmp_path: Path) -> None:
    session = held(tmp_path, FINISH, limits=Limits(0.0))

    assert isinstance(session.outcome, Failed)
    assert session.outcome.code == "timeout"
    assert session.requests == []


def test_cancelling_ends_the_session_and_leaves_no_process(tmp_path: Path) -> None:
    place = Watched(git_place(tmp_path / "root").root)
    turns = [uses("run", command="setsid sleep 300 & echo started; sleep 300"), FINISH]

    async def cancelled() -> None:
        agent = Builtin(Access(key="k", base_url=server.base_url), patience=QUICK)
        working = asyncio.create_task(agent.work(a_task(tmp_path), place, Memory()))
        await place.printed.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    with ScriptedModel(Script.parse(json.dumps({"schema": 1, "default": {"turns": turns}}))) as server:
        asyncio.run(cancelled())

    assert place.survivors() == []


def test_many_sessions_in_one_process_do_not_mix(tmp_path: Path) -> None:
    conversations = [
        {"name": f"n{n}", "when": [f"task {n}$"], "turns": [uses("write", path="mine", content=str(n)), FINISH]}
        for n in range(10)
    ]

    async def all_at_once() -> list[object]:
        agent = Builtin(Access(key="k", base_url=server.base_url), patience=QUICK)
        works = [
            agent.work(a_task(tmp_path / str(n), prompt=f"task {n}"), git_place(tmp_path / str(n)), Memory())
            for n in range(10)
        ]
        return list(await asyncio.gather(*works))

    with ScriptedModel(Script.parse(json.dumps({"schema": 1, "conversations": conversations}))) as server:
        outcomes = asyncio.run(all_at_once())

    assert all(isinstance(outcome, Finished) for outcome in outcomes)
    assert [(tmp_path / str(n) / "mine").read_text() for n in range(10)] == [str(n) for n in range(10)]
