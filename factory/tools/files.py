"""Read, write and edit files from the host, without ever following a link out of the place."""

import os
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field

from factory.base.errors import Refused
from factory.base.files import open_beneath, printable, write_all
from factory.tools.place import Place
from factory.tools.tool import MOST_CHARACTERS, Input, Tool, ToolResult

_MOST_BYTES = 5 << 20
_LONGEST_LINE = 2_000
_BINARY_PROBE = 8_192
_LINES_AT_ONCE = 2_000

FilePath = Annotated[str, Field(min_length=1, max_length=4096, description="path relative to the work tree")]


class OwnedByGit(Refused):
    """A path inside ``.git``."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{printable(path)} belongs to git", "use git commands with the run tool")
        self.path = path


class TooBig(Refused):
    """A file that no tool takes whole."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{printable(path)} is larger than {_MOST_BYTES >> 20} MiB",
            "use search, or the run tool with head, tail or sed",
        )
        self.path = path


def path_within(place: Place, path: str) -> str:
    """``path`` as one relative to the work tree; raises ``OwnedByGit`` for anything inside ``.git``.

    Models like absolute paths, so one that begins with the root is taken. Only words are judged here;
    links are caught where the file is opened.
    """
    root = f"{place.root}/"
    relative = path.removeprefix(root) if path.startswith(root) else path
    if any(part.casefold() == ".git" for part in PurePosixPath(relative).parts):
        raise OwnedByGit(path)
    return relative


class Read(Input):
    """Which lines of which file."""

    path: FilePath
    offset: int = Field(default=1, ge=1, description="first line, counted from 1")
    limit: int = Field(default=_LINES_AT_ONCE, ge=1, le=100_000, description="how many lines at most")


async def _read(place: Place, wanted: Read) -> ToolResult:
    path = path_within(place, wanted.path)
    with open_beneath(place.root, path, os.O_RDONLY) as fd:
        data = _content(fd, path)
    if b"\0" in data[:_BINARY_PROBE]:
        return ToolResult(f"{path} is a binary file of {len(data)} bytes; it is not shown", is_error=True)
    if not data:
        return ToolResult(f"{path} is empty")
    lines = data.decode("utf-8", "replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    return _numbered(path, lines, wanted, crlf=b"\r\n" in data)


def _numbered(path: str, lines: list[str], wanted: Read, *, crlf: bool) -> ToolResult:
    """The wanted lines with their numbers, as many as fit, and where to go on."""
    first = wanted.offset - 1
    if first >= len(lines):
        return ToolResult(f"{path} has only {len(lines)} lines", is_error=True)
    shown: list[str] = []
    room = MOST_CHARACTERS - 500
    for number, line in enumerate(lines[first : first + wanted.limit], wanted.offset):
        text = line.removesuffix("\r")
        cut = f"{text[:_LONGEST_LINE]} [... line cut, {len(text)} characters]" if len(text) > _LONGEST_LINE else text
        room -= len(cut) + 8
        if room < 0:
            break
        shown.append(f"{number:6}\t{cut}")
    last = first + len(shown)
    head = f"{path}, lines {wanted.offset}-{last} of {len(lines)}{' (line ends are CRLF)' if crlf else ''}"
    more = f"\n[go on with offset {last + 1}]" if last < len(lines) else ""
    return ToolResult("\n".join([head, *shown]) + more)


class Write(Input):
    """A whole new content."""

    path: FilePath
    content: str = Field(max_length=_MOST_BYTES, description="the whole new content of the file")


async def _write(place: Place, wanted: Write) -> ToolResult:
    path = path_within(place, wanted.path)
    data = wanted.content.encode()
    with open_beneath(place.root, path, os.O_WRONLY | os.O_CREAT) as fd:
        was = os.fstat(fd).st_size
        _replace_content(fd, data)
    return ToolResult(f"wrote {len(data)} bytes to {path}" + (f" (it had {was})" if was else " (new or empty before)"))


class Edit(Input):
    """An exact replacement."""

    path: FilePath
    old: str = Field(min_length=1, description="the exact text to replace, white space included; it must be unique")
    new: str = Field(description="what stands there afterwards")
    replace_all: bool = Field(default=False, description="replace every occurrence")


async def _edit(place: Place, wanted: Edit) -> ToolResult:
    path = path_within(place, wanted.path)
    if wanted.old == wanted.new:
        return ToolResult("old and new are the same; nothing to do", is_error=True)
    with open_beneath(place.root, path, os.O_RDWR) as fd:
        content = _content(fd, path)
        edited = exact_edit(content, wanted.old.encode(), wanted.new.encode(), replace_all=wanted.replace_all)
        if isinstance(edited, str):
            return ToolResult(f"{path} was not changed: {edited}", is_error=True)
        _replace_content(fd, edited)
    line = content[: content.find(wanted.old.encode())].count(b"\n") + 1
    return ToolResult(f"edited {path} at line {line}" + (" and everywhere else" if wanted.replace_all else ""))


def exact_edit(content: bytes, old: bytes, new: bytes, *, replace_all: bool) -> bytes | str:
    """``content`` with ``old`` replaced by ``new``, or in words why not.

    Without ``replace_all`` the old text must be there exactly once, overlapping places counted too.
    """
    first = content.find(old)
    if first < 0:
        return _why_absent(content, old)
    if replace_all:
        return content.replace(old, new)
    if content.find(old, first + 1) >= 0:
        return f"the old text is there {max(content.count(old), 2)} times; give more context or replace_all"
    return content[:first] + new + content[first + len(old) :]


def _why_absent(content: bytes, old: bytes) -> str:
    if b"\r\n" in content and b"\r\n" not in old and old.replace(b"\n", b"\r\n") in content:
        return "the old text was not found; this file's lines end in CRLF, so write \\r\\n in old and new"
    opening = next((line.strip() for line in old.split(b"\n") if line.strip()), b"")
    near = content.find(opening) if opening else -1
    if near < 0:
        return "the old text was not found; read the file and copy it exactly"
    line = content[:near].count(b"\n") + 1
    return f"the old text was not found; it begins like line {line}, so compare white space and the lines after it"


def _content(fd: int, path: str) -> bytes:
    """All of a file; raises ``TooBig`` rather than read without end from one that grows meanwhile."""
    pieces: list[bytes] = []
    left = _MOST_BYTES + 1
    while left > 0 and (piece := os.read(fd, left)):
        pieces.append(piece)
        left -= len(piece)
    if left <= 0:
        raise TooBig(path)
    return b"".join(pieces)


def _replace_content(fd: int, data: bytes) -> None:
    os.lseek(fd, 0, os.SEEK_SET)
    write_all(fd, data)
    os.ftruncate(fd, len(data))


READ = Tool("read", "Read a text file. Lines come back with their numbers.", Read, read_only=True, act=_read)
WRITE = Tool(
    "write", "Create a file, or replace one whole. To change a part, use edit.", Write, read_only=False, act=_write
)
EDIT = Tool(
    "edit",
    "Replace an exact text in a file by another. Read the file first; line numbers are not part of the text.",
    Edit,
    read_only=False,
    act=_edit,
)
