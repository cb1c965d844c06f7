"""One record of another tracker, read field by field, so that nothing in it goes unmentioned."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from factory.intake.foreign import CONTROL, Ending, Loss, NotAnItem, Record, sections, short

_LABEL_JUNK = re.compile(r"[^A-Za-z0-9._/-]+")
_MAX_LABEL = 50
_MAX_REASON = 10_000
"""Characters of why something was closed; four bytes each, they fit in an event."""


@dataclass
class Fields:
    """A record that is read field by field and knows at the end which fields nobody asked for."""

    record: Record
    key: str = ""
    losses: list[Loss] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def text(self, name: str) -> str:
        """A text field, or nothing; a value of another type stays unread and so is reported."""
        value = self.record.data.get(name)
        if not isinstance(value, str):
            return ""
        self._taken.add(name)
        return value

    def number(self, name: str) -> int | None:
        """A whole number, or ``None``."""
        value = self.record.data.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        self._taken.add(name)
        return value

    def texts(self, name: str) -> list[str]:
        """The texts of a list; whatever else it holds is reported."""
        items = self._list(name)
        texts = [item for item in items if isinstance(item, str)]
        self._lose_unless(len(texts) == len(items), name)
        return texts

    def objects(self, name: str) -> list[Mapping[str, object]]:
        """The objects of a list, or of ``{"nodes": [...]}`` as GraphQL has it; whatever else it holds is reported."""
        items = self._list(name)
        objects: list[Mapping[str, object]] = [item for item in items if isinstance(item, dict)]
        self._lose_unless(len(objects) == len(items), name)
        return objects

    def member(self, name: str) -> Mapping[str, object]:
        """An object, or an empty one."""
        value = self.record.data.get(name)
        if not isinstance(value, dict):
            return {}
        self._taken.add(name)
        return value

    def lose(self, kind: str, detail: object = "") -> None:
        """Note that something is not carried over."""
        self.losses.append(Loss(kind, self.key, short(detail)))

    def lose_fields(self, kind: str, *names: str) -> None:
        """Note the fields among ``names`` that hold something, as one thing that is lost."""
        self._taken.update(names)
        held = [f"{name} {_said(value)}" for name in names if _is_something(value := self.record.data.get(name))]
        if held:
            self.lose(kind, ", ".join(held))

    def derived(self, *names: str) -> None:
        """Fields that only repeat others: nothing is lost with them."""
        self._taken.update(names)

    def lose_rest(self) -> None:
        """Note every field with a value that nobody asked for."""
        for name in sorted(set(self.record.data) - self._taken):
            if _is_something(value := self.record.data[name]):
                self.lose(f"field:{short(name)}", _said(value))

    def _list(self, name: str) -> list[object]:
        value = self.record.data.get(name)
        if isinstance(value, dict) and isinstance(value.get("nodes"), list):
            value = value["nodes"]
        if not isinstance(value, list):
            return []
        self._taken.add(name)
        return value

    def _lose_unless(self, whole: bool, name: str) -> None:  # noqa: FBT001 - a check, spelled as one
        if not whole:
            self.lose(f"field:{name}", "not every entry could be read")

    def title_and_text(self, title: str, text: str, most: int) -> tuple[str, str]:
        """``title`` on one line of at most ``most`` characters, and ``text`` cleaned; what was cut opens the text."""
        plain = " ".join(CONTROL.sub(" ", title).split())
        if not plain:
            raise NotAnItem("it has no title")
        clean = self._clean(text)
        if len(plain) > most or plain != title.strip():
            self.lose("title", title)
        if len(plain) <= most:
            return plain, clean
        return plain[: most - 1].rstrip() + "…", sections((("", plain), ("", clean)))

    def ending(self, reason: str, *, meets: bool = True) -> Ending:
        """How it was finished, with its reason cleaned and of a length that an event holds."""
        clean = self._clean(reason)
        if len(clean) > _MAX_REASON:
            self.lose("text-cut", f"after {_MAX_REASON} of {len(clean)} characters of why it was closed")
        return Ending(clean[:_MAX_REASON], meets)

    def _clean(self, text: str) -> str:
        lines = text.replace("\r\n", "\n").replace("\r", "\n")
        clean = CONTROL.sub("", lines)
        if clean != lines:
            self.lose("text")
        return clean

    def labels(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """``wanted`` in the form that labels have here, each once; what had to change is noted."""
        kept: dict[str, None] = {}
        for label in wanted:
            plain = _LABEL_JUNK.sub("-", label).strip("-._/")[:_MAX_LABEL]
            if plain != label:
                self.lose("label", f"{label} is {plain}" if plain else f"{label} is left out")
            if plain:
                kept[plain] = None
        return tuple(kept)


def _is_something(value: object) -> bool:
    """Whether a field tells anything; a number always does."""
    return value not in (None, "", [], {}) and value is not False


def _said(value: object) -> str:
    return value if isinstance(value, str) else f"({len(value)})" if isinstance(value, list | dict) else str(value)
