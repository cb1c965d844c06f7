"""Start-up is a feature: a command that only reads imports nothing heavy. Judged by modules, never by time."""

import os
import sys
from pathlib import Path

import pytest

from factory.base import process
from factory.git.repository import Repository

from .program import factory

HEAVY = frozenset(
    {
        "anthropic", "asyncio", "concurrent", "filelock", "git", "hypothesis", "importlib_metadata", "multiprocessing",
        "opentelemetry", "pathspec", "platformdirs", "psutil", "pydantic", "pygments", "rich", "socket", "ssl",
    }
)  # fmt: skip

_REPORT = """
import atexit, sys
atexit.register(lambda: sys.stderr.write(f"MODULES {' '.join(sys.modules)}"))
sys.argv = ["factory", *sys.argv[1:]]
from factory.cli.entry import main
main()
"""

TOO_MUCH = HEAVY | {
    "dataclasses", "datetime", "enum", "inspect", "json", "pathlib", "re", "sqlite3", "subprocess", "typer", "typing",
}  # fmt: skip
"""What an answer from the index may not import on top: each takes about as long as all that the answer itself does."""


def imported_by(folder: Path, *words: str) -> set[str]:
    """The top-level modules in memory when ``factory WORDS`` ends well; its output goes into a pipe."""
    # -S would hide what site adds by itself; -I keeps the caller's PYTHON* settings out.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    finished = process.run([sys.executable, "-I", "-c", _REPORT, *words], env=plain, cwd=folder)
    assert finished.code == 0, finished.err
    _, _, modules = finished.err.decode().rpartition("MODULES ")
    return {name.partition(".")[0] for name in modules.split()}


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("bead", "--help"), ("status", "--help")])
def test_asking_for_help_imports_nothing_heavy(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert imported_by(tmp_path, *words) & HEAVY == set()


READING = [
    ("list",), ("list", "--json"), ("ready",), ("ready", "--json"), ("ready", "--explain"), ("show",),
    ("show", "--json"), ("tree",), ("blocked",),
]  # fmt: skip


@pytest.mark.parametrize("words", READING)
def test_an_answer_from_the_index_imports_next_to_nothing(repo: Repository, words: tuple[str, ...]) -> None:
    opened = factory(repo.root, "bead", "add", "a title", "--json")
    bead = [opened.document["bead"]["id"]] if words[0] == "show" else []

    assert imported_by(repo.root, "bead", *words, *bead) & TOO_MUCH == set()


@pytest.mark.parametrize("words", [*READING, ("log",), ("search", "title")])
def test_reading_beads_imports_nothing_heavy(repo: Repository, words: tuple[str, ...]) -> None:
    opened = factory(repo.root, "bead", "add", "a title", "--json")
    bead = [opened.document["bead"]["id"]] if words[0] in ("show", "log") else []
    (repo.state_dir / "index.sqlite").unlink()

    assert imported_by(repo.root, "bead", *words, *bead) & HEAVY == set()


def test_the_check_would_notice_a_heavy_import(repo: Repository) -> None:
    assert "pydantic" in imported_by(repo.root, "bead", "add", "a title")
