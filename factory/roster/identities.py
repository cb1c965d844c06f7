"""The identities of a repository: those its settings name, and those a person made on the command line.

A command given on the command line is kept in the user's own data folder, not in the repository: a
bead names its agent, and what that name runs is for each person to say.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from factory.base.errors import UserError
from factory.base.files import replace_file
from factory.base.settings import Settings
from factory.base.trust import user_folder

DEFAULT = "builder"
"""The identity that works when nobody named another: the built-in runtime with its default model."""


@dataclass(frozen=True)
class Identity:
    """A lasting agent. ``expose`` are files outside the work tree that its command needs to read."""

    name: str
    runtime: str = "builtin"
    model: str = ""
    command: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    timeout_s: float = 3600
    idle_s: float = 900
    max_turns: int = 100


class NoSuchAgent(UserError):
    """A bead is on the hook of an agent that nobody here has described."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"there is no agent {name!r} here",
            f"known: {', '.join(known)}; describe it in .factory/factory.toml under [agents.{name}]",
        )
        self.name = name


def identities(settings: Settings, place: Path) -> dict[str, Identity]:
    """Every identity by name; the settings win over what was made on the command line."""
    known = {DEFAULT: Identity(DEFAULT)} | _made(place)
    for name, agent in settings.agents.items():
        known[name] = Identity(
            name,
            agent.runtime,
            agent.model,
            agent.command,
            timeout_s=agent.timeout_s,
            idle_s=agent.idle_s,
            max_turns=agent.max_turns,
        )
    return known


def find(known: Mapping[str, Identity], name: str) -> Identity:
    """The identity called ``name``; raises ``NoSuchAgent``."""
    if name not in known:
        raise NoSuchAgent(name, tuple(sorted(known)))
    return known[name]


def builders(settings: Settings) -> tuple[str, ...]:
    """The names of the identities that take beads which are on nobody's hook."""
    return tuple(sorted(settings.agents)) or (DEFAULT,)


def pick(settings: Settings, busy: Mapping[str, int]) -> str:
    """The name of the identity that gets a bead nobody assigned: the least busy builder, then by name."""
    return min(builders(settings), key=lambda name: (busy.get(name, 0), name))


def distinct(known: Mapping[str, Identity], identity: Identity) -> Identity:
    """``identity`` under a name that no other identity has: a name never changes what it runs."""
    number, candidate = 1, identity
    while known.get(candidate.name, candidate) != candidate:
        number += 1
        candidate = replace(identity, name=f"{identity.name}-{number}")
    return candidate


def remember(place: Path, identity: Identity) -> None:
    """Keep an identity that was made on the command line."""
    replace_file(_folder(place) / f"{identity.name}.json", as_line(identity).encode() + b"\n", mode=0o600)


def as_line(identity: Identity) -> str:
    """The identity as one line of JSON."""
    return json.dumps(asdict(identity))


def from_line(line: str | bytes) -> Identity:
    """The identity that ``as_line`` wrote."""
    record = json.loads(line)
    return Identity(**record | {"command": tuple(record["command"]), "expose": tuple(record["expose"])})


def name_for(command: tuple[str, ...]) -> str:
    """A name for the identity that runs ``command``: its program's, or its script's when that says more."""
    spoken = command[:1] if "-c" in command else command
    words = [Path(word).stem for word in spoken if not word.startswith("-")]
    interpreters = {"python", "python3", "sh", "bash", "env", "node"}
    chosen = next((word for word in words if word not in interpreters), words[0] if words else "agent")
    plain = re.sub(r"[^a-z0-9_-]+", "-", chosen.lower()).strip("-_")[:40]
    return plain if re.match(r"[a-z]", plain) else f"agent-{plain}".rstrip("-")


def _folder(place: Path) -> Path:
    return user_folder(place) / "agents"


def _made(place: Path) -> dict[str, Identity]:
    made = [from_line(path.read_bytes()) for path in sorted(_folder(place).glob("*.json"))]
    return {identity.name: identity for identity in made}
