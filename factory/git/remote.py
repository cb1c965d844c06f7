"""The one door to remotes: fetch, push by compare-and-swap, and look. Nothing asks, nothing waits for ever.

The user's own credentials work (helpers, agents, ssh keys); prompts do not appear, because nobody may be
there. Whether a push was refused is read from git's porcelain output, never from its prose.
"""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from factory.base import process
from factory.base.errors import TryAgain, UserError
from factory.base.files import printable
from factory.base.ids import CommitId
from factory.git.command import clean_environment, converse
from factory.git.repository import Repository

TIMEOUT_S = 120.0

_OPEN = tuple(
    word for name in ("file", "ssh", "https", "git", "http") for word in ("-c", f"protocol.{name}.allow=always")
)
_CAREFUL = (
    "-c",
    "fetch.fsckObjects=true",
    "-c",
    "core.askPass=",
    "-c",
    "push.followTags=false",
    "-c",
    "push.gpgSign=false",
)

_PLAINLY = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-gc")

_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 0.0)
"""Between the tries of a fetch that finds somebody else at the same refs."""

_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_PROXY_COMMAND", "GIT_CONFIG_COUNT")
_KEPT_BEGINNINGS = ("GIT_SSL_", "GIT_HTTP_", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")
"""What a user may have set for reaching remotes and nothing else."""


class NoSuchRemote(UserError):
    """The repository has no remote of this name, and it is no URL or path either."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        hint = f"there are: {', '.join(known)}" if known else f"git remote add {name} URL makes one"
        super().__init__(f"there is no remote {printable(name)!r}", hint)
        self.name = name


class WhichRemote(UserError):
    """There are several remotes, none is called ``origin``, and none was named."""

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__(f"which remote? there are {', '.join(known)}", "name one, or set remote under [beads]")


class Unreachable(TryAgain):
    """The remote did not answer, or not as a remote does."""

    def __init__(self, remote: str, said: str) -> None:
        super().__init__(
            f"the remote {printable(remote)} cannot be reached: {said}",
            f"see what git ls-remote {printable(remote)} says; nothing is lost, and the next sync carries on",
        )
        self.said = said


class PushRefused(UserError):
    """The remote took a look and said no, though nobody else had moved the ref."""

    def __init__(self, remote: str, ref: str, said: str) -> None:
        super().__init__(
            f"the remote {printable(remote)} refuses {ref}: {said}", "you need the right to push there; nothing is lost"
        )
        self.said = said


@dataclass(frozen=True)
class Push:
    """A ref that the remote shall move from ``old`` (``None``: it must not have it) to ``new``."""

    ref: str
    new: CommitId
    old: CommitId | None


@dataclass(frozen=True)
class Refused:
    """A ref that the remote did not move, and what it says about that, for people."""

    ref: str
    said: str


@dataclass(frozen=True)
class Remote:
    """A remote by its name, URL or path. ``timeout_s`` bounds each conversation, in seconds."""

    repo: Repository
    name: str
    timeout_s: float = TIMEOUT_S

    def refs(self, *patterns: str) -> dict[str, CommitId]:
        """What the remote has of the refs that match; raises ``Unreachable``."""
        said = self._talk("ls-remote", "--refs", "--quiet", "--", self.name, *patterns).text
        rows = (line.split("\t", 1) for line in said.splitlines())
        return {ref: CommitId(id_) for id_, ref in rows}

    def fetch(self, beginning: str, to: str) -> None:
        """Have all refs that begin with ``beginning`` under ``to`` here, as they are there, gone ones gone.

        Raises ``Unreachable``. A remote that has none of them is no error. Only for a ``to`` whose readers hold
        one lock: a fetch of somebody who was killed may go on beside this one, or have left its lock file there.
        """
        for pause_s in _PAUSES_S:
            finished = self._run("fetch", *_PLAINLY, "--prune", "--refmap=", "--", self.name, f"+{beginning}*:{to}*")
            if finished.code == 0:
                return
            if b"cannot lock ref" not in finished.err:
                break
            time.sleep(pause_s)
            (self.repo.common_dir / f"{to}.lock").unlink(missing_ok=True)
        raise self._unreachable(finished)

    def bring(self, ref: str) -> None:
        """Have what the remote's ``ref`` leads to, without a ref here; raises ``Unreachable``."""
        self._talk("fetch", *_PLAINLY, "--", self.name, ref)

    def push(self, pushes: Iterable[Push]) -> tuple[Refused, ...]:
        """Move refs there, each by compare-and-swap; the answer is those it did not. Raises ``Unreachable``."""
        wanted = list(pushes)
        leases = [f"--force-with-lease={push.ref}:{push.old or ''}" for push in wanted]
        specs = [f"{push.new}:{push.ref}" for push in wanted]
        finished = self._run(
            "push", "--porcelain", "--no-verify", "--no-recurse-submodules", *leases, "--", self.name, *specs
        )
        refused = []
        for line in finished.text.splitlines():
            flag, _, rest = line.partition("\t")
            if flag == "!":
                pair, _, said = rest.partition("\t")
                refused.append(Refused(pair.partition(":")[2], said))
        if finished.code != 0 and not refused:
            raise self._unreachable(finished)
        return tuple(refused)

    def _talk(self, *arguments: str) -> process.Finished:
        finished = self._run(*arguments)
        if finished.code != 0:
            raise self._unreachable(finished)
        return finished

    def _run(self, *arguments: str) -> process.Finished:
        words = [*_OPEN, *_CAREFUL, *arguments]
        return converse(words, git_dir=self.repo.common_dir, env=self._environment(), timeout_s=self.timeout_s)

    def _environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_BEGINNINGS)}
        own = self.repo.ask("config", "--get", "core.sshCommand", ok=(0, 1)).text.strip()
        if not own and "GIT_SSH_COMMAND" not in kept and "GIT_SSH" not in kept:
            kept["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes -o ConnectTimeout=20"
        env = clean_environment(kept | {"SSH_ASKPASS_REQUIRE": "never"})
        env.pop("SSH_ASKPASS", None)
        return env

    def _unreachable(self, finished: process.Finished) -> Unreachable:
        if finished.ended_by:
            return Unreachable(self.name, f"no answer within {self.timeout_s:.0f} seconds")
        said = [line.strip() for line in finished.err.decode("utf-8", "replace").splitlines() if line.strip()]
        told = next((line.removeprefix("fatal: ") for line in said if line.startswith("fatal: ")), "")
        return Unreachable(self.name, printable(told or (said[-1] if said else f"git ended with {finished.code}")))


def names(repo: Repository) -> list[str]:
    """The remotes that the repository knows by name."""
    return repo.ask("remote").text.split()


def choose(repo: Repository, wanted: str = "", *, default: str = "") -> Remote:
    """The remote that is meant: ``wanted`` (a name, URL or path), else ``default``, ``origin`` or the only one.

    ``default`` comes from settings that may be somebody else's, so it only names what git knows here.
    """
    known = names(repo)
    if wanted:
        is_place = "/" in wanted or ":" in wanted
        if wanted.startswith("-") or not (wanted in known or is_place):
            raise NoSuchRemote(wanted, known)
        return Remote(repo, wanted)
    default = default or ("origin" if not known or "origin" in known else "")
    if default:
        if default not in known:
            raise NoSuchRemote(default, known)
        return Remote(repo, default)
    if len(known) > 1:
        raise WhichRemote(known)
    return Remote(repo, known[0])
