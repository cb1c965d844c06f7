"""The story as it goes: a live table on a terminal, plain lines everywhere else."""

import shutil
import sys
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from factory.base.ids import BeadId
from factory.beads.events import Event
from factory.beads.graph import blockers
from factory.beads.lifecycle import LIVE
from factory.beads.store import Store
from factory.cli.output import COLOURS
from factory.cli.views import short_reason
from factory.observe.story import Line, line

if TYPE_CHECKING:
    from rich.table import Table


class Teller(Protocol):
    """Shows people what happens."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, leaving the last picture in place."""
        ...

    def tell(self, events: Sequence[Event]) -> None:
        """Show what happened since the last call."""
        ...


class PlainLines:
    """One line an event on standard error, so that standard output stays free for answers."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def tell(self, events: Sequence[Event]) -> None:
        """Print each event."""
        for event in events if not self._quiet else ():
            said = line(event)
            sys.stderr.write(f"{said.at}  {said.bead:<9}  {said.says}\n")
        sys.stderr.flush()


class LiveTable:
    """A table of the beads that want something, redrawn as they move, with the last events below it."""

    _LAST = 6

    def __init__(self, store: Store) -> None:
        from rich.console import Console
        from rich.live import Live

        self._store = store
        self._shown: dict[BeadId, None] = {bead.id: None for bead in store.beads().values() if bead.state in LIVE}
        self._recent: deque[Line] = deque(maxlen=self._LAST)
        self._live = Live(console=Console(), auto_refresh=False, transient=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        self._draw(final=False)
        return self

    def __exit__(self, *details: object) -> None:
        self._draw(final=True)
        self._live.__exit__(None, None, None)

    def tell(self, events: Sequence[Event]) -> None:
        """Redraw when something happened."""
        for event in events:
            self._shown[event.on] = None
            self._recent.append(line(event))
        if events:
            self._draw(final=False)

    def _draw(self, *, final: bool) -> None:
        from rich.console import Group
        from rich.text import Text

        said = [] if final else [Text(f"{one.at}  {one.bead}  {one.says}", style="dim") for one in self._recent]
        for text in said:
            text.no_wrap, text.overflow = True, "ellipsis"
        self._live.update(Group(self._table(final=final), *([Text("")] if said else []), *said), refresh=True)

    def _table(self, *, final: bool) -> "Table":
        from rich.table import Table
        from rich.text import Text

        beads = self._store.beads()
        blocked = blockers(beads, self._store.now())
        table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
        for heading in ("BEAD", "STATE", "AGENT"):
            table.add_column(heading, no_wrap=True)
        table.add_column("TITLE", no_wrap=True, overflow="ellipsis", ratio=3)
        table.add_column("", no_wrap=True, overflow="ellipsis", ratio=2, style="dim")
        room = max(shutil.get_terminal_size().lines - self._LAST - 4, 5)
        rows = [beads[bead] for bead in self._shown if bead in beads]
        for bead in rows if final else sorted(rows, key=lambda bead: bead.state not in LIVE)[:room]:
            state = "blocked" if bead.state == "open" and bead.id in blocked else bead.state
            agent = bead.run.agent if bead.run else bead.hook.agent
            title, reason = Text(bead.title), Text(short_reason(bead, blocked))
            table.add_row(bead.id, Text(state, style=COLOURS.get(bead.state, "")), agent, title, reason)
        return table
