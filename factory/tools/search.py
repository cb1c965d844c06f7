"""Find files and lines, by asking git inside the confinement.

git honours ``.gitignore``, skips binaries and follows no link. A model's regular expression never runs
in this process: one that backtracks without end would hold the interpreter and every session in it.
"""

from pydantic import Field

from factory.base.files import printable
from factory.base.process import Finished, Limits
from factory.tools.place import Place
from factory.tools.tool import Input, Tool, ToolResult

_MOST_RESULTS = 200
_LONGEST_LINE = 300
_LIMITS = Limits(wall_s=30.0, kept_bytes=1 << 20)
_NO_MATCH = 1


class Search(Input):
    """What to look for, and in which files."""

    pattern: str = Field(
        default="",
        max_length=2000,
        description="regular expression (Perl style); without it, files are listed",
    )
    glob: str = Field(default="", max_length=1000, description="only these files, e.g. *.py or src/**/test_*.py")
    ignore_case: bool = False


async def _search(place: Place, wanted: Search) -> ToolResult:
    paths = _pathspec(wanted.glob)
    return await (_lines(place, wanted, paths) if wanted.pattern else _files(place, paths))


async def _lines(place: Place, wanted: Search, paths: list[str]) -> ToolResult:
    ended = await _grep(place, wanted, paths, "--perl-regexp")
    if ended.code > _NO_MATCH and not ended.ended_by:
        # Some builds of git know no Perl expressions; most patterns mean the same as extended ones.
        second = await _grep(place, wanted, paths, "--extended-regexp")
        ended = second if second.code <= _NO_MATCH else ended
    if ended.ended_by:
        return ToolResult(f"the search was ended after {ended.seconds:.0f} s; use a simpler pattern", is_error=True)
    if ended.code > _NO_MATCH or ended.code < 0:
        return ToolResult(f"the search failed: {printable(ended.text.strip()[:500])}", is_error=True)
    return _listed([_cut(line) for line in ended.text.splitlines()], "matching lines")


async def _grep(place: Place, wanted: Search, paths: list[str], kind: str) -> Finished:
    case = ["--ignore-case"] if wanted.ignore_case else []
    argv = ["git", "--no-pager", "grep", "--untracked", "-n", "-I", "--no-color", kind, *case, "-e", wanted.pattern]
    return await place.run([*argv, "--", *paths], limits=_LIMITS)


async def _files(place: Place, paths: list[str]) -> ToolResult:
    argv = ["git", "ls-files", "-t", "-z", "--cached", "--deleted", "--others", "--exclude-standard", "--", *paths]
    ended = await place.run(argv, limits=_LIMITS)
    if ended.code or ended.ended_by:
        return ToolResult(f"listing failed: {printable(ended.text.strip()[:500])}", is_error=True)
    tagged = [entry.split(" ", 1) for entry in ended.text.split("\0") if " " in entry]
    removed = {path for tag, path in tagged if tag == "R"}
    return _listed(sorted({printable(path) for _, path in tagged if path not in removed}), "files")


def _pathspec(glob: str) -> list[str]:
    """A glob as git reads it; one without a slash means any depth, as people expect."""
    if not glob:
        return []
    return [f":(glob){glob}" if "/" in glob else f":(glob)**/{glob}"]


def _listed(lines: list[str], what: str) -> ToolResult:
    if not lines:
        return ToolResult(f"no {what}")
    more = len(lines) - _MOST_RESULTS
    tail = [f"[{more} or more {what} not shown; narrow the search]"] if more > 0 else []
    return ToolResult("\n".join([*lines[:_MOST_RESULTS], *tail]))


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} [... cut]"


SEARCH = Tool(
    "search",
    "Find lines by regular expression, or list files. Ignored and binary files are left out.",
    Search,
    read_only=True,
    act=_search,
)
