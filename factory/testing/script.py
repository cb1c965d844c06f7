"""The script: which conversation a request belongs to, and what the model says at each of its turns."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from factory.base.errors import UserError

StopReason = Literal[
    "end_turn",
    "tool_use",
    "max_tokens",
    "stop_sequence",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
]


class BadScript(UserError):
    """A script that cannot be used; ``place`` is the path to the fault inside the file, dots between."""

    def __init__(self, path: Path | None, place: str, reason: str) -> None:
        where = ": ".join(part for part in (str(path or "script"), place) if part)
        super().__init__(f"{where}: {reason}", "The format is described in factory/testing/script.py.")
        self.path = path
        self.place = place
        self.reason = reason


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as problem:
        raise ValueError(f"not a regular expression: {problem}") from problem
    return pattern


Regex = Annotated[str, AfterValidator(_regex)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ToolCall(_Part):
    """One tool that the model calls; several in a turn are parallel calls."""

    name: str = Field(min_length=1)
    input: dict[str, JsonValue] = {}


class UsageOverride(_Part):
    """Token counts to report instead of the estimated ones; what is left out stays estimated."""

    input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)
    cache_creation_input_tokens: int | None = Field(default=None, ge=0)
    cache_read_input_tokens: int | None = Field(default=None, ge=0)


class Fault(_Part):
    """What goes wrong the first ``times`` times a turn is asked for: exactly one of three kinds.

    ``status`` answers with that HTTP error (its ``type`` and ``message`` follow from the status when
    left out); ``cut_stream_after`` drops the connection after that many SSE events (of an answer that
    is not streamed, halfway); ``error_event`` ends a stream with an error event of that type after
    ``error_event_after`` events (an answer that is not streamed becomes the HTTP error of that type).
    """

    status: int | None = Field(default=None, ge=400, le=599)
    type: str | None = None
    message: str | None = None
    details: dict[str, JsonValue] | None = None
    retry_after_s: float | None = Field(default=None, ge=0)
    cut_stream_after: int | None = Field(default=None, ge=0)
    error_event: str | None = None
    error_event_after: int = Field(default=1, ge=0)
    times: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = (self.status, self.cut_stream_after, self.error_event)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("a fault has exactly one of status, cut_stream_after and error_event")
        return self


class Turn(_Part):
    """One answer of the model: thinking, then text, then tool calls, each only if it is there.

    ``delay_s`` is waited before the answer (not before a fault's error). ``stop_reason`` is
    ``tool_use`` when tools are called and ``end_turn`` otherwise, unless said.
    """

    text: str = ""
    thinking: str | None = None
    tools: tuple[ToolCall, ...] = ()
    stop_reason: StopReason | None = None
    usage: UsageOverride | None = None
    delay_s: float = Field(default=0, ge=0)
    fault: Fault | None = None


class Conversation(_Part):
    """A conversation, chosen by the first user message: all of ``when`` found in it, none of ``unless``."""

    name: str = Field(min_length=1)
    when: tuple[Regex, ...] = ()
    unless: tuple[Regex, ...] = ()
    turns: tuple[Turn, ...]

    def matches(self, first_message: str) -> bool:
        """Whether this conversation is the one that ``first_message`` begins."""
        return all(re.search(pattern, first_message) for pattern in self.when) and not any(
            re.search(pattern, first_message) for pattern in self.unless
        )


@dataclass(frozen=True)
class Cue:
    """The turn that answers a request: ``index`` counts from 0 within the conversation."""

    conversation: str
    index: int
    turn: Turn


@dataclass(frozen=True)
class NoCue:
    """The script does not say how to go on; ``reason`` tells what it lacks."""

    conversation: str | None
    index: int
    reason: str


class Script(_Part):
    """All conversations of one scripted model; the first that matches is taken, else ``default``."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    conversations: tuple[Conversation, ...] = ()
    default: Conversation | None = None

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The script in the JSON file at ``path``; raises ``BadScript`` that names the place at fault."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise BadScript(path, "", f"cannot be read: {problem}") from problem
        return cls.parse(text, path)

    @classmethod
    def parse(cls, text: str, path: Path | None = None) -> Self:
        """The script in the JSON document ``text``; ``path`` is only named in errors."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as problem:
            first = problem.errors(include_url=False)[0]
            place = ".".join(str(step) for step in first["loc"])
            raise BadScript(path, place, first["msg"]) from problem

    @field_validator("default", mode="before")
    @classmethod
    def _named_default(cls, value: Any) -> Any:
        return {"name": "default", **value} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.default and (self.default.when or self.default.unless):
            raise ValueError("the default conversation has no conditions")
        everyone = (*self.conversations, *([self.default] if self.default else []))
        twice = [name for name, count in Counter(one.name for one in everyone).items() if count > 1]
        if twice:
            raise ValueError(f"two conversations are called {twice[0]!r}")
        return self

    def cue(self, first_message: str, index: int) -> Cue | NoCue:
        """The turn with ``index`` of the conversation that begins with ``first_message``."""
        matching = (one for one in self.conversations if one.matches(first_message))
        conversation = next(matching, self.default)
        if conversation is None:
            names = ", ".join(one.name for one in self.conversations) or "none at all"
            reason = (
                f"no conversation matches (turn index {index}); "
                f"the first user message begins {first_message[:120]!r}; there are: {names}"
            )
            return NoCue(None, index, reason)
        if index >= len(conversation.turns):
            reason = (
                f"conversation {conversation.name!r} has no turn index {index}: "
                f"it has {len(conversation.turns)} turns, counted from 0"
            )
            return NoCue(conversation.name, index, reason)
        return Cue(conversation.name, index, conversation.turns[index])
