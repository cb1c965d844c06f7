"""The bead store's speed and size beside what users would pick instead: the table of goals, measured.

``python -m benchmarks.beads --beads 100000 --events 1000000 --peers FOLDER``. Medians of whole processes
in rounds that alternate between the commands; ratios are within this run. ``--store`` takes a repository
that ``benchmarks.big_store`` made (it is copied before anything is written); without it one is made.
No figure fails the run: it prints whether each goal is met.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import big_store, crowd
from benchmarks.insides import appends, bare_appends, fold, refresh
from benchmarks.machine import describe
from benchmarks.measure import Command, Cost, copied, factory, in_rounds, load, run, table
from benchmarks.peers import Peer, Seeds, install

WRITERS = 50
SPREAD = 50
"""Beads of the big store, from all its days, that are shown and appended to."""

RACERS = 30
RACE_S = 120
READS = ("ready", "list", "show")
NOWHERE = Path()
"""No folder was named for the peers: they go into one that is thrown away."""

PARTS = ("reads", "index", "add", "writing", "fold", "race")


@dataclass
class Goals:
    """The table that the run ends with: the work, what was measured, the goal, and whether it is met."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, work: str, measured: str, goal: str, *, met: bool | None) -> None:
        """One more row; ``met`` is ``None`` when this run cannot tell."""
        self.rows.append((work, measured, goal, {True: "yes", False: "**no**", None: "not measured"}[met]))
        print(f"  {work}: {measured} (goal: {goal}): {self.rows[-1][3]}", flush=True)


@dataclass(frozen=True)
class World:
    """What a run measures: the big store, the peers and their full stores, how many rounds, and a scratch folder."""

    store: Path
    beads: list[str]
    peers: dict[str, tuple[Peer, Path]]
    rounds: int
    budget_s: float
    scratch: Path

    @property
    def python(self) -> Command:
        """The yardstick."""
        return Command([sys.executable, "-c", "pass"], self.scratch)


def reads(world: World, goals: Goals) -> None:
    """What the reading commands cost from the command line, warm, beside Python itself and the peers."""
    argv = {
        "ready": ["bead", "ready", "--limit", "50"],
        "ready, all of them": ["bead", "ready"],
        "list": ["bead", "list", "--limit", "50"],
        "show": ["bead", "show", world.beads[SPREAD // 2]],
    }
    commands = {f"factory {name}": Command([*factory(), *words], world.store) for name, words in argv.items()}
    for name, (peer, root) in world.peers.items():
        commands |= {f"{name} {read}": Command(peer.commands()[read], root) for read in READS}
    run(commands["factory ready"])  # the first command after the store was made brings the index about
    costs = in_rounds({"python -c pass": world.python, **commands}, rounds=world.rounds, budget_s=world.budget_s)
    show_costs(costs)
    base = costs["python -c pass"].cpu_ms
    for read in READS:
        cost = costs[f"factory {read}"]
        seeds = costs.get(f"seeds {read}")
        beside = f", {cost.cpu_ms / seeds.cpu_ms:.2f} of seeds" if seeds else ""
        cheap = cost.cpu_ms <= 3 * base and cost.rss_mb < 40 and (not seeds or cost.cpu_ms <= seeds.cpu_ms / 2)
        measured = f"{cost.cpu_ms:.0f} ms CPU, {cost.cpu_ms / base:.1f} of python{beside}, {cost.rss_mb:.0f} MB"
        goals.add(f"bead {read}", measured, "≤ 0.5 of seeds, ≤ 3 of python, < 40 MB", met=cheap)


def additions(world: World, goals: Goals) -> None:
    """What one more bead costs from the command line, durable and committed, beside the peers' (which are neither)."""
    add = ["bead", "add", "Another", "-m", "A task more."]
    commands = {"python -c pass": world.python, "factory add": Command([*factory(), *add], world.store)}
    for name, (peer, root) in world.peers.items():
        commands[f"{name} add"] = Command(peer.commands()["add"], root)
    costs = in_rounds(commands, rounds=world.rounds, budget_s=world.budget_s)
    show_costs(costs)
    ours, seeds = costs["factory add"], costs.get("seeds add")
    beside = f", {ours.cpu_ms / seeds.cpu_ms:.2f} of seeds' create" if seeds else ""
    met = ours.cpu_ms <= seeds.cpu_ms if seeds else None
    goals.add("bead add", f"{ours.cpu_ms:.0f} ms CPU{beside}", "≤ 1 of seeds' create", met=met)


def writing(world: World, goals: Goals, *, events: int, each: int) -> None:
    """Appends in one process, then of many at once; the files are read back afterwards."""
    root = plain_repository(world.scratch / "appends")
    beads = crowd.opened(root, 50)
    print(f"  the disk alone, a line and an fsync: {bare_appends(world.scratch, lines=events):.0f} lines/s")
    for work, where, on in (
        ("append in a process, durable", root, beads),
        ("the same in the big store", world.store, world.beads),
    ):
        rate, cpu_ms = appends(where, on, events=events)
        goals.add(work, f"{rate:.0f} events/s, {cpu_ms:.2f} ms CPU each", "≥ 1000 events/s", met=rate >= 1000)
    came = crowd.crowd(root, writers=WRITERS, events=each, beads=beads)
    measured = f"{came.rate:.0f} events/s of {came.acknowledged}; {came.lost} lost, {came.torn} torn, "
    measured += f"{came.doubled} doubled, {came.uncommitted} uncommitted"
    whole = came.acknowledged == WRITERS * each and not (came.lost or came.torn or came.doubled or came.uncommitted)
    goals.add(f"{WRITERS} processes at once", measured, "≥ 500 events/s, 0 of each", met=whole and came.rate >= 500)


def index(world: World, goals: Goals) -> None:
    """Bringing the index about from nothing, and up to date after 100 events."""
    state = world.store / ".git/factory"

    def forget() -> None:
        for path in state.glob("index.sqlite*"):
            path.unlink()

    ready = [*factory(), "bead", "ready", "--limit", "1"]
    run(Command(ready, world.store))
    if not (state / "index.sqlite").exists():
        goals.add("full rebuild of the index", "there is no index", "≤ 30 s, ≤ 300 MB", met=None)
        return
    cost = in_rounds({"rebuild": Command(ready, world.store, forget)}, rounds=3, budget_s=world.budget_s)["rebuild"]
    measured = f"{cost.wall_ms / 1000:.1f} s, {cost.cpu_ms / 1000:.1f} s CPU, {cost.rss_mb:.0f} MB"
    goals.add(
        "full rebuild of the index", measured, "≤ 30 s, ≤ 300 MB", met=cost.wall_ms <= 30e3 and cost.rss_mb <= 300
    )
    ms = refresh(world.store, world.beads, rounds=world.rounds)
    goals.add("refresh after 100 new events", f"{ms:.1f} ms CPU", "≤ 25 ms", met=ms <= 25)


def race(world: World) -> list[tuple[str, str]]:
    """How many of many simultaneous claimers of one task are told that it is theirs."""
    rows = []
    for name, (peer, _) in world.peers.items():
        root = peer.fill(world.scratch / f"race-{name}", 10)
        rows.append((name, f"{succeeded(root, peer.claim)} of {RACERS}"))
    claim = [*factory(), "bead", "claim"]
    if subprocess.run([*claim, "--help"], cwd=world.scratch, capture_output=True, check=False).returncode:
        return [*rows, ("factory", "it has no `bead claim` yet")]
    root = plain_repository(world.scratch / "race")
    bead = crowd.opened(root, 1)[0]
    return [*rows, ("factory", f"{succeeded(root, lambda _: [*claim, bead])} of {RACERS}")]


def succeeded(root: Path, claim: Callable[[int], list[str]]) -> int:
    """How many of the racers ended with 0; none, nor a child of one, outlives the race."""
    quiet = subprocess.DEVNULL
    racers = [
        subprocess.Popen(claim(number), cwd=root, stdout=quiet, stderr=quiet, start_new_session=True)
        for number in range(RACERS)
    ]
    try:
        return sum(racer.wait(RACE_S) == 0 for racer in racers)
    finally:
        for racer in racers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(racer.pid, signal.SIGKILL)


def plain_repository(root: Path) -> Path:
    """A repository with one commit and no beads."""
    big_store.git(["init", "-q", "-b", "main", str(root)], root.parent)
    for name, value in (("user.name", "bench"), ("user.email", "bench@localhost")):
        big_store.git(["config", name, value], root)
    big_store.git(["commit", "-q", "--allow-empty", "-m", "begin"], root)
    return root


def show_costs(costs: dict[str, Cost]) -> None:
    """Print what each command cost."""
    base = costs["python -c pass"].cpu_ms
    rows = []
    for name, cost in costs.items():
        figures = (cost.cpu_ms, cost.cpu_ms / base, cost.wall_ms, cost.rss_mb, cost.runs)
        rows.append([name, *(f"{figure:.{digits}f}" for figure, digits in zip(figures, (1, 1, 0, 0, 0), strict=True))])
    print(table(("command", "CPU ms", "of python", "wall ms", "MB", "runs"), rows), flush=True)


def peers(options: argparse.Namespace, scratch: Path) -> dict[str, tuple[Peer, Path]]:
    """The peers that could be installed, each with a full store; none when no folder was named for them."""
    if options.peers is None:
        print("peers: left out (PEERS=1 or --peers FOLDER takes them in)")
        return {}
    present, absent = install(scratch / "npm" if options.peers == NOWHERE else options.peers)
    for name, why in absent.items():
        print(f"{name}: not measured: {why}")
    filled = {}
    for peer in present:
        if isinstance(peer, Seeds) or options.all_peers:
            print(f"{peer.name} {peer.version()}, {options.tasks} tasks", flush=True)
            filled[peer.name] = (peer, peer.fill(scratch / peer.name, options.tasks))
    return filled


def arguments() -> argparse.Namespace:
    """What was asked on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beads", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path, help="a repository made by benchmarks.big_store")
    parser.add_argument("--peers", type=Path, nargs="?", const=NOWHERE, help="also peers, installed into this folder")
    parser.add_argument("--all-peers", action="store_true", help="also Backlog.md, which takes minutes")
    parser.add_argument("--tasks", type=int, default=10_000, help="tasks in a peer's store")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--budget", type=float, default=60, help="seconds for one command, however many rounds that is")
    parser.add_argument("--appends", type=int, default=5000)
    parser.add_argument("--only", action="append", choices=PARTS)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    print(f"{describe()}; {load()}")
    with tempfile.TemporaryDirectory(dir=options.store.parent if options.store else None) as folder:
        scratch = Path(folder)
        filled = peers(options, scratch)
        began = time.monotonic()
        if options.store:
            store = copied(options.store.resolve(), scratch / "big")
        else:
            store = big_store.make(scratch / "big", beads=options.beads, events=options.events).root
        live = sorted(store.glob(".git/factory/live/beads/*/*.jsonl"))
        print(f"the big store: {len(live)} beads, {time.monotonic() - began:.0f} s to make or copy", flush=True)
        world = World(
            store, [path.stem for path in live[:: len(live) // SPREAD]], filled, options.rounds, options.budget, scratch
        )
        goals = Goals()
        parts: dict[str, Callable[[], object]] = {
            "reads": lambda: reads(world, goals),
            "index": lambda: index(world, goals),
            "add": lambda: additions(world, goals),
            "writing": lambda: writing(world, goals, events=options.appends, each=max(4, options.appends // WRITERS)),
            "fold": lambda: fold(goals.add),
            "race": lambda: print(table(("tracker", f"of {RACERS} claims of one task"), race(world))),
        }
        for name, measure in parts.items():
            if not options.only or name in options.only:
                print(f"\n-- {name} ({load()})", flush=True)
                measure()
        print("\n" + table(("work", "measured", "goal", "met"), goals.rows))


if __name__ == "__main__":
    main()
