"""Scripted faults, as the real SDK sees them."""

from typing import TYPE_CHECKING, Any

import pytest

from factory.testing import Conversation, Fault, Script, ScriptedModel, Turn

if TYPE_CHECKING:
    from anthropic import Anthropic

ASK: Any = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}


def failing(fault: Fault) -> ScriptedModel:
    turn = Turn(text="The answer, at some length, in several pieces.", fault=fault)
    return ScriptedModel(Script(default=Conversation(name="faulty", turns=(turn, Turn(text="next")))))


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "BadRequestError", "invalid_request_error"),
        (401, "AuthenticationError", "authentication_error"),
        (403, "PermissionDeniedError", "permission_error"),
        (404, "NotFoundError", "not_found_error"),
        (413, "RequestTooLargeError", "request_too_large"),
        (429, "RateLimitError", "rate_limit_error"),
        (500, "InternalServerError", "api_error"),
        (529, "OverloadedError", "overloaded_error"),
    ],
)
def test_a_status_becomes_the_sdks_own_exception(sdk: "Anthropic", status: int, name: str, kind: str) -> None:
    import anthropic
    from anthropic import _exceptions

    kind_of_error = getattr(_exceptions, name)
    with failing(Fault(status=status, message="on purpose")) as server, pytest.raises(kind_of_error) as caught:
        sdk.with_options(base_url=server.base_url).messages.create(**ASK)

    error = caught.value
    assert isinstance(error, anthropic.APIStatusError)
    assert error.response.json()["error"] == {"type": kind, "message": "on purpose"}
    assert error.request_id == error.response.json()["request_id"]


def test_a_rate_limit_says_when_to_come_back(sdk: "Anthropic") -> None:
    import anthropic

    with failing(Fault(status=429, retry_after_s=7)) as server, pytest.raises(anthropic.RateLimitError) as caught:
        sdk.with_options(base_url=server.base_url).messages.create(**ASK)

    headers = caught.value.response.headers
    assert headers["retry-after"] == "7"
    assert headers["anthropic-ratelimit-input-tokens-remaining"] == "0"


def test_a_spend_cap_is_told_by_its_code(sdk: "Anthropic") -> None:
    import anthropic

    fault = Fault(status=429, details={"error_code": "enforced_spend_limit_reached"})
    with failing(fault) as server, pytest.raises(anthropic.RateLimitError) as caught:
        sdk.with_options(base_url=server.base_url).messages.create(**ASK)

    assert caught.value.error_code == "enforced_spend_limit_reached"
    assert "retry-after" not in caught.value.response.headers


def test_the_sdk_gets_past_a_fault_that_happens_once(sdk: "Anthropic") -> None:
    with failing(Fault(status=529, retry_after_s=0.01, times=1)) as server:
        client = sdk.with_options(base_url=server.base_url, max_retries=1)
        message = client.messages.create(**ASK)

        assert message.content[0].type == "text"
        assert [request.status for request in server.requests] == [529, 200]


def test_faults_are_counted_for_each_turn_of_each_conversation(sdk: "Anthropic") -> None:
    import anthropic

    turn = Turn(text="at last", fault=Fault(status=529, times=2))
    script = Script(
        conversations=(Conversation(name="one", when=("one",), turns=(turn,)),),
        default=Conversation(name="other", turns=(turn, turn)),
    )
    with ScriptedModel(script) as server:
        client = sdk.with_options(base_url=server.base_url)
        for words in ("one", "one", "other", "other", "one", "other"):
            try:
                client.messages.create(**{**ASK, "messages": [{"role": "user", "content": words}]})
            except anthropic.InternalServerError:
                continue
        statuses = [request.status for request in server.requests]

    assert statuses == [529, 529, 529, 529, 200, 200]


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_a_cut_stream_raises_and_the_next_attempt_is_whole(sdk: "Anthropic", after: int) -> None:
    import httpx2

    seen: list[str] = []
    with failing(Fault(cut_stream_after=after)) as server:
        client = sdk.with_options(base_url=server.base_url)
        with pytest.raises(httpx2.RemoteProtocolError), client.messages.create(**ASK, stream=True) as stream:
            seen.extend(event.type for event in stream)
        with client.messages.stream(**ASK) as whole:
            text = whole.get_final_text()

    # The SDK keeps pings to itself.
    assert len(seen) == (after if after < 2 else after - 1)
    assert text == "The answer, at some length, in several pieces."


def test_an_answer_in_one_piece_is_cut_in_half(sdk: "Anthropic") -> None:
    import anthropic

    with failing(Fault(cut_stream_after=3)) as server, pytest.raises(anthropic.APIConnectionError):
        sdk.with_options(base_url=server.base_url).messages.create(**ASK)


def test_an_error_event_ends_a_stream_that_began_well(sdk: "Anthropic") -> None:
    import anthropic

    seen: list[str] = []
    fault = Fault(error_event="overloaded_error", error_event_after=4)
    with failing(fault) as server:
        client = sdk.with_options(base_url=server.base_url)
        with pytest.raises(anthropic.APIStatusError) as caught, client.messages.create(**ASK, stream=True) as stream:
            seen.extend(event.type for event in stream)

        assert server.requests[0].status == 200
    assert seen == ["message_start", "content_block_start", "content_block_delta"]
    assert caught.value.type == "overloaded_error"


def test_an_error_event_is_a_plain_error_when_nothing_is_streamed(sdk: "Anthropic") -> None:
    import anthropic

    with (
        failing(Fault(error_event="overloaded_error")) as server,
        pytest.raises(anthropic.InternalServerError) as caught,
    ):
        sdk.with_options(base_url=server.base_url).messages.create(**ASK)

    assert caught.value.status_code == 529
