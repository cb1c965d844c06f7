"""What the floor does next: a pure decision over a snapshot."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from factory.base.ids import BeadId
from factory.base.settings import Settings
from factory.beads.bead import Bead
from factory.beads.graph import ready
from factory.roster.identities import Identity, pick


@dataclass(frozen=True)
class Start:
    """Give ``bead`` to ``agent`` in a new session, the ``attempt``-th of the bead."""

    bead: BeadId
    agent: str
    attempt: int


@dataclass(frozen=True)
class GiveUp:
    """Its sessions failed too often: hold it for a person."""

    bead: BeadId
    reason: str


@dataclass(frozen=True)
class Plan:
    """What to do now, and which beads would start if there were room."""

    starts: tuple[Start, ...]
    gives_up: tuple[GiveUp, ...]


def plan(
    beads: Mapping[BeadId, Bead],
    identities: Mapping[str, Identity],
    settings: Settings,
    *,
    backlog: bool,
    now: str,
    place: str = "",
) -> Plan:
    """Which ready beads start now, most urgent first, within ``max_agents``.

    ``now`` is as ``clock.iso`` writes it, ``place`` this clone: what others work on takes no room here. Without
    ``backlog`` only beads that are on somebody's hook are worked on.
    """
    busy = Counter(
        bead.run.agent for bead in beads.values() if bead.state == "working" and bead.run and bead.run.is_at(place)
    )
    room = settings.max_agents - busy.total()
    starts: list[Start] = []
    gives_up: list[GiveUp] = []
    for bead in ready(beads, now):
        if bead.failures > settings.retries:
            gives_up.append(_give_up(bead))
            continue
        agent = bead.hook.agent or _former(bead, identities) or (pick(settings, busy) if backlog else "")
        if agent in identities and room > len(starts):
            busy[agent] += 1
            starts.append(Start(bead.id, agent, bead.attempts + 1))
    return Plan(tuple(starts), tuple(gives_up))


def _former(bead: Bead, identities: Mapping[str, Identity]) -> str:
    """The agent whose change came back: the rework is its own."""
    return bead.run.agent if bead.run and bead.rounds and bead.run.agent in identities else ""


def _give_up(bead: Bead) -> GiveUp:
    why = bead.setback.reason if bead.setback else "no reason was recorded"
    return GiveUp(bead.id, f"{bead.failures} sessions failed, the last because {why}")
