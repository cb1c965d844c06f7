"""Claims between clones: who works on a bead, kept where all clones meet, moved by compare-and-swap.

``refs/factory/claims/<bead>`` on the remote is a commit whose message is the claim as JSON and whose parent is
the claim before it, so the ref is its own history. A claim is a lease: past ``until`` anybody may take
the bead, with the next fencing number, and the one before can neither renew nor land.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace

from factory.base.clock import iso, parse_iso
from factory.base.errors import Refused, TryAgain
from factory.base.ids import BeadId, CommitId
from factory.beads.branch import make_commit
from factory.git import objects
from factory.git.objects import Objects
from factory.git.remote import Push, PushRefused, Remote

_REFS = "refs/factory/claims/"
_TRIES = 20
_PAUSE_S = 0.05
_PATIENCE = 5


@dataclass(frozen=True)
class Claim:
    """Who holds a bead: ``by`` an actor, in a session or claim ``claim``, until ``until`` (RFC 3339, UTC)."""

    bead: BeadId
    by: str
    claim: str
    fence: int
    until: str
    place: str = ""
    """The clone, as ``Store.place`` names it."""
    released: bool = False

    def runs(self, now_ms: int) -> bool:
        """Whether its lease has not ended."""
        return not self.released and parse_iso(self.until) > now_ms


@dataclass(frozen=True)
class Found:
    """The claim that the remote has, and the commit that says it."""

    claim: Claim
    commit: CommitId


class HeldElsewhere(Refused):
    """Another's lease on the bead still runs."""

    def __init__(self, claim: Claim) -> None:
        where = f" on {claim.place.partition(':')[0]}" if claim.place else ""
        super().__init__(
            f"{claim.bead} is held by {claim.by} ({claim.claim}{where}) until {claim.until}",
            "take another bead, or wait until then",
        )
        self.claim = claim


class ClaimLost(Refused):
    """The claim that was to be renewed or released is no longer the one that counts."""

    def __init__(self, bead: str, now: Claim | None) -> None:
        who = f"{now.by} ({now.claim}) has it since" if now else "nobody has it"
        super().__init__(f"the claim on {bead} is over: {who}", f"factory why {bead} says where it stands")
        self.now = now


class TooMany(TryAgain):
    """Others moved the claim again and again."""

    def __init__(self, bead: str) -> None:
        super().__init__(f"many clones want {bead} at once", "run the command again")


@dataclass(frozen=True)
class Holds:
    """The claim counts."""

    claim: Claim


@dataclass(frozen=True)
class Lost:
    """The claim does not count any more; ``now`` is the one that does, if there is any, and ``reason`` says why."""

    reason: str
    now: Claim | None = None


def may_take(previous: Claim | None, now_ms: int, claim: str, at_least: int = 0, place: str = "") -> int | Claim:
    """The fencing number with which ``claim`` may take the bead, or the claim of another clone that still runs.

    ``at_least`` is the bead's own last fencing number; the new one is larger than both. Taking again what
    one holds keeps the number. Inside one clone (``place``) its store decides who holds a bead: what it had
    before is over once it asks again.
    """
    if previous is None:
        return at_least + 1
    if previous.claim == claim and previous.runs(now_ms):
        return previous.fence
    if previous.runs(now_ms) and not (place and previous.place == place):
        return previous
    return max(previous.fence, at_least) + 1


def standing(current: Claim | None, claim: str, fence: int, now_ms: int) -> Holds | Lost:
    """Whether ``claim`` with ``fence`` is what the remote's claim says, and still runs."""
    if current is None:
        return Lost("there is no claim on it")
    if (current.claim, current.fence) != (claim, fence):
        return Lost(f"{current.by} took it with fence {current.fence}", current)
    if current.released:
        return Lost("it was released", current)
    if not current.runs(now_ms):
        return Lost(f"its lease ended at {current.until}", current)
    return Holds(current)


@dataclass(frozen=True)
class Desk:
    """Claims at one remote, by the clone ``place``; ``now_ms`` is the clock."""

    remote: Remote
    place: str = ""
    now_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)
    pause: Callable[[float], None] = field(default=time.sleep)

    def look(self, bead: BeadId) -> Found | None:
        """The claim that the remote has now, running or not; raises ``Unreachable``."""
        at = self.remote.refs(_REFS + bead).get(_REFS + bead)
        if at is None:
            return None
        found = objects.read(self.remote.repo, [at])[0]
        if found is None:  # another clone made it
            self.remote.bring(_REFS + bead)
            found = objects.read(self.remote.repo, [at])[0]
        return Found(_parse(bead, found.content if found else b""), at)

    def take(self, bead: BeadId, by: str, claim: str, lease_s: float, *, at_least: int = 0) -> Claim:
        """Take the bead; raises ``HeldElsewhere`` while another's lease runs."""

        def decide(previous: Claim | None, now: int) -> Claim:
            answer = may_take(previous, now, claim, at_least, self.place)
            if isinstance(answer, Claim):
                raise HeldElsewhere(answer)
            return Claim(bead, by, claim, answer, iso(now + int(lease_s * 1000)), self.place)

        return self._move(bead, decide)

    def renew(self, bead: BeadId, claim: str, fence: int, lease_s: float) -> Claim:
        """Hold it until ``lease_s`` from now; raises ``ClaimLost`` when it is held no longer."""

        def decide(previous: Claim | None, now: int) -> Claim:
            answer = standing(previous, claim, fence, now)
            if isinstance(answer, Lost):
                raise ClaimLost(bead, answer.now)
            return replace(answer.claim, until=iso(now + int(lease_s * 1000)))

        return self._move(bead, decide)

    def keep(self, bead: BeadId, by: str, claim: str, lease_s: float, *, fence: int) -> Claim:
        """Go on holding it, also after the lease ended, if nobody took it since; raises ``ClaimLost`` otherwise.

        ``fence`` is the bead's own last fencing number. For landing, which must not land what others began.
        """

        def decide(previous: Claim | None, now: int) -> Claim:
            until = iso(now + int(lease_s * 1000))
            if previous is not None and previous.claim == claim:
                return replace(previous, until=until, released=False)
            if previous is not None and (previous.runs(now) or previous.fence >= fence):
                raise ClaimLost(bead, previous)
            return Claim(bead, by, claim, fence, until, self.place)

        return self._move(bead, decide)

    def release(self, bead: BeadId, claim: str, fence: int) -> Claim | None:
        """Give it back; the fencing number stays where it is. Nothing happens when it is held no longer."""

        def decide(previous: Claim | None, _: int) -> Claim:
            if previous is None or (previous.claim, previous.fence) != (claim, fence):
                raise ClaimLost(bead, previous)
            return replace(previous, released=True)

        try:
            return self._move(bead, decide)
        except ClaimLost:
            return None

    def check(self, bead: BeadId, claim: str, fence: int) -> Holds | Lost:
        """Whether the claim counts at this moment, as the remote sees it; raises ``Unreachable``."""
        found = self.look(bead)
        return standing(found.claim if found else None, claim, fence, self.now_ms())

    def _move(self, bead: BeadId, decide: Callable[[Claim | None, int], Claim]) -> Claim:
        """Put what ``decide`` makes of the present claim in its place, anew whenever somebody else was first."""
        seen: CommitId | None = None
        unmoved = 0
        for attempt in range(_TRIES):
            found = self.look(bead)
            at = found.commit if found else None
            claim = decide(found.claim if found else None, self.now_ms())
            if found is not None and found.claim == claim:
                return claim
            refused = self.remote.push([Push(_REFS + bead, self._commit(claim, at), at)])
            if not refused:
                return claim
            unmoved = unmoved + 1 if attempt and at == seen else 0
            if unmoved >= _PATIENCE:
                raise PushRefused(self.remote.name, refused[0].ref, refused[0].said)
            seen = at
            self.pause(random.uniform(0, _PAUSE_S * (1 + unmoved)))  # noqa: S311 - spreads racers, guards nothing
        raise TooMany(bead)

    def _commit(self, claim: Claim, parent: CommitId | None) -> CommitId:
        new = Objects(self.remote.repo, like=parent)
        message = json.dumps({"v": 1, **asdict(claim)}, ensure_ascii=False) + "\n"
        parents = [parent] if parent else []
        return make_commit(self.remote.repo, new, new.tree({}), parents, message, by="", sign=False)


def _parse(bead: BeadId, content: bytes) -> Claim:
    """The claim in a commit. One that cannot be read is a claim of nobody that is over: it blocks no one."""
    try:
        record = json.loads(content.partition(b"\n\n")[2])
    except ValueError:
        record = {}
    data: Mapping[str, object] = record if isinstance(record, dict) else {}
    fence, until = data.get("fence"), str(data.get("until", ""))
    try:
        parse_iso(until)
    except ValueError:
        until = iso(0)
    return Claim(
        bead,
        by=str(data.get("by", "")),
        claim=str(data.get("claim", "")),
        fence=fence if isinstance(fence, int) else 0,
        until=until,
        place=str(data.get("place", "")),
        released=data.get("released") is True,
    )
