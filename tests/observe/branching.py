"""The branch of the beads built commit by commit, as an attacker with git could."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.base.ids import CommitId
from factory.beads.branch import REF
from factory.git.objects import Objects, Person
from factory.git.repository import Repository
from tests.beads.making import Maker

MALLORY = Person("Mallory", "mallory@example.org")
DAY = "beads/2023-11-14"
BEAD = f"{DAY}/fa-0000.jsonl"


@dataclass
class Branch:
    """``factory/beads`` in the making: each call commits on top of ``head`` unless parents are given."""

    repo: Repository
    head: CommitId | None = None
    make: Maker = field(default_factory=Maker)

    def commit(self, files: Mapping[str, bytes | None], *parents: CommitId | None) -> CommitId:
        """A commit that sets each file, or takes it out."""
        onto = [parent for parent in parents or (self.head,) if parent]
        objects = Objects(self.repo)
        changes = {path: None if data is None else objects.blob(data) for path, data in files.items()}
        edited = objects.edited(onto[0] if onto else None, changes)
        tree = edited.tree
        made = objects.commit(tree, onto, "made by hand", author=MALLORY, committer=MALLORY)
        objects.flush()
        self.repo.ask("update-ref", REF, made)
        self.head = made
        return made

    def lines(self, *texts: str) -> list[bytes]:
        """A bead's story: it was opened, then these comments."""
        comments = [self.make.event("bead_commented", "human:ana@example.org", {"text": text}) for text in texts]
        return [event.line() for event in comments]

    def opened(self) -> bytes:
        """The first line of a bead."""
        return self.make.opened().line()
