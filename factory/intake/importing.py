"""Brings the items of another tracker into the store: one look, one plan, one write, one report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from factory.base.errors import UserError
from factory.base.ids import BeadId
from factory.beads.bead import Bead
from factory.beads.payloads import EDGES, BeadDropped, BeadOpened, Payload, checked
from factory.beads.store import Store
from factory.intake.foreign import Failure, Foreign, Loss, Reading
from factory.intake.import_plan import Plan, Skip, plan


@dataclass(frozen=True)
class Brought:
    """An item and the bead that it became, or in a rehearsal would become."""

    item: Foreign
    bead: BeadId | None


@dataclass(frozen=True)
class Imported:
    """What an import did with every item of a file."""

    beads: tuple[Brought, ...]
    skips: tuple[Skip, ...]
    losses: tuple[Loss, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Wanted:
    """What to import: the ``reading`` of a file in ``format``, with its finished items or without."""

    format: str
    reading: Reading
    closed: bool = False


def rehearse(store: Store, wanted: Wanted) -> Imported:
    """What ``bring`` would do now; writes nothing."""
    made = _plan(wanted, store.beads())
    return Imported(tuple(Brought(item, None) for item in made.openings), made.skips, made.losses, made.failures)


def bring(store: Store, wanted: Wanted, by: str, prefix: str) -> Imported:
    """Open a bead for every item that is not here yet; what the disk refuses is told as failures.

    The look at what is here and the write happen under one lock, so that two imports at once bring
    nothing twice. The caller commits.
    """
    made: list[Plan] = []

    def decide(beads: Mapping[BeadId, Bead], ids: Iterator[BeadId]) -> Iterator[tuple[BeadId, list[Payload]]]:
        made.append(_plan(wanted, beads))
        of = _here(wanted, beads) | {item.key: next(ids) for item in made[0].openings}
        return ((of[item.key], payloads(item, of)) for item in made[0].openings)

    opened, stopped = store.open_many(decide, by, prefix)
    done = made[0]
    beads = tuple(Brought(item, bead) for item, bead in zip(done.openings, opened, strict=False))
    rest = tuple(Failure(item.where, item.key, _why(stopped)) for item in done.openings[len(opened) :])
    brought = {one.item.key for one in beads}
    losses = tuple(loss for loss in done.losses if not rest or loss.key in brought)
    return Imported(beads, done.skips, losses, (*done.failures, *rest))


def _plan(wanted: Wanted, beads: Mapping[BeadId, Bead]) -> Plan:
    return plan(wanted.reading, _here(wanted, beads), closed=wanted.closed)


def _here(wanted: Wanted, beads: Mapping[BeadId, Bead]) -> dict[str, BeadId]:
    """The keys of the file, its edges included, whose items are in the store already."""
    by_origin = {bead.origin: bead.id for bead in beads.values() if bead.origin}
    here: dict[str, BeadId] = {}
    for item in wanted.reading.items:
        own = beads.get(BeadId(item.key)) if wanted.format == "factory" else None
        if own is not None and own.opened_at == item.opened_at:
            here[item.key] = own.id  # the export of this very store
        elif item.origin in by_origin:
            here[item.key] = by_origin[item.origin]
    in_file = {item.key for item in wanted.reading.items}
    for item in wanted.reading.items:
        for _, to in item.links:
            found = by_origin.get(f"{wanted.format}:{to}")
            if found is not None and to not in in_file:
                here[to] = found
    return here


def payloads(item: Foreign, ids: Mapping[str, BeadId]) -> list[Payload]:
    """What the first events of the item's bead say; ``ids`` has the bead of every key that it links to."""
    links: dict[str, tuple[BeadId, ...]] = {
        edge: tuple(ids[to] for kind, to in item.links if kind == edge) for edge in EDGES
    }
    opened = checked(
        BeadOpened,
        title=item.title,
        text=item.text,
        priority=item.priority,
        labels=item.labels,
        not_before=item.not_before,
        origin=item.origin,
        **links,
    )
    if item.ending is None:
        return [opened]
    return [opened, checked(BeadDropped, reason=item.ending.reason)]


def _why(stopped: UserError | None) -> str:
    return stopped.sentence if stopped else "not reached"


def exported(beads: Sequence[Bead], *, finished: bool) -> list[Bead]:
    """The beads of an export, oldest first; those that are at an end only when ``finished``."""
    from factory.beads.lifecycle import LIVE

    return sorted((bead for bead in beads if finished or bead.state in LIVE), key=lambda bead: bead.opened)
