"""One door for each power: what import contracts cannot say is read from the source itself."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import factory
from factory.base import process

PACKAGE = Path(factory.__file__).parent
TOP = PACKAGE.parent

_STARTERS = re.compile(
    r"os\.(system|popen|fork\w*|posix_spawn\w*|exec[lv]\w*|spawn\w+)|\w+\.create_subprocess_\w+|\w+\.subprocess_(exec|shell)"
)

MAY_NAME_GIT = {
    "git/command.py": "the door",
    "git/repository.py": "asks which repository this is, before there is one to call the door with",
    "tools/search.py": "the agent's own git, inside its confinement",
    "workspaces/collecting.py": "the agent's own git, inside its confinement",
    "workspaces/quarantine.py": "the two ends of the pack stream out of a workspace",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_bytes())


def starts_processes(tree: ast.Module) -> bool:
    return any(_STARTERS.fullmatch(ast.unparse(node)) for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def names_git(tree: ast.Module) -> bool:
    """Whether a list or tuple begins with the word git: a command line."""
    lists = (node.elts for node in ast.walk(tree) if isinstance(node, ast.List | ast.Tuple))
    return any(isinstance(first, ast.Constant) and first.value == "git" for first, *more in filter(None, lists) if more)


def test_only_base_starts_processes() -> None:
    doors = {name for name, tree in sources() if starts_processes(tree)}

    assert doors
    assert {name.partition("/")[0] for name in doors} == {"base"}


def test_only_the_named_modules_call_git() -> None:
    assert {name for name, tree in sources() if names_git(tree)} == set(MAY_NAME_GIT)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (starts_processes, "async def f():\n    await asyncio.create_subprocess_exec('ls')"),
        (starts_processes, "import os\nos.system('ls')"),
        (names_git, "run(['git', 'status'])"),
        (names_git, "run(('git', *words))"),
    ],
)
def test_the_checks_notice_what_they_look_for(check: type, text: str) -> None:
    assert check(ast.parse(text))


def test_importing_a_module_starts_and_writes_nothing(tmp_path: Path) -> None:
    modules = [
        ".".join(("factory", *Path(name).with_suffix("").parts)).removesuffix(".__init__")
        for name, _ in sources()
        if name != "__main__.py"
    ]
    script = (
        "import importlib, sys, threading\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, args: seen.append((event, args)) if event in"
        " ('subprocess.Popen', 'os.exec', 'os.posix_spawn', 'os.mkdir', 'socket.connect', 'os.putenv') else None)\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert not seen, seen\n"
    )

    finished = process.run(
        [sys.executable, "-B", "-c", script], env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, cwd=tmp_path
    )

    assert finished.code == 0, finished.err.decode()
    assert finished.text == ""
    assert list(tmp_path.iterdir()) == []


def test_the_import_contracts_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")

    finished = process.run([str(program), "--no-cache"], env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, cwd=TOP)

    assert finished.code == 0, finished.text
