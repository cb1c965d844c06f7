"""A git world sealed from the developer's own configuration, and sandboxes that must work here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.workspaces.sandbox import Sandbox
from factory.workspaces.sandboxes import choose

from .world import World, make_world


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home, with a key in it; git knows a name from it."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    (folder / ".ssh" / "id").write_text("hunter2\n")
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = Ana\n\temail = ana@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CONFIG_HOME", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODEL_API_KEY", "hunter2")
    return folder


@pytest.fixture(scope="session")
def bubblewrap() -> Sandbox:
    """bubblewrap, which these tests need: without it they fail and say why."""
    return choose("bubblewrap")


@pytest.fixture
def world(tmp_path: Path, home: Path, bubblewrap: Sandbox) -> Iterator[World]:
    """A repository whose workspaces are confined by bubblewrap."""
    made = make_world(tmp_path, home, bubblewrap)
    yield made
    _nothing_is_broken(made)


@pytest.fixture(params=["bubblewrap", "none"])
def each_world(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Iterator[World]:
    """A repository for each backend, for what must be the same in all of them."""
    made = make_world(tmp_path, home, choose(request.param))
    yield made
    _nothing_is_broken(made)


def _nothing_is_broken(world: World) -> None:
    from .world import git

    said = git(world.main, "fsck", "--no-progress", "--no-dangling")
    assert said == ""
