"""The private git directory: what the agent's git takes for the repository, made by hand in about 2 ms.

It holds HEAD, a small config, two refs, an index and an empty object store that borrows from the real
one, read-only. Whatever the agent does to it stays in it.
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from factory.base.ids import CommitId
from factory.git.command import clean_environment, git
from factory.git.repository import Repository

_COPIED_SETTINGS = (
    "core.autocrlf", "core.eol", "core.safecrlf", "core.filemode", "core.symlinks", "core.ignorecase",
    "core.precomposeunicode", "core.protecthfs", "core.protectntfs",
)  # fmt: skip
"""Settings that change how files look in a work tree; none of them can name a program."""

_HARMLESS = re.compile(r"[A-Za-z0-9]{1,16}")
_ALTERNATES_DEPTH = 6
"""git itself follows five."""


@dataclass(frozen=True)
class Facts:
    """What is read from the real repository once for each lease, so that the agent's git behaves alike."""

    config: str
    exclude: str
    attributes: str
    stores: tuple[Path, ...]


@dataclass(frozen=True)
class Plan:
    """A private git directory to be made: where, for which work tree, at which commits."""

    folder: Path
    entry_name: str
    work: Path
    head: CommitId
    branch: str | None
    target: str
    base: CommitId
    objects_seen: tuple[str, ...]


def facts(repo: Repository) -> Facts:
    """Read what ``make`` needs of the real repository."""
    rows = git(["config", "--null", "--list"], git_dir=repo.common_dir, env=clean_environment()).text.split("\0")
    settings = dict(row.partition("\n")[::2] for row in rows if row)
    return Facts(
        config=_config(settings),
        exclude=_global_excludes(settings) + _text(repo.common_dir / "info" / "exclude"),
        attributes=_text(repo.common_dir / "info" / "attributes"),
        stores=object_stores(repo.common_dir / "objects"),
    )


def make(plan: Plan, known: Facts, copied: tuple[str, ...]) -> None:
    """Write the private git directory ``plan`` describes, without an index; ``copied`` files are ignored in it."""
    git_dir = plan.folder
    entry = git_dir / "worktrees" / plan.entry_name
    for folder in (entry, git_dir / "refs" / "heads", git_dir / "objects" / "info", git_dir / "info"):
        folder.mkdir(parents=True, exist_ok=True)
    _write(git_dir / "HEAD", f"{plan.base}\n")
    _write(git_dir / "config", known.config)
    _write(git_dir / "packed-refs", _packed_refs(plan))
    _write(git_dir / "objects" / "info" / "alternates", "".join(f"{store}\n" for store in plan.objects_seen))
    _write(git_dir / "info" / "exclude", known.exclude + "".join(f"{_pattern(path)}\n" for path in copied))
    _write(git_dir / "info" / "attributes", known.attributes)
    _write(entry / "HEAD", f"{plan.head}\n" if plan.branch is None else f"ref: refs/heads/{plan.branch}\n")
    _write(entry / "commondir", "../..\n")
    _write(entry / "gitdir", f"{plan.work}/.git\n")


def ignore_too(git_dir: Path, copied: tuple[str, ...]) -> None:
    """Make the agent's git ignore what ``.worktreeinclude`` brought in, even where the base does not."""
    with (git_dir / "info" / "exclude").open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{_pattern(path)}\n" for path in copied)


def restore_config(git_dir: Path, beside: Path, known: Facts) -> None:
    """Put our config back in place of whatever the agent made of it, following no link; ``OSError`` if it cannot.

    Without it no filter or other program of the agent's choosing runs when its work is collected.
    """
    fresh = beside / "config.fresh"
    _write(fresh, known.config)
    fresh.rename(git_dir / "config")


def object_stores(objects: Path) -> tuple[Path, ...]:
    """``objects`` and every store it borrows from, however far."""
    found: dict[Path, None] = {}
    layer = [objects.resolve()]
    for _ in range(_ALTERNATES_DEPTH):
        found |= dict.fromkeys(layer)
        layer = [store for folder in layer for store in _alternates(folder) if store not in found]
    return tuple(found)


def _alternates(objects: Path) -> list[Path]:
    lines = _text(objects / "info" / "alternates").splitlines()
    stores = ((objects / line).resolve() for line in lines if line and not line.startswith("#"))
    return [store for store in stores if store.is_dir()]


def _config(values: Mapping[str, str]) -> str:
    """A config with the same object format and the same file handling as the real one."""
    kept = {
        name.removeprefix("core."): values[name]
        for name in _COPIED_SETTINGS
        if _HARMLESS.fullmatch(values.get(name, ""))
    }
    object_format = values.get("extensions.objectformat", "sha1")
    other_format = object_format != "sha1" and _HARMLESS.fullmatch(object_format) is not None
    core = {"repositoryformatversion": "1" if other_format else "0", "bare": "false", "logallrefupdates": "true"} | kept
    text = "[core]\n" + "".join(f"\t{name} = {value}\n" for name, value in core.items())
    text += "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
    return text + (f"[extensions]\n\tobjectFormat = {object_format}\n" if other_format else "")


def _global_excludes(values: Mapping[str, str]) -> str:
    """What the user's own ignore file says, so that an agent does not commit what the user never would."""
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    return _text(Path(values.get("core.excludesfile") or settings / "git" / "ignore").expanduser())


def _text(path: Path) -> str:
    """The file's text with a line end after it; nothing when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    return text if not text or text.endswith("\n") else f"{text}\n"


def _packed_refs(plan: Plan) -> str:
    refs = {f"refs/heads/{plan.target}": plan.base}
    if plan.branch is not None:
        refs[f"refs/heads/{plan.branch}"] = plan.head
    lines = "".join(f"{oid} {ref}\n" for ref, oid in sorted(refs.items()))
    return f"# pack-refs with: peeled fully-peeled sorted \n{lines}"


def _pattern(path: str) -> str:
    """A gitignore line that matches exactly ``path``."""
    return "/" + re.sub(r"([\\*?\[\]#! ])", r"\\\1", path)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="surrogateescape")


def copy_index(git_dir: Path, entry_name: str, real_entry: Path) -> None:
    """Give the real worktree entry the index of the fresh checkout, so that people's ``git status`` works there."""
    shutil.copyfile(git_dir / "worktrees" / entry_name / "index", real_entry / "index")
