"""Events that were lawful when they were written, until another clone's came between: the record of an argument.

Two clones that are apart may each do what the lifecycle allows there. Once they meet, the events stand in one
order, and one of the two counts for nothing. Nobody broke a rule; the branch proves it, because somewhere in its
history the bead's file had the event and the lifecycle allowed it.
"""

from collections.abc import Iterable

from factory.base.ids import CommitId
from factory.beads.bead import Bead
from factory.beads.events import Event, parse_lines
from factory.beads.fold import fold
from factory.git import objects
from factory.git.repository import Repository


def overtaken(repo: Repository, head: CommitId | None, path: str, bead: Bead) -> frozenset[str]:
    """The ids of those events in ``bead.problems`` that some version of its file ``path`` on the branch allowed."""
    suspects = {said.partition(":")[0] for said in bead.problems}
    if head is None or not suspects:
        return frozenset()
    found: set[str] = set()
    for content in _versions(repo, head, path):
        events = [item for item in parse_lines(content, path) if isinstance(item, Event)]
        then = fold(events)
        refused = {said.partition(":")[0] for said in then.problems} if then else suspects
        found |= (suspects & {event.id for event in events if event.type != "bead_opened"}) - refused
    return frozenset(found)


def _versions(repo: Repository, head: CommitId, path: str) -> Iterable[bytes]:
    """Every content that the file ever had on the branch."""
    said = repo.ask("log", "--format=", "--raw", "--no-abbrev", "-m", "--full-history", head, "--", path).text
    blobs = dict.fromkeys(line.split(" ")[3] for line in said.splitlines() if line.startswith(":"))
    present = [blob for blob in blobs if blob.strip("0")]
    return (item.content for item in objects.read(repo, present) if item is not None)
