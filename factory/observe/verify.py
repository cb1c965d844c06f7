"""Proof that the record adds up: append-only by git's history, lawful by the lifecycle, true by the target."""

from collections.abc import Iterator
from dataclasses import dataclass

from factory.base.ids import BeadId, CommitId
from factory.beads.bead import Bead
from factory.beads.branch import BRANCH, PUBLISHED
from factory.beads.store import Store
from factory.git.repository import Repository


@dataclass(frozen=True)
class Problem:
    """Something in the record that is not as it must be."""

    where: str
    says: str


@dataclass(frozen=True)
class Report:
    """What was looked at, what was wrong, and what people did to landed commits since (``notes``)."""

    commits: int
    beads: int
    landed: int
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()


def verify(repo: Repository, store: Store) -> Report:
    """Look at everything; publishes first, so that what is checked is what others will get."""
    shortened = _shortened(repo)
    store.commit(everything=True)
    snapshot = store.snapshot()
    history = _commits(repo)
    damage = [Problem(f"{item.file}:{item.line}", item.reason) for item in snapshot.damage]
    unlawful = [Problem(bead.id, said) for bead in snapshot.beads.values() for said in bead.problems]
    landed = [bead for bead in snapshot.beads.values() if bead.landed]
    unmatched, notes = _matched(repo, landed)
    problems = [*shortened, *damage, *unlawful, *_rewritten(repo, history), *unmatched]
    return Report(len(history), len(snapshot.beads), len(landed), tuple(problems), tuple(notes))


def _shortened(repo: Repository) -> list[Problem]:
    """Whether the branch lost commits that it once had here."""
    head, published = repo.branch(BRANCH), repo.resolve(PUBLISHED)
    if published is None or (head is not None and repo.is_ancestor(published, head)):
        return []
    return [Problem(BRANCH, f"it lacks {published[:10]}, which it once had; {PUBLISHED} still holds that")]


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
            commit = text.removeprefix("commit ").split()[0]
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


def _matched(repo: Repository, landed: list[Bead]) -> tuple[list[Problem], list[Problem]]:
    """Landed commits and landed beads must name each other; the answer is problems and notes.

    A landed commit that its target no longer has was rewritten by a person, who may; that is a note.
    """
    problems: list[Problem] = []
    notes: list[Problem] = []
    for target in sorted({bead.landed_on for bead in landed}):
        beads = {str(bead.landed): bead.id for bead in landed if bead.landed_on == target}
        told = _told(repo, target)
        for commit, bead in beads.items():
            if commit not in told:
                notes.append(Problem(bead, f"landed as {commit[:10]}, which {target} no longer has"))
            elif told[commit] != bead:
                problems.append(
                    Problem(bead, f"landed as {commit[:10]}, whose trailers name {told[commit] or 'no bead'}")
                )
        known = set(beads.values())
        for commit, said in told.items():
            if said in known and commit not in beads and _has(beads, told, said):
                problems.append(Problem(commit[:10], f"claims to land {said}, which landed as another commit"))
    return problems, notes


def _has(beads: dict[str, BeadId], told: dict[str, str], bead: str) -> bool:
    """Whether the target also has the commit that the bead landed as: then another that claims it is one too many."""
    return any(commit in told for commit, named in beads.items() if named == bead)


def _told(repo: Repository, target: str) -> dict[str, str]:
    """Every commit of the target, and the bead that its trailers name, if any."""
    if repo.branch(target) is None:
        return {}
    form = "--format=%H%x00%(trailers:key=Bead,valueonly,separator=%x2C)%x00%(trailers:key=Session,valueonly)%x01"
    told: dict[str, str] = {}
    for block in repo.ask("log", form, f"refs/heads/{target}", "--").text.split("\x01"):
        commit, _, rest = block.strip("\n").partition("\0")
        bead, _, session = rest.partition("\0")
        if commit:
            told[commit] = bead.strip() if session.strip() else ""
    return told
