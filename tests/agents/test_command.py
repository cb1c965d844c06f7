import asyncio
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from factory.agents.command import Command
from factory.agents.runtime import Failed, Finished, Memory, Outcome
from factory.base.process import Limits
from tests.agents.sessions import a_task
from tests.tools.open_place import OpenPlace

GENEROUS = Limits(60.0)


def run(folder: Path, *command: str, limits: Limits = GENEROUS, **environment: str) -> Outcome:
    place = OpenPlace(folder / "root")
    place.root.mkdir(exist_ok=True)
    task = a_task(folder, command=command, limits=limits, environment=environment)
    return asyncio.run(Command().work(task, place, Memory()))


def log(folder: Path) -> str:
    return (folder / "notes/output.log").read_text()


def test_a_program_reads_its_brief_changes_the_tree_and_says_a_summary(tmp_path: Path) -> None:
    brief = tmp_path / "brief.md"
    brief.write_text("make it so")

    outcome = run(
        tmp_path, "sh", "-c", 'cp "$FACTORY_BEAD_FILE" done; echo a; echo; echo " b "', FACTORY_BEAD_FILE=str(brief)
    )

    assert outcome == Finished("b")
    assert (tmp_path / "root/done").read_text() == "make it so"
    assert log(tmp_path) == "a\n\n b \n"


def test_a_silent_success_still_has_a_summary(tmp_path: Path) -> None:
    assert run(tmp_path, "true") == Finished("true ended well and said nothing")


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("echo first; echo broken >&2; exit 7", "exit", "exited with 7; it last said: first / broken"),
        ("exit 1", "exit", "exited with 1; it said nothing"),
        ("kill -9 $$", "exit", "was ended by signal 9"),
        ("printf 'red \\033[31m\\n'; exit 1", "exit", "red \\x1b[31m"),
        ("no-such-program", "program-missing", "exit code 127"),
        ("/", "program-missing", "exit code 126"),
    ],
)
def test_a_failure_is_told_with_the_last_lines(script: str, code: str, said: str, tmp_path: Path) -> None:
    outcome = run(tmp_path, "sh", "-c", script)

    assert isinstance(outcome, Failed)
    assert outcome.code == code
    assert said in outcome.reason


@pytest.mark.parametrize("command", [(), ("no-such-program",), ("/",), ("./no-shebang",)])
def test_a_program_that_cannot_be_started_is_told_so(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/no-shebang").write_text("echo hello")
    (tmp_path / "root/no-shebang").chmod(0o755)

    outcome = run(tmp_path, *command)

    assert isinstance(outcome, Failed)
    assert outcome.code == "program-missing"


def test_a_program_that_never_ends_is_ended_with_what_it_started(tmp_path: Path) -> None:
    place = OpenPlace(tmp_path)
    task = a_task(tmp_path, command=("sh", "-c", "setsid sleep 300 & echo here; sleep 300"), limits=Limits(0.5))

    outcome = asyncio.run(Command().work(task, place, Memory()))

    assert isinstance(outcome, Failed)
    assert outcome.code == "timeout"
    assert "here" in outcome.reason
    assert place.survivors() == []


def test_a_program_that_falls_silent_is_idle(tmp_path: Path) -> None:
    outcome = run(tmp_path, "sh", "-c", "echo here; sleep 300", limits=Limits(60.0, idle_s=0.3))

    assert isinstance(outcome, Failed)
    assert outcome.code == "idle"


def test_three_hundred_megabytes_of_output_cost_little(tmp_path: Path) -> None:
    script = "echo begin; head -c 300000000 /dev/zero | tr '\\0' x; echo; echo the end"
    tracemalloc.start()
    started = time.monotonic()
    try:
        outcome = run(tmp_path, "sh", "-c", script)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert outcome == Finished("the end")
    assert peak < 16 << 20
    assert (tmp_path / "notes/output.log").stat().st_size < 3 << 20
    assert log(tmp_path).startswith("begin\n")
    assert log(tmp_path).endswith("the end\n")
    assert time.monotonic() - started < GENEROUS.wall_s


def test_a_log_that_cannot_be_written_costs_the_log_and_not_the_session(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/output.log").symlink_to("/dev/full")

    assert run(tmp_path, "echo", "done") == Finished("done")


def test_what_the_program_did_is_recorded(tmp_path: Path) -> None:
    memory = Memory()

    asyncio.run(
        Command().work(a_task(tmp_path, command=(sys.executable, "-c", "print('x')")), OpenPlace(tmp_path), memory)
    )

    (event,) = memory.events
    assert (event["type"], event["exit_code"], event["output_bytes"]) == ("program_ended", 0, 2)
