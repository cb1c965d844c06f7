"""Tools about the work itself: the list of what is to do, and the end."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from factory.tools.place import Place
from factory.tools.tool import Ending, Input, Tool, ToolResult

_MARKS = {"pending": "[ ]", "in_progress": "[>]", "done": "[x]"}


class TodoItem(BaseModel):
    """One step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1, max_length=500)
    status: Literal["pending", "in_progress", "done"]


class Todo(Input):
    """The whole list, replacing the one before."""

    items: tuple[TodoItem, ...] = Field(max_length=50)


async def _todo(place: Place, wanted: Todo) -> ToolResult:  # noqa: ARG001 - every tool has the same form
    """Repeat the list: it lives in the conversation, and the last one said is the one that holds."""
    return ToolResult("\n".join(f"{_MARKS[item.status]} {item.text}" for item in wanted.items) or "the list is empty")


class Finish(Input):
    """How the work ended."""

    summary: str = Field(default="", max_length=10_000, description="what you changed and how you checked it")
    question: str = Field(
        default="",
        max_length=10_000,
        description="instead of a summary: what a person must decide before you go on",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> "Finish":
        if bool(self.summary.strip()) == bool(self.question.strip()):
            raise ValueError("give either a summary or a question")
        return self


async def _finish(place: Place, wanted: Finish) -> ToolResult:  # noqa: ARG001 - every tool has the same form
    return ToolResult("noted", ending=Ending(wanted.summary.strip(), wanted.question.strip()))


TODO = Tool(
    "todo",
    "Keep a list of steps for work of three steps or more. Send the whole list each time; one item in progress.",
    Todo,
    read_only=True,
    act=_todo,
)
FINISH = Tool(
    "finish",
    "End the work: a summary when it is done, or a question when only a person can decide. Call it alone and last.",
    Finish,
    read_only=False,
    act=_finish,
)
