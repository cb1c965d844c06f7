"""Many processes that append to one store at once, and the count of what came of it, read back from the files.

``python -m benchmarks.crowd writer ROOT NUMBER EVENTS`` is one of them: it says that it is ready, waits
for a line, appends comments to the beads one after another, and prints what was acknowledged.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from factory.beads.payloads import BeadCommented, BeadOpened, checked
from factory.beads.publish import REF
from factory.beads.store import Store
from factory.git.repository import find

GROUP_S = 0.5
"""How often the committer commits: what the floor does."""


@dataclass(frozen=True)
class Outcome:
    """What ``writers`` processes wrote together, and what of it was found in the files and on the branch."""

    writers: int
    acknowledged: int
    seconds: float
    lost: int
    torn: int
    doubled: int
    uncommitted: int

    @property
    def rate(self) -> float:
        """Events a second, of all writers together."""
        return self.acknowledged / self.seconds


def opened(root: Path, count: int) -> list[str]:
    """``count`` new beads in the repository."""
    store = Store(find(root))
    beads = [str(store.open(checked(BeadOpened, title=f"Bead {number}"), "human:bench")) for number in range(count)]
    store.commit()
    return beads


def crowd(root: Path, *, writers: int, events: int, beads: list[str]) -> Outcome:
    """Let ``writers`` processes append ``events`` events each to the same beads, while one more commits in groups."""
    argv = [sys.executable, "-m", "benchmarks.crowd"]
    jobs = [_started([*argv, "writer", str(root), str(number), str(events), *beads]) for number in range(writers)]
    committer = _started([*argv, "committer", str(root)])
    for job in (*jobs, committer):
        assert job.stdout is not None
        job.stdout.readline()
    began = time.monotonic()
    for job in (*jobs, committer):
        assert job.stdin is not None
        job.stdin.write("go\n")
        job.stdin.flush()
    answers = [job.communicate()[0].split() for job in jobs]
    ended = max(float(answer[0]) for answer in answers)
    committer.communicate("stop\n")
    if any(job.returncode for job in (*jobs, committer)):
        raise SystemExit("a process of the crowd failed")
    acknowledged = {id_ for answer in answers for id_ in answer[1:]}
    return _counted(root, writers, acknowledged, ended - began)


def _counted(root: Path, writers: int, acknowledged: set[str], seconds: float) -> Outcome:
    live = root / ".git/factory/live"
    files = {path.relative_to(live).as_posix(): path.read_bytes() for path in live.glob("beads/*/*.jsonl")}
    found, torn = _ids(b"".join(files.values()))
    batch = "".join(f"{REF}:{path}\n" for path in files)
    argv = ["git", "cat-file", "--batch=%(objectname)"]
    told = subprocess.run(argv, cwd=root, input=batch.encode(), capture_output=True, check=True).stdout
    committed, _ = _ids(told)
    return Outcome(
        writers,
        len(acknowledged),
        seconds,
        lost=len(acknowledged - set(found)),
        torn=torn,
        doubled=sum(count - 1 for count in found.values()),
        uncommitted=len(acknowledged - set(committed)),
    )


def _ids(content: bytes) -> tuple[Counter[str], int]:
    """How often each event id is there, and how many lines are no JSON with an id: read without the factory's code."""
    found: Counter[str] = Counter()
    torn = 0
    for line in content.split(b"\n"):
        try:
            found[json.loads(line)["id"]] += 1
        except (ValueError, TypeError, KeyError):
            torn += bool(line)
    return found, torn


def _started(argv: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def write(root: Path, number: int, events: int, beads: list[str]) -> None:
    """One writer's life."""
    store = Store(find(root))
    print("ready", flush=True)
    sys.stdin.readline()
    ids = []
    for turn in range(events):
        bead = beads[(number + turn) % len(beads)]
        said = checked(BeadCommented, text=f"writer {number}, turn {turn}: " + "what was found. " * 8)
        ids.append(f"{store.append(bead, said, f'human:w{number}').last}")
    print(time.monotonic(), *ids)


def commit(root: Path) -> None:
    """The committer's life: a commit every ``GROUP_S`` until it is told to stop, and one after that."""
    import select

    store = Store(find(root))
    print("ready", flush=True)
    sys.stdin.readline()
    while not select.select([sys.stdin], [], [], GROUP_S)[0]:
        store.commit()
    store.commit()


if __name__ == "__main__":
    if sys.argv[1] == "writer":
        write(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
    else:
        commit(Path(sys.argv[2]))
