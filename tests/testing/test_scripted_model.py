"""The scripted model through the real SDK: loops, history, cache, records, many at once."""

import asyncio
import http.client
import json
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

import pytest

from factory.testing import Conversation, Script, ScriptedModel, ToolCall, Turn, UsageOverride

if TYPE_CHECKING:
    from anthropic import Anthropic

TOOLS: Any = [
    {"name": "read", "description": "Read a file.", "input_schema": {"type": "object"}},
    {"name": "edit", "description": "Edit a file.", "input_schema": {"type": "object"}},
]
LOOP = Conversation(
    name="accents",
    when=("accents",),
    turns=(
        Turn(thinking="I should look.", text="Looking.", tools=(ToolCall(name="read", input={"path": "a.py"}),)),
        Turn(thinking="Both.", tools=(ToolCall(name="edit", input={"n": 1}), ToolCall(name="edit", input={"n": 2}))),
        Turn(text="Done."),
    ),
)
LONG = "A rule of the house. " * 150


def asking(words: str, **more: Any) -> Any:
    return {
        "model": "claude-opus-5-5",
        "max_tokens": 1000,
        "tools": TOOLS,
        "messages": [{"role": "user", "content": words}],
        **more,
    }


def results_of(message: Any) -> Any:
    calls = [block for block in message.content if block.type == "tool_use"]
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "ok"} for call in calls],
    }


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_loop_runs_to_its_end(sdk: "Anthropic", *, streamed: bool) -> None:
    request = asking("Fix the accents.", system="You fix things.")
    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        client = sdk.with_options(base_url=server.base_url)
        while True:
            if streamed:
                with client.messages.stream(**request) as stream:
                    message: Any = stream.get_final_message()
            else:
                message = client.messages.create(**request)
            if message.stop_reason != "tool_use":
                break
            request["messages"] += [message.to_param(), results_of(message)]

        assert message.content[-1].text == "Done."
        assert [(one.conversation, one.turn, one.status) for one in server.requests] == [
            ("accents", 0, 200),
            ("accents", 1, 200),
            ("accents", 2, 200),
        ]
        last = server.requests[-1]
        assert last.path == "/v1/messages"
        assert last.headers["anthropic-version"] == "2026-10-21"
        assert [one["tool_use_id"] for one in last.body["messages"][-1]["content"]] == [
            one["id"] for one in last.body["messages"][-2]["content"] if one["type"] == "tool_use"
        ]


def test_the_async_client_runs_the_same_loop() -> None:
    from anthropic import AsyncAnthropic

    async def run(url: str) -> str:
        request = asking("Fix the accents.")
        async with AsyncAnthropic(api_key="k", base_url=url, max_retries=0) as client:
            while True:
                async with client.messages.stream(**request) as stream:
                    message: Any = await stream.get_final_message()
                again = await client.messages.create(**request)
                assert again.to_dict()["content"] == message.to_dict()["content"]
                if message.stop_reason != "tool_use":
                    return str(message.content[-1].text)
                request["messages"] += [message.to_param(), results_of(message)]

    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        assert asyncio.run(run(server.base_url)) == "Done."


def test_fifty_streams_are_served_at_once() -> None:
    from anthropic import AsyncAnthropic

    async def run(server: ScriptedModel) -> list[str]:
        async with AsyncAnthropic(api_key="k", base_url=server.base_url, max_retries=0) as client:

            async def one(number: int) -> str:
                async with client.messages.stream(**asking(f"number {number}")) as stream:
                    return await stream.get_final_text()

            return await asyncio.gather(*(one(number) for number in range(50)))

    turn = Turn(text=LONG, delay_s=0.05)
    with ScriptedModel(Script(default=Conversation(name="long", turns=(turn,)))) as server:
        answers = asyncio.run(run(server))

        assert answers == [LONG] * 50
        assert len(server.requests) == 50


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            "Fix the docs.",
            "script: no conversation matches (turn index 0); the first user message begins 'Fix the docs.'",
        ),
        ("accents", "script: conversation 'accents' has no turn index 3: it has 3 turns, counted from 0"),
    ],
)
def test_a_script_that_lacks_the_turn_says_so(sdk: "Anthropic", words: str, reason: str) -> None:
    import anthropic

    request = asking(words)
    turns = 3 if words == "accents" else 0
    request["messages"] += [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}] * turns
    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        with pytest.raises(anthropic.BadRequestError) as caught:
            sdk.with_options(base_url=server.base_url).messages.create(**request)

        assert (server.requests[0].turn, server.requests[0].status) == (turns, 400)
    assert caught.value.api_message is not None
    assert caught.value.api_message.startswith(reason)


def second_request(client: "Anthropic") -> Any:
    """The second request of the loop, whose history holds a thinking block."""
    request = asking(
        "Fix the accents.", system="You fix things.", thinking={"type": "adaptive", "display": "summarized"}
    )
    message: Any = client.messages.create(**request)
    thinking = message.content[0]
    assert (thinking.type, thinking.thinking) == ("thinking", "I should look.")
    answer = [block.to_dict() for block in message.content]
    request["messages"] += [{"role": "assistant", "content": answer}, results_of(message)]
    return request


def edit_first_message(request: Any) -> None:
    request["messages"][0] = {"role": "user", "content": "Fix the accents!"}


def edit_system(request: Any) -> None:
    request["system"] = "You fix things. It is Monday."


def drop_a_tool(request: Any) -> None:
    request["tools"] = TOOLS[:1]


def insert_a_message(request: Any) -> None:
    request["messages"].insert(0, {"role": "user", "content": "accents"})


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (edit_first_message, "The earlier messages differ"),
        (insert_a_message, "The earlier messages differ"),
        (edit_system, "The `system` prompt differs"),
        (drop_a_tool, "The `tools` differ"),
    ],
)
def test_what_stood_before_a_thinking_block_cannot_be_edited(sdk: "Anthropic", edit: Any, what: str) -> None:
    import anthropic

    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        client = sdk.with_options(base_url=server.base_url)
        request = second_request(client)
        edit(request)
        with pytest.raises(anthropic.BadRequestError) as caught:
            client.messages.create(**request)

    said = caught.value.api_message or ""
    assert said.startswith("messages.")
    assert "Invalid `signature` in `thinking` block. The block is bound to a different conversation." in said
    assert what in said


def test_a_thinking_block_itself_cannot_be_edited(sdk: "Anthropic") -> None:
    import anthropic

    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        client = sdk.with_options(base_url=server.base_url)
        request = second_request(client)
        request["messages"][1]["content"][0]["thinking"] = "I know already."
        with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block'"):
            client.messages.create(**request)


def test_marks_and_the_order_of_tools_may_change_and_text_may_become_blocks(sdk: "Anthropic") -> None:
    mark = {"type": "ephemeral"}
    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        client = sdk.with_options(base_url=server.base_url)
        request = second_request(client)
        request["tools"] = TOOLS[::-1]
        request["system"] = [{"type": "text", "text": "You fix things.", "cache_control": mark}]
        request["messages"][0]["content"] = [{"type": "text", "text": "Fix the accents.", "cache_control": mark}]

        assert client.messages.create(**request).stop_reason == "tool_use"


def test_a_beta_drops_blocks_that_do_not_fit(sdk: "Anthropic") -> None:
    binding = {"prefix_mismatch_behavior": "drop_block"}
    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        client = sdk.with_options(base_url=server.base_url)
        request = second_request(client)
        edit_system(request)
        request["thinking"] = {"type": "adaptive", "block_binding": binding}
        headers = {"anthropic-beta": "thinking-binding-controls-2026-08-01"}

        assert client.messages.create(**request, extra_headers=headers).stop_reason == "tool_use"


def test_a_conversation_goes_on_after_the_server_was_restarted(sdk: "Anthropic") -> None:
    script = Script(conversations=(LOOP,))
    with ScriptedModel(script) as server:
        request = second_request(sdk.with_options(base_url=server.base_url))
    with ScriptedModel(script) as server:
        assert sdk.with_options(base_url=server.base_url).messages.create(**request).stop_reason == "tool_use"


def test_the_cache_is_read_where_the_prefix_is_the_same(sdk: "Anthropic") -> None:
    mark: Any = {"type": "ephemeral"}
    hour: Any = {**mark, "ttl": "1h"}
    system = [{"type": "text", "text": LONG, "cache_control": hour}]
    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        client = sdk.with_options(base_url=server.base_url)
        first = asking("Fix the accents.", system=system, cache_control=mark)
        one = client.messages.create(**first).usage
        again = client.messages.create(**first).usage
        other = client.messages.create(**asking("Other accents.", system=system)).usage
        changed = client.messages.create(**{**first, "tools": TOOLS[:1]}).usage

    assert one.cache_read_input_tokens == 0
    assert one.cache_creation is not None
    assert one.cache_creation.ephemeral_1h_input_tokens > 700
    assert one.cache_creation.ephemeral_5m_input_tokens > 0
    assert one.input_tokens == 0
    assert (again.cache_read_input_tokens, again.cache_creation_input_tokens) == (one.cache_creation_input_tokens, 0)
    assert other.cache_read_input_tokens == one.cache_creation.ephemeral_1h_input_tokens
    assert other.input_tokens > 0
    assert changed.cache_read_input_tokens == 0


def test_a_short_prefix_is_not_cached(sdk: "Anthropic") -> None:
    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        client = sdk.with_options(base_url=server.base_url)
        usages = [
            client.messages.create(**asking("Fix the accents.", cache_control={"type": "ephemeral"})).usage
            for _ in range(2)
        ]

    assert [one.cache_read_input_tokens for one in usages] == [0, 0]
    assert usages[1].cache_creation_input_tokens == 0
    assert usages[1].input_tokens > 0


def test_no_tokens_asked_for_only_warms_the_cache(sdk: "Anthropic") -> None:
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        client = sdk.with_options(base_url=server.base_url)
        warming = client.messages.create(**asking("no conversation", system=system, max_tokens=0))
        real = client.messages.create(**asking("Fix the accents.", system=system))

    assert (warming.content, warming.stop_reason, warming.usage.output_tokens) == ([], "max_tokens", 0)
    assert real.usage.cache_read_input_tokens == warming.usage.cache_creation_input_tokens


def test_a_turn_can_say_what_it_costs(sdk: "Anthropic") -> None:
    turn = Turn(text="dear", usage=UsageOverride(input_tokens=7, output_tokens=123_456))
    with ScriptedModel(Script(default=Conversation(name="dear", turns=(turn,)))) as server:
        usage = sdk.with_options(base_url=server.base_url).messages.create(**asking("x")).usage

    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens) == (7, 123_456, 0)


def test_tokens_are_counted_and_models_listed(sdk: "Anthropic") -> None:
    request = asking(LONG)
    del request["max_tokens"]
    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        client = sdk.with_options(base_url=server.base_url)
        counted = client.messages.count_tokens(**request).input_tokens
        models = [model.id for model in client.models.list()]

        assert client.models.retrieve(models[0]).id == models[0]
    assert counted > len(LONG) // 4
    assert "claude-opus-5-5" in models


def test_a_server_can_ask_for_one_key(sdk: "Anthropic") -> None:
    import anthropic

    with ScriptedModel(Script(conversations=(LOOP,)), key="right") as server:
        client = sdk.with_options(base_url=server.base_url)
        with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
            client.messages.create(**asking("accents"))

        assert client.with_options(api_key="right").messages.create(**asking("accents")).role == "assistant"


def test_each_answer_carries_its_id_and_the_rate_limits(sdk: "Anthropic", post: Any) -> None:
    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        client = sdk.with_options(base_url=server.base_url)
        good = client.messages.with_raw_response.create(**asking("accents"))
        _, refused, body = post(server.base_url, {})

    for headers in (good.headers, refused):
        assert headers["request-id"].startswith("req_")
        assert int(headers["anthropic-ratelimit-requests-remaining"]) > 0
        assert headers["anthropic-ratelimit-tokens-reset"].endswith("Z")
    assert body["request_id"] == refused["request-id"]


def test_a_connection_is_kept_alive() -> None:
    headers = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
    with ScriptedModel(Script(conversations=(LOOP,))) as server:
        connection = http.client.HTTPConnection(server.base_url.removeprefix("http://"), timeout=30)
        connection.connect()
        sockets = set()
        for path in ("/v1/models", "/v1/nothing", "/v1/models"):
            connection.request("GET", path, headers=headers)
            connection.getresponse().read()
            sockets.add(connection.sock)
        connection.close()

    assert len(sockets) == 1
    assert None not in sockets


def test_stopping_ends_an_answer_that_is_held_back(sdk: "Anthropic") -> None:
    import anthropic

    raised: list[Exception] = []

    def ask(url: str) -> None:
        try:
            sdk.with_options(base_url=url).messages.create(**asking("x"))
        except anthropic.APIConnectionError as error:
            raised.append(error)

    with ScriptedModel(Script(default=Conversation(name="slow", turns=(Turn(text="late", delay_s=600),)))) as server:
        client = threading.Thread(target=ask, args=(server.base_url,))
        client.start()
        recorded = server.wait_for_requests(1)
    client.join(timeout=30)

    assert recorded[0].conversation == "slow"
    assert len(raised) == 1


def test_waiting_for_requests_that_do_not_come_gives_up() -> None:
    with ScriptedModel(Script()) as server, pytest.raises(TimeoutError, match="0 of 1 requests"):
        server.wait_for_requests(1, timeout_s=0.01)


def test_a_client_that_goes_away_is_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    long_answer = Conversation(name="long", turns=(Turn(text="x" * 20_000_000),))
    headers = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
    with ScriptedModel(Script(default=long_answer)) as server:
        connection = http.client.HTTPConnection(server.base_url.removeprefix("http://"), timeout=30)
        connection.request("POST", "/v1/messages", json.dumps(asking("x", stream=True)), headers)
        server.wait_for_requests(1)
        # A reset rather than a polite end, so that the server's next write fails.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    assert capfd.readouterr() == ("", "")
