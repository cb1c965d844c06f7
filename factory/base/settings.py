"""The settings: what may be said, where it was said, and one sentence for what was said wrongly.

Layers, later ones win: what ships, the user's file, the repository's ``.factory/factory.toml``, the
environment (``FACTORY_TARGET`` and the other names of ``ENVIRONMENT``), the command line.
"""

import difflib
import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from factory.base.errors import UserError

FILE = ".factory/factory.toml"

ENVIRONMENT = {
    "FACTORY_TARGET": "target",
    "FACTORY_MAX_AGENTS": "max_agents",
    "FACTORY_SANDBOX": "workspaces.sandbox",
    "FACTORY_WORKTREES": "workspaces.root",
}
"""Environment variables and the settings they stand for."""

_LATER = ("lanes", "budget")
"""Tables of the design that this version does not enforce, and therefore refuses to accept."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


def _free(name: str) -> str:
    if name in _RESERVED:
        raise ValueError(f"a gate cannot be called {name}")
    return name


CLAIM = "claim"
"""The gate that landing itself keeps where clones meet: no other clone took the bead meanwhile."""

_RESERVED = ("setup", "workspace", "gates", CLAIM)
"""Names that the factory's own steps have in the record of a gate run."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Workspaces(_Table):
    """Where sessions work and how they are confined."""

    root: str = ""
    """The folder for worktrees; empty: ``<repository>.factory`` beside the main work tree."""
    sandbox: Literal["auto", "bubblewrap", "none"] = "auto"
    network: tuple[str, ...] = ()
    """Hosts that agents may reach. Now: nothing, or ``["*"]`` for the machine's whole network."""
    read: tuple[str, ...] = ()
    """Folders outside the work tree that agents and gates may read; relative ones from the repository's root."""
    setup: str = ""
    """A shell command run, confined, in each new workspace before its agent or gate."""


class Beads(_Table):
    """How the branch of the beads is kept."""

    sign: bool = False
    """Sign its commits with the user's git signing key (``gpg.format``, ``user.signingKey``)."""
    remote: str = ""
    """The name of the remote where clones meet: claims are taken there too, and ``factory sync`` means it.

    Empty: claims hold in this clone, and sync takes ``origin``, or the only remote.
    """


class Agent(_Table):
    """A lasting identity that beads can be given to."""

    role: Literal["builder"] = "builder"
    runtime: Literal["builtin", "command"] = "builtin"
    model: str = ""
    command: tuple[str, ...] = ()
    timeout_s: Annotated[float, Field(gt=0)] = 3600
    idle_s: Annotated[float, Field(gt=0)] = 900
    max_turns: Annotated[int, Field(gt=0)] = 100


class Gate(_Table):
    """A check that a candidate must pass: a shell command whose exit code is the answer."""

    run: Annotated[str, StringConstraints(min_length=1)]
    timeout_s: Annotated[float, Field(gt=0)] = 600
    sandbox: Literal["", "none"] = ""
    """Empty: confined as agents are. ``none``: with all your rights, for tests that make sandboxes themselves."""


class Settings(_Table):
    """Everything that can be set."""

    target: str = ""
    """The branch that work lands on; empty: the branch that is checked out."""
    prefix: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,15}$")] = "fa"
    max_agents: Annotated[int, Field(ge=1, le=1000)] = 4
    reworks: Annotated[int, Field(ge=0, le=100)] = 2
    """How often a refused change goes back to its agent before it waits for a person."""
    retries: Annotated[int, Field(ge=0, le=100)] = 2
    """How often a failed session is tried again before its bead waits for a person."""
    workspaces: Workspaces = Workspaces()
    beads: Beads = Beads()
    agents: dict[Name, Agent] = {}
    gates: dict[Annotated[Name, AfterValidator(_free)], Gate] = {}


class SettingsBroken(UserError):
    """A settings file says something that cannot be understood; the sentence names file and line."""


@dataclass(frozen=True)
class Loaded:
    """The settings in force, and for each key that was set where that was."""

    settings: Settings
    origins: Mapping[str, str]


def files(root: Path) -> tuple[Path, Path]:
    """The files that the settings for the work tree at ``root`` come from, whether they are there or not."""
    return user_file(), root / FILE


def load(root: Path, *, overrides: Mapping[str, object] | None = None) -> Loaded:
    """The settings for the work tree at ``root``; ``overrides`` come from the command line."""
    layers = [
        (str(user_file()), _from_file(user_file())),
        (FILE, _from_file(root / FILE)),
        ("environment", _from_environment(os.environ)),
        ("command line", {key: value for key, value in (overrides or {}).items() if value is not None}),
    ]
    variables = {key: variable for variable, key in ENVIRONMENT.items()}
    merged: dict[str, object] = {}
    origins: dict[str, str] = {}
    for origin, layer in layers:
        for key, value in layer.items():
            merged[key] = value
            origins[key] = variables[key] if origin == "environment" else origin
    return Loaded(_checked(_nested(merged), lambda key: origins.get(key, FILE), ""), origins)


def parse(raw: bytes, origin: str) -> Settings:
    """The settings in the bytes of one file alone, e.g. the one that the target's commit holds."""
    return _checked(_nested(_flat(_toml(raw, origin))), lambda _: origin, raw.decode("utf-8", "replace"))


def user_file() -> Path:
    """The user's own settings file."""
    import platformdirs

    return Path(platformdirs.user_config_dir("factory")) / "config.toml"


def powers_hash(settings: Settings) -> str:
    """A hash of everything in ``settings`` that runs something or widens what an agent may reach.

    It covers the shipped form of those settings, not the file's bytes: a comment is no reason to ask again.
    """
    return hashlib.sha256(json.dumps(powers(settings), sort_keys=True).encode()).hexdigest()


def powers(settings: Settings) -> dict[str, str]:
    """What in ``settings`` has power, each as a line for the person who is asked to trust it."""
    spaces = settings.workspaces
    said = {f"gates.{name}.run": gate.run for name, gate in settings.gates.items()}
    said |= {
        f"agents.{name}.command": json.dumps(agent.command) for name, agent in settings.agents.items() if agent.command
    }
    for name, gate in settings.gates.items():
        if gate.sandbox == "none":
            said[f"gates.{name}.sandbox"] = "none (it runs with all your rights)"
    if spaces.setup:
        said["workspaces.setup"] = spaces.setup
    if spaces.sandbox == "none":
        said["workspaces.sandbox"] = "none (agents and gates run with all your rights)"
    if spaces.network:
        said["workspaces.network"] = ", ".join(spaces.network)
    if spaces.read:
        said["workspaces.read"] = ", ".join(spaces.read)
    if spaces.root:
        said["workspaces.root"] = spaces.root
    return dict(sorted(said.items()))


def _from_file(path: Path) -> dict[str, object]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsBroken(f"{path} cannot be read: {error.strerror}", "check its permissions") from error
    data = _flat(_toml(raw, str(path)))
    _checked(_nested(data), lambda _: str(path), raw.decode("utf-8", "replace"))
    return data


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for variable, key in ENVIRONMENT.items():
        if variable in environment:
            text = environment[variable]
            found[key] = int(text) if key == "max_agents" and text.isdigit() else text
    return found


def _toml(raw: bytes, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SettingsBroken(f"{origin} is not UTF-8", "save it as UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsBroken(f"{origin} is not valid TOML: {error}", "mend that line") from error


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _nested(flat: Mapping[str, object]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *tables, leaf = key.split(".")
        place = nested
        for table in tables:
            place = place.setdefault(table, {})
        if isinstance(value, dict):
            place.setdefault(leaf, {})
        else:
            place[leaf] = value
    return nested


def _checked(data: dict[str, Any], origin_of: Any, text: str) -> Settings:
    for table in _LATER:
        if table in data:
            raise SettingsBroken(
                f"{origin_of(table)}{_line(text, table)}: this version does not enforce [{table}] yet",
                "take it out: a rule that is not kept is worse than none",
            )
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        where = f"{origin_of(key)}{_line(text, key.rpartition('.')[2] or key)}"
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(first["loc"][-1]), _siblings(first["loc"]), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(_siblings(first['loc'])))}"
            raise SettingsBroken(f"{where}: there is no setting {key!r}", hint) from error
        raise SettingsBroken(f"{where}: {key}: {first['msg']}", "see the example in the README") from error


def _line(text: str, key: str) -> str:
    """``:N`` for the first line of ``text`` that names ``key``, or nothing."""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#")[0].strip()
        if (words.startswith("[") and key in words.strip("[] ").split(".")) or words.partition("=")[0].strip() == key:
            return f":{number}"
    return ""


_MODELS: dict[str, type[BaseModel]] = {"workspaces": Workspaces, "beads": Beads, "agents": Agent, "gates": Gate}


def _siblings(location: tuple[int | str, ...]) -> list[str]:
    model = _MODELS.get(str(location[0]), Settings) if len(location) > 1 else Settings
    return list(model.model_fields)
