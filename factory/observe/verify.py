"""Proof that the record adds up: append-only by git's history, lawful by the lifecycle, true by the target."""

from factory.base.files import read_plain
from factory.base.ids import CommitId
from factory.beads import repair
from factory.beads.branch import BRANCH, PUBLISHED
from factory.beads.events import Damage, parse_lines
from factory.beads.lines import lines_of
from factory.beads.store import Store
from factory.beads.stories import Snapshot
from factory.git.repository import Repository
from factory.observe.attribution import strayed, unlawful
from factory.observe.growth import fault
from factory.observe.history import walk
from factory.observe.landings import matched
from factory.observe.overtaken import overtaken
from factory.observe.report import Problem, Report
from factory.observe.signatures import unsigned

__all__ = ["Problem", "Report", "verify"]


def verify(repo: Repository, store: Store, *, sign: bool = False) -> Report:
    """Look at everything; publishes first, so that what is checked is what others will get.

    Nothing is published while the live copy lacks bytes that the branch has: that would bring the damage
    there. ``sign`` says that commits must be signed.
    """
    shortened = _shortened(repo)
    live = _live(repo, store)
    snapshot = store.snapshot()
    head = repo.branch(BRANCH)
    history = walk(repo, head) if head else None
    events, about, lines = _events(store, snapshot)
    against, argued = _lifecycle(repo, store, snapshot, head)
    damage = [Problem(f"{item.file}:{item.line}", item.reason) for item in (*snapshot.damage, *lines)]
    landed = [bead for bead in snapshot.beads.values() if bead.landed]
    unmatched, notes = matched(repo, landed)
    problems = [*shortened, *(history.problems if history else ()), *live, *damage, *against, *about, *unmatched]
    packs = store.packs.all()
    checked = {
        "commits": len(history.commits) if history else 0,
        "versions of files": history.versions if history else 0,
        "beads": len(snapshot.beads),
        "events": events,
        "landed": len(landed),
        "sealed packs": len(packs),
    }
    problems += [Problem(item.file, item.reason) for pack in packs for item in pack.check()]
    if sign and history:
        checked["signatures"], bad = unsigned(repo, list(history.commits))
        problems += bad
    return Report(checked, tuple(dict.fromkeys(problems)), (*notes, *argued))


def _shortened(repo: Repository) -> list[Problem]:
    """Whether the branch lost commits that it once had here."""
    head, published = repo.branch(BRANCH), repo.resolve(PUBLISHED)
    if published is None or (head is not None and repo.is_ancestor(published, head)):
        return []
    return [Problem(BRANCH, f"it lacks {published[:10]}, which it once had; {PUBLISHED} still holds that")]


def _live(repo: Repository, store: Store) -> list[Problem]:
    """What is wrong with the live copy; when it lost nothing, it is published."""
    with store.locked():
        found = repair.look(repo, store)
        if not any(item.is_mangled for item in found):
            store.publish(everything=True)
    return [_told(repo, store, item) for item in found if item.is_mangled or not item.does]


def _told(repo: Repository, store: Store, item: repair.Mend) -> Problem:
    """What is wrong with a live file; where an event was touched that the branch has, which."""
    head = repo.branch(BRANCH)
    published = repo.read_file(head, item.path) if head else None
    try:
        raw = read_plain(store.live.parent / item.path)
    except OSError:
        return Problem(item.path, item.wrong)
    found = fault(lines_of(published or b""), lines_of(raw), lambda _: False)
    if found is None:
        return Problem(item.path, item.wrong)
    return Problem(f"{item.path}:{found.line}", f"{found} in the live copy")


def _lifecycle(
    repo: Repository, store: Store, snapshot: Snapshot, head: CommitId | None
) -> tuple[list[Problem], list[Problem]]:
    """Events that the lifecycle does not allow: as problems or, where another clone only came between, as notes."""
    problems: list[Problem] = []
    notes: list[Problem] = []
    for bead in snapshot.beads.values():
        lawful = overtaken(repo, head, store.relative(store.path(bead.id)), bead) if bead.problems else frozenset()
        for said in bead.problems:
            if said.partition(":")[0] in lawful:
                notes.append(
                    Problem(bead.id, f"event {said}; it was lawful where it was written, and counts for nothing")
                )
            else:
                problems.append(Problem(bead.id, f"event {said}"))
    return problems, notes


def _events(store: Store, snapshot: Snapshot) -> tuple[int, list[Problem], list[Damage]]:
    """How many events there are, what is wrong with each by lifecycle, author and lease, and damage to ledgers."""
    count = 0
    problems: list[Problem] = []
    for bead in snapshot.beads.values():
        events, ledger = store.events(bead.id), store.ledger(bead.id)
        count += len(events) + len(ledger)
        problems += [*unlawful(bead, events), *strayed(bead, ledger)]
    ledgers = (file for file in store.live.glob("????-??-??/*/*.jsonl") if file.is_file())
    items = (item for file in ledgers for item in parse_lines(read_plain(file), store.relative(file)))
    return count, problems, [item for item in items if isinstance(item, Damage)]
