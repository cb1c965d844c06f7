"""A world for each test: a fresh repository whose path has a space and a letter outside ASCII."""

import shutil
from pathlib import Path

import pytest

from .world import World, first_commit, sealed


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit, made once and copied for each test."""
    top = tmp_path_factory.mktemp("template")
    return first_commit(World(top, top / "repo", sealed(top / "home"))).repo


@pytest.fixture
def world(tmp_path: Path, template: Path) -> World:
    """A repository with one file, one gate that passes, and one commit."""
    made = World(tmp_path, tmp_path / "a répo", sealed(tmp_path / "home"))
    shutil.copytree(template, made.repo, symlinks=True)
    return made


@pytest.fixture
def nowhere(tmp_path: Path) -> World:
    """An empty folder where a repository may be made in another way."""
    made = World(tmp_path, tmp_path / "plain", sealed(tmp_path / "home"))
    made.repo.mkdir()
    return made
