"""One question to a model and its answer: streamed, sent again when it breaks, every token counted."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from factory.agents.prices import Prices, Tokens
from factory.agents.runtime import Failed, Recorder, Usage
from factory.agents.service import Patience, Trouble, told_wait_s, trouble_of
from factory.base.files import printable

if TYPE_CHECKING:
    import anthropic
    from anthropic.types import Message as SdkMessage
    from anthropic.types import MessageParam, TextBlockParam, ToolParam
    from anthropic.types import Usage as SdkUsage

MAX_TOKENS = 16_000
"""The longest single answer, in tokens; enough for any file an agent should write in one go."""

_LONGEST_REASON = 500

Block = dict[str, object]
"""A content block in the API's JSON form, kept exactly as it came so that it can be sent back unchanged."""


@dataclass(frozen=True)
class Call:
    """A tool that the model wants used."""

    id: str
    name: str
    input: object


@dataclass(frozen=True)
class Answer:
    """What the model said; ``stop`` is the API's stop reason, ``detail`` the category of a refusal."""

    content: tuple[Block, ...]
    stop: str
    detail: str = ""

    @property
    def text(self) -> str:
        """The text for people."""
        return "\n".join(str(block["text"]) for block in self.content if block.get("type") == "text").strip()

    @property
    def calls(self) -> tuple[Call, ...]:
        """The tools it wants used, in order."""
        used = (block for block in self.content if block.get("type") == "tool_use")
        return tuple(Call(str(block["id"]), str(block["name"]), block["input"]) for block in used)


@dataclass(frozen=True)
class Opening:
    """What stands before the first message and never changes: it is the cached prefix."""

    model: str
    system: str
    tools: tuple[Block, ...]


class Model:
    """A model behind an open client; ``usage`` adds up what it has cost so far, broken streams included."""

    def __init__(
        self,
        client: "anthropic.AsyncAnthropic",
        opening: Opening,
        prices: Prices,
        patience: Patience,
        recorder: Recorder,
    ) -> None:
        self.usage = Usage()
        self._client = client
        self._opening = opening
        self._prices = prices
        self._patience = patience
        self._recorder = recorder

    async def answer(self, messages: Sequence[Block]) -> Answer | Failed:
        """The model's answer to the conversation so far; the same request again while that may help.

        Nothing was appended, so sending the same again is safe and cannot double a message.
        """
        tried = 0
        while True:
            tried += 1
            told = await self._ask(messages)
            if isinstance(told, Answer):
                return told
            reason = printable(told.reason)[:_LONGEST_REASON]
            if told.code is not None:
                return Failed(told.code, reason)
            if tried >= self._patience.tries or (told.wait_s or 0) > self._patience.longest_s:
                return Failed("overloaded", f"gave up after {tried} requests: {reason}")
            wait_s = self._patience.wait_s(tried, told.wait_s, random.random())  # noqa: S311 - jitter, not a secret
            self._recorder.record("model_retried", model=self._opening.model, reason=reason, wait_s=round(wait_s, 3))
            await asyncio.sleep(wait_s)

    async def _ask(self, messages: Sequence[Block]) -> Answer | Trouble:
        import anthropic
        import httpx2

        try:
            return await self._stream(messages)
        except anthropic.APIStatusError as error:
            wait_s = told_wait_s(error.response.headers, time.time())
            message = error.api_message or error.message
            return trouble_of(error.status_code, error.type or "", error.error_code or "", message, wait_s)
        except (anthropic.APIConnectionError, httpx2.RequestError) as error:
            # The SDK wraps what goes wrong before the answer begins, and nothing after it (2.11).
            return Trouble(f"the connection to the model service failed: {type(error).__name__}: {error}")
        except (ValueError, anthropic.APIResponseValidationError) as error:
            return Trouble(f"the model service sent what cannot be read: {error}")

    async def _stream(self, messages: Sequence[Block]) -> Answer | Trouble:
        """One request; whatever its end, the tokens that the service has counted are recorded."""
        started = time.monotonic()
        counted: SdkUsage | None = None
        stop = "broken"
        try:
            async with self._client.messages.stream(
                model=self._opening.model,
                max_tokens=MAX_TOKENS,
                cache_control={"type": "ephemeral"},
                system=cast("list[TextBlockParam]", [_marked(self._opening.system)]),
                tools=cast("list[ToolParam]", list(self._opening.tools)),
                messages=cast("list[MessageParam]", list(messages)),
            ) as stream:
                async for event in stream:
                    if event.type == "message_start":
                        counted = event.message.usage
                    elif event.type == "message_stop":
                        counted, stop = event.message.usage, event.message.stop_reason or "none"
                        return _answer(event.message)
            return Trouble("the model's answer ended before its end")
        finally:
            if counted is not None:
                self._count(counted, stop, time.monotonic() - started)

    def _count(self, counted: "SdkUsage", stop: str, seconds: float) -> None:
        tokens = _tokens(counted)
        written = tokens.cache_write_5m + tokens.cache_write_1h
        usd = self._prices.usd(self._opening.model, tokens)
        self.usage += Usage(1, tokens.input, tokens.cache_read, written, tokens.output, usd)
        self._recorder.record(
            "model_called",
            model=self._opening.model,
            input_tokens=tokens.input,
            cache_read_tokens=tokens.cache_read,
            cache_write_tokens=written,
            output_tokens=tokens.output,
            usd=usd,
            stop=stop,
            seconds=round(seconds, 3),
        )


def _marked(text: str) -> Block:
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def _answer(message: "SdkMessage") -> Answer:
    content = tuple(block.to_dict() for block in message.content)
    detail = (message.stop_details.category or "") if message.stop_details else ""
    return Answer(content, message.stop_reason or "none", detail)


def _tokens(usage: "SdkUsage") -> Tokens:
    written = usage.cache_creation_input_tokens or 0
    for_an_hour = min(usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation else 0, written)
    read = usage.cache_read_input_tokens or 0
    return Tokens(usage.input_tokens, usage.output_tokens, read, written - for_an_hour, for_an_hour)
