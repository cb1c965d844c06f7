"""The commit that would become the target's head: built in memory, with the bead's own story in its tree."""

from dataclasses import dataclass

from factory.base.errors import UserError
from factory.base.files import printable
from factory.base.ids import CommitId, TreeId
from factory.beads.bead import Bead, Change, Verdict
from factory.beads.events import Event, parse_line
from factory.git import candidates
from factory.git.candidates import Conflicted
from factory.git.objects import Person
from factory.git.repository import Repository

_OURS = (".factory", "beads")


@dataclass(frozen=True)
class Built:
    """A candidate: ``commit`` holds ``tree`` on top of the target's head."""

    commit: CommitId
    tree: TreeId


@dataclass(frozen=True)
class Clash:
    """The change no longer applies: these paths conflict with what has landed since."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class Contained:
    """The target already has everything that the change would bring."""


class BranchMoved(UserError):
    """The branch of a change holds commits that its agent did not submit."""

    def __init__(self, bead: str, change: Change, head: CommitId) -> None:
        super().__init__(
            f"{change.branch} is at {head[:10]}, and the change of {bead} is {change.head[:10]}: only that would land",
            f"keep your commits on another branch: git branch -m {change.branch} another-name",
        )


def require_unmoved(repo: Repository, bead: Bead) -> None:
    """Raise ``BranchMoved`` when approving the bead's change would silently leave commits of a person out."""
    head = repo.branch(bead.change.branch) if bead.change else None
    if bead.change is not None and head is not None and not repo.is_ancestor(head, bead.change.head):
        raise BranchMoved(bead.id, bead.change, head)


@dataclass(frozen=True)
class Unfit:
    """The change may not land as it is, whoever asks: one sentence."""

    reason: str


def build(
    repo: Repository, bead: Bead, change: Change, story: tuple[str, bytes], onto: CommitId
) -> Built | Clash | Contained | Unfit:
    """Merge the change onto ``onto`` and put the bead's file beside it (``story``: its path and its bytes)."""
    merged = candidates.merge_change(repo, onto, change.head, change.base)
    if isinstance(merged, Conflicted):
        return Clash(merged.paths)
    if merged.tree == repo.tree_of(onto):
        return Contained()
    ours = [path for path in candidates.changed_paths(repo, onto, merged.tree) if path.split("/")[0] in _OURS]
    if ours:
        return Unfit(f"it would change {printable(ours[0])}, which no agent may")
    path, content = story
    folder = path.split("/", maxsplit=1)[0]
    if candidates.kind_of(repo, merged.tree, folder) not in ("", "tree"):
        return Unfit(f"the target has a file called {folder}, where the story of landed beads goes; rename it")
    tree = candidates.with_files(repo, merged.tree, {path: repo.write_blob(content)})
    return Built(_commit(repo, bead, change, tree, onto, ()), tree)


def sealed(repo: Repository, bead: Bead, change: Change, verdicts: tuple[Verdict, ...]) -> CommitId:
    """The commit that lands: the candidate's very tree and parent, with the gates' receipts in its message."""
    candidate = bead.candidate
    assert candidate is not None
    return _commit(repo, bead, change, candidate.tree, candidate.onto, verdicts)


def story_until(raw: bytes, change: Change) -> bytes:
    """The bead's file as it stood when the change was submitted, byte for byte: the candidate's tree is stable."""
    lines = []
    for line in raw.splitlines(keepends=True):
        lines.append(line)
        event = parse_line(line)
        if isinstance(event, Event) and event.id == change.submitted:
            break
    return b"".join(lines)


def _commit(
    repo: Repository, bead: Bead, change: Change, tree: TreeId, onto: CommitId, verdicts: tuple[Verdict, ...]
) -> CommitId:
    name, email = repo.identity()
    author = Person(change.agent, f"agent+{change.agent}@factory.invalid")
    message = landing_message(bead, change, verdicts)
    return candidates.commit(repo, tree, (onto,), message, author=author, committer=Person(name, email))


def landing_message(bead: Bead, change: Change, verdicts: tuple[Verdict, ...]) -> str:
    """Subject, summary and trailers; nothing that an agent wrote can end up among the trailers."""
    summary = "\n".join(printable(line).rstrip() for line in change.summary.splitlines()).strip()
    trailers = [
        f"Bead: {bead.id}",
        f"Agent: {change.agent}",
        f"Session: {change.session}",
        f"Model: {change.model or 'none'}",
        *(f"Gate: {verdict.gate} {verdict.answer} in {verdict.seconds:.1f} s" for verdict in verdicts),
    ]
    parts = [printable(bead.title), summary if summary != bead.title else "", "\n".join(trailers)]
    return "\n\n".join(part for part in parts if part) + "\n"
