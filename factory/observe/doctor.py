"""What this machine and this repository have, what is missing, and what to do about it.

Looks and never changes anything: no file is written, no branch made, no lock kept. A key is only ever
named. Each check is a function that answers with findings; ``examine`` calls them all.
"""

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from factory import __version__
from factory.agents.runtimes import RUNTIMES
from factory.base import settings as settings_file
from factory.base.errors import FactoryError, UserError
from factory.base.settings import FILE, Loaded, Settings
from factory.base.trust import is_trusted
from factory.beads.branch import BRANCH
from factory.beads.store import Store
from factory.git.repository import OLDEST_GIT, Repository, find, git_version
from factory.landing.target import committed_settings, look, target_name
from factory.observe import card
from factory.workspaces.folders import checked_root, worktree_root
from factory.workspaces.leases import leased
from factory.workspaces.sandboxes import SANDBOXES, choose

Level = Literal["ok", "warning", "problem"]

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
"""Environment variables that hold keys; only whether they are set is ever said."""

_GIB = 1 << 30
_LOW_BYTES, _NO_BYTES = 2 * _GIB, _GIB // 4
_LOW_FILES, _NO_FILES = 100_000, 5_000
"""Below the first a warning, below the second a problem; one worktree of a large repository needs as much."""

_COUNTED_FILES = 200_000
"""Where measuring the worktrees stops, so that the answer comes within a second or two."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, and the remedy where something should be done."""

    name: str
    level: Level
    found: str
    remedy: str = ""


def examine(start: Path, environment: Mapping[str, str]) -> list[Finding]:
    """Everything worth knowing at ``start``, which need not be in a repository."""
    findings = [_program(), _git()]
    repo: Repository | None = None
    if findings[-1].level == "problem":
        findings.append(Finding("repository", "warning", "not looked at: that needs git"))
    elif not _in_repository(start):
        findings.append(Finding("repository", "ok", "not called inside one; call it there to see about that one too"))
    else:
        try:
            repo = find(start)
            findings.append(_repository(repo))
        except FactoryError as error:
            findings.append(_from_error("repository", error))
    loaded = _loaded(repo.main_root if repo else start)
    if isinstance(loaded, Finding):
        findings.append(loaded)
    settings = loaded.settings if isinstance(loaded, Loaded) else Settings()
    findings += [*_sandboxes(settings), *_runtimes(settings), _keys(environment)]
    if repo is None:
        findings.append(_disk(start))
        return findings
    if isinstance(loaded, Loaded):
        findings += [_settings(repo, loaded), *_target(repo, settings), *_trust(repo, settings)]
    return [*findings, *_worktrees(repo, settings), _beads(repo), *_floor(repo)]


@dataclass(frozen=True)
class Explained:
    """A setting, its value, and which layer it came from (``default`` when nobody set it)."""

    key: str
    value: object
    origin: str


def explain(start: Path) -> list[Explained]:
    """Every setting in force at ``start``; raises ``SettingsBroken`` when they cannot be understood."""
    loaded = settings_file.load(find(start).main_root if _in_repository(start) else start)
    flat = _flat(loaded.settings.model_dump(mode="json"))
    return [Explained(key, value, loaded.origins.get(key, "default")) for key, value in flat]


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _program() -> Finding:
    return Finding("factory", "ok", f"{__version__} on Python {platform.python_version()}, {platform.system()}")


def _git() -> Finding:
    needed = ".".join(map(str, OLDEST_GIT))
    version = git_version()
    if version is None:
        return Finding("git", "problem", "not installed", f"install git {needed} or later")
    shown = ".".join(map(str, version))
    if version < OLDEST_GIT:
        return Finding("git", "problem", f"{shown} is too old", f"install git {needed} or later")
    return Finding("git", "ok", shown)


def _in_repository(start: Path) -> bool:
    """Whether some folder from ``start`` upwards looks like a repository, usable or not."""
    folders = (start.resolve(), *start.resolve().parents)
    return "GIT_DIR" in os.environ or any(
        (folder / ".git").exists() or ((folder / "HEAD").is_file() and (folder / "objects").is_dir())
        for folder in folders
    )


def _repository(repo: Repository) -> Finding:
    if repo.resolve("HEAD") is None and not repo.refs("refs/heads/"):
        return Finding("repository", "problem", "it has no commit yet", "make a first commit: agents start from one")
    place = repo.state_dir if repo.state_dir.exists() else repo.common_dir
    if not os.access(place, os.W_OK):
        return Finding("repository", "problem", f"{place} cannot be written", "check who owns it, and its permissions")
    name, email = repo.identity()
    if email.endswith("@localhost"):
        remedy = 'git config user.name "…" and git config user.email "…" say who you are'
        return Finding("repository", "warning", f"{repo.main_root}; git does not know who you are", remedy)
    return Finding("repository", "ok", f"{repo.main_root}, called by {name} <{email}>")


def _loaded(root: Path) -> Loaded | Finding:
    try:
        return settings_file.load(root)
    except UserError as error:
        return _from_error("settings", error)


def _settings(repo: Repository, loaded: Loaded) -> Finding:
    if not (repo.main_root / FILE).is_file():
        return Finding("settings", "warning", f"there is no {FILE}: the defaults are in force", "factory init")
    said = f"{len(loaded.origins)} set" if loaded.origins else "all defaults"
    return Finding("settings", "ok", f"valid, {said}; factory doctor --settings shows each")


def _target(repo: Repository, settings: Settings) -> Iterator[Finding]:
    """Whether anything could land; trust has a row of its own."""
    try:
        name = target_name(repo, settings)
    except UserError as error:
        yield _from_error("target", error)
        return
    target = look(repo, name, settings.reworks)
    if target.obstacle is None or target.obstacle.code == "not-trusted":
        yield Finding("target", "ok", f"{name} at {target.head[:10]}, gates: {', '.join(sorted(target.gates))}")
        return
    level: Level = "warning" if target.obstacle.code == "no-gate" else "problem"
    yield Finding("target", level, target.obstacle.reason, target.obstacle.remedy)


def _trust(repo: Repository, settings: Settings) -> Iterator[Finding]:
    try:
        head = repo.branch(target_name(repo, settings))
        places = [(FILE, settings_file.parse(_read(repo.main_root / FILE), FILE))]
        places += [("the target's settings", committed_settings(repo, head))] if head else []
    except UserError:
        return  # said by another row
    untrusted = [where for where, said in places if not is_trusted(repo.main_root, said)]
    if untrusted:
        found = f"nobody has trusted what {' and '.join(untrusted)} would run"
        yield Finding("trust", "warning", found, "factory trust --show, then factory trust")
    else:
        yield Finding("trust", "ok", "everything that the settings would run is trusted, or they run nothing")


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _sandboxes(settings: Settings) -> Iterator[Finding]:
    """Each backend, by really running it; whether it is missed depends on what the settings ask for."""
    asked = settings.workspaces.sandbox
    try:
        chosen = choose(asked).name
    except UserError:
        chosen = ""
    for name, backend in SANDBOXES.items():
        problem = backend().problem()
        if name == "none":
            if asked == "none":
                remedy = 'take sandbox = "none" out of the settings to have agents confined'
                yield Finding("sandbox none", "warning", "agents and gates run with all your rights", remedy)
        elif problem is None:
            yield Finding(f"sandbox {name}", "ok", "works" + (", and is used" if name == chosen else ""))
        else:
            remedy = (
                f"install {name} (on Debian: apt install {name}); where it cannot work, a person may say"
                ' sandbox = "none" and run agents with all their rights'
            )
            yield Finding(f"sandbox {name}", "warning" if chosen else "problem", problem, remedy)


def _runtimes(settings: Settings) -> Iterator[Finding]:
    needed = {agent.runtime for agent in settings.agents.values()}
    for name, make in RUNTIMES.items():
        problem = make().problem({})
        if problem is None:
            yield Finding(f"runtime {name}", "ok", "can run")
        else:
            sentence, _, remedy = problem.partition(": ")
            level: Level = "problem" if name in needed else "warning"
            yield Finding(f"runtime {name}", level, sentence, remedy)


def _keys(environment: Mapping[str, str]) -> Finding:
    there = [name for name in KEYS if environment.get(name)]
    return Finding("keys", "ok", f"set: {', '.join(there)}" if there else f"none of {', '.join(KEYS)} is set")


def _worktrees(repo: Repository, settings: Settings) -> Iterator[Finding]:
    root = worktree_root(repo, settings.workspaces.root)
    yield _disk(root)
    try:
        checked_root(repo, root)
    except UserError as error:
        yield _from_error("worktrees", error)
        return
    sessions = len(leased(repo))
    found = f"{_counted(sessions, 'workspace')} in use, {_size(root)} in {root}"
    if sessions and card.running(repo) is None:
        remedy = "factory run saves the work in them and gives them back"
        yield Finding("worktrees", "warning", f"{found}, but no floor is running", remedy)
    else:
        yield Finding("worktrees", "ok", found)


def _disk(place: Path) -> Finding:
    """Free bytes and free inodes where worktrees go."""
    there = next(folder for folder in (place, *place.resolve().parents) if folder.exists())
    free = os.statvfs(there)
    size = free.f_bavail * free.f_frsize
    files = free.f_favail if free.f_files else None  # some file systems have no fixed number
    level: Level = "ok"
    if size < _LOW_BYTES or (files is not None and files < _LOW_FILES):
        level = "warning"
    if size < _NO_BYTES or (files is not None and files < _NO_FILES):
        level = "problem"
    found = f"{_bytes(size)} and {'any number of' if files is None else f'{files:,}'} files free at {there}"
    return Finding("disk", level, found, "" if level == "ok" else "make room, or set workspaces.root to another disk")


def _beads(repo: Repository) -> Finding:
    head = repo.branch(BRANCH)
    if head is None:
        return Finding("beads", "warning", f"there is no branch {BRANCH} yet", "factory init")
    store = Store(repo)
    if not store.live.is_dir():
        return Finding("beads", "ok", f"branch {BRANCH} at {head[:10]}; the live copy is made when needed")
    snapshot = store.snapshot()
    if snapshot.damage:
        first = snapshot.damage[0]
        found = f"{_counted(len(snapshot.damage), 'line')} cannot be read: {first.file}:{first.line}: {first.reason}"
        return Finding("beads", "problem", found, "factory doctor --repair sets it aside; the rest is in force")
    waiting = " (what was appended last is not committed yet)" if not store.is_committed() else ""
    return Finding("beads", "ok", f"{_counted(len(snapshot.beads), 'bead')} on {BRANCH}{waiting}")


def _floor(repo: Repository) -> Iterator[Finding]:
    floor = card.running(repo)
    found = f"running, process {floor.process.pid}, at most {floor.max_agents} agents" if floor else "not running"
    yield Finding("floor", "ok", found)


def _from_error(name: str, error: FactoryError) -> Finding:
    return Finding(name, "problem", error.sentence, error.hint)


def _size(root: Path) -> str:
    """What the files below ``root`` take on disk."""
    total = seen = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512  # noqa: PTH118 - a Path a file is slow
            except OSError:
                continue
        seen += len(names)
        if seen > _COUNTED_FILES:
            return f"more than {_bytes(total)}"
    return _bytes(total)


def _bytes(size: int) -> str:
    amount = float(size)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:  # noqa: PLR2004 - the next unit
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
