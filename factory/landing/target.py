"""The target as it is now: its head, its gates, and whether anything may land on it."""

from pathlib import Path

from factory.base import settings as settings_file
from factory.base.errors import UserError
from factory.base.ids import CommitId
from factory.base.settings import CLAIM, FILE, Settings, SettingsBroken
from factory.base.trust import is_trusted
from factory.git.repository import Repository
from factory.landing.step import Target, Wait


class NoTarget(UserError):
    """The branch that work should land on does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no branch {name!r} to land on", "set target in .factory/factory.toml")
        self.name = name


class NoBranch(UserError):
    """The head is detached, so no branch says where work should land."""

    def __init__(self) -> None:
        super().__init__(
            "HEAD is detached, so there is no branch to land on",
            'check out a branch, or set target = "…" in .factory/factory.toml',
        )


def target_name(repo: Repository, settings: Settings) -> str:
    """The name of the target: what the settings say, else the branch that is checked out where factory was called."""
    if settings.target:
        return settings.target
    current = repo.current_branch()
    if current is None or current.startswith("factory/"):
        raise NoBranch
    return current


def head_of(repo: Repository, name: str) -> CommitId:
    """The head of the target; raises ``NoTarget``."""
    head = repo.branch(name)
    if head is None:
        raise NoTarget(name)
    return head


def committed_settings(repo: Repository, commit: CommitId) -> Settings:
    """The settings that a commit holds: the gates that count are the target's own, never a candidate's."""
    raw = repo.read_file(commit, FILE)
    return settings_file.parse(raw, f"{FILE} on {commit[:10]}") if raw is not None else Settings()


def look(repo: Repository, name: str, reworks: int) -> Target:
    """The target now; whatever keeps changes from landing on it is in ``obstacle``."""
    head = repo.branch(name)
    if head is None:
        gone = Wait("target-missing", f"there is no branch {name!r} to land on", "set target in .factory/factory.toml")
        return Target(name, CommitId("0" * 40), (), reworks, gone)
    try:
        settings = committed_settings(repo, head)
    except SettingsBroken as broken:
        return Target(name, head, (), reworks, Wait("settings-broken", broken.sentence, broken.hint))
    gates = (*settings.gates, CLAIM) if settings.beads.remote else tuple(settings.gates)
    return Target(name, head, gates, reworks, _obstacle(repo.main_root, name, settings))


def _obstacle(place: Path, name: str, settings: Settings) -> Wait | None:
    if not settings.gates:
        return Wait(
            "no-gate",
            f"no gate is configured on {name}, and nothing lands without having passed one",
            f'add [gates.tests] run = "…" to {FILE} and commit it on {name}',
        )
    if not is_trusted(place, settings):
        return Wait("not-trusted", f"the settings on {name} changed, and nobody has trusted them yet", "factory trust")
    return None
