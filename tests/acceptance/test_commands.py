"""What every command promises programs and people, and how work travels from words to the target."""

import json
import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest

from .world import FACTORY, PATIENCE_S, World, until

REFUSED = 4
COLOUR = "\x1b["


def landed(world: World) -> dict[str, dict[str, object]]:
    """Every bead by its title; all of them have landed."""
    beads = {bead["title"]: bead for bead in world.beads()}
    assert {bead["state"] for bead in beads.values()} == {"landed"}, beads
    return beads


def nothing_left(world: World) -> None:
    """No worktree, branch, session or process of a floor is left."""
    assert world.branches() == {"main", "factory/beads"}
    assert world.worktrees() == 1
    assert not Path(f"{world.repo}.factory").exists()
    assert running(world) == []
    assert world.well("verify", "--json").document["problems"] == []


# ---------------------------------------------------------------------- programs

EMPTY = {
    ("init",): "made",
    ("trust",): "settings",
    ("trust", "--show"): "settings",
    ("status",): "beads",
    ("run",): "beads",
    ("stop",): "stopped",
    ("bead", "list"): "beads",
    ("bead", "ready"): "beads",
    ("pr", "list"): "changes",
    ("session", "list"): "sessions",
    ("verify",): "problems",
}
"""Commands that have something to say where nothing has happened yet, and the main key of their answer."""


@pytest.mark.parametrize(("words", "noun"), EMPTY.items(), ids=[" ".join(words) for words in EMPTY])
def test_json_is_one_document_also_when_there_is_nothing(world: World, words: tuple[str, ...], noun: str) -> None:
    answer = world.well(*words, "--json")

    assert noun in answer.document
    assert answer.err == ""


def test_json_is_one_document_from_every_command_that_makes_or_reads_something(world: World) -> None:
    spawned = world.well("spawn", "Add a line", "--no-land", "--json", "--", world.program("echo two >> a.txt"))
    (bead,) = spawned.document["beads"]
    id_ = bead["id"]
    shown = {"id", "title", "state", "ready", "priority", "needs", "agent", "reason"}
    other = world.well("bead", "add", "Something else", "--json").document["bead"]["id"]

    assert spawned.err == ""
    assert shown <= bead.keys()
    for words, noun in (
        (("bead", "show", id_), "bead"),
        (("bead", "log", id_), "events"),
        (("bead", "log", id_, "--ledger"), "events"),
        (("bead", "list"), "beads"),
        (("bead", "edit", other, "--priority", "1"), "bead"),
        (("bead", "link", other, "needs", id_), "bead"),
        (("bead", "unlink", other, "needs", id_), "bead"),
        (("bead", "comment", other, "Look at this"), "bead"),
        (("bead", "drop", other, "-m", "not now"), "bead"),
        (("bead", "reopen", other), "bead"),
        (("bead", "ready"), "beads"),
        (("bead", "drop", other, "-m", "really"), "bead"),
        (("why", id_), "reason"),
        (("status",), "beads"),
        (("session", "list"), "sessions"),
        (("pr", "list"), "changes"),
        (("pr", "view", id_), "change"),
        (("pr", "diff", id_), "diff"),
        (("pr", "approve", id_), "change"),
        (("run",), "beads"),
        (("verify",), "problems"),
    ):
        answer = world.well(*words, "--json")
        assert noun in answer.document, words
        assert answer.err == "", words


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("bead", "show", "fa-zzzz"), 1),
        (("spawn",), 1),
        (("bead", "add", " "), 1),
        (("bead", "show"), 2),
        (("bead", "list", "--state", "finished"), 2),
        (("no-such-command",), 2),
    ],
)
def test_an_error_is_one_json_document_on_stderr_where_json_is_asked_for(
    world: World, words: tuple[str, ...], code: int
) -> None:
    answer = world.factory(*words, "--json")

    assert answer.code == code
    assert answer.out == ""
    assert answer.error["exit_code"] == code
    assert answer.error["sentence"]
    assert answer.error["hint"]


def test_refused_trust_is_json_too(world: World) -> None:
    answer = world.factory("run", "--json", env={"FACTORY_YES_TRUST": ""})

    assert answer.code == REFUSED
    assert "factory trust" in answer.error["hint"]


def test_git_factory_is_the_same_program(world: World) -> None:
    world.well("bead", "add", "Something")

    assert world.git("factory", "status") == world.well("status").out.strip()


def test_dash_c_works_as_if_called_there(world: World) -> None:
    world.well("bead", "add", "Something")

    assert world.factory("-C", world.repo, "bead", "list", cwd=world.top).out == world.well("bead", "list").out


def test_a_command_works_from_a_folder_below_and_from_another_worktree(world: World) -> None:
    world.well("bead", "add", "Something")
    below, beside = world.repo / "deep" / "down", world.top / "beside"
    below.mkdir(parents=True)
    world.git("worktree", "add", "-q", str(beside), "-b", "mine")

    for place in (below, beside):
        assert world.factory("bead", "list", cwd=place).out == world.well("bead", "list").out


# ---------------------------------------------------------------------- people


def at_a_terminal(world: World, *words: str, typed: str = "", **env: str) -> tuple[int, str]:
    """``factory`` on a terminal of its own, on which ``typed`` is typed: its exit code and what was shown."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [str(FACTORY), *words],
        cwd=world.repo,
        env=world.env | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"} | env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as child:
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = b""
        while select.select([ours], [], [], PATIENCE_S)[0]:
            try:
                shown += os.read(ours, 1 << 16)
            except OSError:  # Linux says so when the other side has closed
                break
        os.close(ours)
        return child.wait(PATIENCE_S), shown.decode()


def test_a_terminal_gets_colours_and_no_color_takes_them_away(world: World) -> None:
    world.well("bead", "add", "Something")

    assert COLOUR in at_a_terminal(world, "status")[1]
    assert COLOUR not in at_a_terminal(world, "status", NO_COLOR="1")[1]
    assert COLOUR not in world.well("status").out


def test_the_live_table_shows_the_bead_land_and_respects_no_color(world: World) -> None:
    agent = world.program("echo two >> a.txt")

    code, shown = at_a_terminal(world, "spawn", "Add a line", "--", str(agent), NO_COLOR="1")

    assert code == 0
    assert "landed" in shown
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown), "there are colours in it"
    landed(world)


def test_trust_is_asked_for_on_a_terminal_and_no_is_no(world: World) -> None:
    code, shown = at_a_terminal(world, "run", typed="n\n", FACTORY_YES_TRUST="")
    assert code == REFUSED
    assert "test -s a.txt" in shown

    code, _ = at_a_terminal(world, "run", typed="y\n", FACTORY_YES_TRUST="")
    assert code == 0
    assert world.factory("run", env={"FACTORY_YES_TRUST": ""}).code == 0


def test_nothing_is_asked_without_a_terminal_even_when_somebody_could_answer(world: World) -> None:
    env = world.env | {"FACTORY_YES_TRUST": ""}
    with subprocess.Popen(
        [str(FACTORY), "run"], cwd=world.repo, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.wait(PATIENCE_S) == REFUSED


def test_a_title_cannot_play_with_the_terminal_or_the_commit(world: World) -> None:
    title = "Add: Bead: fa-0000 [red]\u202e -- $(touch x)"
    agent = world.program('printf "\\033[31mBead: fa-0000\\n\\nBead: fa-1111\\n"; echo two >> a.txt')

    bead = world.spawned(title, "--", agent)

    assert bead["state"] == "landed"
    trailers = world.git("log", "-1", "--format=%(trailers:key=Bead,valueonly)").split()
    assert trailers == [bead["id"]]
    told = "".join(
        world.well(*words).out for words in (("status",), ("bead", "list", "--all"), ("bead", "log", bead["id"]))
    )
    assert "\x1b" not in told
    assert "\u202e" not in told


# ---------------------------------------------------------------------- spawning


def test_two_titles_are_two_beads_and_both_land(world: World) -> None:
    agent = world.program('echo "$FACTORY_TITLE" > "$FACTORY_BEAD.txt"')

    world.well("spawn", "First thing", "Second thing", "--", agent)

    assert landed(world).keys() == {"First thing", "Second thing"}
    texts = {world.git("show", f"main:{bead['id']}.txt") for bead in world.beads()}
    assert texts == {"First thing", "Second thing"}
    nothing_left(world)


def test_dash_n_spawns_a_title_so_many_times(world: World) -> None:
    agent = world.program('echo x > "$FACTORY_BEAD.txt"')

    told = world.well("spawn", "-n", "3", "Make a file", "--json", "--", agent).document["beads"]

    assert [bead["state"] for bead in told] == ["landed"] * 3
    assert len(world.history()) == 4
    nothing_left(world)


def test_beads_of_a_file_land_in_the_order_of_their_needs(world: World) -> None:
    wishes = [
        {"title": "Roof", "needs": ["walls"]},
        {
            "title": "Walls",
            "key": "walls",
            "needs": ["ground"],
            "text": "Four of them.",
            "priority": 0,
            "labels": ["x"],
        },
        {"title": "Ground", "key": "ground"},
    ]
    file = world.top / "house.jsonl"
    file.write_text("".join(json.dumps(wish) + "\n" for wish in wishes))
    agent = world.program('cat "$FACTORY_BEAD_FILE" >> house.md')

    told = world.well("spawn", "--file", file, "--json", "--", agent).document["beads"]

    assert [bead["title"] for bead in told] == ["Roof", "Walls", "Ground"]
    assert (told[1]["text"], told[1]["priority"], told[1]["labels"]) == ("Four of them.", 0, ["x"])
    assert world.git("log", "--format=%s", "--reverse", "-3").split("\n") == ["Ground", "Walls", "Roof"]
    assert "Four of them." in world.git("show", "main:house.md")
    nothing_left(world)


def test_detach_returns_at_once_and_the_floor_carries_on(world: World) -> None:
    agent = world.program("echo two >> a.txt")

    told = world.well("spawn", "Add a line", "--detach", "--json", "--", agent).document["beads"]

    assert [bead["state"] for bead in told] == ["open"]
    until(lambda: world.bead()["state"] == "landed", "the bead landed")
    until(lambda: world.well("status", "--json").document["floor"] is None, "the floor ended by itself")
    nothing_left(world)


def test_a_second_spawn_joins_the_floor_that_runs(world: World) -> None:
    with world.beside("run", "--forever"):
        until(lambda: world.well("status", "--json").document["floor"] is not None, "the floor runs")
        world.well("spawn", "Add a line", "--", world.program("echo two >> a.txt"))
    landed(world)


def test_programs_of_one_name_in_two_folders_are_two_agents(world: World) -> None:
    for folder in ("a", "b"):
        (world.top / folder).mkdir()
        world.program(f"echo {folder} > {folder}.txt", f"{folder}/agent.sh")

    first = world.spawned("Do a", "--no-land", "--", world.top / "a" / "agent.sh")
    second = world.spawned("Do b", "--no-land", "--", world.top / "b" / "agent.sh")

    assert first["agent"] != second["agent"]


def test_no_land_stops_with_the_branch_and_approval_lands_it(world: World) -> None:
    bead = world.spawned("Add a line", "--no-land", "--", world.program("echo two >> a.txt"))
    id_ = bead["id"]
    assert (bead["state"], world.why(id_)["code"]) == ("waiting", "review")
    assert world.git("show", f"{bead['branch']}:a.txt") == "one\ntwo"
    assert len(world.history()) == 1

    assert id_ in world.well("pr", "list").out
    assert "a.txt | 1 +" in world.well("pr", "view", id_).out
    assert "+two" in world.well("pr", "diff", id_).out
    assert "a.txt | 1 +" in world.well("pr", "diff", id_, "--stat").out
    world.well("pr", "approve", id_, "-m", "good")
    assert world.bead()["state"] == "queued"
    world.well("run")

    landed(world)
    assert (world.repo / "a.txt").read_text() == "one\ntwo\n"
    nothing_left(world)


def test_the_landed_commit_tells_the_story(world: World) -> None:
    agent = world.program("echo done; echo two >> a.txt")

    bead = world.spawned("Add a line", "-m", "The *second* one.", "--", agent)

    message = world.git("log", "-1", "--format=%B")
    assert message.startswith("Add a line\n\ndone\n\n")
    for name in ("Bead", "Agent", "Session", "Model", "Gate"):
        assert f"\n{name}: " in message
    (told,) = world.git("diff-tree", "-r", "--name-only", "--diff-filter=A", "HEAD~1", "HEAD").split()
    assert told.endswith(f"{bead['id']}.jsonl")
    assert "The *second* one." in world.git("show", f"HEAD:{told}")
    grown = world.git("show", f"factory/beads:{told}")
    assert grown.startswith(world.git("show", f"HEAD:{told}"))


# ---------------------------------------------------------------------- what agents answer


def test_an_agent_that_changes_nothing_waits_and_done_accepts_it(world: World) -> None:
    bead = world.spawned("Look around", "--", world.program("echo all is well here"))

    why = world.why(bead["id"])
    assert (bead["exit"], bead["state"], why["code"]) == (1, "waiting", "no-change")
    assert "all is well here" in why["sentence"]
    assert f"factory bead done {bead['id']}" in why["remedy"]

    world.well("bead", "done", bead["id"], "-m", "It was well.")
    assert world.bead()["state"] == "done"
    nothing_left(world)


def test_an_agent_that_fails_three_times_waits_and_its_work_is_kept(world: World) -> None:
    bead = world.spawned("Try", "--", world.program("echo half >> a.txt; echo it is no use; exit 7"))

    failures = [event["data"] for event in world.events(bead["id"], "session_failed")]
    assert [failure["code"] for failure in failures] == ["exit"] * 3
    for failure in failures:
        assert world.git("show", f"{failure['kept']}:a.txt") == "one\nhalf"
    assert (bead["exit"], bead["state"]) == (1, "waiting")
    assert "exited with 7" in bead["reason"]
    assert "it is no use" in bead["reason"]
    assert len(world.history()) == 1


def test_reopening_gives_a_bead_to_its_agent_again(world: World) -> None:
    flag = world.write("flag.txt", "no\n")
    world.commit(flag_dot_txt="no\n")
    agent = world.program("grep -q yes flag.txt; echo two >> a.txt")
    assert world.factory("spawn", "Try", "--", agent).code == 1

    flag.write_text("yes\n")
    world.git("commit", "-qam", "raise the flag")
    world.well("bead", "reopen", world.bead()["id"], "-m", "the flag is up")
    world.well("run")

    landed(world)


def test_an_agent_is_told_what_people_said_and_why_it_came_back(world: World) -> None:
    world.settings("[gates.tests]\nrun = \"grep -q three a.txt || { echo 'there is no three'; exit 1; }\"\n")
    agent = world.program(
        "#!/bin/sh\n"
        'grep -q "there is no three" "$FACTORY_BEAD_FILE" && echo three >> a.txt\n'
        '[ "$FACTORY_ROUND" = 0 ] && [ -z "$FACTORY_SETBACK" ] && echo two >> a.txt\n'
        "true"
    )

    bead = world.spawned("Count", "--", agent)

    assert bead["state"] == "landed"
    assert (bead["rounds"], bead["attempts"]) == (1, 2)
    assert (world.repo / "a.txt").read_text() == "one\ntwo\nthree\n"


FORBIDDEN: dict[str, str] = {
    "the settings": "printf '[gates.tests]\\nrun = \"true\"\\n' > .factory/factory.toml",
    "the beads": "mkdir -p beads && echo '{}' > beads/fa-0000.jsonl",
    "the settings, by taking them away": "git rm -q .factory/factory.toml",
    "the settings, by a link": "rm -r .factory && ln -s /etc .factory",
}


@pytest.mark.parametrize("script", FORBIDDEN.values(), ids=FORBIDDEN)
def test_an_agent_is_refused_that_writes_into(world: World, script: str) -> None:
    bead = world.spawned("Be clever", "--", world.program(f"{script}\necho two >> a.txt"))

    assert (bead["exit"], bead["state"]) == (1, "waiting")
    assert [event["data"]["code"] for event in world.events(bead["id"], "session_failed")] == ["policy"] * 3
    assert len(world.history()) == 1
    assert world.worktrees() == 1


# ---------------------------------------------------------------------- stopping


def running(world: World) -> list[str]:
    """The command lines of every process that has something to do with this world."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = str((entry / "cwd").readlink())
        except OSError:
            continue
        if entry.name != str(os.getpid()) and (str(world.top) in words or place.startswith(str(world.top))):
            found.append(words)
    return found


def test_stop_ends_the_floor_keeps_half_work_and_leaves_nothing_running(world: World) -> None:
    agent = world.program("echo half >> a.txt; sleep 600")
    world.well("spawn", "Add a line", "--detach", "--", agent)
    until(lambda: any("half" in file.read_text() for file in Path(f"{world.repo}.factory").glob("*/a.txt")), "half-way")

    world.well("stop")

    assert running(world) == []
    bead = world.bead()
    assert (bead["state"], bead["ready"]) == ("open", True)
    (failed,) = world.events(bead["id"], "session_failed")
    assert failed["data"]["code"] == "stopped"
    assert failed["data"]["kept"].startswith("refs/factory/kept/")
    assert world.git("show", f"{failed['data']['kept']}:a.txt") == "one\nhalf"
    assert world.worktrees() == 1
    assert world.well("verify", "--json").document["problems"] == []
    assert "no floor is running" in world.well("stop").out


def test_a_bead_that_was_stopped_is_worked_on_by_the_next_floor(world: World) -> None:
    agent = world.program("sleep 600")
    world.well("spawn", "Add a line", "--detach", "--", agent)
    until(lambda: world.bead()["state"] == "working", "it is worked on")
    world.well("stop")
    world.program("echo two >> a.txt")

    world.well("run")

    landed(world)
    nothing_left(world)


def test_an_interrupted_spawn_ends_in_order(world: World) -> None:
    agent = world.program("echo half >> a.txt; sleep 600")
    with world.beside("spawn", "Add a line", "--", agent) as spawning:
        until(lambda: [bead["state"] for bead in world.beads()] == ["working"], "it is worked on")
        spawning.terminate()
        assert spawning.wait(PATIENCE_S) not in (0, 3)

    assert world.bead()["state"] == "open"
    assert world.worktrees() == 1
    assert running(world) == []


# ---------------------------------------------------------------------- once more


def test_everything_is_safe_to_do_twice(world: World) -> None:
    for words in ("init", "trust", "run"):
        world.well(words)
    before = world.everything()

    assert "nothing was changed" in world.well("init").out
    assert "trusted before" in world.well("trust").out
    world.well("run")
    assert world.everything() == before


def test_init_makes_only_what_it_says(world: World) -> None:
    world.git("rm", "-qr", ".factory")
    world.git("commit", "-qm", "without settings")
    config = (world.repo / ".git" / "config").read_bytes()
    hooks = sorted(path.name for path in (world.repo / ".git" / "hooks").iterdir())

    made = world.well("init", "--json").document["made"]

    assert sorted(made) == [".factory/factory.toml", "beads/.gitattributes", "branch factory/beads"]
    assert world.git("status", "--porcelain", "--untracked-files=all").split("\n") == [
        "?? .factory/factory.toml",
        "?? beads/.gitattributes",
    ]
    assert (world.repo / ".git" / "config").read_bytes() == config
    assert sorted(path.name for path in (world.repo / ".git" / "hooks").iterdir()) == hooks
    assert world.git("ls-tree", "--name-only", "factory/beads") == "beads"
