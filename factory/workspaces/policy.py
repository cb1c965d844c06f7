"""What a change may contain: a pure decision over the differences between two trees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

BLOB_LIMIT = 64 << 20
"""The largest file that may come out, in bytes."""

_LINK = "120000"
_GITLINK = "160000"
_LINK_LIMIT = 4096
_RESERVED = {".factory": "the factory's settings", "beads": "the beads"}


@dataclass(frozen=True)
class Change:
    """One path in which two trees differ; a mode of zeros and an id of zeros mean that it is not there."""

    path: str
    old_mode: str
    new_mode: str
    new_id: str

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link now."""
        return self.new_mode == _LINK

    @property
    def is_file(self) -> bool:
        """Whether it has content now."""
        return self.new_mode.startswith("100")


@dataclass(frozen=True)
class Unwanted:
    """What the workspace holds may not come out; ``reason`` is one sentence, ``paths`` what it is about."""

    reason: str
    paths: tuple[str, ...] = ()


def parse_changes(raw: bytes) -> tuple[Change, ...]:
    """The changes that ``diff-tree -r -z --raw --no-renames --no-abbrev`` printed."""
    words = raw.decode("utf-8", "surrogateescape").split("\0")
    changes = []
    for facts, path in zip(words[0::2], words[1::2], strict=False):
        old_mode, new_mode, _, new_id, _ = facts.removeprefix(":").split(" ")
        changes.append(Change(path, old_mode, new_mode, new_id))
    return tuple(changes)


def judge(changes: Sequence[Change], sizes: Mapping[str, int], links: Mapping[str, str]) -> Unwanted | None:
    """Why the changes may not come out, or ``None``.

    ``sizes`` gives each new object's size in bytes, ``links`` where each new symbolic link leads.
    """
    found: dict[str, list[str]] = {}
    for change in changes:
        reason = _objection(change, sizes, links)
        if reason:
            found.setdefault(reason, []).append(change.path)
    for reason, paths in found.items():
        return Unwanted(reason, tuple(paths))
    return None


def _objection(change: Change, sizes: Mapping[str, int], links: Mapping[str, str]) -> str:
    parts = [part.casefold() for part in PurePosixPath(change.path).parts]
    if parts[0] in _RESERVED:
        return f"an agent may not change {_RESERVED[parts[0]]}"
    if any(is_git_like(part) for part in parts):
        return "a path looks like a git directory"
    if parts[-1] == ".gitmodules":
        return "an agent may not change which submodules there are"
    if _GITLINK in {change.old_mode, change.new_mode}:
        return "a nested repository or a submodule was changed; its files cannot come out"
    if change.is_link and not stays_inside(change.path, links.get(change.new_id, "/")):
        return "a symbolic link leads out of the work tree"
    if change.is_file and sizes.get(change.new_id, BLOB_LIMIT + 1) > BLOB_LIMIT:
        return f"a file is larger than {BLOB_LIMIT >> 20} MiB"
    return ""


def is_git_like(part: str) -> bool:
    """Whether some file system takes a path's ``part`` for ``.git`` (git's own checks are stricter still)."""
    return part.casefold().rstrip(" .") in {".git", "git~1"}


def stays_inside(path: str, target: str) -> bool:
    """Whether a link at ``path`` that says ``target`` stays in the tree and out of git's own folder."""
    if target.startswith("/") or "\0" in target or not target or len(target) > _LINK_LIMIT:
        return False
    depth = len(PurePosixPath(path).parts) - 1
    for part in target.split("/"):
        if part in {"", "."}:
            continue
        depth += -1 if part == ".." else 1
        if depth < 0 or is_git_like(part):
            return False
    return True
