"""A git world sealed from the developer's own configuration, and sandboxes that must work here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.workspaces.sandbox import Sandbox
from factory.workspaces.sandboxes import choose

from .world import World, copy_world, make_home, make_world, nothing_is_broken


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home, with a key in it; git knows a name from it."""
    return make_home(tmp_path / "home", monkeypatch)


@pytest.fixture(scope="session")
def bubblewrap() -> Sandbox:
    """bubblewrap, which these tests need: without it they fail and say why."""
    return choose("bubblewrap")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The repository that those of the tests are copied from."""
    with pytest.MonkeyPatch.context() as patch:
        top = tmp_path_factory.mktemp("template")
        return make_world(top, make_home(top / "home", patch), choose("none"))


@pytest.fixture
def world(tmp_path: Path, home: Path, bubblewrap: Sandbox, template: World) -> Iterator[World]:
    """A repository whose workspaces are confined by bubblewrap."""
    made = copy_world(template, tmp_path, home, bubblewrap)
    yield made
    nothing_is_broken(made)


@pytest.fixture(scope="module")
def lasting_world(tmp_path_factory: pytest.TempPathFactory, bubblewrap: Sandbox, template: World) -> Iterator[World]:
    """One repository for all the cases of a module's tables, each of which leaves it as it found it."""
    with pytest.MonkeyPatch.context() as patch:
        top = tmp_path_factory.mktemp("lasting")
        made = copy_world(template, top, make_home(top / "home", patch), bubblewrap)
        yield made
        assert made.leftovers() == []
        nothing_is_broken(made)


@pytest.fixture(params=["bubblewrap", "none"])
def each_world(request: pytest.FixtureRequest, tmp_path: Path, home: Path, template: World) -> Iterator[World]:
    """A repository for each backend, for what must be the same in all of them."""
    made = copy_world(template, tmp_path, home, choose(request.param))
    yield made
    nothing_is_broken(made)
