"""Whatever a script's turn says, its stream adds up to its JSON."""

import json
import string
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory.testing import Conversation, Script, ScriptedModel, ToolCall, Turn, UsageOverride
from factory.testing.streaming import encoded, events

if TYPE_CHECKING:
    from anthropic import Anthropic

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
names = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=20)
# 15 digits survive any JSON reader; wider numbers are not what this is about.
numbers = st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False, width=32)
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
calls = st.builds(ToolCall, name=names, input=st.dictionaries(words, values, max_size=4))
counts = st.none() | st.integers(0, 10**6)
usages = st.builds(
    UsageOverride,
    input_tokens=counts,
    output_tokens=counts,
    cache_creation_input_tokens=counts,
    cache_read_input_tokens=counts,
)
turns = st.builds(
    Turn,
    text=words,
    thinking=st.none() | words,
    tools=st.lists(calls, max_size=3).map(tuple),
    stop_reason=st.sampled_from([None, "end_turn", "tool_use", "max_tokens", "pause_turn", "refusal"]),
    usage=st.none() | usages,
)
ASK: Any = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turn=turns, display=st.sampled_from(["summarized", "omitted"]))
def test_a_stream_put_together_by_the_sdk_equals_the_json_answer(sdk: "Anthropic", turn: Turn, display: Any) -> None:
    ask = {**ASK, "thinking": {"type": "adaptive", "display": display}}
    with ScriptedModel(Script(default=Conversation(name="any", turns=(turn,)))) as server:
        client = sdk.with_options(base_url=server.base_url)
        whole = client.messages.create(**ask)
        with client.messages.stream(**ask) as stream:
            streamed = stream.get_final_message()

    assert streamed.to_dict() == whole.to_dict()
    assert [block.input for block in whole.content if block.type == "tool_use"] == [call.input for call in turn.tools]


def test_a_long_text_costs_no_more_events_than_a_short_one() -> None:
    def message(text: str) -> dict[str, Any]:
        usage = {"input_tokens": 1, "output_tokens": 2}
        ending = {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None}
        return {"content": [{"type": "text", "text": text}], "usage": usage, **ending}

    short, long = list(events(message("x" * 200))), list(events(message("x" * 1_000_000)))

    assert len(long) == len(short)


def test_an_event_is_named_by_its_type_and_stays_on_one_line() -> None:
    event, data, *rest = encoded({"type": "error", "message": "a\nb\r\u2028"}).split(b"\n")

    assert event == b"event: error"
    assert json.loads(data.removeprefix(b"data: "))["message"] == "a\nb\r\u2028"
    assert rest == [b"", b""]
