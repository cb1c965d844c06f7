"""One commit of the beads' branch in which files arrive and others leave; whoever calls holds the store's lock."""

from collections.abc import Mapping

from factory.base.ids import CommitId
from factory.beads.publish import BRANCH, PUBLISHED, REF
from factory.git.candidates import Person
from factory.git.objects import Objects
from factory.git.repository import ZERO, Repository


def exchange(repo: Repository, files: Mapping[str, bytes | None], says: str) -> CommitId | None:
    """Set each file (``None``: it leaves) in one commit; the answer is the new head, ``None`` when nothing changed."""
    here = repo.branch(BRANCH)
    head = here or repo.resolve(PUBLISHED)
    objects = Objects(repo, like=head)
    tree = objects.edited(head, {path: None if data is None else objects.blob(data) for path, data in files.items()})
    if head is not None and repo.tree_of(head) == tree:
        return None
    person = Person(*repo.identity())
    made = objects.commit(tree, (head,) if head else (), f"{says}\n", author=person, committer=person)
    objects.flush()
    (repo.common_dir / f"{REF}.lock").unlink(missing_ok=True)  # the lock's holders alone write it: a dead one's
    repo.move_ref(REF, made, here or ZERO, why="factory: beads")
    repo.ask("update-ref", PUBLISHED, made)
    return made
