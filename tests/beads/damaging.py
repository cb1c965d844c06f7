"""A clone with beads in it, for tests that damage them."""

from pathlib import Path

from factory.base.ids import BeadId, SessionId
from factory.beads.payloads import BeadCommented, BeadOpened, checked
from factory.beads.store import Store

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
