"""The card that a running floor leaves beside its lock: who it is, so that others can find, ask or end it."""

import json
from dataclasses import dataclass
from pathlib import Path

from factory.base.files import replace_file
from factory.base.locks import is_held
from factory.base.process import ProcessName
from factory.git.repository import Repository


@dataclass(frozen=True)
class Card:
    """A floor: its process, the hosts that carry its jobs, and how many agents it may run."""

    process: ProcessName
    hosts: tuple[ProcessName, ...]
    max_agents: int
    target: str


def lock_path(repo: Repository) -> Path:
    """The lock that a floor holds for as long as it lives."""
    return repo.state_dir / "floor.lock"


def write(repo: Repository, card: Card) -> None:
    """Leave the card, durably: a successor needs it after a crash."""
    record = {
        "process": [card.process.pid, card.process.started],
        "hosts": [[host.pid, host.started] for host in card.hosts],
        "max_agents": card.max_agents,
        "target": card.target,
    }
    replace_file(_path(repo), json.dumps(record).encode())


def read(repo: Repository) -> Card | None:
    """The last card that was left, whether its floor lives or not."""
    try:
        record = json.loads(_path(repo).read_bytes())
        hosts = tuple(ProcessName(*host) for host in record["hosts"])
        return Card(ProcessName(*record["process"]), hosts, record["max_agents"], record["target"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def running(repo: Repository) -> Card | None:
    """The card of the floor that runs now, or ``None``."""
    return read(repo) if is_held(lock_path(repo)) else None


def _path(repo: Repository) -> Path:
    return repo.state_dir / "floor.json"
