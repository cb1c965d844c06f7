"""A repository with as many beads as one likes, as the factory itself would have written them over 200 days.

``python -m benchmarks.big_store FOLDER --beads 100000 --events 1000000`` makes the live copy, the branch
``factory/beads`` with a commit a day, and a target whose commits name the beads that landed as them.
``--check`` then asks ``factory verify`` and ``factory bead list`` whether they agree. The same seed makes
the same store, byte for byte.
"""

import argparse
import hashlib
import json
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import IO

from benchmarks.machine import describe
from benchmarks.stories import Landing, Teller
from factory.base.clock import iso
from factory.base.ids import BeadId, HybridClock, SessionId
from factory.beads.events import Event
from factory.beads.publish import ATTRIBUTES, PUBLISHED, REF

DAYS = 200
FIRST_DAY_MS = 1_777_939_200_000
"""2026-05-05T00:00:00Z: the day of the first bead."""

DAY_MS = 24 * 3600 * 1000
LATE = 3
"""Days after the last on which beads still grow."""

_SETTINGS = b'target = "main"\n[gates.tests]\nrun = "true"\n'


@dataclass
class Made:
    """What was written: how many events and bytes, the beads by state, and their ids in the order of opening."""

    root: Path
    events: int = 0
    ledger_events: int = 0
    bytes: int = 0
    states: Counter[str] = field(default_factory=Counter)
    beads: list[BeadId] = field(default_factory=list)

    def note(self, told: "Told") -> None:
        """Count one more bead."""
        self.beads.append(told.id)
        self.states[told.state] += 1
        self.events += len(told.lines)
        self.bytes += sum(len(line) for _, line in told.lines)


class HandMoved:
    """A clock that shows what it was set to."""

    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self.ms


def make(root: Path, *, beads: int, events: int, ledgers: float = 0.05, seed: int = 3) -> Made:
    """A new repository at ``root``; ``ledgers`` is the share of sessions that left a ledger of ten records."""
    rng = random.Random(seed)
    git(["init", "-q", "-b", "main", str(root)], Path.cwd())
    for name, value in (("user.name", "bench"), ("user.email", "bench@localhost")):
        git(["config", name, value], root)
    made = Made(root)
    live = root / ".git/factory/live/beads"
    live.mkdir(parents=True)
    (live / ".gitattributes").write_bytes(ATTRIBUTES)
    with fast_import(root) as stream:
        target = Target(stream)
        branch = Branch(stream)
        teller = Teller(rng, target)
        later: list[dict[str, bytes]] = [{} for _ in range(DAYS + LATE + 1)]
        for day, files in enumerate(later):
            for number in range(beads * day // DAYS, min(beads * (day + 1) // DAYS, beads)):
                told = tell(teller, number, FIRST_DAY_MS + day * DAY_MS, of=beads, left=events - made.events)
                made.note(told)
                for days, content in told.versions():
                    later[day + days][told.path] = content
                if told.session and rng.random() < ledgers:
                    files[f"{told.path.removesuffix('.jsonl')}/{told.session}.jsonl"] = ledger(told, rng)
                    made.ledger_events += 10
            for path, content in files.items():
                write(live.parent / path, content)
            branch.commit(day, files)
            files.clear()
    git(["update-ref", PUBLISHED, REF], root)
    git(["reset", "-q", "--hard", "main"], root)
    return made


@dataclass
class Told:
    """One bead and its lines, each with the day it was written on."""

    id: BeadId
    first_ms: int
    state: str
    session: str
    lines: list[tuple[int, bytes]]

    @property
    def path(self) -> str:
        """Where the bead stands on the branch."""
        return f"beads/{iso(self.first_ms)[:10]}/{self.id}.jsonl"

    def versions(self) -> Iterator[tuple[int, bytes]]:
        """The file as it stood at the end of each day that lengthened it, counted from its first."""
        content = b""
        for days, lines in groupby(self.lines, key=lambda line: line[0]):
            content += b"".join(line for _, line in lines)
            yield days, content


def tell(teller: Teller, number: int, day_ms: int, *, of: int, left: int) -> Told:
    """The ``number``-th of ``of`` beads; it takes its share of the ``left`` events by being talked about."""
    rng = teller.rng
    bead = teller.new_id()
    clock = HandMoved()
    clock.ms = day_ms + rng.randrange(DAY_MS * 3 // 4)
    first = clock.ms
    ids = HybridClock(clock, rng.getrandbits(64))
    moments, state = teller.story(bead, first, age=1 - number / of, share=left / (of - number))
    slow = rng.random() < 0.1  # one bead in ten takes days instead of hours
    lines = []
    session = ""
    for moment in moments:
        event_id, ms = ids.next()
        session = moment.session or session
        event = Event(event_id, iso(ms), moment.by, bead, moment.session, moment.type, moment.data)
        lines.append((min((ms - day_ms) // DAY_MS, LATE), event.line()))
        clock.ms += rng.randrange(1, DAY_MS // 4 if slow else 200_000)
    return Told(bead, first, state, session, lines)


def ledger(told: Told, rng: random.Random) -> bytes:
    """The fine-grained record that a session of the bead left."""
    clock = HandMoved()
    clock.ms = told.first_ms + 1
    ids = HybridClock(clock, rng.getrandbits(64))
    content = b""
    for number in range(10):
        event_id, ms = ids.next()
        data = {"tool": "run", "command": "make test", "exit": 0, "turn": number, "output": "ok " * 40}
        content += Event(event_id, iso(ms), "agent:ada", told.id, SessionId(told.session), "tool_ran", data).line()
        clock.ms += 1500
    return content


def write(path: Path, content: bytes) -> None:
    """The file, and its folder when it is missing."""
    try:
        path.write_bytes(content)
    except FileNotFoundError:
        path.parent.mkdir(parents=True)
        path.write_bytes(content)


# ---------------------------------------------------------------------- git


def git(arguments: list[str], cwd: Path) -> str:
    """What a git command printed."""
    return subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def fast_import(root: Path) -> Iterator[IO[bytes]]:
    """A stream into ``git fast-import``; what was sent is in the repository when the block ends."""
    argv = ["git", "-c", "core.compression=1", "fast-import", "--quiet", "--done", "--date-format=raw"]
    with subprocess.Popen(argv, cwd=root, stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        yield running.stdin
        running.stdin.write(b"done\n")
        running.stdin.close()
    if running.returncode:
        raise SystemExit(f"git fast-import ended with {running.returncode}")


def data(content: bytes) -> bytes:
    """Bytes as ``fast-import`` reads them."""
    return b"data %d\n%s\n" % (len(content), content)


def object_id(kind: str, content: bytes) -> str:
    """The id that git gives to an object."""
    return hashlib.sha1(b"%s %d\0%s" % (kind.encode(), len(content), content), usedforsecurity=False).hexdigest()


class Branch:
    """The branch of the beads: one commit a day."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._changed({"beads/.gitattributes": ATTRIBUTES}, FIRST_DAY_MS, "beads: begin\n")

    def commit(self, day: int, files: dict[str, bytes]) -> None:
        """The files as they stand at the end of a day; nothing when there are none."""
        if files:
            text = f"beads: {len(files)} files of day {day}\n"
            self._changed(files, FIRST_DAY_MS + (day + 1) * DAY_MS, text)

    def _changed(self, files: dict[str, bytes], ms: int, message: str) -> None:
        head = f"commit {REF}\ncommitter bench <bench@localhost> {ms // 1000} +0000\n"
        self._stream.write(head.encode() + data(message.encode()))
        for path, content in files.items():
            self._stream.write(f"M 100644 inline {path}\n".encode() + data(content))


class Target:
    """The branch that the changes landed on; a commit's id is known before git has made it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        settings = object_id("blob", _SETTINGS)
        inner = object_id("tree", b"100644 factory.toml\0" + bytes.fromhex(settings))
        self._folder = b"40000 .factory\0" + bytes.fromhex(inner)
        self._moved({".factory/factory.toml": _SETTINGS}, "begin\n", "bench", FIRST_DAY_MS)
        empty = object_id("tree", self._folder)
        self.head = self._id(empty, "", "bench", FIRST_DAY_MS, "begin\n")

    def land(self, bead: str, ms: int, *, agent: str, message: str, receipts: str) -> Landing:
        """Move the target to a commit that changes one file; the candidate differs from it by the receipts."""
        content = f"{bead}\n".encode()
        blob = bytes.fromhex(object_id("blob", content))
        tree = object_id("tree", self._folder + b"100644 last.txt\0" + blob)
        onto = self.head
        candidate = self._id(tree, onto, agent, ms, message)
        self.head = self._id(tree, onto, agent, ms, message + receipts)
        self._moved({"last.txt": content}, message + receipts, agent, ms)
        return Landing(tree, onto, candidate, self.head)

    def _moved(self, files: dict[str, bytes], message: str, agent: str, ms: int) -> None:
        people = self._people(agent, ms)
        self._stream.write(f"commit refs/heads/main\n{people}".encode() + data(message.encode()))
        for path, content in files.items():
            self._stream.write(f"M 100644 inline {path}\n".encode() + data(content))

    def _id(self, tree: str, parent: str, agent: str, ms: int, message: str) -> str:
        before = f"parent {parent}\n" if parent else ""
        return object_id("commit", f"tree {tree}\n{before}{self._people(agent, ms)}\n{message}".encode())

    @staticmethod
    def _people(agent: str, ms: int) -> str:
        when = f"{ms // 1000} +0000"
        return f"author {agent} <agent+{agent}@factory.invalid> {when}\ncommitter bench <bench@localhost> {when}\n"


# -------------------------------------------------------------------- check


def disagreements(made: Made) -> list[str]:
    """What ``factory verify`` and ``factory bead list`` say otherwise than the maker; only for small stores."""
    factory = [sys.executable, "-m", "factory"]
    verified = subprocess.run([*factory, "verify"], cwd=made.root, capture_output=True, text=True, check=False)
    found = [f"verify: {verified.stdout}{verified.stderr}"] if verified.returncode else []
    listed = subprocess.run(
        [*factory, "bead", "list", "--all", "--json"], cwd=made.root, capture_output=True, text=True, check=True
    )
    states = Counter(bead["state"] for bead in json.loads(listed.stdout)["beads"])
    if states != made.states:
        found.append(f"list: {dict(states)} instead of {dict(made.states)}")
    head = git(["rev-parse", "main"], made.root)
    named = git(["log", "-1", "--format=%(trailers:key=Bead,valueonly)", head], made.root)
    if named not in made.beads:
        found.append(f"main: {head} does not name a bead")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--beads", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    print(describe())
    started = time.monotonic()
    made = make(options.folder, beads=options.beads, events=options.events)
    took = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{len(made.beads)} beads, {made.events} events ({made.bytes / 1e6:.0f} MB), ", end="")
    print(f"{made.ledger_events} events in ledgers; {took:.0f} s, {peak} MB")
    print(", ".join(f"{state} {count}" for state, count in made.states.most_common()))
    if options.check:
        found = disagreements(made)
        print("\n".join(found) or "verify and bead list agree")
        raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
