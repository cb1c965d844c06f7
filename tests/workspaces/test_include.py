"""Ignored files come along when ``.worktreeinclude`` asks for them, and never come out."""

from pathlib import Path

from factory.workspaces.include import wanted
from factory.workspaces.workspace import Brought

from .world import World, sh, write


def test_only_what_is_ignored_and_asked_for_is_copied(each_world: World) -> None:
    world = each_world
    world.commit(
        _dot_gitignore="*.log\n.env*\nbuild/\nkey*\n",
        _dot_worktreeinclude=".env*\nkey*\nbuild/keep\na.txt\n!.env.not\nloose\n",
    )
    write(world.main, _dot_env="A=1\n", _dot_env_dot_not="B=1\n", x_dot_log="log\n", loose="not ignored\n")
    write(world.main, build__keep="kept\n", build__drop="dropped\n", folder__key="deep\n")
    (world.main / ".env.sh").write_text("#!/bin/sh\n")
    (world.main / ".env.sh").chmod(0o755)
    (world.main / "key-link").symlink_to(world.home / ".ssh" / "id")
    (world.main / "key\nodd").write_text("odd\n")
    workspace = world.lease()
    names = {str(path.relative_to(workspace.root)) for path in workspace.root.rglob("*") if path.is_file()}
    tracked = {".gitignore", ".worktreeinclude", "a.txt", "folder/b.txt", ".git"}
    assert names - tracked == {".env", ".env.sh", "build/keep", "folder/key", "key\nodd"}
    assert (workspace.root / ".env.sh").stat().st_mode & 0o111
    assert sh(workspace, "git status --porcelain").text == ""
    workspace.give_back()


def test_what_was_copied_never_comes_out_even_where_the_base_does_not_ignore_it(world: World) -> None:
    base = world.base
    write(world.main, _dot_worktreeinclude="secret*\n")
    (world.common / "info" / "exclude").write_text("secret*\n")
    write(world.main, **{"secret [1]": "hunter2\n"})
    workspace = world.lease(base=base)
    (world.common / "info" / "exclude").write_text("")
    sh(workspace, ': > "$COMMON/info/exclude.old"; echo x > x', {"COMMON": str(world.common)})
    outcome = workspace.bring_out("m")
    assert isinstance(outcome, Brought)
    assert outcome.paths == ("x",)
    assert workspace.keep().commit is None


def test_a_link_on_the_way_is_not_followed(world: World, tmp_path: Path) -> None:
    world.commit(_dot_gitignore="out\nout/\n", _dot_worktreeinclude="out\nout/key\n")
    write(tmp_path / "elsewhere", key="hunter2\n")
    (world.main / "out").symlink_to(tmp_path / "elsewhere")
    workspace = world.lease()
    assert not (workspace.root / "out").exists()


def test_a_folder_that_is_a_link_in_the_base_is_not_written_through(world: World, tmp_path: Path) -> None:
    outside = tmp_path / "target"
    outside.mkdir()
    (world.main / "d").symlink_to(outside)
    world.commit(_dot_gitignore="d/.env\n", _dot_worktreeinclude="d/.env\n")
    (world.main / "d").unlink()
    write(world.main, **{"d__.env": "hunter2\n"})
    assert wanted(world.repo) == ("d/.env",)
    workspace = world.lease()
    assert (workspace.root / "d").is_symlink()
    assert list(outside.iterdir()) == []


def test_without_the_file_nothing_is_copied(world: World) -> None:
    write(world.main, _dot_env="A=1\n")
    assert wanted(world.repo) == ()
