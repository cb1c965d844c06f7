"""The commit that would become the target's head: built in memory, with the bead's own story in its tree."""

from collections.abc import Iterable
from dataclasses import dataclass

from factory.base.files import printable
from factory.base.ids import CommitId, TreeId
from factory.beads.events import Event
from factory.beads.fold import Bead, Change, Verdict
from factory.git import candidates
from factory.git.candidates import Conflicted, Person
from factory.git.repository import Repository


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


def build(
    repo: Repository, bead: Bead, change: Change, story: tuple[str, bytes], onto: CommitId
) -> Built | Clash | Contained:
    """Merge the change onto ``onto`` and put the bead's file beside it (``story``: its path and its bytes)."""
    merged = candidates.merge(repo, onto, change.head)
    if isinstance(merged, Conflicted):
        return Clash(merged.paths)
    if merged.tree == repo.tree_of(onto):
        return Contained()
    path, content = story
    tree = candidates.with_files(repo, merged.tree, {path: repo.write_blob(content)})
    return Built(_commit(repo, bead, change, tree, onto, ()), tree)


def sealed(repo: Repository, bead: Bead, change: Change, verdicts: tuple[Verdict, ...]) -> CommitId:
    """The commit that lands: the candidate's very tree and parent, with the gates' receipts in its message."""
    candidate = bead.candidate
    assert candidate is not None
    return _commit(repo, bead, change, candidate.tree, candidate.onto, verdicts)


def story_until(events: Iterable[Event], change: Change) -> bytes:
    """The bead's file as it stood when the change was submitted, so that the candidate's tree is stable."""
    lines = []
    for event in events:
        lines.append(event.line())
        if event.id == change.submitted:
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
