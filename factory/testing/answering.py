"""From a request to a reply: check it, find its turn, spend its fault, and write the message.

``ModelApi`` holds what outlives a request (the prompt cache, which faults are used up); everything
else follows from the request itself, so that a repeated request gets the same answer.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from pydantic_core import from_json

from factory.testing.messages_api import (
    ERROR_TYPES,
    MAX_REQUEST_BYTES,
    Problem,
    count_problem,
    header_problem,
    message_problem,
)
from factory.testing.model_lines import KNOWN_MODELS
from factory.testing.prompt import Body, as_bytes, blocks_of, estimated_tokens, segments, text_of
from factory.testing.prompt_cache import InputTokens, PromptCache
from factory.testing.script import Cue, Fault, NoCue, Script, Turn
from factory.testing.signatures import sign
from factory.testing.streaming import Event, events


@dataclass(frozen=True)
class JsonReply:
    """An answer in one piece; ``halved`` drops the connection in the middle of it."""

    status: int
    body: Body
    retry_after_s: float | None = None
    halved: bool = False


@dataclass(frozen=True)
class StreamReply:
    """An answer as events; ``cut`` drops the connection after the last one."""

    events: tuple[Event, ...]
    cut: bool = False


@dataclass(frozen=True)
class Answer:
    """A reply, how long it is held back, and which turn of which conversation it is, if any."""

    reply: JsonReply | StreamReply
    delay_s: float = 0
    conversation: str | None = None
    turn: int | None = None
    body: Body = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status; a stream that breaks has begun with 200."""
        return self.reply.status if isinstance(self.reply, JsonReply) else 200


class ModelApi:
    """The scripted model without its HTTP; safe to use from several threads."""

    def __init__(self, script: Script, key: str | None = None) -> None:
        self._script = script
        self._key = key
        self._cache = PromptCache()
        self._faults_spent: Counter[tuple[str, int]] = Counter()
        self._mutex = threading.Lock()

    def answer(self, method: str, path: str, headers: Mapping[str, str], content: bytes | None) -> Answer:
        """The answer to one request; ``content`` is None when it was longer than the service reads."""
        route, _, _ = path.partition("?")
        if content is None:
            return _refused(Problem(413, f"Request exceeds the maximum size of {MAX_REQUEST_BYTES} bytes"))
        if problem := header_problem(headers, self._key):
            return _refused(problem)
        if route == "/v1/models" or route.startswith("/v1/models/"):
            return _models(method, route.removeprefix("/v1/models").lstrip("/"))
        if route not in {"/v1/messages", "/v1/messages/count_tokens"}:
            return _refused(Problem(404, "Not found"))
        if method != "POST":
            return _refused(Problem(405, "Method Not Allowed"))
        try:
            body = from_json(content, allow_inf_nan=False)
        except ValueError as problem:
            return _refused(Problem(400, f"The request body is not valid JSON: {problem}"))
        return self._count(body, headers) if route.endswith("count_tokens") else self._message(body, headers)

    def _count(self, body: Any, headers: Mapping[str, str]) -> Answer:
        if problem := count_problem(body, headers):
            return _refused(problem, body)
        tokens = sum(estimated_tokens(segment.content) for segment in segments(body))
        return Answer(JsonReply(200, {"input_tokens": tokens}), body=body)

    def _message(self, body: Any, headers: Mapping[str, str]) -> Answer:
        if problem := message_problem(body, headers):
            return _refused(problem, body)
        if body["max_tokens"] == 0:
            message = _message(body, Cue("", 0, Turn(stop_reason="max_tokens")), self._charge(body))
            return Answer(JsonReply(200, message), body=body)
        first = text_of(body["messages"][0])
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        cue = self._script.cue(first, turn)
        match cue:
            case NoCue():
                reply = _error(400, f"script: {cue.reason}")
                return Answer(reply, conversation=cue.conversation, turn=turn, body=body)
            case Cue():
                return self._cued(cue, body)
            case _:
                assert_never(cue)

    def _cued(self, cue: Cue, body: Body) -> Answer:
        fault = self._spend(cue)
        if fault and not _needs_message(fault, body):
            return Answer(_fault_error(fault), conversation=cue.conversation, turn=cue.index, body=body)
        message = _message(body, cue, self._charge(body))
        reply = _reply(message, fault, streamed=bool(body.get("stream")))
        return Answer(reply, cue.turn.delay_s, cue.conversation, cue.index, body)

    def _spend(self, cue: Cue) -> Fault | None:
        """The turn's fault, if it has not happened often enough yet."""
        fault = cue.turn.fault
        place = (cue.conversation, cue.index)
        with self._mutex:
            if fault is None or self._faults_spent[place] >= fault.times:
                return None
            self._faults_spent[place] += 1
        return fault

    def _charge(self, body: Body) -> InputTokens:
        return self._cache.charge(body["model"], segments(body))


def _needs_message(fault: Fault, body: Body) -> bool:
    return fault.cut_stream_after is not None or (fault.error_event is not None and bool(body.get("stream")))


def _reply(message: Body, fault: Fault | None, *, streamed: bool) -> JsonReply | StreamReply:
    if not streamed:
        return JsonReply(200, message, halved=fault is not None)
    whole = tuple(events(message))
    if fault is None:
        return StreamReply(whole)
    if fault.error_event is not None:
        return StreamReply((*whole[: fault.error_event_after], _fault_error(fault).body))
    return StreamReply(whole[: fault.cut_stream_after], cut=True)


def _fault_error(fault: Fault) -> JsonReply:
    statuses = {name: status for status, name in reversed(ERROR_TYPES.items())}
    status = fault.status or statuses.get(fault.error_event or "", 500)
    kind = fault.type or fault.error_event
    reply = _error(status, fault.message or (kind or "scripted fault").replace("_", " ").capitalize(), kind)
    if fault.details is not None:
        reply.body["error"]["details"] = fault.details
    return JsonReply(status, reply.body, fault.retry_after_s)


def _error(status: int, message: str, kind: str | None = None) -> JsonReply:
    fallback = "invalid_request_error" if status < 500 else "api_error"  # noqa: PLR2004 - HTTP's own border
    error: Body = {"type": kind or ERROR_TYPES.get(status, fallback), "message": message}
    return JsonReply(status, {"type": "error", "error": error})


def _refused(problem: Problem, body: Any = None) -> Answer:
    return Answer(_error(problem.status, problem.message), body=body if isinstance(body, dict) else {})


def _models(method: str, name: str) -> Answer:
    if method != "GET":
        return _refused(Problem(405, "Method Not Allowed"))
    if name and name not in KNOWN_MODELS:
        return _refused(Problem(404, f"model: {name}"))
    if name:
        return Answer(JsonReply(200, _model(name)))
    ends = {"first_id": KNOWN_MODELS[0], "last_id": KNOWN_MODELS[-1], "has_more": False}
    return Answer(JsonReply(200, {"data": [_model(one) for one in KNOWN_MODELS], **ends}))


def _model(name: str) -> Body:
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
    }


def _message(body: Body, cue: Cue, paid: InputTokens) -> Body:
    """The whole message; its ids follow from the request, so that a repeated request repeats them."""
    digest = hashlib.sha256(as_bytes([cue.conversation, cue.index, body["messages"]])).hexdigest()[:22]
    turn = cue.turn
    reason = turn.stop_reason or ("tool_use" if turn.tools else "end_turn")
    refusal = {"type": "refusal", "category": "general_harms", "explanation": None}
    content = _content(body, turn, digest)
    return {
        "id": f"msg_{digest}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "stop_details": refusal if reason == "refusal" else None,
        "usage": _usage(turn, content, paid),
    }


def _content(body: Body, turn: Turn, digest: str) -> list[Body]:
    blocks: list[Body] = []
    config = body.get("thinking") or {}
    if turn.thinking is not None and config.get("type") != "disabled":
        shown = turn.thinking if config.get("display") == "summarized" else ""
        blocks.append({"type": "thinking", "thinking": shown, "signature": sign(body, shown)})
    if turn.text:
        blocks.append({"type": "text", "text": turn.text})
    for number, call in enumerate(turn.tools):
        name = f"toolu_{digest}{number:02d}"
        blocks.append({"type": "tool_use", "id": name, "name": call.name, "input": call.input})
    return blocks


def _usage(turn: Turn, content: list[Body], paid: InputTokens) -> Body:
    thinking = estimated_tokens((turn.thinking or "").encode("utf-8"))
    spoken = [block for block in blocks_of(content) if block["type"] != "thinking"]
    output = thinking + sum(estimated_tokens(as_bytes(block.get("text", block.get("input")))) for block in spoken)
    usage: Body = {
        "input_tokens": paid.fresh,
        "cache_creation_input_tokens": paid.written,
        "cache_read_input_tokens": paid.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": paid.written_5m,
            "ephemeral_1h_input_tokens": paid.written_1h,
        },
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": thinking},
        "service_tier": "standard",
    }
    override = turn.usage.model_dump(exclude_none=True) if turn.usage else {}
    if (written := override.get("cache_creation_input_tokens")) is not None:
        usage["cache_creation"] = {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0}
    return {**usage, **override}
