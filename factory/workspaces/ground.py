"""What the settings say of every workspace, as values: where it stands and what its programs may reach."""

from dataclasses import dataclass
from pathlib import Path

from factory.base.errors import UserError
from factory.base.settings import Workspaces
from factory.git.repository import Repository
from factory.workspaces.folders import checked_root, worktree_root
from factory.workspaces.sandbox import Sandbox
from factory.workspaces.sandboxes import choose


class NoSuchNetwork(UserError):
    """The settings ask for a list of hosts, which this version cannot keep to."""

    def __init__(self) -> None:
        super().__init__(
            "an allow-list of hosts needs the proxy, which this version does not have yet",
            'say network = [] for none, or network = ["*"] for the whole network of this machine',
        )


@dataclass(frozen=True)
class Ground:
    """Where workspaces stand and what confines them; the same for agents and for gates."""

    root: Path
    sandbox: Sandbox
    read: tuple[Path, ...]
    network: bool
    setup: str


def ground(repo: Repository, settings: Workspaces) -> Ground:
    """The ground that ``settings`` describe; raises when no sandbox works here and none was asked for."""
    if settings.network not in ((), ("*",)):
        raise NoSuchNetwork
    main = repo.main_root
    return Ground(
        root=checked_root(repo, worktree_root(repo, settings.root)),
        sandbox=choose(settings.sandbox),
        read=tuple(main / Path(path).expanduser() for path in settings.read),
        network=bool(settings.network),
        setup=settings.setup,
    )
