"""The branch of the beads: its names, and how a commit on it is made."""

from collections.abc import Iterable

from factory.base.errors import UserError
from factory.base.ids import CommitId, TreeId
from factory.git.command import GitFailed
from factory.git.objects import Objects, Person
from factory.git.repository import Repository

BRANCH = "factory/beads"
REF = f"refs/heads/{BRANCH}"

PUBLISHED = "refs/factory/published"
"""Where the branch was when it was last committed here. A branch that was deleted is made again from it; one
that stands elsewhere was moved by somebody else, and what it brings is taken in (``absorb``)."""

ATTRIBUTES = (
    b"# One event a line, each with an id of its own: a merge keeps the lines of both sides.\n"
    b"*.jsonl -text merge=union\n"
    b"# Named by their content, they are the same on both sides or are not there: nothing to merge.\n"
    b"packed/** -text -merge\n"
    b"aside/** -text -merge\n"
)
"""What ``beads/.gitattributes`` says; safe because events carry ids and are applied once."""


class InTheWay(UserError):
    """A branch has a name that leaves no room for the branch of the beads."""

    def __init__(self) -> None:
        super().__init__(
            f"a branch called 'factory' leaves no room for {BRANCH}, and nothing was written",
            "rename it: git branch -m factory another-name",
        )


class NotSigned(UserError):
    """git could not sign a commit of the beads; the events themselves are on the disk."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"the beads are written but not committed, because git could not sign: {said}",
            "see that git commit -S works (gpg.format, user.signingKey), or set sign = false under [beads]",
        )


def whole_lines(path: str, content: bytes) -> bytes:
    """What of a live file may be committed: a last line without its newline is a write that was cut short."""
    if not path.endswith(".jsonl") or path.startswith("beads/aside/"):
        return content
    return content[: content.rfind(b"\n") + 1]


def make_commit(
    repo: Repository, new: Objects, tree: TreeId, parents: Iterable[CommitId], message: str, *, by: str, sign: bool
) -> CommitId:
    """A durable commit by the actor ``by`` (empty: whoever sits at the keyboard); no ref moves. Raises ``NotSigned``.

    A signed one is made by git, which owns the user's keys.
    """
    committer = Person(*repo.identity())
    author = _author(by, committer)
    made = None if sign else new.commit(tree, parents, message, author=author, committer=committer)
    new.flush()
    if made is not None:
        return made
    from factory.git.candidates import commit

    try:
        return commit(repo, tree, tuple(parents), message, author=author, committer=committer, sign=True)
    except GitFailed as error:
        raise NotSigned(" ".join(error.said.split())) from error


def _author(by: str, committer: Person) -> Person:
    role, _, name = by.partition(":")
    if role in ("", "human"):
        return committer
    return Person(name or role, f"{role}@factory.invalid")
