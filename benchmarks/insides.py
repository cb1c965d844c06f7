"""Parts of the bead store measured from inside a process, where a start-up would drown them."""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from benchmarks.big_store import FIRST_DAY_MS, HandMoved
from factory.base.clock import iso
from factory.base.ids import BeadId, HybridClock
from factory.beads import fold as folding
from factory.beads.events import Event
from factory.beads.payloads import BeadCommented, checked
from factory.beads.store import Store
from factory.git.repository import find

GROUP = 250
"""Events between two commits: what a busy floor gathers in half a second."""


class Note(Protocol):
    """How a figure is told."""

    def __call__(self, work: str, measured: str, goal: str, *, met: bool | None) -> None: ...


def appends(root: Path, beads: list[str], *, events: int) -> tuple[float, float]:
    """Events a second, each on the disk before the next, a commit after every ``GROUP`` and at the end; CPU ms of each.

    The CPU time is that of this process and of the git that it starts.
    """
    store = Store(find(root))
    began, cpu = time.monotonic(), _cpu_s()
    for number in range(events):
        said = checked(BeadCommented, text=f"comment {number}: " + "what was found. " * 8)
        store.append(beads[number % len(beads)], said, "human:bench")
        if number % GROUP == GROUP - 1:
            store.commit()
    store.commit()
    return events / (time.monotonic() - began), (_cpu_s() - cpu) * 1000 / events


def bare_appends(folder: Path, *, lines: int) -> float:
    """Lines a second that this disk takes, each followed by an ``fsync``: what no store can exceed."""
    line = b"x" * 300 + b"\n"
    fd = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        began = time.monotonic()
        for _ in range(lines):
            os.write(fd, line)
            os.fsync(fd)
        return lines / (time.monotonic() - began)
    finally:
        os.close(fd)


def _cpu_s() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def refresh(root: Path, beads: list[str], *, rounds: int) -> float:
    """Milliseconds of CPU that the index takes for 100 new events of as many beads as there are: the median."""
    from factory.beads.index import Index

    store, index = Store(find(root)), Index(find(root).state_dir)
    index.refreshed().close()
    took = []
    for _ in range(rounds):
        for number in range(100):
            store.append(beads[number % len(beads)], checked(BeadCommented, text=f"comment {number}"), "human:bench")
        took.append(_ms(lambda: index.refreshed().close()))
    return statistics.median(took)


def fold(note: Note) -> None:
    """The fold of one bead with 1,000 events, half of them edits and links."""
    events = list(_long_story(1000))
    took = [_ms(lambda: folding.fold(events)) for _ in range(25)]
    ms = statistics.median(took)
    note("fold of one bead with 1,000 events", f"{ms:.1f} ms CPU", "≤ 20 ms", met=ms <= 20)


def _ms(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def _long_story(count: int) -> list[Event]:
    clock = HandMoved()
    clock.ms = FIRST_DAY_MS
    ids = HybridClock(clock, 7)
    bead = BeadId("fa-7k2m")
    said: list[tuple[str, dict[str, object]]] = [("bead_opened", {"title": "A long story"})]
    for number in range(count - 1):
        kinds: list[tuple[str, dict[str, object]]] = [
            ("bead_commented", {"text": f"comment {number}"}),
            ("bead_edited", {"priority": number % 5, "add_labels": [f"label-{number % 40}"]}),
            ("bead_commented", {"text": "what was found. " * 8}),
            ("bead_linked", {"edge": "relates", "to": f"fa-{number % 50:04d}"}),
        ]
        said.append(kinds[number % 4])
    events = []
    for type_, data in said:
        event_id, ms = ids.next()
        events.append(Event(event_id, iso(ms), "human:bench", bead, None, type_, data))
        clock.ms += 1000
    return events
