"""What a tool is: a name, a validated input, an act in a place, and a bounded answer in text."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from factory.base.errors import Refused, UserError
from factory.tools.place import Place

MOST_CHARACTERS = 30_000
"""What one answer may cost: about 8,000 tokens, sent again with every later request."""


class Input(BaseModel):
    """What a model may send to a tool; the descriptions of the fields are written for the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Ending:
    """The agent says that it is done (``summary``) or that a person must answer first (``question``)."""

    summary: str = ""
    question: str = ""


@dataclass(frozen=True)
class ToolResult:
    """What the model gets back; ``ending`` is set by the one tool that ends the work."""

    text: str
    is_error: bool = False
    ending: Ending | None = None


InputT = TypeVar("InputT", bound=Input)


@dataclass(frozen=True)
class Tool(Generic[InputT]):
    """One thing an agent can do. Tools that are ``read_only`` may run beside each other."""

    name: str
    description: str
    input: type[InputT]
    read_only: bool
    act: Callable[[Place, InputT], Awaitable[ToolResult]]

    @property
    def input_schema(self) -> dict[str, object]:
        """The JSON schema of the input, as it is shown to the model."""
        schema = self.input.model_json_schema()
        bare = _without_titles(schema)
        assert isinstance(bare, dict)
        return bare

    async def __call__(self, place: Place, sent: object) -> ToolResult:
        """Validate what a model sent and act on it; everything expectable becomes a result."""
        try:
            wanted = self.input.model_validate(sent)
        except ValidationError as error:
            return ToolResult(_expectation(self.name, error), is_error=True)
        try:
            result = await self.act(place, wanted)
        except (Refused, UserError) as error:
            result = ToolResult(f"{error.sentence}: {error.hint}" if error.hint else error.sentence, is_error=True)
        except OSError as error:
            result = ToolResult(f"cannot {self.name}: {error.strerror or error}", is_error=True)
        return replace(result, text=bounded(result.text))


def bounded(text: str, most: int = MOST_CHARACTERS) -> str:
    """``text`` in at most ``most`` characters: the beginning and the end, and how much is missing between."""
    if len(text) <= most:
        return text
    half = (most - _ROOM_FOR_GAP) // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


_ROOM_FOR_GAP = 80


def _expectation(name: str, error: ValidationError) -> str:
    faults = [f"{'.'.join(map(str, fault['loc'])) or 'input'}: {fault['msg']}" for fault in error.errors()]
    return f"{name} was not run, its input is wrong. " + "; ".join(faults[:10])


def _without_titles(schema: object) -> object:
    """A schema without pydantic's titles, which repeat the names and cost tokens in every request."""
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_titles(part) for name, part in value.items()}
        if key in {"properties", "$defs"}
        else _without_titles(value)
        for key, value in schema.items()
        if key != "title"
    }
