"""A project of other people, at its real size: three agents put functions back, a fourth gets it wrong.

The source distribution is fetched by pip from whatever index this machine uses; it is not kept here.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .world import PATIENCE_S, Answer, World, sealed

VERSION = "10.5.0"
SHA256 = "5482bfef7849c25dc3c6dd53a6173ae4795da2a41a80faea6700d9f5846c5da6"
AGENT = Path(__file__).with_name("restoring_agent.py")
CODE, TESTS = "more_itertools/more.py", "tests/test_more.py"

NEIGHBOURS = {
    "combination_index": "CombinationIndexTests",
    "combination_with_replacement_index": "CombinationWithReplacementIndexTests",
}
"""Two functions that stand one after the other, as do their tests: put back at once, they conflict.

They conflict in the tests: the project's own .gitattributes has ``more.py`` merged by union.
"""
APART = {"longest_common_prefix": "LongestCommonPrefixTests"}
SPOILT = {"map_if": "MapIfTests"}
FAILING_TEST = "MapIfTests.test_without_func_else"

WRONG = [
    f"def map_if(iterable, pred, func, func_else=lambda x: x):\n    for item in iterable:\n        yield {answer}\n\n\n"
    for answer in (
        "func_else(item) if pred(item) else func(item)",
        "func(item)",
        "func_else(item)",
    )
]
"""What the fourth agent hands in, one after the other: each fails the function's own tests."""


@pytest.fixture(scope="module")
def sdist(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pinned source distribution, fetched once and kept in pytest's cache."""
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    folder = cache.mkdir("sdists") if cache else tmp_path_factory.mktemp("sdists")
    if not _found(folder):
        wanted = f"more-itertools=={VERSION}"
        words = ["download", "-q", "--no-binary", ":all:", "--no-deps", "--dest", str(folder), wanted]
        fetched = subprocess.run(
            [sys.executable, "-m", "pip", *words], capture_output=True, text=True, timeout=240, check=False
        )
        if not _found(folder):
            said = (fetched.stderr or fetched.stdout).strip()
            pytest.fail(f"this test needs the source distribution of {wanted}, and pip could not fetch it:\n{said}")
    return _found(folder)[0]


def _found(folder: Path) -> list[Path]:
    every = folder.glob(f"more?itertools-{VERSION}.tar.gz")
    return [path for path in every if hashlib.sha256(path.read_bytes()).hexdigest() == SHA256]


@dataclass(frozen=True)
class Cut:
    """Something that was cut out of a file: its text, and the line that follows there now."""

    text: str
    before: str


def cut(project: Path, functions: dict[str, str]) -> dict[str, dict[str, object]]:
    """Take ``functions`` (each with the class of its tests) out of the project; what it takes to put each back."""
    definition = r"(?m)^(?=def |class )"
    codes = _cut(project / CODE, definition, [f"def {name}(" for name in functions])
    names = _cut(project / CODE, r"(?m)^", [f"    '{name}',\n" for name in functions])
    suites = _cut(project / TESTS, definition, [f"class {suite}(" for suite in functions.values()])
    return {
        name: {
            "sources": [code.text],
            "code_before": code.before,
            "name": line.text,
            "name_before": line.before,
            "tests": suite.text,
            "tests_before": suite.before,
        }
        for name, code, line, suite in zip(functions, codes, names, suites, strict=True)
    }


def _cut(file: Path, borders: str, heads: list[str]) -> list[Cut]:
    blocks = re.split(borders, file.read_text())
    kept = [block for block in blocks if not block.startswith(tuple(heads))]
    assert len(kept) == len(blocks) - len(heads), heads
    file.write_text("".join(kept))
    cuts = []
    for head in heads:
        number = next(number for number, block in enumerate(blocks) if block.startswith(head))
        follows = next(block for block in blocks[number:] if not block.startswith(tuple(heads)))
        cuts.append(Cut(blocks[number], follows.splitlines()[0]))
    return cuts


def suite_on(world: World, commit: str, folder: Path) -> str:
    """What the project's own suite complains of in a plain checkout of ``commit``; nothing when it passes."""
    world.git("clone", "-q", str(world.repo), str(folder))
    world.git("checkout", "-q", "--detach", commit, cwd=folder)
    suite = subprocess.run(
        ["make", "test"], cwd=folder, env=world.env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return suite.stderr if suite.returncode else ""


@dataclass
class Project:
    """The project as a repository that ``factory init`` has set up, and what the agents put back."""

    world: World
    pieces: Path
    titles: dict[str, str]


@pytest.fixture(scope="module")
def project(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The functions are gone with their tests, and main is committed with the gate that ``factory init`` found."""
    top = tmp_path_factory.mktemp("project")
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(top, filter="data")
        else:  # before 3.11.4; what is unpacked is pinned by its hash
            archive.extractall(top)
    world = World(top, next(top.glob(f"more?itertools-{VERSION}")), sealed(top / "home"))
    pieces = cut(world.repo, NEIGHBOURS | APART | SPOILT)
    for name in SPOILT:
        pieces[name]["sources"] = WRONG
    titles = {name: f"Put {name}() back" for name in pieces}
    file = top / "pieces.json"
    file.write_text(json.dumps({titles[name]: piece for name, piece in pieces.items()}))
    world.git("init", "-q", ".")
    world.git("add", "-A")
    world.git("commit", "-qm", "more-itertools without four of its functions")
    world.well("init")
    world.git("add", "-A")
    world.git("commit", "-qm", "set up factory")
    return Project(world, file, titles)


@pytest.fixture(scope="module")
def told(project: Project) -> Answer:
    """What ``factory spawn`` said after four agents worked at once."""
    world = project.world
    assert suite_on(world, "main", world.top / "before") == "", "the suite must be green before anything is put back"
    wishes = ("--max-agents", "4", "--json", *project.titles.values())
    return world.factory("spawn", *wishes, "--", "python3", AGENT, project.pieces, timeout_s=240)


def bead_of(project: Project, told: Answer, name: str) -> dict[str, Any]:
    """The bead that asked for ``name``."""
    return next(bead for bead in told.document["beads"] if bead["title"] == project.titles[name])


def test_three_functions_land_and_main_passes_the_projects_suite_after_each(project: Project, told: Answer) -> None:
    world = project.world
    landed = {name: bead_of(project, told, name) for name in NEIGHBOURS | APART}
    assert {bead["state"] for bead in landed.values()} == {"landed"}, told
    history = world.history()
    assert history == world.git("rev-list", "--reverse", "main").split(), "the history of main is not linear"
    landings = history[2:]
    assert set(landings) == {bead["commit"] for bead in landed.values()}
    with ThreadPoolExecutor(2) as pool:
        complaints = list(pool.map(lambda commit: suite_on(world, commit, world.top / commit), landings))
    assert complaints == [""] * 3
    back = (world.repo / CODE).read_text()
    assert all(back.count(f"def {name}(") == back.count(f"    '{name}',") == 1 for name in landed)


def test_two_that_touched_the_same_lines_conflicted_and_one_was_made_again(project: Project, told: Answer) -> None:
    world = project.world
    first = [world.events(bead["id"], "session_started")[0] for bead in told.document["beads"]]
    assert {event["data"]["base"] for event in first} == {world.history()[1]}
    beads = [bead_of(project, told, name)["id"] for name in NEIGHBOURS]
    returned = {bead: world.events(bead, "bead_returned") for bead in beads}
    ((second, (conflict,)),) = [(bead, events) for bead, events in returned.items() if events]
    assert conflict["data"]["code"] == "conflict"
    assert TESTS in conflict["data"]["reason"]
    again = world.events(second, "session_started")[-1]
    assert again["data"]["base"] in world.history()[2:]


def test_the_wrong_one_is_sent_back_twice_and_then_waits_with_the_failing_test_in_why(
    project: Project, told: Answer
) -> None:
    world = project.world
    (name,) = SPOILT
    wrong = bead_of(project, told, name)
    assert told.code == 1
    assert wrong["state"] == "waiting"
    returned = world.events(wrong["id"], "bead_returned")
    assert [event["data"]["code"] for event in returned] == ["gate", "gate"]
    assert len(world.events(wrong["id"], "change_submitted")) == 3
    assert FAILING_TEST in world.well("why", wrong["id"]).out
    assert f"def {name}(" not in (world.repo / CODE).read_text()


def test_the_record_adds_up_and_only_the_waiting_beads_branches_are_left(project: Project, told: Answer) -> None:
    world = project.world
    (name,) = SPOILT
    wrong = bead_of(project, told, name)
    assert world.well("verify", "--json").document["problems"] == []
    assert world.worktrees() == 1
    kept = {branch for branch in world.branches() if branch.startswith(f"factory/{wrong['id']}/")}
    assert wrong["branch"] in kept
    assert world.branches() - kept == {"main", "factory/beads"}
    assert world.git("status", "--porcelain") == ""
    assert not Path(f"{world.repo}.factory").exists()
