"""What happens, as it happens: new events of every bead since the last look, each as one line for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from factory.base.files import printable
from factory.base.ids import BeadId
from factory.beads.events import Event, parse_lines
from factory.beads.store import Store


@dataclass(frozen=True)
class Line:
    """One event for people: the time of day (UTC), the bead, and what happened."""

    at: str
    bead: BeadId
    says: str


class Tail:
    """Follows the live beads; each call of ``new`` returns the events appended since the one before."""

    def __init__(self, store: Store, *, from_now: bool = True) -> None:
        self._store = store
        self._read: dict[Path, int] = {}
        self._pulse: tuple[int, ...] | None = None
        if from_now:
            self.new()

    def new(self) -> list[Event]:
        """Events that were not there at the last call, in order of time; whole lines only."""
        fresh: list[Event] = []
        pulse = self._store.pulse()
        if pulse == self._pulse:
            return fresh
        self._pulse = pulse
        for path in self._store.live.glob("*/*.jsonl"):
            offset = self._read.get(path, 0)
            size = path.stat().st_size
            if size <= offset:
                continue
            with path.open("rb") as file:
                file.seek(offset)
                raw = file.read(size - offset)
            whole = raw[: raw.rfind(b"\n") + 1]
            self._read[path] = offset + len(whole)
            fresh += [item for item in parse_lines(whole, path.name) if isinstance(item, Event)]
        return sorted(fresh, key=lambda event: event.id)


def line(event: Event) -> Line:
    """The event in words."""
    return Line(event.at[11:19], event.on, printable(_words(event)))


def _edits(data: Mapping[str, object]) -> str:
    """Each field of an edit with its new value."""
    said = {name: value for name, value in data.items() if name not in ("add_labels", "remove_labels")}
    words = [f"{name} = {value!r}" for name, value in said.items()]
    for name, sign in (("add_labels", "+"), ("remove_labels", "-")):
        labels = data.get(name)
        words += [f"{sign}{label}" for label in labels] if isinstance(labels, list) else []
    return ", ".join(words)


def _words(event: Event) -> str:  # noqa: C901, PLR0912 - one row a type of event; a table of lambdas reads worse
    data = {key: value if isinstance(value, str | int | float) else "" for key, value in event.data.items()}
    who = event.by.partition(":")[2] or event.by
    match event.type:
        case "bead_opened":
            return f"opened: {data.get('title', '')}"
        case "bead_hooked":
            return f"on the hook of {data.get('agent', '')}"
        case "session_started":
            return f"{data.get('agent')} starts, attempt {data.get('attempt')}, on {str(data.get('base'))[:10]}"
        case "change_submitted":
            summary = str(data.get("summary", "")).split("\n")[0]
            return f"{who} submits {str(data.get('head'))[:10]}" + (f": {summary}" if summary else "")
        case "no_change_reported":
            return f"{who} says no change is needed: {data.get('reason')}"
        case "question_asked":
            return f"{who} asks: {data.get('reason')}"
        case "session_failed":
            kept = f" (work kept on {data['kept']})" if data.get("kept") else ""
            return f"session failed ({data.get('code')}): {data.get('reason')}{kept}"
        case "candidate_built":
            return f"candidate {str(data.get('commit'))[:10]} on {str(data.get('onto'))[:10]}"
        case "gate_finished":
            return f"gate {data.get('gate')} {data.get('answer')} in {data.get('seconds')} s"
        case "landing_announced":
            return f"landing as {str(data.get('commit'))[:10]}"
        case "bead_landed":
            return f"landed on {data.get('target')} as {str(data.get('commit'))[:10]}"
        case "bead_returned":
            return f"back to its agent: {data.get('reason')}"
        case "bead_held":
            return f"waits for a person: {data.get('reason')}"
        case "bead_commented":
            return f"{who}: {data.get('text')}"
        case "bead_edited":
            return f"{who} edits: {_edits(event.data)}"
        case "bead_linked" | "bead_unlinked":
            verb = "" if event.type == "bead_linked" else "no longer "
            return f"{verb}{data.get('edge')} {data.get('to')}, says {who}"
        case "bead_claimed" | "claim_renewed":
            return f"{who} holds it until {data.get('until')}"
        case _:
            detail = next((str(data[key]) for key in ("title", "reason", "edge") if data.get(key)), "")
            return f"{event.type.removeprefix('bead_').replace('_', ' ')} by {who}" + (f": {detail}" if detail else "")
