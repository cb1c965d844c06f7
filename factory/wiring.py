"""The only module that chooses classes from settings and puts the rooms together.

A command asks for an ``Office`` (a repository with its settings, ready to be read), and for a ``Floor``
when it wants something done.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from factory.base.ids import CommitId
from factory.beads.store import Store, person
from factory.git import repository
from factory.git.repository import Repository

if TYPE_CHECKING:
    from factory.base.ids import BeadId
    from factory.base.settings import Loaded, Settings
    from factory.beads.bead import Bead
    from factory.beads.claims import Desk
    from factory.beads.graph import Blocked
    from factory.engine.protocol import Engine, Job
    from factory.floor.floor import Floor
    from factory.landing.step import Target, Wait
    from factory.observe.why import Situation
    from factory.roster.identities import Identity
    from factory.sessions.host import Work
    from factory.workspaces.ground import Ground


@dataclass(frozen=True)
class Office:
    """A repository, its settings and its beads. Everything heavy is made when it is asked for.

    ``given`` and ``given_target`` are a floor's orders to a host, which takes nothing from the disk.
    """

    repo: Repository
    overrides: Mapping[str, object]
    given: "Settings | None" = None
    given_target: str = ""

    @cached_property
    def loaded(self) -> "Loaded":
        """The settings with their origins."""
        from factory.base import settings

        return settings.load(self.repo.main_root, overrides=self.overrides)

    @property
    def settings(self) -> "Settings":
        """The settings in force, as they were when they were first asked for."""
        return self.given or self.loaded.settings

    @cached_property
    def store(self) -> Store:
        """The beads."""
        store = Store(self.repo, sign=lambda: self.settings.beads.sign)
        store.prepare()
        return store

    @cached_property
    def person(self) -> str:
        """Who is at the keyboard, as the author of events."""
        return person(self.repo)

    @cached_property
    def target(self) -> str:
        """The name of the branch that work lands on."""
        from factory.landing.target import target_name

        return self.given_target or target_name(self.repo, self.settings)

    @cached_property
    def ground(self) -> "Ground":
        """Where workspaces stand and what confines them."""
        from factory.workspaces.ground import ground

        return ground(self.repo, self.settings.workspaces)

    @property
    def identities(self) -> "dict[str, Identity]":
        """Every agent that beads can be given to, read anew each time: people add some while a floor runs."""
        from factory.base import settings
        from factory.roster.identities import identities

        return identities(settings.load(self.repo.main_root).settings, self.repo.main_root)


def office(start: Path, overrides: Mapping[str, object] | None = None) -> Office:
    """The office of the repository that ``start`` lies in."""
    return Office(repository.find(start), dict(overrides or {}))


def runtime_problem(identity: "Identity") -> str | None:
    """Why an agent's runtime cannot run here, or ``None``."""
    from factory.agents.runtimes import runtime

    return runtime(identity.runtime).problem({})


def floor(place: Office, *, backlog: bool, forever: bool = False) -> "Floor":
    """A floor for the repository, ready to run."""
    from factory.engine.local import LocalEngine
    from factory.floor.floor import Floor

    def make_engine(wake: Callable[[], None]) -> "Engine":
        orders = json.dumps({"settings": place.settings.model_dump(mode="json"), "target": place.target})
        return LocalEngine(place.repo.main_root, place.repo.state_dir / "host.log", orders, wake)

    return Floor(
        repo=place.repo,
        store=place.store,
        settings=place.settings,
        identities=lambda: place.identities,
        ground=place.ground,
        target=place.target,
        make_engine=make_engine,
        is_trusted=lambda: not untrusted(place),
        may_start=lambda identity: runtime_problem(identity) is None,
        backlog=backlog,
        forever=forever,
    )


def carrier(place: Office, orders: str) -> "Work":
    """What does jobs in a host, with the settings and the target that the floor's orders say."""
    from factory.base.settings import Settings

    told = json.loads(orders)
    own = replace(place, given=Settings.model_validate(told["settings"]), given_target=told["target"])
    return lambda job: _carry(own, job)


async def _carry(place: Office, job: "Job") -> None:
    if job.kind == "gates":
        from factory.landing.gate_job import run_gate_job

        await run_gate_job(place.repo, place.store, job.bead, CommitId(job.key), place.target, place.ground)
        return
    from factory.agents.runtimes import runtime
    from factory.roster.identities import from_line
    from factory.sessions.session import Assignment, Session

    bead = place.store.bead(job.bead)
    if bead.run is None or bead.run.session != job.key or bead.state != "working":
        return
    identity = from_line(job.agent)
    assignment = Assignment(bead, bead.run, identity, runtime(identity.runtime), place.target)
    await Session(place.repo, place.store, place.ground, assignment, meeting(place)).work()


def meeting(place: Office) -> "Desk | None":
    """Where the clones meet, if the settings say so."""
    from factory.beads.claims import Desk
    from factory.git.remote import choose

    name = place.settings.beads.remote
    return Desk(choose(place.repo, name), place.store.named()) if name else None


def untrusted(place: Office) -> "list[tuple[str, Settings]]":
    """The places whose settings have power that no person has trusted, and what they say."""
    from factory.base.trust import is_trusted

    root = place.repo.main_root
    return [(origin, said) for origin, said in settings_with_powers(place) if not is_trusted(root, said)]


def settings_with_powers(place: Office) -> "list[tuple[str, Settings]]":
    """Each place in the repository that settings come from, and what they say there; these need trust."""
    from factory.base.settings import FILE, parse
    from factory.landing.target import committed_settings

    found = []
    file = place.repo.main_root / FILE
    if file.is_file():
        found.append((FILE, parse(file.read_bytes(), FILE)))
    head = place.repo.branch(place.target)
    if head is not None:
        found.append((f"{FILE} on {place.target}", committed_settings(place.repo, head)))
    return found


def situation(
    place: Office,
    beads: "Mapping[BeadId, Bead] | None" = None,
    blocked: "Mapping[BeadId, Blocked] | None" = None,
) -> "Situation":
    """What the reasons of beads are read from, as it is now; of all beads, or of those that an index gave."""
    from factory.base.errors import UserError
    from factory.landing.target import look
    from factory.observe import card
    from factory.observe.why import Situation
    from factory.roster.identities import builders

    try:
        target = look(place.repo, place.target, place.settings.reworks)
        trusted = not untrusted(place)
    except UserError:
        target, trusted = None, True
    beads = place.store.beads() if beads is None else beads
    return Situation(
        beads=beads,
        now=place.store.now(),
        target=target,
        agents={name: runtime_problem(identity) or "" for name, identity in place.identities.items()},
        helpers=builders(place.settings),
        floor_runs=card.running(place.repo) is not None,
        max_agents=place.settings.max_agents,
        trusted=trusted,
        place=place.store.place,
        waits=_waits(place, beads, target) if target else {},
        blocked=blocked,
    )


def _waits(place: Office, beads: "Mapping[BeadId, Bead]", target: "Target") -> "dict[BeadId, Wait]":
    from factory.landing.queue import Queue

    queue = Queue(place.repo, place.store, target.name, target.reworks)
    queued = (bead for bead in beads.values() if bead.state == "queued")
    return {bead.id: wait for bead in queued if (wait := queue.outlook(bead, target)) is not None}
