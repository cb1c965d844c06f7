"""The built-in agent: our own loop on the Messages API. The whole agent is ``_Work``, on one screen.

The SDK costs 2.5 s and 76 MB to import (2.11), so it is imported in a thread when the first session
starts, and nothing else of factory imports it.
"""

import asyncio
import functools
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from factory.agents.conversation import Conversation
from factory.agents.model import MAX_TOKENS, Answer, Block, Call, Model, Opening
from factory.agents.prices import Prices
from factory.agents.runtime import Asked, Failed, Finished, Outcome, Recorder, Task
from factory.agents.service import Patience
from factory.base.files import printable
from factory.base.templates import template
from factory.tools.place import Place
from factory.tools.table import TOOLS
from factory.tools.tool import Ending, ToolResult

if TYPE_CHECKING:
    import ssl

    import anthropic

DEFAULT_MODEL = "claude-sonnet-5-5"
_SILENCE_S = 300.0
"""How long a stream may be silent, in seconds; the service itself pings every few seconds."""

_CONNECT_S = 20.0
_SHOWN = ("path", "command", "pattern", "glob")
_LONGEST_FACT = 200
_NUDGE = "If the work is done, call `finish` with a summary; if only a person can decide, with a question. Else go on."
_CUT_OFF = f"Your answer was cut off at {MAX_TOKENS} tokens. Go on in smaller steps."
_NOT_RUN = f"Not run: your answer was cut off at {MAX_TOKENS} tokens, so this input is incomplete. Use smaller inputs."
_NOT_YET = "Not finished: a call beside this one failed. Look at it, then call finish alone."


@dataclass(frozen=True)
class Access:
    """How to reach the model service: ``key`` or ``token``, and its address when it is not the SDK's own."""

    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    base_url: str = ""


class Builtin:
    """The runtime ``builtin``; ``instructions`` is the system prompt, the shipped one if not given."""

    name = "builtin"
    default_model = DEFAULT_MODEL

    def __init__(
        self,
        access: Access,
        *,
        instructions: str | None = None,
        prices: Prices | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._access = access
        self._instructions = instructions
        self._prices = prices
        self._patience = patience or Patience()

    @classmethod
    def from_environment(cls) -> Self:
        """With the key and the address that this process's environment holds now."""
        names = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL")
        return cls(Access(*(os.environ.get(name, "") for name in names)))

    def problem(self, task_environment: Mapping[str, str]) -> str | None:  # noqa: ARG002 - the Protocol's form
        """Why it cannot run here, with the remedy; it names variables and never shows a value."""
        if not (self._access.key or self._access.token):
            return "there is no key for the built-in runtime: set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN)"
        if self._access.base_url and not self._access.base_url.startswith(("http://", "https://")):
            return "the address of the model service is not a URL: set ANTHROPIC_BASE_URL to one with http or https"
        return None

    async def work(self, task: Task, workspace: Place, recorder: Recorder) -> Outcome:
        """Talk with the model and use the tools it asks for until there is an outcome."""
        problem = self.problem(task.environment)
        if problem is not None:
            return Failed("auth", problem)
        model: Model | None = None
        clock = asyncio.timeout(task.limits.wall_s)
        deadline = time.monotonic() + task.limits.wall_s
        try:
            async with clock:
                client = await asyncio.to_thread(self._client, task.limits.idle_s or _SILENCE_S)
                async with client:
                    opening = self._opening(task)
                    model = Model(client, opening, self._prices or _shipped_prices(), self._patience, recorder)
                    conversation = Conversation(task.notes / "transcript.jsonl", opening)
                    outcome = await _Work(task, workspace, recorder, model, conversation, deadline).outcome()
        except TimeoutError:
            if not clock.expired():
                raise
            outcome = _out_of_time(task)
        return replace(outcome, usage=model.usage) if model else outcome

    def _client(self, silence_s: float) -> "anthropic.AsyncAnthropic":
        """A client that never retries by itself: our own retries are recorded and can be cancelled."""
        import anthropic
        import httpx2

        return anthropic.AsyncAnthropic(
            api_key=self._access.key or None,
            auth_token=None if self._access.key else self._access.token,
            base_url=self._access.base_url or None,
            max_retries=0,
            timeout=httpx2.Timeout(silence_s, connect=_CONNECT_S),
            http_client=anthropic.DefaultAsyncHttpxClient(verify=_trusted()),
        )

    def _opening(self, task: Task) -> Opening:
        instructions = self._instructions or template("prompts/builder.md").read_text("utf-8")
        return Opening(task.model or DEFAULT_MODEL, instructions, _shown_tools())


@functools.cache
def _trusted() -> "ssl.SSLContext":
    """The certificates that are trusted, read once: a client of its own costs each session 30 ms and 0.6 MB."""
    import httpx2

    return httpx2.create_ssl_context()


@functools.cache
def _shipped_prices() -> Prices:
    return Prices.load()


@functools.cache
def _shown_tools() -> tuple[Block, ...]:
    return tuple(
        {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
        for tool in TOOLS.values()
    )


class _Work:
    """One task being worked on."""

    def __init__(
        self, task: Task, place: Place, recorder: Recorder, model: Model, conversation: Conversation, deadline: float
    ) -> None:
        self._task = task
        self._place = place
        self._recorder = recorder
        self._model = model
        self._conversation = conversation
        self._deadline = deadline
        self._nudged = False

    async def outcome(self) -> Outcome:
        """Ask, act, and ask again; the limits are looked at before paying."""
        self._conversation.say(self._task.prompt)
        for _ in range(self._task.max_turns):
            if time.monotonic() >= self._deadline:
                return _out_of_time(self._task)
            answer = await self._model.answer(self._conversation.messages)
            if isinstance(answer, Failed):
                return answer
            self._conversation.hear(answer)
            outcome = await self._act_on(answer)
            if outcome is not None:
                return outcome
        return Failed("turns", f"not finished after {self._task.max_turns} turns")

    async def _act_on(self, answer: Answer) -> Outcome | None:
        match answer.stop:
            case "tool_use" if answer.calls:
                return await self._use_tools(answer.calls)
            case "end_turn" | "stop_sequence" | "tool_use":
                return self._nudge(answer)
            case "max_tokens":
                self._tell_cut_off(answer)
                return None
            case "pause_turn":
                return None
            case "refusal":
                return Failed("refused", f"the model refused{f' ({answer.detail})' if answer.detail else ''}")
            case "model_context_window_exceeded":
                return Failed("turns", "the conversation has outgrown what the model can read")
            case other:
                return Failed("protocol", f"the model stopped for a reason that is not known here: {printable(other)}")

    def _nudge(self, answer: Answer) -> Outcome | None:
        """Ask once for ``finish``; who then still only talks has said the summary."""
        if self._nudged:
            return Finished(answer.text or "finished without a summary")
        self._nudged = True
        self._conversation.say(_NUDGE)
        return None

    def _tell_cut_off(self, answer: Answer) -> None:
        """The last input of a cut-off answer is incomplete and looks complete, so none of them runs."""
        if answer.calls:
            self._conversation.reply([_block(call, ToolResult(_NOT_RUN, is_error=True)) for call in answer.calls])
        else:
            self._conversation.say(_CUT_OFF)

    async def _use_tools(self, calls: Sequence[Call]) -> Outcome | None:
        results: list[ToolResult] = []
        for batch in batches(calls):
            async with asyncio.TaskGroup() as group:
                using = [group.create_task(self._use(call)) for call in batch]
            results += [one.result() for one in using]
        results = _settled(results)
        self._conversation.reply([_block(call, result) for call, result in zip(calls, results, strict=True)])
        return next((_ended(result.ending) for result in results if result.ending), None)

    async def _use(self, call: Call) -> ToolResult:
        started = time.monotonic()
        tool = TOOLS.get(call.name)
        if tool is None:
            result = ToolResult(f"there is no tool {call.name!r}; there are {', '.join(TOOLS)}", is_error=True)
        else:
            result = await tool(self._place, call.input)
        seconds = round(time.monotonic() - started, 3)
        self._recorder.record("tool_used", tool=call.name, ok=not result.is_error, seconds=seconds, **_facts(call))
        return result


def batches(calls: Sequence[Call]) -> list[list[Call]]:
    """The calls in their order, in groups that may run together: neighbours that only read, or one that writes."""
    grouped: list[list[Call]] = []
    beside = False
    for call in calls:
        reads = call.name in TOOLS and TOOLS[call.name].read_only
        if reads and beside:
            grouped[-1].append(call)
        else:
            grouped.append([call])
        beside = reads
    return grouped


def _settled(results: Sequence[ToolResult]) -> list[ToolResult]:
    """The results, with an ending taken back when a call beside it failed: its author had not seen that."""
    if not any(result.is_error for result in results):
        return list(results)
    return [ToolResult(_NOT_YET, is_error=True) if result.ending else result for result in results]


def _ended(ending: Ending) -> Outcome:
    return Asked(ending.question) if ending.question else Finished(ending.summary)


def _out_of_time(task: Task) -> Failed:
    return Failed("timeout", f"not finished after {task.limits.wall_s:.0f} s")


def _block(call: Call, result: ToolResult) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": call.id, "content": result.text or "(no output)"}
    return {**block, "is_error": True} if result.is_error else block


def _facts(call: Call) -> dict[str, str]:
    """What a call was about, short enough for the ledger."""
    sent = call.input if isinstance(call.input, dict) else {}
    return {key: printable(sent[key])[:_LONGEST_FACT] for key in _SHOWN if isinstance(sent.get(key), str)}
