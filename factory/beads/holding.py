"""Taking a bead by hand, keeping it, giving it back.

In one clone that is exact, because each step is one event under the lock; between clones the claim is taken first
where they meet (``claims``), and without that the earlier of two wins when they sync.
"""

from collections.abc import Callable

from factory.base.clock import iso, parse_iso
from factory.base.errors import FactoryError, Refused, TryAgain
from factory.base.ids import new_claim_id
from factory.beads.allowed import Held, LeaseOver
from factory.beads.bead import Bead, Run
from factory.beads.claims import Desk, HeldElsewhere
from factory.beads.graph import ready
from factory.beads.lifecycle import NotAllowed
from factory.beads.payloads import BeadClaimed, BeadReleased, ClaimRenewed, NoChangeAccepted, NoChangeReported, Payload
from factory.beads.store import NotReady, Store


class NothingReady(TryAgain):
    """Every bead is taken, blocked or finished."""

    def __init__(self) -> None:
        super().__init__("no bead is ready to be taken", "factory bead ready --explain says what waits for what")


class NotHeld(Refused):
    """The bead is not in the hands of the one who asked."""

    def __init__(self, bead: Bead, by: str) -> None:
        holder = f"{bead.run.agent} holds it" if bead.state == "working" and bead.run else f"it is {bead.state}"
        super().__init__(f"{bead.id}: {by} does not hold it; {holder}", f"factory bead claim {bead.id} takes it")


def claim(store: Store, bead: str, by: str, hold_s: float) -> Bead:
    """Take a ready bead for ``hold_s`` seconds; of any number who try at once, one gets it.

    Raises ``Held``, ``NotReady`` or ``NotAllowed`` for a bead that is not to be had.
    """
    payload = BeadClaimed(until=_end(store, hold_s))
    return store.append(bead, payload, by, new_claim_id())


def claim_everywhere(desk: Desk, store: Store, bead: str, by: str, hold_s: float) -> Bead:
    """Take a bead where all clones meet, and then here; raises ``HeldElsewhere`` and ``Unreachable`` besides.

    A claim that this clone refuses is given back there.
    """
    current, mine = store.bead(bead), new_claim_id()
    taken = desk.take(current.id, by, mine, hold_s, at_least=current.fence)
    try:
        return store.append(bead, BeadClaimed(until=taken.until, fence=taken.fence), by, mine)
    except FactoryError:
        desk.release(current.id, mine, taken.fence)
        raise


def claim_next(store: Store, take: Callable[[str], Bead]) -> Bead:
    """Have ``take`` take the most urgent ready bead that nobody else takes first; raises ``NothingReady``."""
    beads, now = store.beads(), store.now()
    over = (bead for bead in beads.values() if bead.state == "working" and bead.run and bead.run.is_over(now))
    for bead in sorted((*ready(beads, now), *over), key=lambda bead: bead.order):
        try:
            return take(bead.id)
        except (Held, HeldElsewhere, NotReady, NotAllowed):
            continue
    raise NothingReady


def renew(store: Store, bead: str, by: str, hold_s: float, desk: Desk | None = None) -> Bead:
    """Keep a bead for ``hold_s`` seconds from now; raises ``NotHeld``, ``LeaseOver`` or ``ClaimLost``."""
    held = store.bead(bead)
    own = _own(held, by)
    if own.until < store.now():
        raise LeaseOver(held.id, ClaimRenewed.type, own.until)
    until = desk.keep(held.id, by, own.session, hold_s, fence=own.fence).until if desk else _end(store, hold_s)
    return store.append(bead, ClaimRenewed(until=until), by, own.session)


def release(store: Store, bead: str, by: str, reason: str, desk: Desk | None = None) -> Bead:
    """Give a bead back, or take it from its holder, which needs a reason; what they do with it then is refused."""
    held = store.bead(bead)
    own = _holds(held, by)
    if own is None and not reason.strip():
        raise NotHeld(held, by)
    released = store.append(bead, BeadReleased(reason=reason), by, own.session if own else None)
    if desk is not None and held.run is not None:
        desk.release(held.id, held.run.session, held.run.fence)
    return released


def finish_unchanged(store: Store, bead: str, by: str, evidence: str) -> Bead:
    """As its holder: report that no change is needed. As anybody else: accept that this was reported."""
    held = store.bead(bead)
    own = _holds(held, by)
    if own is None and held.state in ("open", "working"):
        raise NotHeld(held, by)
    payload: Payload = NoChangeReported(reason=evidence) if own else NoChangeAccepted(reason=evidence)
    return store.append(bead, payload, by, own.session if own else None)


def _holds(bead: Bead, by: str) -> Run | None:
    run = bead.run
    return run if bead.state == "working" and run is not None and run.is_claim and run.agent == by else None


def _own(bead: Bead, by: str) -> Run:
    run = _holds(bead, by)
    if run is None:
        raise NotHeld(bead, by)
    return run


def _end(store: Store, hold_s: float) -> str:
    return iso(parse_iso(store.now()) + int(hold_s * 1000))
