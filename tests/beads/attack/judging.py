"""What must hold of a repository after an attack, whatever it was: said once, for kills, power cuts and bad disks."""

import contextlib
import hashlib
import json
import shutil
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from factory.beads.branch import BRANCH
from factory.beads.payloads import BeadCommented, checked
from factory.beads.store import Store
from factory.beads.stories import NoSuchBead
from factory.git.repository import Repository, find
from factory.observe.verify import verify
from tests.conftest import git
from tests.house.program import factory

WRITES = ("open", "say", "record")
"""What the victim does that leaves an event."""


class Failures:
    """Every failure of a sweep, so that one run shows them all; the repository of the first is kept."""

    def __init__(self) -> None:
        self._told: list[str] = []

    @contextlib.contextmanager
    def of(self, what: str, root: Path, more: str = "") -> Iterator[None]:
        """Note what goes wrong inside, whatever it is, and go on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a bug of the store is a failure like any other
            lines = traceback.extract_tb(error.__traceback__)[-1]
            said = str(error).splitlines() or [""]
            self._told.append(
                f"{what}: {type(error).__name__} at {Path(lines.filename).name}:{lines.lineno}: {said[0]}"
            )
            if len(self._told) == 1:
                self._told[0] += f"\n{more}\nkept in {shutil.move(root, f'{root}.failed')}"

    def none(self) -> None:
        """The end of a sweep."""
        if self._told:
            raise AssertionError(f"{len(self._told)} failed\n" + "\n".join(self._told[:60]))


@dataclass(frozen=True)
class Said:
    """One line of the victim: something the store had acknowledged."""

    did: str
    bead: str
    text: str


def acknowledged(out: str | bytes) -> list[Said]:
    """What the victim had been told is done, from its standard output (a torn last line says nothing)."""
    text = out.decode() if isinstance(out, bytes) else out
    rows = [json.loads(line) for line in text.split("\n")[:-1] if line.startswith("{")]
    return [Said(row["did"], row["bead"], row["text"]) for row in rows if "did" in row]


def texts(store: Store, bead: str) -> Counter[str]:
    """How often each thing that the victim said stands in the bead and in its ledgers, line by line."""
    try:
        events = [*store.events(bead), *store.ledger(bead)]
    except NoSuchBead:
        return Counter()
    return Counter(str(event.data.get("text") or event.data.get("title")) for event in events)


def everything_acknowledged_is_there_once(repo: Repository, said: list[Said]) -> None:
    """In the live copy, before anything repairs anything."""
    store = Store(repo)
    for bead in {one.bead for one in said}:
        there = texts(store, bead)
        wanted = {one.text for one in said if one.bead == bead and one.did in WRITES}
        assert {text: there[text] for text in wanted} == dict.fromkeys(wanted, 1), f"{bead} has {dict(there)}"
        assert all(count == 1 for count in there.values()), f"doubled: {dict(there)}"


def what_was_committed_is_on_the_branch(repo: Repository, said: list[Said]) -> None:
    """Everything that was acknowledged before the last acknowledged commit, read from git alone."""
    last = max((number for number, one in enumerate(said) if one.did == "commit"), default=0)
    for one in said[:last]:
        if one.did in WRITES:
            found = git(repo.root, "grep", "-F", "-l", f'"{one.text}"', BRANCH, "--", f"*{one.bead}*")
            assert one.bead in found


def the_branch_is_the_live_copy(repo: Repository) -> None:
    """Every whole line of every live file stands on the branch, byte for byte, and nothing else does."""
    live = repo.state_dir / "live"
    here = {}
    for path in live.rglob("*"):
        if path.is_file() and path.suffix != ".tmp":
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1] if path.suffix == ".jsonl" else content
            here[path.relative_to(live).as_posix()] = hashlib.sha1(b"blob %d\0" % len(whole) + whole).hexdigest()
    rows = git(repo.root, "ls-tree", "-r", "-z", BRANCH).split("\0")[:-1]
    there = {row.partition("\t")[2]: row.split()[2] for row in rows}
    attributes = there.get("beads/.gitattributes", "")
    assert {"beads/.gitattributes": attributes} | _filled(here) == {"beads/.gitattributes": attributes} | _filled(there)


def _filled(files: dict[str, str]) -> dict[str, str]:
    """Without those that hold nothing: they are a dead writer's, and nobody was told anything of them."""
    return {name: blob for name, blob in files.items() if blob != "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"}


def git_is_sound(repo: Repository) -> None:
    """No object is broken or missing, no ref points into nothing."""
    assert git(repo.root, "fsck", "--no-dangling", "--no-progress", "--strict") == ""
    assert git(repo.root, "status", "--porcelain") == ""


def life_goes_on(
    root: Path, said: list[Said], bead: str, *, command: bool = True, left: frozenset[str] = frozenset()
) -> None:
    """The next command (or, faster, the next append) works at once, and then everything adds up.

    ``left`` are the kinds of damage that may be left where nothing was acknowledged, until somebody repairs it.
    """
    repo = find(root)
    if not command:
        store = Store(repo)
        store.append(bead, checked(BeadCommented, text="life goes on"), "human:ana@example.org")
        store.commit()
    else:
        words = ("comment", bead, "life goes on") if bead else ("add", "life goes on")
        done = factory(root, "bead", *words, "--json")
        assert done.code == 0, done.err
        bead = done.document["bead"]["id"]
    assert texts(Store(repo), bead)["life goes on"] == 1
    everything_acknowledged_is_there_once(repo, said)
    store = Store(repo)
    assert [problem for problem in verify(repo, store).problems if problem.says not in left] == []
    assert [damage for damage in store.snapshot().damage if damage.reason not in left] == []
    the_branch_is_the_live_copy(repo)
    what_was_committed_is_on_the_branch(repo, [*said, Said("commit", bead, "")])
    git_is_sound(repo)
