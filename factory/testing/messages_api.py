"""What the Messages API refuses, and in which words: pure functions from a request to its problem.

The wording is the service's own where it is known from published errors (the issue trackers of
clients quote them); the status and the error type always are.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, takewhile

from factory.testing.model_lines import ModelLine, line_of
from factory.testing.prompt import Block, Body, blocks_of, mark_places
from factory.testing.request_shape import (
    CountTokensRequest,
    MessagesRequest,
    MessagesRequest2023,
    shape_problem,
)
from factory.testing.signatures import signature_problem

MAX_REQUEST_BYTES = 32 * 1024 * 1024
MAX_OUTPUT_TOKENS = 128_000
MAX_CACHE_MARKS = 4
VERSIONS = ("2026-10-21", "2023-06-01")

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The error type that goes with each HTTP status."""


@dataclass(frozen=True)
class Problem:
    """Why a request is refused: the HTTP status and the sentence."""

    status: int
    message: str


@dataclass(frozen=True)
class _Call:
    """A request of sound shape, with what its headers and its model decide."""

    body: Body
    betas: tuple[str, ...]
    line: ModelLine

    @property
    def messages(self) -> list[tuple[str, list[Block]]]:
        return [(message["role"], blocks_of(message["content"])) for message in self.body["messages"]]


def header_problem(headers: Mapping[str, str], key: str | None) -> Problem | None:
    """What is wrong with the headers (names in lower case); ``key`` is the only valid one, None allows any."""
    authorization = headers.get("authorization", "")
    given = headers.get("x-api-key") or authorization.removeprefix("Bearer ").strip()
    if not given:
        return Problem(401, "x-api-key header is required")
    if key is not None and given != key:
        return Problem(401, "invalid x-api-key")
    version = headers.get("anthropic-version")
    if not version:
        return Problem(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        return Problem(400, f'anthropic-version: "{version}" is not a valid version')
    return None


def message_problem(body: object, headers: Mapping[str, str]) -> Problem | None:
    """What is wrong with the body of ``POST /v1/messages``."""
    old = headers.get("anthropic-version") == "2023-06-01"
    return _problem(body, headers, MessagesRequest2023 if old else MessagesRequest, _ALL_RULES)


def count_problem(body: object, headers: Mapping[str, str]) -> Problem | None:
    """What is wrong with the body of ``POST /v1/messages/count_tokens``."""
    return _problem(body, headers, CountTokensRequest, _PROMPT_RULES)


def _problem(
    body: object,
    headers: Mapping[str, str],
    shape: type[MessagesRequest | CountTokensRequest],
    rules: tuple["Rule", ...],
) -> Problem | None:
    if not isinstance(body, dict):
        return Problem(400, "Input should be an object")
    if message := shape_problem(body, shape):
        return Problem(400, message)
    betas = tuple(name.strip() for name in headers.get("anthropic-beta", "").split(","))
    call = _Call(body, betas, line_of(body["model"]))
    sentence = next(chain.from_iterable(rule(call) for rule in rules), None)
    return Problem(400, sentence) if sentence else None


def _opening(call: _Call) -> Iterator[str]:
    if not call.messages:
        yield "messages: at least one message is required"
    elif call.messages[0][0] != "user":
        yield 'messages: first message must use the "user" role'


def _not_empty(call: _Call) -> Iterator[str]:
    last = len(call.messages) - 1
    for number, (role, blocks) in enumerate(call.messages):
        empty = not blocks or call.body["messages"][number]["content"] == ""
        if empty and not (number == last and role == "assistant"):
            yield (
                f"messages.{number}: all messages must have non-empty content except for "
                "the optional final assistant message"
            )
    places = [("messages", blocks) for _, blocks in call.messages]
    for name, blocks in [*places, ("system", blocks_of(call.body.get("system", [])))]:
        for block in blocks:
            if block["type"] == "text" and not block["text"]:
                yield f"{name}: text content blocks must be non-empty"
            elif block["type"] == "text" and not block["text"].strip():
                yield f"{name}: text content blocks must contain non-whitespace text"


_ONLY_IN = {
    "tool_use": "assistant",
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "tool_result": "user",
    "image": "user",
    "document": "user",
}


def _block_roles(call: _Call) -> Iterator[str]:
    for number, (role, blocks) in enumerate(call.messages):
        for index, block in enumerate(blocks):
            only = _ONLY_IN.get(block["type"], role)
            if only != role:
                yield f"messages.{number}.content.{index}: `{block['type']}` blocks can only be in `{only}` messages"


def _system_messages(call: _Call) -> Iterator[str]:
    roles = [role for role, _ in call.messages]
    for number, role in enumerate(roles):
        if role != "system":
            continue
        if not call.line.system_messages:
            yield f"messages.{number}.role: This model does not support `system` messages in `messages`"
        if roles[number - 1] != "user":
            yield f"messages.{number}: a `system` message must immediately follow a `user` message"
        if roles[number + 1 : number + 2] not in ([], ["assistant"]):
            yield f"messages.{number}: a `system` message must be last or be followed by an `assistant` message"


def _tool_pairs(call: _Call) -> Iterator[str]:
    asked: list[str] = []
    for number, (role, blocks) in enumerate(call.messages):
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        missing = [name for name in asked if name not in results]
        if missing:
            yield _unanswered(number - 1, missing)
        yield from _unasked(number, blocks, asked)
        leading = list(takewhile(lambda block: block["type"] == "tool_result", blocks))
        if len(leading) < len(results):
            yield (
                f"messages.{number}: Did not find {len(results)} `tool_result` block(s) at the beginning of this "
                "message. Messages following `tool_use` blocks must begin with a matching number of "
                "`tool_result` blocks."
            )
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"] if role == "assistant" else []
    if asked:
        yield _unanswered(len(call.messages) - 1, asked)


def _unanswered(number: int, ids: list[str]) -> str:
    return (
        f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _unasked(number: int, blocks: list[Block], asked: list[str]) -> Iterator[str]:
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        if block["type"] != "tool_result":
            continue
        name = block["tool_use_id"]
        if name not in asked:
            yield (
                f"messages.{number}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {name}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        if name in seen:
            yield (
                f"messages.{number}.content.{index}: each tool_use must have a single result. "
                f"Found multiple `tool_result` blocks with id: {name}"
            )
        seen.add(name)


def _unique_ids(call: _Call) -> Iterator[str]:
    ids = Counter(block["id"] for _, blocks in call.messages for block in blocks if block["type"] == "tool_use")
    if any(count > 1 for count in ids.values()):
        yield "messages: `tool_use` ids must be unique"


def _tools(call: _Call) -> Iterator[str]:
    names = [tool.get("name") for tool in call.body.get("tools", [])]
    named = [name for name in names if name]
    if len(set(named)) < len(named):
        yield "tools: Tool names must be unique."
    choice = call.body.get("tool_choice") or {"type": "none"}
    if choice["type"] != "none" and not names:
        yield "tool_choice may only be specified while providing tools."
    if choice["type"] in {"any", "tool"} and not call.line.forced_tools:
        yield f"tool_choice.type: `{choice['type']}` is not supported for this model. Use `auto` or `none`."
    if choice["type"] == "tool" and choice.get("name") not in names:
        yield f"tool_choice.tool.name: Tool '{choice.get('name')}' not found in provided tools"


def _cache_marks(call: _Call) -> Iterator[str]:
    marks = mark_places(call.body)
    if len(marks) > MAX_CACHE_MARKS:
        yield f"A maximum of {MAX_CACHE_MARKS} blocks with cache_control may be provided. Found {len(marks)}."
    short = False
    for place, ttl in marks:
        if short and ttl == "1h":
            yield (
                f"{place}.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. "
                "Note that blocks are processed in the following order: `tools`, `system`, `messages`."
            )
        short = short or ttl == "5m"


def _prefill(call: _Call) -> Iterator[str]:
    role, blocks = call.messages[-1]
    if role != "assistant":
        return
    if not call.line.prefill:
        yield ("This model does not support assistant message prefill. The conversation must end with a user message.")
    if blocks and blocks[-1]["type"] == "text" and blocks[-1]["text"] != blocks[-1]["text"].rstrip():
        yield "messages: final assistant content cannot end with trailing whitespace"


def _thinking(call: _Call) -> Iterator[str]:
    kind = (call.body.get("thinking") or {"type": "adaptive"})["type"]
    if kind not in call.line.thinking:
        yield (
            f'"thinking.type.{kind}" is not supported for this model. Use "thinking.type.adaptive" and '
            '"output_config.effort" to control thinking behavior.'
        )


def _signatures(call: _Call) -> Iterator[str]:
    binding = (call.body.get("thinking") or {}).get("block_binding") or {}
    problem = signature_problem(call.body)
    if problem and binding.get("prefix_mismatch_behavior") != "drop_block":
        yield problem


_BETA_FIELDS = (
    ("context_management", ("context-management-", "compact-")),
    ("mcp_servers", ("mcp-client-",)),
    ("thinking.block_binding", ("thinking-binding-controls-",)),
    ("output_config.task_budget", ("task-budgets-",)),
    ("messages.*.clear_at", ("mid-conversation-system-clear-at-",)),
)


def _betas(call: _Call) -> Iterator[str]:
    for path, prefixes in _BETA_FIELDS:
        if any(beta.startswith(prefixes) for beta in call.betas):
            continue
        *parents, field = path.split(".")
        for place, holder in _holders(call.body, parents):
            if field in holder:
                yield ".".join([*place, field]) + ": Extra inputs are not permitted"


def _holders(body: Body, parents: list[str]) -> Iterator[tuple[list[str], Body]]:
    match parents:
        case []:
            yield [], body
        case [name]:
            yield [name], body.get(name) or {}
        case [name, *_]:
            yield from (([name, str(index)], item) for index, item in enumerate(body[name]))


def _limits(call: _Call) -> Iterator[str]:
    most = call.body["max_tokens"]
    if most > MAX_OUTPUT_TOKENS:
        yield (
            f"max_tokens: {most} > {MAX_OUTPUT_TOKENS}, which is the maximum allowed number of output tokens "
            f"for {call.body['model']}"
        )
    if most == 0 and call.body.get("stream"):
        yield "max_tokens: must be greater than 0 when `stream` is true"
    if most <= (call.body.get("thinking") or {}).get("budget_tokens", -1):
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."


def _sampling(call: _Call) -> Iterator[str]:
    for name in ("temperature", "top_p", "top_k"):
        if call.body.get(name) is not None and not call.line.sampling:
            yield f"`{name}` is deprecated for this model."


Rule = Callable[[_Call], Iterator[str]]
_PROMPT_RULES: tuple[Rule, ...] = (
    _betas,
    _opening,
    _not_empty,
    _block_roles,
    _system_messages,
    _tool_pairs,
    _unique_ids,
    _tools,
    _cache_marks,
    _thinking,
    _signatures,
)
_ALL_RULES: tuple[Rule, ...] = (_limits, _sampling, *_PROMPT_RULES, _prefill)
