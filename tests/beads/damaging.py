"""A clone with beads in it, for tests that damage them."""

from pathlib import Path

from factory.base.ids import BeadId, SessionId
from factory.beads.branch import BRANCH
from factory.beads.payloads import BeadCommented, BeadOpened, checked
from factory.beads.repair import repair
from factory.beads.store import Store
from factory.git.repository import Repository
from factory.observe.verify import verify

ANA = "human:ana@example.org"


def opened(store: Store, title: str = "Do it", comments: int = 2) -> BeadId:
    """A bead with some comments and the ledger of a session."""
    bead = store.open(checked(BeadOpened, title=title), ANA)
    for number in range(comments):
        store.append(bead, BeadCommented(text=f"comment {number}"), ANA)
    store.record(bead, SessionId("s1"), "said", "agent:ada", {"text": "hello"})
    return bead


def every_file(live: Path) -> dict[str, bytes]:
    """Every plain file of a live copy."""
    return {str(path.relative_to(live)): path.read_bytes() for path in live.rglob("*") if path.is_file()}


def last_line(raw: bytes) -> bytes:
    return raw.splitlines(keepends=True)[-1]


def later(line: bytes) -> bytes:
    """Another event, a moment later."""
    head, id_ = line.split(b'"id":"', 1)
    return head + b'"id":"' + id_[:12] + b"Z" + id_[13:]


def clean(repo: Repository, store: Store) -> None:
    """Everything that reads says that nothing is wrong, and a second repair finds nothing to do."""
    assert Store(repo).snapshot().damage == ()
    assert verify(repo, store).problems == ()
    files = every_file(store.live)
    head = repo.branch(BRANCH)
    assert repair(repo, store) == []
    assert (every_file(store.live), repo.branch(BRANCH)) == (files, head)


def lines_kept(store: Store, before: bytes) -> None:
    """Every line that was there stands somewhere, byte for byte."""
    now = b"".join(every_file(store.live).values())
    for line in before.splitlines(keepends=True):
        assert line in now, line[:100]
