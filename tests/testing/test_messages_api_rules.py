"""What a malformed request is told: each case is a sound request with one thing made wrong."""

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from factory.testing import Conversation, Script, ScriptedModel, Turn

Body = dict[str, Any]
Change = Callable[[Body], object]

ASK = {"role": "user", "content": "fix it"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "text of a"}
MARK = {"type": "ephemeral"}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedModel]:
    turns = (Turn(text="one"), Turn(text="two"), Turn(text="three"))
    with ScriptedModel(Script(default=Conversation(name="any", turns=turns))) as running:
        yield running


def sound() -> Body:
    return {
        "model": "claude-opus-5-5",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "You fix things."}],
        "tools": [{"name": "read", "input_schema": {"type": "object", "properties": {}}}],
        "messages": [ASK, {"role": "assistant", "content": [CALL]}, {"role": "user", "content": [RESULT]}],
    }


def conversation(*messages: Body) -> Change:
    return lambda body: body.update(messages=list(messages))


def fields(**values: Any) -> Change:
    return lambda body: body.update(values)


def without(name: str) -> Change:
    return lambda body: body.pop(name)


def assistant(*blocks: Body) -> Body:
    return {"role": "assistant", "content": list(blocks)}


def user(*blocks: Body) -> Body:
    return {"role": "user", "content": list(blocks)}


def text(words: str, **more: Any) -> Body:
    return {"type": "text", "text": words, **more}


def tool(name: str, **more: Any) -> Body:
    return {"name": name, "input_schema": {"type": "object"}, **more}


SYSTEM = {"role": "system", "content": "Remember the tests."}

WRONG: list[tuple[str, Change, str]] = [
    ("no max_tokens", without("max_tokens"), "max_tokens: Field required"),
    ("no model", without("model"), "model: Field required"),
    ("no messages", without("messages"), "messages: Field required"),
    ("unknown field", fields(colour="red"), "colour: Extra inputs are not permitted"),
    ("text for a number", fields(max_tokens="100"), "max_tokens: Input should be a valid integer"),
    ("text for a truth value", fields(stream="yes"), "stream: Input should be a valid boolean"),
    ("too many tokens", fields(max_tokens=128_001), "max_tokens: 128001 > 128000"),
    ("pre-warming a stream", fields(max_tokens=0, stream=True), "max_tokens: must be greater than 0"),
    ("temperature", fields(temperature=0.5), "temperature: Extra inputs are not permitted"),
    ("top_p", fields(top_p=0.5), "top_p: Extra inputs are not permitted"),
    ("top_k", fields(top_k=5), "top_k: Extra inputs are not permitted"),
    (
        "a thinking budget",
        fields(max_tokens=4096, thinking={"type": "enabled", "budget_tokens": 1024}),
        '"thinking.type.enabled" is not',
    ),
    ("no thinking", fields(thinking={"type": "disabled"}), '"thinking.type.disabled" is not supported'),
    ("odd thinking", fields(thinking={"type": "deep"}), "thinking: Input tag 'deep' found using 'type'"),
    ("odd effort", fields(output_config={"effort": "huge"}), "output_config.effort: Input should be 'low'"),
    ("empty messages", conversation(), "messages: at least one message is required"),
    ("assistant first", conversation(assistant(text("hi")), ASK), 'messages: first message must use the "user" role'),
    ("odd role", conversation({"role": "tool", "content": "x"}), "messages.0.role: Input should be 'user'"),
    ("no content", conversation({"role": "user"}), "messages.0.content: Field required"),
    (
        "content a number",
        conversation({"role": "user", "content": 5}),
        "messages.0.content: Input should be a valid list",
    ),
    ("empty content", conversation({"role": "user", "content": ""}), "messages.0: all messages must have non-empty"),
    ("no blocks", conversation(user()), "messages.0: all messages must have non-empty content"),
    ("empty text", conversation(user(text(""))), "messages: text content blocks must be non-empty"),
    ("blank text", conversation(user(text(" \n"))), "messages: text content blocks must contain non-whitespace text"),
    ("empty system text", fields(system=[text("")]), "system: text content blocks must be non-empty"),
    ("extra in a block", conversation(user(text("a", colour=1))), "messages.0.content.0.text.colour: Extra inputs"),
    ("extra in a message", conversation({**ASK, "name": "x"}), "messages.0.name: Extra inputs are not permitted"),
    ("odd block", conversation(user({"type": "sound"})), "messages.0.content.0: Input tag 'sound' found using 'type'"),
    ("untyped block", conversation(user({"text": "a"})), "messages.0.content.0.type: Field required"),
    ("user calls", conversation(user(CALL)), "messages.0.content.0: `tool_use` blocks can only be in `assistant`"),
    (
        "result of nothing",
        conversation(user(RESULT)),
        "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1. Each `tool_result`",
    ),
    (
        "call without result",
        conversation(ASK, assistant(CALL), user(text("and?"))),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1. Each",
    ),
    ("open call at the end", conversation(ASK, assistant(CALL)), "messages.1: `tool_use` ids were found without"),
    (
        "one of two results",
        conversation(ASK, assistant(CALL, {**CALL, "id": "toolu_2"}), user(RESULT)),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_2.",
    ),
    (
        "a late result",
        conversation(ASK, assistant(CALL), user(RESULT), assistant(text("ok")), user(RESULT)),
        "messages.4.content.0: unexpected `tool_use_id` found",
    ),
    (
        "text before results",
        conversation(ASK, assistant(CALL), user(text("here"), RESULT)),
        "messages.2: Did not find 1 `tool_result` block(s) at the beginning of this message.",
    ),
    (
        "two results for one call",
        conversation(ASK, assistant(CALL), user(RESULT, RESULT)),
        "messages.2.content.1: each tool_use must have a single result.",
    ),
    (
        "one id twice",
        conversation(ASK, assistant(CALL), user(RESULT), assistant(CALL), user(RESULT)),
        "messages: `tool_use` ids must be unique",
    ),
    (
        "odd id",
        conversation(ASK, assistant({**CALL, "id": "a b"})),
        "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
    ),
    ("prefill", conversation(ASK, assistant(text("The"))), "This model does not support assistant message prefill."),
    ("system first", conversation(SYSTEM, ASK), 'messages: first message must use the "user" role'),
    (
        "system after assistant",
        conversation(ASK, assistant(text("a")), SYSTEM),
        "messages.2: a `system` message must imm",
    ),
    ("system before user", conversation(ASK, SYSTEM, ASK), "messages.1: a `system` message must be last"),
    ("one tool twice", fields(tools=[tool("a"), tool("a")]), "tools: Tool names must be unique."),
    ("odd tool name", fields(tools=[tool("a b")]), "tools.0.custom.name: String should match pattern"),
    ("no schema", fields(tools=[{"name": "a"}]), "tools.0.custom.input_schema: Field required"),
    (
        "schema of a list",
        fields(tools=[{"name": "a", "input_schema": {"type": "array"}}]),
        "tools.0.custom.input_schema.type: Input should be 'object'",
    ),
    ("odd tool type", fields(tools=[tool("a", type="magic")]), "tools.0: Input tag 'magic' found using 'type'"),
    ("extra in a tool", fields(tools=[tool("a", colour=1)]), "tools.0.custom.colour: Extra inputs are not permitted"),
    ("forced tool", fields(tool_choice={"type": "any"}), "tool_choice.type: `any` is not supported for this model."),
    (
        "five marks",
        fields(system=[text(str(n), cache_control=MARK) for n in range(5)]),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    (
        "four marks and the automatic one",
        fields(system=[text(str(n), cache_control=MARK) for n in range(4)], cache_control=MARK),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    (
        "an hour after five minutes",
        fields(system=[text("a", cache_control=MARK), text("b", cache_control={**MARK, "ttl": "1h"})]),
        "system.1.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m'",
    ),
    (
        "beta field without its beta",
        fields(context_management={}),
        "context_management: Extra inputs are not permitted",
    ),
    (
        "nested beta field without its beta",
        fields(messages=[{**ASK, "clear_at": "next_user_message"}]),
        "messages.0.clear_at: Extra inputs are not permitted",
    ),
    (
        "a signature from elsewhere",
        conversation(ASK, assistant({"type": "thinking", "thinking": "hm", "signature": "x"}, text("a")), ASK),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_malformed_request_is_refused_in_the_services_words(
    server: ScriptedModel, post: Any, change: Change, message: str
) -> None:
    body = sound()
    change(body)

    status, _, answer = post(server.base_url, body)

    assert status == 400
    assert answer["type"] == "error"
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["message"].startswith(message)


ALLOWED: list[tuple[str, Change]] = [
    ("as it is", lambda _: None),
    ("text for blocks", fields(system="You fix things.")),
    ("consecutive user messages", lambda body: body["messages"].append(ASK)),
    ("text after results", conversation(ASK, assistant(CALL), user(RESULT, text("go on")))),
    ("system after results", lambda body: body["messages"].append(SYSTEM)),
    ("system between user and assistant", conversation(ASK, SYSTEM, assistant(text("a")), ASK)),
    ("provided tools", fields(tools=[{"type": "bash_20250124", "name": "bash"}])),
    ("adaptive thinking", fields(thinking={"type": "adaptive"}, output_config={"effort": "high"})),
    (
        "budget on an old model",
        fields(model="claude-sonnet-4-5", max_tokens=4096, thinking={"type": "enabled", "budget_tokens": 1024}),
    ),
    ("forced tool on an old model", fields(model="claude-opus-4-8", tool_choice={"type": "any"})),
    (
        "prefill on an old model",
        lambda body: (body.update(model="claude-haiku-4-5"), body["messages"].append(assistant(text("The")))),
    ),
    ("four marks", fields(system=[text(str(n), cache_control=MARK) for n in range(4)])),
]


@pytest.mark.parametrize("change", [case[1] for case in ALLOWED], ids=[case[0] for case in ALLOWED])
def test_a_sound_request_is_answered(server: ScriptedModel, post: Any, change: Change) -> None:
    body = sound()
    change(body)

    status, _, answer = post(server.base_url, body)

    assert (status, answer["type"]) == (200, "message"), answer


def test_the_older_version_takes_sampling_parameters_from_old_models_only(server: ScriptedModel, post: Any) -> None:
    old = post(
        server.base_url, {**sound(), "model": "claude-sonnet-4-6", "temperature": 0.5}, anthropic_version="2023-06-01"
    )
    new = post(server.base_url, {**sound(), "temperature": 0.5}, anthropic_version="2023-06-01")

    assert old[0] == 200
    assert (new[0], new[2]["error"]["message"]) == (400, "`temperature` is deprecated for this model.")


def test_a_beta_header_opens_its_field(server: ScriptedModel, post: Any) -> None:
    body = {**sound(), "context_management": {"edits": []}}

    assert post(server.base_url, body, anthropic_beta="context-management-2025-06-27")[0] == 200
    assert post(server.base_url, body, anthropic_beta="task-budgets-2026-03-13")[0] == 400


@pytest.mark.parametrize(
    ("headers", "status", "kind", "message"),
    [
        ({"x_api_key": None}, 401, "authentication_error", "x-api-key header is required"),
        ({"anthropic_version": None}, 400, "invalid_request_error", "anthropic-version: header is required"),
        ({"anthropic_version": "2020-01-01"}, 400, "invalid_request_error", 'anthropic-version: "2020-01-01" is not'),
    ],
)
def test_wrong_headers_are_refused(
    server: ScriptedModel, post: Any, headers: dict[str, str | None], status: int, kind: str, message: str
) -> None:
    got, _, answer = post(server.base_url, sound(), **headers)

    assert (got, answer["error"]["type"]) == (status, kind)
    assert answer["error"]["message"].startswith(message)


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"{not json", 400, "invalid_request_error"),
        (b"[1]", 400, "invalid_request_error"),
        (b'{"messages": "\xff"}', 400, "invalid_request_error"),
        (b'{"a": "\\ud800", "b": [NaN]}', 400, "invalid_request_error"),
        (b"x" * (32 * 1024 * 1024 + 1), 413, "request_too_large"),
    ],
    ids=["not JSON", "not an object", "not UTF-8", "half a character", "too large"],
)
def test_a_body_that_cannot_be_read_is_refused(
    server: ScriptedModel, post: Any, content: bytes, status: int, kind: str
) -> None:
    got, _, answer = post(server.base_url, content)

    assert (got, answer["error"]["type"]) == (status, kind)


@pytest.mark.parametrize("place", ["system", "input", "schema"])
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(server: ScriptedModel, post: Any, place: str) -> None:
    body = sound()
    if place == "system":
        body["system"] = "\ud800"
    elif place == "input":
        body["messages"][1]["content"][0] = {**CALL, "input": {"a": ["\ud800"]}}
    else:
        body["tools"][0]["input_schema"]["title"] = "\ud800"

    status, _, answer = post(server.base_url, body)

    assert (status, answer["type"]) == (400, "error")


def test_a_request_that_comes_in_chunks_is_understood(server: ScriptedModel) -> None:
    connection = http.client.HTTPConnection(server.base_url.removeprefix("http://"), timeout=30)
    content = json.dumps(sound()).encode()
    pieces = iter([content[:7], content[7:]])

    connection.request(
        "POST", "/v1/messages", pieces, {"x-api-key": "k", "anthropic-version": "2026-10-21"}, encode_chunked=True
    )
    answer = connection.getresponse()
    message = json.loads(answer.read())
    connection.close()

    assert (answer.status, message["content"][0]["text"]) == (200, "two")


def test_other_paths_and_methods_are_refused(server: ScriptedModel, post: Any) -> None:
    assert post(server.base_url, sound(), path="/v1/complete")[0] == 404
    assert post(server.base_url, b"", method="GET")[0] == 405
    assert post(server.base_url, b"", path="/v1/models/claude-nothing", method="GET")[0] == 404
