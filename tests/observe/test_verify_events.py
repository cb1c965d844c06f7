"""The proof that events are lawful and true, attacked: forged authors, dates, leases, landings and signatures."""

import json
from pathlib import Path
from typing import Any

import pytest

from factory.base.clock import iso
from factory.base.ids import BeadId, SessionId
from factory.beads.branch import BRANCH
from factory.beads.payloads import (
    BeadClaimed,
    BeadCommented,
    BeadHooked,
    BeadOpened,
    BeadReleased,
    ChangeSubmitted,
    SessionStarted,
    checked,
)
from factory.beads.store import Store
from factory.git.repository import Repository
from factory.observe.verify import verify
from tests.beads.making import HandClock
from tests.conftest import commit, git
from tests.house.program import factory

ANA = "human:ana@example.org"
OID = "1" * 40
HOUR_MS = 3_600_000


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(repo: Repository, clock: HandClock) -> Store:
    made = Store(repo, clock)
    made.prepare()
    return made


def opened(store: Store) -> BeadId:
    return store.open(checked(BeadOpened, title="Do it"), ANA)


def said(repo: Repository, store: Store) -> str:
    return "\n".join(f"{problem.where}: {problem.says}" for problem in verify(repo, store).problems)


def forge(store: Store, clock: HandClock, bead: BeadId, **fields: Any) -> str:
    """Append a line that no writer here would, later than all others; the answer is its event's id."""
    path = store.path(bead)
    clock.ms += 1000
    record = json.loads(path.read_bytes().splitlines()[-1])
    event_id, ms = store._ids.next()
    record |= {"id": event_id, "at": iso(ms), "by": ANA, "type": "bead_commented", "data": {"text": "x"}} | fields
    with path.open("a") as file:
        file.write(json.dumps(record, separators=(",", ":")) + "\n")
    return event_id


def started(store: Store, bead: BeadId, fence: int, session: str = "s1") -> None:
    names = {"agent": "ada", "runtime": "command", "model": "", "branch": "b", "target": "main"}
    store.append(bead, SessionStarted(attempt=1, fence=fence, base=OID, **names), "floor:here", SessionId(session))


def test_a_lawful_story_is_clean(repo: Repository, store: Store) -> None:
    bead = opened(store)
    store.append(bead, BeadHooked(agent="ada"), ANA)
    started(store, bead, 1)
    store.append(bead, ChangeSubmitted(head=OID, base=OID, summary="did it"), "agent:ada", SessionId("s1"))
    assert said(repo, store) == ""
    checked_ = verify(repo, store).checked
    assert (checked_["beads"], checked_["events"]) == (1, 4)


FORGERIES: list[tuple[dict[str, Any], str]] = [
    ({"by": "agent:ada", "type": "bead_dropped", "data": {"reason": "x"}}, "is not for agent"),
    ({"by": "mallory"}, "is by 'mallory', which is nobody"),
    ({"at": "2099-01-01T00:00:00.000Z"}, "is dated 2099-01-01T00:00:00.000Z, later than its id was made"),
    ({"at": "yesterday"}, "is dated 'yesterday', which is no time"),
    ({"on": "fa-zzzz"}, "is about fa-zzzz and stands in another bead's file"),
    ({"type": "change_submitted", "by": "agent:ada", "data": {"head": OID, "base": OID}}, "a change_submitted without"),
    ({"type": "change_submitted", "by": "agent:ada", "session": "s9", "data": {}}, "change submitted is not allowed"),
    ({"type": "bead_landed", "by": "human:x", "data": {"commit": OID, "target": "main"}}, "bead landed is not"),
    (
        {"type": "bead_landed", "by": "landing:main", "data": {"commit": OID, "target": "main"}},
        "landed as 1111111111, which no landing announced",
    ),
]


@pytest.mark.parametrize(("fields", "reason"), FORGERIES)
def test_a_forged_event_is_found_and_named(
    repo: Repository, store: Store, clock: HandClock, fields: dict[str, Any], reason: str
) -> None:
    bead, other = opened(store), opened(store)
    event = forge(store, clock, bead, **fields)
    problems = said(repo, store)
    assert reason in problems
    assert bead in problems
    assert other not in problems
    assert event in problems or "no landing announced" in reason


def test_a_fencing_number_that_does_not_grow_is_found(repo: Repository, store: Store, clock: HandClock) -> None:
    bead = opened(store)
    started(store, bead, 1)
    forge(store, clock, bead, type="session_failed", by="floor:here", session="s1", data={"code": "x", "reason": "x"})
    assert said(repo, store) == ""
    again = {"agent": "ada", "fence": 1, "attempt": 2, "base": OID, "branch": "b", "target": "main"}
    event = forge(store, clock, bead, type="session_started", by="floor:here", session="s2", data=again)
    assert f"event {event} has the fencing number 1 after 1" in said(repo, store)


def test_a_change_after_the_lease_was_over_is_found(repo: Repository, store: Store, clock: HandClock) -> None:
    bead = opened(store)
    store.append(bead, checked(BeadClaimed, until=iso(clock.ms + HOUR_MS)), ANA, SessionId("c1"))
    clock.ms += 2 * HOUR_MS
    event = forge(store, clock, bead, type="change_submitted", session="c1", data={"head": OID, "base": OID})
    problems = said(repo, store)
    assert event in problems
    assert "the lease ended" in problems


def test_two_holders_at_once_are_one_holder_and_one_that_lost(repo: Repository, store: Store, clock: HandClock) -> None:
    bead = opened(store)
    store.append(bead, checked(BeadClaimed, until=iso(clock.ms + HOUR_MS)), ANA, SessionId("c1"))
    until = iso(clock.ms + 5 * HOUR_MS)
    forge(store, clock, bead, type="bead_claimed", by="human:bo", session="c2", data={"fence": 1, "until": until})
    assert said(repo, store) == ""  # two clones may claim before they meet; the fold knows who lost
    forge(store, clock, bead, type="change_submitted", by="human:bo", session="c2", data={"head": OID, "base": OID})
    assert store.bead(bead).state == "working"
    store.append(bead, BeadReleased(), ANA, SessionId("c1"))
    assert said(repo, store) == ""


# ---------------------------------------------------------------------- landings


def landed(repo: Repository, store: Store, clock: HandClock, message: str) -> tuple[BeadId, str]:
    bead = opened(store)
    started(store, bead, 1)
    store.append(bead, ChangeSubmitted(head=OID, base=OID, summary="x"), "agent:ada", SessionId("s1"))
    head = commit(repo.root, {f"{bead}.txt": "x"}, message.format(bead=bead))
    by = "landing:main"
    forge(store, clock, bead, type="candidate_built", by=by, data={"commit": head, "tree": OID, "onto": OID})
    forge(store, clock, bead, type="landing_announced", by=by, data={"commit": head, "target": "main", "onto": OID})
    forge(store, clock, bead, type="bead_landed", by=by, data={"commit": head, "target": "main", "head": OID})
    return bead, head


def test_a_landing_whose_commit_names_the_bead_is_clean(repo: Repository, store: Store, clock: HandClock) -> None:
    landed(repo, store, clock, "x\n\nBead: {bead}\nSession: s1\n")
    assert said(repo, store) == ""


@pytest.mark.parametrize("undone", [False, True], ids=["on the target", "taken off the target"])
def test_a_landing_whose_commit_names_another_bead_is_found(
    repo: Repository, store: Store, clock: HandClock, undone: bool
) -> None:
    bead, head = landed(repo, store, clock, "x\n\nBead: fa-zzzz\nSession: s1\n")
    if undone:
        git(repo.root, "reset", "-q", "--hard", "HEAD~1")
    assert said(repo, store) == f"{bead}: landed as {head[:10]}, whose trailers name fa-zzzz"


# ---------------------------------------------------------------------- signatures


@pytest.fixture
def signing(sealed: Path) -> Path:
    """A home whose git signs with an ssh key, and knows it as allowed."""
    git(sealed, "init", "-q", "keys")
    import subprocess

    for name in ("key", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(sealed / name)], check=True)
    (sealed / "allowed").write_text(f"ana@example.org {(sealed / 'key.pub').read_text()}")
    for name, value in {
        "gpg.format": "ssh",
        "user.signingKey": str(sealed / "key.pub"),
        "gpg.ssh.allowedSignersFile": str(sealed / "allowed"),
    }.items():
        git(sealed / "keys", "config", "--global", name, value)
    return sealed


def test_signed_commits_verify_and_an_unsigned_or_strangely_signed_one_is_named(
    repo: Repository,
    clock: HandClock,
    signing: Path,
) -> None:
    unsigned = Store(repo, clock)
    unsigned.prepare()
    bead = opened(unsigned)
    unsigned.commit()
    assert "no commit is signed" in "\n".join(problem.says for problem in verify(repo, unsigned, sign=True).problems)
    store = Store(repo, clock, sign=lambda: True)
    for number in range(3):
        store.append(bead, BeadCommented(text=f"{number}"), ANA)
        store.commit()
    assert verify(repo, store, sign=True).problems == ()
    assert verify(repo, store, sign=True).checked["signatures"] == 3

    unsigned.append(bead, BeadCommented(text="not signed"), ANA)
    unsigned.commit()
    bare = git(repo.root, "rev-parse", BRANCH).strip()
    git(signing / "keys", "config", "--global", "user.signingKey", str(signing / "stranger.pub"))
    store.append(bead, BeadCommented(text="signed by a stranger"), ANA)
    store.commit()
    strange = git(repo.root, "rev-parse", BRANCH).strip()
    problems = verify(repo, store, sign=True).problems
    assert [problem.where for problem in problems] == [bare[:10], strange[:10]]
    assert "is not signed" in problems[0].says
    assert "not among the allowed signers" in problems[1].says
    assert verify(repo, store).problems == ()


def test_verify_says_what_it_checked_and_exits_with_1_on_a_problem(
    repo: Repository, store: Store, clock: HandClock
) -> None:
    bead = opened(store)
    clean = factory(repo.root, "verify")
    assert (clean.code, clean.out.split(":")[0]) == (0, "clean")
    assert "1 beads" in clean.out
    event = forge(store, clock, bead, by="mallory")
    found = factory(repo.root, "verify", "--json")
    assert found.code == 1
    assert event in found.document["problems"][0]["problem"]
    assert found.document["checked"]["beads"] == 1


def test_a_branch_that_was_cut_back_is_found_and_made_whole(repo: Repository, store: Store) -> None:
    bead = opened(store)
    store.commit()
    store.append(bead, BeadCommented(text="one"), ANA)
    store.commit()
    head = git(repo.root, "rev-parse", BRANCH).strip()
    git(repo.root, "update-ref", f"refs/heads/{BRANCH}", f"{head}~1")
    assert [problem.where for problem in verify(repo, store).problems] == [BRANCH]
    git(repo.root, "merge-base", "--is-ancestor", head, BRANCH)
    assert verify(repo, store).problems == ()
