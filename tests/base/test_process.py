"""What cannot be started is told, and a process is known again, whatever the clock or the pid does."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.base import children, process
from factory.base.process import Limits, ProcessName, ProgramMissing, crowd, descendants, end_marked, pipe_between, run

from . import crowd as crowd_program

ENV = {"PATH": os.environ["PATH"]}
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"]) as child:
        yield child
        child.kill()


@pytest.fixture
def ended() -> int:
    """The number of a process that was there."""
    with subprocess.Popen(["true"]) as child:
        child.wait()
    return child.pid


def script(folder: Path, text: str) -> str:
    path = folder / "script"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_a_script_without_a_first_line_is_told_from_a_program_that_is_not_there(tmp_path: Path) -> None:
    no_program = script(tmp_path, "echo hello\n")
    for start in (
        lambda: run([no_program], env=ENV),
        lambda: asyncio.run(children.run_async([no_program], env=ENV, cwd=tmp_path, limits=Limits(10))),
        lambda: pipe_between([no_program], ["cat"], env=ENV, consumer_env=ENV),
        lambda: pipe_between(["true"], [no_program], env=ENV, consumer_env=ENV),
    ):
        with pytest.raises(ProgramMissing) as caught:
            start()
        assert "is not a program" in caught.value.sentence
        assert "no #! line" in caught.value.sentence
        assert caught.value.program == no_program
    with pytest.raises(ProgramMissing) as caught:
        run([str(tmp_path / "absent")], env=ENV)
    assert "cannot be started" in caught.value.sentence


def test_a_script_with_a_first_line_runs(tmp_path: Path) -> None:
    assert run([script(tmp_path, "#!/bin/sh\necho hello\n")], env=ENV).text == "hello\n"


def test_a_process_is_alive_under_its_name_until_it_ends(sleeper: "subprocess.Popen[bytes]") -> None:
    name = ProcessName.of(sleeper.pid)
    assert name.is_alive()
    assert ProcessName(*json.loads(json.dumps([name.pid, name.started]))) == name, "as the floor's card keeps it"
    name.end()
    assert not name.is_alive(), "though nobody has waited for it: it is a zombie"
    assert sleeper.wait() == -signal.SIGTERM


def test_who_does_not_want_to_end_is_killed() -> None:
    stubborn = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"]
    with subprocess.Popen(stubborn, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        ProcessName.of(child.pid).end(grace_s=0.1)
        assert child.wait() == -signal.SIGKILL


def test_a_later_process_with_the_same_number_is_another(sleeper: "subprocess.Popen[bytes]") -> None:
    name = ProcessName.of(sleeper.pid)
    for started in ("", f"{name.started}1", name.started.replace("@", "@1")):
        other = ProcessName(sleeper.pid, started)
        assert not other.is_alive()
        other.end()
    assert name.is_alive()


@LINUX
def test_a_step_of_the_clock_makes_nobody_another(
    sleeper: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    name = ProcessName.of(sleeper.pid)
    now, created = time.time, psutil.Process.create_time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created(self) + 3600)
    assert name.is_alive()
    assert ProcessName.of(sleeper.pid) == name


def test_a_process_that_is_gone_has_a_name_that_is_never_alive(ended: int) -> None:
    name = ProcessName.of(ended)
    assert not name.is_alive()
    name.end()


def test_who_ends_between_a_look_and_a_signal_is_no_error(ended: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProcessName, "is_alive", lambda _: True)
    ProcessName(ended, "1@2").end(grace_s=0.05)


@LINUX
def test_marked_processes_end_and_one_that_goes_meanwhile_is_no_error(
    ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(["sleep", "60"], env={**ENV, process.RUN_MARK: "test-mark.7"}) as marked:
        there = process._pids
        monkeypatch.setattr(process, "_pids", lambda: [ended, *there()])
        assert end_marked("test-mar") == 0, "a mark is not a prefix"
        assert end_marked("test-mark") == 1
        assert marked.wait() == -signal.SIGKILL
    assert end_marked("") == 0


@LINUX
def test_a_crowd_is_a_process_with_all_below_it() -> None:
    tree = ["sh", "-c", "(sleep 60 & sleep 60 & echo up; wait) & wait"]
    with subprocess.Popen(tree, stdout=subprocess.PIPE, start_new_session=True) as top:
        assert top.stdout is not None
        top.stdout.readline()
        assert crowd(top.pid) == 4
        os.killpg(top.pid, signal.SIGKILL)
    assert crowd(top.pid) == 0


def test_children_with_smaller_numbers_than_their_parents_belong_to_the_crowd() -> None:
    children = {1: [900, 7], 900: [30, 31], 30: [950], 950: [2, 900], 7: [8]}
    assert sorted(descendants(900, children)) == [2, 30, 31, 900, 950]
    assert descendants(12, children) == [12]


def crowded(tmp_path: Path, most: int, wall_s: float) -> process.Finished:
    words = [sys.executable, crowd_program.__file__, "hold"]
    env = {**ENV, process.RUN_MARK: f"crowd-{os.getpid()}-{most}"}
    return asyncio.run(
        children.run_async(words, env=env, cwd=tmp_path, limits=Limits(wall_s, kept_bytes=1000, processes=most))
    )


@LINUX
def test_who_starts_more_processes_than_it_may_is_ended_with_all_of_them(tmp_path: Path) -> None:
    finished = crowded(tmp_path, 100, 20)
    assert finished.ended_by == "processes"
    assert finished.code == -signal.SIGKILL
    assert end_marked(f"crowd-{os.getpid()}-100") == 0


@LINUX
def test_who_may_have_as_many_is_left_alone(tmp_path: Path) -> None:
    finished = crowded(tmp_path, 400, 2)
    assert finished.ended_by == "timeout"
    assert finished.text == f"{crowd_program.MOST}\n"
