"""The fields of a request and their types, as the Messages API checks them before it looks at meaning.

The service validates with pydantic, so that its wording ("Field required", "Extra inputs are not
permitted", ``tools.0.custom.name``) is pydantic's own; these models give the same text for the same
mistake. Only what a client can send is here: kinds of blocks that the server makes itself (web
search results and the like) are known by name and not looked into.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
)
from pydantic_core import ErrorDetails

_TOOL_USE_ID = r"^[a-zA-Z0-9_-]+$"
_TOOL_NAME = r"^[a-zA-Z0-9_-]{1,128}$"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Opaque(BaseModel):
    """Known by its type only."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


def _text_as_blocks(value: Any) -> Any:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


_TextAsBlocks = BeforeValidator(_text_as_blocks)


class _CacheControl(_Shape):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class _Markable(_Shape):
    cache_control: _CacheControl | None = None


class _Text(_Markable):
    type: Literal["text"]
    text: str
    citations: list[dict[str, JsonValue]] | None = None


class _Image(_Markable):
    type: Literal["image"]
    source: dict[str, JsonValue]
    transformations: dict[str, JsonValue] | None = None


class _Document(_Markable):
    type: Literal["document"]
    source: dict[str, JsonValue]
    citations: dict[str, JsonValue] | None = None
    context: str | None = None
    title: str | None = None


class _Thinking(_Shape):
    type: Literal["thinking"]
    thinking: str
    signature: str


class _RedactedThinking(_Shape):
    type: Literal["redacted_thinking"]
    data: str


class _ToolUse(_Markable):
    type: Literal["tool_use"]
    id: Annotated[str, Field(pattern=_TOOL_USE_ID)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    input: dict[str, JsonValue]
    caller: dict[str, JsonValue] | None = None
    toolset_name: str | None = None


class _ToolReference(_Opaque):
    type: Literal["tool_reference", "search_result", "browser_state"]


class _ToolResult(_Markable):
    type: Literal["tool_result"]
    tool_use_id: Annotated[str, Field(pattern=_TOOL_USE_ID)]
    content: Annotated[
        list[Annotated[_Text | _Image | _Document | _ToolReference, Field(discriminator="type")]],
        _TextAsBlocks,
    ] = []
    is_error: bool = False
    toolset_name: str | None = None


class _ServerBlock(_Opaque):
    type: Literal[
        "search_result",
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "container_upload",
        "compaction",
    ]


_Block = Annotated[
    _Text | _Image | _Document | _Thinking | _RedactedThinking | _ToolUse | _ToolResult | _ServerBlock,
    Field(discriminator="type"),
]


class _Message(_Shape):
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[_Block], _TextAsBlocks]
    clear_at: str | None = None


class _InputSchema(_Opaque):
    type: Literal["object"]
    properties: dict[str, JsonValue] | None = None
    required: list[str] | None = None


class _CustomTool(_Markable):
    type: Literal["custom"] | None = None
    name: Annotated[str, Field(pattern=_TOOL_NAME)]
    description: str = ""
    input_schema: _InputSchema
    allowed_callers: list[str] = []
    defer_loading: bool = False
    eager_input_streaming: bool | None = None
    input_examples: list[dict[str, JsonValue]] = []
    strict: bool = False


class _ProvidedTool(_Opaque):
    type: Annotated[str, Field(pattern=r"^[a-z0-9_]+_20\d{6}$")]
    name: str | None = None


def _kind_of_tool(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind is None:
        return "custom"
    families = ("bash_", "text_editor_", "memory_", "web_", "code_execution_", "tool_search_", "computer_", "browser_")
    return "provided" if str(kind).startswith(families) else str(kind)


_Tool = Annotated[
    Annotated[_CustomTool, Tag("custom")] | Annotated[_ProvidedTool, Tag("provided")],
    Discriminator(_kind_of_tool),
]


class _ToolChoice(_Shape):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class _ThinkingBase(_Shape):
    block_binding: dict[str, JsonValue] | None = None


class _Adaptive(_ThinkingBase):
    type: Literal["adaptive"]
    display: Literal["summarized", "omitted"] | None = None


class _Enabled(_ThinkingBase):
    type: Literal["enabled"]
    budget_tokens: Annotated[int, Field(ge=1024)]
    display: Literal["summarized", "omitted"] | None = None


class _Disabled(_ThinkingBase):
    type: Literal["disabled"]


class _BetweenTools(_ThinkingBase):
    type: Literal["between_tools"]


_ThinkingConfig = Annotated[_Adaptive | _Enabled | _Disabled | _BetweenTools, Field(discriminator="type")]


class _OutputConfig(_Shape):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: dict[str, JsonValue] | None = None
    task_budget: dict[str, JsonValue] | None = None


class _Metadata(_Shape):
    user_id: str | None = None


class _Prompt(_Markable):
    model: Annotated[str, Field(min_length=1)]
    messages: list[_Message]
    system: Annotated[list[_Text], _TextAsBlocks] = []
    tools: list[_Tool] = []
    tool_choice: _ToolChoice | None = None
    thinking: _ThinkingConfig | None = None
    output_config: _OutputConfig | None = None
    speed: Literal["standard", "fast"] | None = None
    context_management: dict[str, JsonValue] | None = None
    mcp_servers: list[dict[str, JsonValue]] = []


class CountTokensRequest(_Prompt):
    """The body of ``POST /v1/messages/count_tokens``."""


class MessagesRequest(_Prompt):
    """The body of ``POST /v1/messages`` as of version 2026-10-21."""

    max_tokens: Annotated[int, Field(ge=0)]
    stream: bool = False
    stop_sequences: list[str] = []
    metadata: _Metadata | None = None
    service_tier: Literal["auto", "standard_only"] = "auto"
    container: str | dict[str, JsonValue] | None = None
    diagnostics: dict[str, JsonValue] | None = None
    inference_geo: str | None = None


class MessagesRequest2023(MessagesRequest):
    """The same as of version 2023-06-01, which still has the sampling parameters."""

    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None


def shape_problem(body: Any, shape: type[BaseModel]) -> str | None:
    """The first field of ``body`` that ``shape`` does not allow, in the service's words."""
    try:
        shape.model_validate(body)
    except ValidationError as problem:
        return _wording(problem.errors(include_url=False)[0])
    return None


def _wording(error: ErrorDetails) -> str:
    place = ".".join(str(step) for step in error["loc"])
    message = error["msg"]
    if error["type"] == "union_tag_not_found":
        place, message = f"{place}.type", "Field required"
    elif error["type"] == "union_tag_invalid":
        expected = error["ctx"]["expected_tags"]
        message = (
            f"Input tag '{error['ctx']['tag']}' found using 'type' does not match any of the expected tags: {expected}"
        )
    elif error["type"] in {"model_type", "model_attributes_type"}:
        message = "Input should be an object"
    return f"{place}: {message}" if place else message
