"""Proof that the record adds up: append-only by git's history, lawful by the lifecycle, true by the target."""

from collections.abc import Iterator
from dataclasses import dataclass

from factory.base.ids import CommitId
from factory.beads.publish import BRANCH
from factory.beads.store import Store
from factory.git.repository import Repository


@dataclass(frozen=True)
class Problem:
    """Something in the record that is not as it must be."""

    where: str
    says: str


@dataclass(frozen=True)
class Report:
    """What was looked at, and what was wrong."""

    commits: int
    beads: int
    landed: int
    problems: tuple[Problem, ...]


def verify(repo: Repository, store: Store, target: str) -> Report:
    """Look at everything; publishes first, so that what is checked is what others will get."""
    store.commit(everything=True)
    snapshot = store.snapshot()
    history = _commits(repo)
    damage = [Problem(f"{item.file}:{item.line}", item.reason) for item in snapshot.damage]
    unlawful = [Problem(bead.id, said) for bead in snapshot.beads.values() for said in bead.problems]
    landings = {bead.landed: bead.id for bead in snapshot.beads.values() if bead.landed}
    problems = [
        *damage,
        *unlawful,
        *_rewritten(repo, history),
        *_unmatched(repo, target, {str(commit): bead for commit, bead in landings.items()}),
    ]
    return Report(len(history), len(snapshot.beads), len(landings), tuple(problems))


def _commits(repo: Repository) -> list[CommitId]:
    if repo.branch(BRANCH) is None:
        return []
    said = repo.ask("rev-list", "--reverse", "--topo-order", f"refs/heads/{BRANCH}").text.split()
    return [CommitId(line) for line in said]


def _rewritten(repo: Repository, commits: list[CommitId]) -> Iterator[Problem]:
    """Each step of the branch may add files and lengthen them, and nothing else."""
    if not commits:
        return
    listing = repo.ask(
        "log", "--reverse", "--topo-order", "--format=commit %H", "--raw", "-r", "-z", "-m", "--no-renames",
        "--no-abbrev", f"refs/heads/{BRANCH}", "--", "beads/",
    )  # fmt: skip
    words = iter(listing.out.decode("utf-8", "surrogateescape").split("\0"))
    commit = ""
    for word in words:
        text = word.lstrip("\n")
        if text.startswith("commit "):
            commit = text.removeprefix("commit ")[:40]
            text = text.partition("\n\n")[2] or text.partition("\n")[2]
        if not text.startswith(":"):
            continue
        _, _, old, new, kind = text.split(" ")
        path = next(words)
        if not path.endswith(".jsonl") or kind == "A":
            continue
        if kind == "D":
            yield Problem(path, f"deleted in {commit[:10]}")
        elif not _grew(repo, old, new):
            yield Problem(path, f"not merely appended to in {commit[:10]}")


def _grew(repo: Repository, old: str, new: str) -> bool:
    before = repo.ask("cat-file", "blob", old).out
    return repo.ask("cat-file", "blob", new).out.startswith(before)


def _unmatched(repo: Repository, target: str, landings: dict[str, str]) -> Iterator[Problem]:
    """Landed commits and landed beads must name each other."""
    if repo.branch(target) is None:
        return
    form = "--format=%H%x00%(trailers:key=Bead,valueonly,separator=%x2C)%x00%(trailers:key=Session,valueonly)%x01"
    said = repo.ask("log", form, f"refs/heads/{target}").text
    told: dict[str, str] = {}
    for block in said.split("\x01"):
        commit, _, rest = block.strip("\n").partition("\0")
        bead, _, session = rest.partition("\0")
        if bead.strip() and session.strip():
            told[commit] = bead.strip()
    for commit, bead in landings.items():
        if told.get(commit) != bead:
            yield Problem(bead, f"landed as {commit[:10]}, which {target} does not have with this bead in its trailers")
    ours = {bead for bead in told.values() if bead in set(landings.values())}
    for commit, bead in told.items():
        if bead in ours and landings.get(commit) != bead:
            yield Problem(commit[:10], f"claims to land {bead}, which landed as another commit")
        elif bead not in ours:
            yield Problem(commit[:10], f"claims to land {bead}, which has not landed in the record")
