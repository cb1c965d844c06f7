"""``factory doctor``: what it finds, what it says to do, and that it changes and gives away nothing."""

import os
import sys
from pathlib import Path

import pytest

from factory.base import process
from factory.git.repository import Repository
from factory.observe.doctor import Finding
from tests.conftest import commit, git
from tests.house.program import Said, factory

SECRET = "sk-ant-very-secret-0123456789"


def findings(said: Said) -> dict[str, Finding]:
    rows = said.document["findings"]
    return {row["name"]: Finding(row["name"], row["level"], row["found"], row["remedy"] or "") for row in rows}


def look(folder: Path, **environment: str) -> dict[str, Finding]:
    return findings(factory(folder, "doctor", "--json", **environment))


def state_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_outside_a_repository_it_looks_at_the_machine(tmp_path: Path, sealed: Path) -> None:  # noqa: ARG001
    found = look(tmp_path)

    assert found["git"].level == "ok"
    assert found["repository"].level == "ok"
    assert found["disk"].level == "ok"
    assert "beads" not in found


def test_it_changes_nothing(repo: Repository, sealed: Path) -> None:
    before = state_of(repo.root), state_of(sealed)

    factory(repo.root, "doctor")
    factory(repo.root, "doctor", "--settings")

    assert (state_of(repo.root), state_of(sealed)) == before


@pytest.mark.parametrize("words", [("doctor",), ("doctor", "--json"), ("doctor", "--settings", "--json")])
def test_a_key_is_named_and_never_shown(repo: Repository, words: tuple[str, ...]) -> None:
    said = factory(repo.root, *words, ANTHROPIC_API_KEY=SECRET, ANTHROPIC_AUTH_TOKEN=SECRET[::-1])

    assert not any(part in said.out + said.err for part in (SECRET[:8], SECRET[-8:], SECRET[::-1][:8]))
    if words == ("doctor", "--json"):
        assert findings(said)["keys"].found == "set: ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN"
        assert findings(said)["runtime builtin"].level == "ok"


def test_without_a_key_the_builtin_runtime_is_a_warning(repo: Repository) -> None:
    found = look(repo.root)["runtime builtin"]

    assert found.level == "warning"
    assert "ANTHROPIC_API_KEY" in found.remedy


def test_without_a_key_an_agent_that_needs_one_is_a_problem(repo: Repository) -> None:
    commit(repo.root, {".factory/factory.toml": '[agents.ada]\nruntime = "builtin"\n'})

    said = factory(repo.root, "doctor", "--json")

    assert findings(said)["runtime builtin"].level == "problem"
    assert said.code == 1


def test_without_bubblewrap_it_says_what_to_install(repo: Repository, tmp_path: Path) -> None:
    only_git = tmp_path / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to("/usr/bin/git")

    said = factory(repo.root, "doctor", "--json", PATH=str(only_git))

    found = findings(said)["sandbox bubblewrap"]
    assert said.code == 1
    assert (found.level, found.found) == ("problem", "bubblewrap is not installed")
    assert "install bubblewrap" in found.remedy


def test_unconfined_by_choice_is_a_warning(repo: Repository, tmp_path: Path) -> None:
    only_git = tmp_path / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to("/usr/bin/git")

    found = look(repo.root, PATH=str(only_git), FACTORY_SANDBOX="none")

    assert found["sandbox none"].level == "warning"
    assert found["sandbox bubblewrap"].level == "warning"


def test_a_git_that_is_too_old_or_missing_is_a_problem(tmp_path: Path, sealed: Path) -> None:  # noqa: ARG001
    folder = tmp_path / "bin"
    folder.mkdir()
    assert look(tmp_path, PATH=str(folder))["git"].found == "not installed"

    (folder / "git").write_text("#!/bin/sh\necho git version 2.30.2\n")
    (folder / "git").chmod(0o755)
    found = look(tmp_path, PATH=f"{folder}:/bin")["git"]

    assert (found.level, found.found) == ("problem", "2.30.2 is too old")
    assert found.remedy == "install git 2.39 or later"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (("init", "-q", "--bare", "x"), "bare"),
        (("init", "-q", "x"), "no commit"),
        (("clone", "-q", "--depth", "1", "file://{repo}", "x"), "shallow"),
    ],
)
def test_a_repository_that_cannot_be_worked_in_is_a_problem(
    repo: Repository, tmp_path: Path, make: tuple[str, ...], sentence: str
) -> None:
    git(tmp_path, *(word.format(repo=repo.root) for word in make))

    said = factory(tmp_path / "x", "doctor", "--json")

    assert said.code == 1
    assert findings(said)["repository"].level == "problem"
    assert sentence in findings(said)["repository"].found
    assert findings(said)["repository"].remedy


def test_broken_settings_are_a_problem_with_the_line(repo: Repository) -> None:
    commit(repo.root, {".factory/factory.toml": "max_agents = 3\nmax_agnets = 4\n"})

    said = factory(repo.root, "doctor", "--json")

    assert said.code == 1
    assert "factory.toml:2: there is no setting 'max_agnets'" in findings(said)["settings"].found
    assert findings(said)["settings"].remedy == "did you mean 'max_agents'?"


def test_after_init_and_trust_nothing_is_left_to_do(repo: Repository) -> None:
    commit(repo.root, {".factory/factory.toml": '[gates.tests]\nrun = "true"\n'})
    assert look(repo.root)["trust"].level == "warning"
    assert look(repo.root)["beads"].level == "warning"

    factory(repo.root, "init")
    factory(repo.root, "trust")

    found = look(repo.root, ANTHROPIC_API_KEY=SECRET)
    assert {finding.name: finding.level for finding in found.values() if finding.level != "ok"} == {}
    assert found["target"].found.endswith("gates: tests")
    assert found["beads"].found == "0 beads on factory/beads"


def test_a_line_of_the_beads_that_cannot_be_read_is_a_problem(repo: Repository) -> None:
    factory(repo.root, "init")
    opened = factory(repo.root, "bead", "add", "a title", "--json").document["bead"]["id"]
    (live,) = (repo.state_dir / "live").rglob(f"{opened}.jsonl")
    with live.open("a") as file:
        file.write("not an event\n")

    found = look(repo.root)["beads"]

    assert found.level == "problem"
    assert f"{opened}.jsonl:2: not JSON" in found.found


def test_a_repository_that_cannot_be_written_is_a_problem(repo: Repository) -> None:
    read_only = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(repo.root), str(repo.root)]

    finished = process.run(
        [*read_only, sys.executable, "-m", "factory", "doctor", "--json"], env=dict(os.environ), cwd=repo.root
    )

    found = findings(Said(finished.code, finished.text, ""))["repository"]
    assert finished.code == 1
    assert (found.level, found.found) == ("problem", f"{repo.common_dir} cannot be written")


def test_settings_are_shown_with_where_they_came_from(repo: Repository, sealed: Path) -> None:
    user = sealed / ".config" / "factory" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text('max_agents = 2\nprefix = "me"\n')
    commit(repo.root, {".factory/factory.toml": 'prefix = "it"\n[gates.tests]\nrun = "true"\n'})

    said = factory(repo.root, "doctor", "--settings", "--json", FACTORY_TARGET="trunk")

    rows = {row["key"]: (row["value"], row["origin"]) for row in said.document["settings"]}
    assert rows["max_agents"] == (2, str(user))
    assert rows["prefix"] == ("it", ".factory/factory.toml")
    assert rows["gates.tests.run"] == ("true", ".factory/factory.toml")
    assert rows["gates.tests.timeout_s"] == (600, "default")
    assert rows["target"] == ("trunk", "FACTORY_TARGET")
    assert rows["workspaces.sandbox"] == ("auto", "default")


def test_people_see_the_level_the_finding_and_the_remedy(repo: Repository) -> None:
    said = factory(repo.root, "doctor")

    lines = said.out.splitlines()
    (builtin,) = (number for number, line in enumerate(lines) if "runtime builtin" in line)
    assert lines[builtin].startswith("warning")
    assert lines[builtin + 1].strip().startswith("-> set ANTHROPIC_API_KEY")
    assert lines[-1].endswith("warnings.")
    assert "\x1b" not in said.out
