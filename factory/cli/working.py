"""Running a floor from a command, and telling the story of it as it goes."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence

from factory.base.ids import BeadId
from factory.beads.bead import Bead
from factory.beads.lifecycle import LIVE
from factory.cli import output
from factory.cli.live import LiveTable, PlainLines, Teller
from factory.floor.floor import Floor, FloorRuns
from factory.observe import card
from factory.observe.story import Tail
from factory.observe.why import reasons
from factory.wiring import Office, floor, situation

_LOOK_S = 0.1
_WATCH_S = 0.5
EXIT_WAITS = 1
EXIT_LATER = 75
_LATER = frozenset(
    {
        "behind",
        "blocked",
        "gates-running",
        "interrupted",
        "local-changes",
        "next",
        "no-floor",
        "slots",
        "target-moved",
        "working",
    }
)
"""Reasons that end by themselves or with the next floor: nobody has to decide anything."""


def work(place: Office, wanted: Sequence[BeadId], *, backlog: bool, forever: bool = False, quiet: bool = False) -> int:
    """Run a floor, or watch the one that runs, until ``wanted`` are settled (none wanted: until idle)."""
    teller: Teller = LiveTable(place.store) if output.is_terminal() and not quiet else PlainLines(quiet=quiet)
    with teller:
        interrupted = asyncio.run(_work(place, wanted, teller, backlog=backlog, forever=forever))
    return 130 if interrupted else 0


async def _work(place: Office, wanted: Sequence[BeadId], teller: Teller, *, backlog: bool, forever: bool) -> bool:
    tail = Tail(place.store, from_now=True)
    while True:
        working = floor(place, backlog=backlog, forever=forever)
        telling = asyncio.create_task(_tell(tail, teller))
        try:
            with _signals(working):
                await working.run()
        except FloorRuns:
            if not wanted:
                raise
            if await _watch(place, wanted):
                continue
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling
            teller.tell(tail.new())
        return working.stopping


async def _tell(tail: Tail, teller: Teller) -> None:
    while True:
        teller.tell(tail.new())
        await asyncio.sleep(_LOOK_S)


async def _watch(place: Office, wanted: Sequence[BeadId]) -> bool:
    """Wait for another process's floor; the answer is whether it ended and left something for us to do."""
    while True:
        runs = card.running(place.repo) is not None
        standing = await asyncio.to_thread(situation, place)
        why = reasons(standing)
        moving = [bead for bead in wanted if standing.beads[bead].state in ("open", "working", "queued")]
        if not any(why[bead].code in _LATER for bead in moving):
            return False
        if not runs:
            return True
        await asyncio.sleep(_WATCH_S)


@contextlib.contextmanager
def _signals(working: Floor) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, working.stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def conclude(place: Office, wanted: Sequence[BeadId], *, as_json: bool) -> int:
    """Say how each bead stands, and the exit code: 0 when all ended well, 1 when a person is needed, 75 later."""
    from factory.beads.graph import blockers
    from factory.cli import views

    standing = situation(place)
    why = reasons(standing)
    beads = [standing.beads[bead] for bead in wanted]
    if as_json:
        blocked = blockers(standing.beads, standing.now)
        output.document("beads", [views.as_json(bead, blocked, why[bead.id].sentence) for bead in beads])
    else:
        output.say()
        for bead in beads:
            reason = why[bead.id]
            output.say(f"{bead.id}  {output.colour(bead.state, bead.state)}  {bead.title}")
            if bead.state in LIVE:
                output.say(f"         {reason.sentence}" + (f"  ->  {reason.remedy}" if reason.remedy else ""))
    return _exit_code(beads, {bead.id: why[bead.id].code for bead in beads})


def _exit_code(beads: Sequence[Bead], codes: dict[BeadId, str]) -> int:
    unsettled = [bead for bead in beads if bead.state in LIVE and codes[bead.id] != "review"]
    if not unsettled:
        return 0
    return EXIT_LATER if all(codes[bead.id] in _LATER for bead in unsettled) else EXIT_WAITS


def warn_damage(place: Office) -> None:
    """Name every line that could not be read, on standard error."""
    for damage in place.store.snapshot().damage:
        sys.stderr.write(f"factory: {damage.file}:{damage.line}: {damage.reason}\n")
