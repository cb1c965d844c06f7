"""What every file keeps to: size, docstrings, and that it names no machine."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import factory

PACKAGE = Path(factory.__file__).parent
TOP = PACKAGE.parent

MOST_LINES = 400
LONGER = {
    "tests/acceptance/test_bad_input.py": "one table of bad input, and what each is answered",
    "tests/acceptance/test_commands.py": "every command once, as a user calls it",
}
"""Files that a split would make worse, each with its reason; none of them is the program itself."""

_NOT_OURS = frozenset({"__pycache__", "build", "dist", "node_modules"})

_HOSTS = ("pypi" + r"\.org", "python" + "hosted", r"deb\." + "debian", "npmjs" + r"\.", "registry" + r"\.[a-z]+\.")
_FOLDERS = ("/wo" + "rk/", "/Us" + "ers/", r"/home/(?!agent\b)[a-z]+/", r"/root/\.(?!ssh)")
MACHINE = re.compile("|".join((*_HOSTS, *_FOLDERS)))


def files() -> Iterator[Path]:
    """Every text file of the project: what stands at the top or in its folders, but nothing that was made."""
    for path in sorted(TOP.iterdir()):
        if path.is_file() and path.suffix in {".md", ".toml", ".yaml", ""} and path.name not in {".git", ".coverage"}:
            yield path
    for folder in ("factory", "tests", "templates", "benchmarks", "docs", ".ci", ".factory"):
        for path in sorted((TOP / folder).rglob("*")):
            if path.is_file() and not _NOT_OURS & set(path.parts) and path.suffix != ".pyc":
                yield path


def python_files() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path.relative_to(TOP).as_posix(): lines_of(path) for path in python_files()}
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES and name not in LONGER}

    assert long == {}
    assert not any(name.startswith("factory/") for name in LONGER)


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def test_every_floor_says_what_it_is_and_where_to_start() -> None:
    packages = sorted(path.parent for path in PACKAGE.rglob("*.py"))
    short = [
        str(package.relative_to(TOP))
        for package in dict.fromkeys(packages)
        if not (package / "__init__.py").is_file()
        or len(ast.get_docstring(ast.parse((package / "__init__.py").read_bytes())) or "") < len("Says what it is, ...")
    ]

    assert short == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(TOP)}:{number}: {line.strip()[:100]}"
        for path in files()
        if path.name != "LICENSE"
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1)
        if MACHINE.search(line)
    ]

    assert found == []


@pytest.mark.parametrize("text", ["see https://" + "pypi" + ".org/x", "cd /wo" + "rk/main", "open /home/" + "ana/x"])
def test_the_check_would_notice(text: str) -> None:
    assert MACHINE.search(text)


def test_what_people_need_to_know_is_written_down() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"):
        assert (TOP / name).read_text().strip(), name
    assert f"## {factory.__version__}" in (TOP / "CHANGELOG.md").read_text().replace("[", "").replace("]", "")


def test_every_dependency_is_used_and_has_its_reason() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    reasons = (TOP / "CONTRIBUTING.md").read_text()
    source = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    names = [re.split(r"[<>=\[]", wanted)[0] for wanted in project["dependencies"]]

    assert [name for name in names if f"| `{name}` |" not in reasons] == []
    modules = {name: {"GitPython": "git"}.get(name, name) for name in names}
    assert [
        name for name in names if not re.search(rf"^\s*(from|import) {modules[name]}\b", source, re.MULTILINE)
    ] == []
    developing = [re.split(r"[<>=\[]", wanted)[0] for wanted in project["optional-dependencies"]["dev"]]
    assert [name for name in developing if f"`{name}`" not in reasons] == []
