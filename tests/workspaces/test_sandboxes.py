"""Choosing a sandbox, and what a cage shows besides the session's own things."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.workspaces import bubblewrap
from factory.workspaces.bubblewrap import Bubblewrap
from factory.workspaces.sandbox import Bind, Cage, Sandbox
from factory.workspaces.sandboxes import SANDBOXES, NoSandbox, UnknownSandbox, choose
from factory.workspaces.toolchains import Guarded, TooWide, toolchains

from .world import World, git, sh


@pytest.fixture
def probed_anew() -> Iterator[None]:
    bubblewrap._probe.cache_clear()
    yield
    bubblewrap._probe.cache_clear()


def test_auto_takes_what_confines() -> None:
    assert choose("auto").name == "bubblewrap"
    assert choose("none").name == "none"
    assert choose("none").problem() is None


def test_every_backend_is_in_the_table_under_its_own_name() -> None:
    for name, backend in SANDBOXES.items():
        made: Sandbox = backend()
        assert made.name == name


@pytest.mark.usefixtures("probed_anew")
def test_auto_never_falls_back_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for setting in ("auto", "bubblewrap"):
        with pytest.raises(NoSandbox) as caught:
            choose(setting)
        assert "no sandbox works here" in caught.value.sentence
        assert "not installed" in caught.value.sentence
        assert 'sandbox = "none"' in caught.value.hint


@pytest.mark.usefixtures("probed_anew")
def test_a_bwrap_that_is_there_and_does_not_work_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text('#!/bin/sh\ncase $1 in --version) exit 0 ;; esac\necho "setting up uid map: no" >&2\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    problem = Bubblewrap().problem()
    assert problem is not None
    assert "setting up uid map" in problem


def test_an_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(UnknownSandbox) as caught:
        choose("docker")
    assert "bubblewrap" in caught.value.hint


def test_mounts_go_from_the_outside_in_and_what_is_hidden_is_covered(tmp_path: Path) -> None:
    work = tmp_path / "w"
    work.mkdir()
    cage = Cage(
        work, (Bind(work, Path("/a/b/c"), writable=True), Bind(work, Path("/a"))), (tmp_path,), (work.parent, work)
    )
    argv = Bubblewrap().launch(cage, ["true"], {"PATH": "/usr/bin"}, "/").argv
    places = [argv.index(str(path)) for path in ("/a", "/a/b/c")]
    assert places == sorted(places)
    masks = [index for index, word in enumerate(argv) if word == "--tmpfs" and argv[index + 1] == str(tmp_path)]
    assert masks
    assert argv[masks[0] - 2] == "--size"


def test_the_interpreter_and_the_programs_on_the_path_work_inside(world: World) -> None:
    workspace = world.lease()
    said = sh(workspace, '"$PYTHON" -c "import pytest, sys; print(sys.prefix)"', {"PYTHON": sys.executable})
    assert said.text == f"{sys.prefix}\n"


def test_exposed_and_readable_things_are_seen_and_cannot_be_changed(world: World, tmp_path: Path) -> None:
    script = world.main / "tools" / "agent.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho agent\n")
    script.chmod(0o755)
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "x").write_text("x\n")
    workspace = world.lease(expose=(script,), read=(extra,))
    env = {"SCRIPT": str(script), "EXTRA": str(extra)}
    assert sh(workspace, '"$SCRIPT"; cat "$EXTRA/x"; ls "$(dirname "$SCRIPT")/.."', env).text == "agent\nx\ntools\n"
    assert sh(workspace, 'echo no > "$SCRIPT"', env).code != 0
    assert sh(workspace, 'echo no > "$EXTRA/x"', env).code != 0
    assert script.read_text().endswith("echo agent\n")


@pytest.mark.parametrize("what", ["home", "above", "root", "keys", "main", "git", "trees"])
def test_what_would_show_too_much_is_refused(world: World, what: str) -> None:
    path = {
        "home": world.home,
        "above": world.home.parent,
        "root": Path("/"),
        "keys": world.home / ".ssh",
        "main": world.main,
        "git": world.common / "hooks",
        "trees": world.root / "fa-7k2m-9",
    }[what]
    with pytest.raises(TooWide):
        world.lease(read=(path,))
    assert world.leftovers() == []


def test_toolchains_are_found_and_homes_are_not(home: Path, tmp_path: Path) -> None:
    pyenv = tmp_path / "tools" / "pyenv"
    for folder in ("shims", "versions/3.12/bin", "libexec"):
        (pyenv / folder).mkdir(parents=True)
    (pyenv / "libexec" / "pyenv").touch()
    venv = tmp_path / "project" / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text(f"home = {pyenv}/versions/3.12/bin\nversion = 3.12\n")
    for folder in (".cargo/bin", ".local/bin", ".config"):
        (home / folder).mkdir(parents=True)
    path = f"{pyenv}/shims:{venv}/bin:{home}/.cargo/bin:{home}/.config:{home}:/usr/bin:relative:{tmp_path}/none"
    found = toolchains(path, Guarded(()))
    assert {pyenv, venv, pyenv / "versions" / "3.12", home / ".cargo" / "bin"} <= set(found)
    assert not {home, home / ".config", home / ".cargo", Path("/usr/bin"), Path("relative")} & set(found)
    closed = toolchains(path, Guarded((), (tmp_path / "project",)))
    assert venv not in closed


def test_the_home_moves_away_when_something_is_shown_below_it(world: World) -> None:
    workspace = world.lease()
    assert sh(workspace, "echo $HOME").text == "/home/agent\n"
    agent = Path("/home/agent")
    from factory.workspaces.confinement import _home

    assert _home((agent / "tools",), workspace.root, world.common) == Path("/run/factory/home")


def test_only_the_allowed_environment_passes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET", "GIT_ASKPASS", "SSH_AUTH_SOCK", "PYTHONPATH", "LD_PRELOAD"):
        monkeypatch.setenv(name, "/hunter2")
    monkeypatch.setenv("LC_TIME", "C")
    workspace = world.lease()
    rows = dict(
        row.partition("=")[::2] for row in sh(workspace, "env", {"GIVEN": "1", "FACTORY_RUN": "x"}).text.splitlines()
    )
    assert rows["GIVEN"] == "1"
    assert rows["LC_TIME"] == "C"
    assert rows["FACTORY_RUN"].startswith(workspace.session)
    assert not [name for name, value in rows.items() if "hunter2" in value]
    assert not {"AWS_SECRET", "GIT_ASKPASS", "SSH_AUTH_SOCK", "PYTHONPATH", "LD_PRELOAD", "MODEL_API_KEY"} & set(rows)


def test_nothing_of_the_machine_is_seen(world: World) -> None:
    git(world.main, "branch", "secret-branch")
    workspace = world.lease()
    seen = sh(
        workspace, 'ls -A /; ls -A /run /home /etc; git branch -a; ls -A "$COMMON"', {"COMMON": str(world.common)}
    ).text
    for absent in ("shadow", "systemd", "secret-branch", "hooks", "logs/refs", "sudoers"):
        assert absent not in seen.split()
