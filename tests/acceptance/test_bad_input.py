"""Bad input gets one sentence, a hint and the right exit code, and nothing is written."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .world import SETTINGS, Answer, World, until

FIXABLE, USAGE, REFUSED, LATER = 1, 2, 4, 75


@dataclass(frozen=True)
class Call:
    """One call of ``factory`` that must be refused."""

    words: tuple[str | Path, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    under: tuple[str, ...] = ()


Arrange = Callable[[World], Call]
"""Sets the stage and says what is called."""


def refused(name: str, code: int, sentence: str, hint: str, arrange: Arrange) -> object:
    """A row: in the situation ``name``, ``sentence`` is said, ``hint`` helps, and ``code`` is the exit code."""
    return pytest.param(code, sentence, hint, arrange, id=name)


def spawning(world: World, *options: str, **more: object) -> Call:
    """A person who has an agent make a change."""
    agent = world.program("echo two >> a.txt")
    return Call(("spawn", *options, "Add a line", "--", agent), **more)  # type: ignore[arg-type]


def says_in_one_sentence(answer: Answer, sentence: str, hint: str) -> None:
    """One sentence and one hint on standard error, and not a word about how the program is made."""
    assert "Traceback" not in answer.err
    assert "has a bug" not in answer.err
    assert sentence in answer.sentence
    hints = [line for line in answer.err.splitlines() if line.startswith("hint: ")]
    assert len(hints) == 1, answer.err
    assert hint in hints[0]
    assert answer.out == ""


# ---------------------------------------------------------------------- where it is called


def outside(world: World) -> Call:
    place = world.top / "elsewhere"
    place.mkdir()
    return spawning(world, cwd=place)


def empty(world: World) -> Call:
    place = world.top / "empty"
    place.mkdir()
    world.git("init", "-q", cwd=place)
    return spawning(world, cwd=place)


def detached(world: World) -> Call:
    world.git("checkout", "-q", "--detach")
    return spawning(world)


def shallow(world: World) -> Call:
    world.commit(b_dot_txt="b\n")
    place = world.top / "shallow"
    world.git("clone", "-q", "--depth=1", f"file://{world.repo}", str(place))
    return spawning(world, cwd=place)


def bare(world: World) -> Call:
    place = world.top / "bare.git"
    world.git("clone", "-q", "--bare", str(world.repo), str(place))
    return spawning(world, cwd=place)


def inside_git(world: World) -> Call:
    return spawning(world, cwd=world.repo / ".git")


PLACES = [
    refused("outside of a repository", FIXABLE, "is not in a git repository", "git init", outside),
    refused("in a repository without a commit", FIXABLE, "has no commit yet", "first commit", empty),
    refused("on a detached head", FIXABLE, "HEAD is detached", "check out a branch", detached),
    refused("in a shallow clone", FIXABLE, "shallow", "git fetch --unshallow", shallow),
    refused("in a bare clone", FIXABLE, "bare", "ordinary clone", bare),
    refused("inside of .git", FIXABLE, "inside a .git folder", "work tree", inside_git),
]

# ---------------------------------------------------------------------- what the machine has


def only_on_path(*programs: str) -> Arrange:
    return lambda world: spawning(world, env={"PATH": world.on_path(*programs)})


def pretending(program: str, script: str) -> Arrange:
    return lambda world: spawning(world, env={"PATH": world.pretend(program, script)})


MACHINE = [
    refused(
        "with a git that is too old",
        FIXABLE,
        "git 2.25.1 is too old",
        "install git 2.39",
        pretending("git", "echo git version 2.25.1"),
    ),
    refused("without git", FIXABLE, "git is not installed", "install git", only_on_path("sh")),
    refused("without a sandbox", FIXABLE, "bubblewrap is not installed", "apt install", only_on_path("sh", "git")),
    refused(
        "with a sandbox that the kernel does not allow",
        FIXABLE,
        "does not work here (bwrap: setting up uid map: Permission denied)",
        'sandbox = "none"',
        pretending("bwrap", "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1"),
    ),
    refused(
        "without a key for the built-in runtime",
        FIXABLE,
        "no key for the built-in runtime",
        "ANTHROPIC_API_KEY",
        lambda _: Call(("spawn", "--runtime", "builtin", "Add a line")),
    ),
]

# ---------------------------------------------------------------------- what the settings say


def settings(text: str) -> Arrange:
    def arrange(world: World) -> Call:
        world.settings(text)
        return spawning(world)

    return arrange


def misplaced(root: str) -> Arrange:
    def arrange(world: World) -> Call:
        world.settings(f'{SETTINGS}\n[workspaces]\nroot = "{root}"\n')
        return spawning(world)

    return arrange


def untrusted(world: World) -> Call:
    return spawning(world, env={"FACTORY_YES_TRUST": ""})


BROKEN = "max_agents = 4\n\n[gates.tests\nrun = 'true'\n"

SAID_WRONGLY = [
    refused("when the settings are not TOML", FIXABLE, "line 3", "mend that line", settings(BROKEN)),
    refused(
        "when a key of the settings is unknown",
        FIXABLE,
        "factory.toml:2: there is no setting 'max_agent'",
        "did you mean 'max_agents'?",
        settings("# ours\nmax_agent = 3\n"),
    ),
    refused(
        "when a table of the settings is unknown",
        FIXABLE,
        "factory.toml:1: there is no setting 'gate'",
        "did you mean 'gates'?",
        settings("[gate.tests]\nrun = 'true'\n"),
    ),
    refused(
        "when a key of a gate is unknown",
        FIXABLE,
        "factory.toml:3: there is no setting 'gates.tests.timeout'",
        "did you mean 'timeout_s'?",
        settings("[gates.tests]\nrun = 'true'\ntimeout = 3\n"),
    ),
    refused(
        "when a value of the settings has the wrong type",
        FIXABLE,
        "factory.toml:1: max_agents",
        "README",
        settings("max_agents = 'many'\n"),
    ),
    refused(
        "when a gate is not a table",
        FIXABLE,
        "factory.toml:2: gates.tests",
        "README",
        settings("[gates]\ntests = 'pytest'\n"),
    ),
    refused(
        "when the environment says nonsense",
        FIXABLE,
        "FACTORY_MAX_AGENTS: max_agents",
        "README",
        lambda world: spawning(world, env={"FACTORY_MAX_AGENTS": "many"}),
    ),
    refused(
        "when the target of the settings is missing",
        FIXABLE,
        "no branch 'release'",
        "set target",
        settings(f"target = 'release'\n{SETTINGS}"),
    ),
    refused(
        "when the target of the command line is missing",
        FIXABLE,
        "no branch 'release'",
        "set target",
        lambda world: spawning(world, "--target", "release"),
    ),
    refused(
        "when the worktrees would lie in the repository",
        FIXABLE,
        "lie in one another",
        "workspaces.root",
        misplaced("trees"),
    ),
    refused(
        "when the repository lies in the folder of the worktrees",
        FIXABLE,
        "lie in one another",
        "workspaces.root",
        misplaced(".."),
    ),
    refused("when nobody has trusted the settings", REFUSED, "nobody has trusted", "factory trust", untrusted),
]

# ---------------------------------------------------------------------- what is asked for


def asking(*words: str) -> Arrange:
    return lambda _: Call(words)


def file_of(text: str, *words: str) -> Arrange:
    def arrange(world: World) -> Call:
        beads = world.top / "beads.jsonl"
        beads.write_text(text)
        agent = world.program("echo two >> a.txt")
        return Call(("spawn", "--file", beads, *words, "--", agent))

    return arrange


def with_program(make: Callable[[World], str | Path]) -> Arrange:
    return lambda world: Call(("spawn", "Add a line", "--", make(world)))


def not_executable(world: World) -> Path:
    program = world.program("true")
    program.chmod(0o644)
    return program


def waiting_bead(*words: str) -> Arrange:
    """``BEAD`` in ``words`` stands for a bead that is open."""

    def arrange(world: World) -> Call:
        opened = world.well("bead", "add", "Something", "--json").document["bead"]["id"]
        return Call(tuple(opened if word == "BEAD" else word for word in words))

    return arrange


def line(**fields: object) -> str:
    return json.dumps(fields) + "\n"


LONG = "x" * (2 << 20)

ASKED = [
    *(
        refused(f"an unknown bead: {' '.join(words)}", FIXABLE, "there is no bead fa-zzzz", "bead list", asking(*words))
        for words in (
            ("why", "fa-zzzz"),
            ("bead", "show", "fa-zzzz"),
            ("bead", "log", "fa-zzzz"),
            ("bead", "edit", "fa-zzzz", "--priority", "1"),
            ("bead", "drop", "fa-zzzz", "-m", "no"),
            ("pr", "view", "fa-zzzz"),
            ("pr", "diff", "fa-zzzz"),
            ("pr", "approve", "fa-zzzz"),
        )
    ),
    refused("an id that is a path", FIXABLE, "there is no bead ../../HEAD", "bead list", asking("why", "../../HEAD")),
    refused("a blank title", FIXABLE, "title", "", asking("bead", "add", "  ")),
    refused("a blank title to spawn", FIXABLE, "title", "", asking("spawn", " ", "--runtime", "command", "--", "true")),
    refused("a title of two lines", FIXABLE, "more than one line", "", asking("bead", "add", "one\ntwo")),
    refused("a title with a control character", FIXABLE, "control", "", asking("bead", "add", "red \x1b[31m")),
    refused("a title of 100 KB", FIXABLE, "300", "", asking("bead", "add", "x" * 100_000)),
    refused("a title of 2 MB", FIXABLE, "beads.jsonl:1: ", "nothing was written", file_of(line(title=LONG))),
    refused("a text of 2 MB", FIXABLE, "beads.jsonl:1: ", "nothing was written", file_of(line(title="x", text=LONG))),
    refused("a folder that is not there", USAGE, "does not exist", "factory -h", asking("-C", "nowhere", "status")),
    refused("an unknown command", USAGE, "No such command 'spwan'", "factory -h", asking("spwan", "x")),
    refused("an unknown option", USAGE, "No such option: --agents", "factory run -h", asking("run", "--agents", "3")),
    refused("a missing argument", USAGE, "Missing argument 'BEAD'", "factory why -h", asking("why")),
    refused(
        "a missing reason", USAGE, "Missing option '-m'", "factory bead drop -h", asking("bead", "drop", "fa-zzzz")
    ),
    refused("no agents at all", USAGE, "'--max-agents'", "factory run -h", asking("run", "--max-agents", "0")),
    refused("a priority that is none", USAGE, "'-p'", "factory bead add -h", asking("bead", "add", "x", "-p", "9")),
    refused(
        "a state that is none", USAGE, "'finished'", "factory bead list -h", asking("bead", "list", "-s", "finished")
    ),
    refused("nothing to spawn", FIXABLE, "nothing to spawn", "--file", asking("spawn")),
    refused("a file that is not there", FIXABLE, "cannot be read", "JSON", asking("spawn", "--file", "no.jsonl")),
    refused(
        "a file whose second line is not JSON",
        FIXABLE,
        "beads.jsonl:2: not JSON",
        "nothing was written",
        file_of(line(title="one") + "two\n"),
    ),
    refused(
        "a file with an unknown field",
        FIXABLE,
        "beads.jsonl:1: unknown field 'titel'",
        "nothing was written",
        file_of(line(titel="one")),
    ),
    refused(
        "a file whose beads need each other",
        FIXABLE,
        "need each other",
        "nothing was written",
        file_of(line(title="a", key="a", needs=["b"]) + line(title="b", key="b", needs=["a"])),
    ),
    refused(
        "a file that needs what is not there",
        FIXABLE,
        "'a' needs 'b'",
        "",
        file_of(line(title="a", needs=["b"])),
    ),
    refused(
        "a file that names an unknown agent",
        FIXABLE,
        "there is no agent 'nobody'",
        "known: ",
        file_of(line(title="one") + line(title="two", agent="nobody")),
    ),
    refused(
        "an unknown runtime",
        FIXABLE,
        "there is no runtime 'comand'",
        "did you mean 'command'?",
        asking("spawn", "x", "--runtime", "comand"),
    ),
    refused(
        "the command runtime without a program",
        FIXABLE,
        "needs a program",
        "after --",
        asking("spawn", "x", "--runtime", "command"),
    ),
    refused(
        "a program for another runtime",
        FIXABLE,
        "--runtime is 'builtin'",
        "leave --runtime out",
        asking("spawn", "x", "--runtime", "builtin", "--", "true"),
    ),
    refused(
        "an unknown agent", FIXABLE, "there is no agent 'adda'", "known: ", asking("spawn", "x", "--agent", "adda")
    ),
    refused(
        "a program that is not there",
        FIXABLE,
        "'./missing.sh' cannot be started",
        "check the path",
        with_program(lambda _: "./missing.sh"),
    ),
    refused(
        "a program that is nowhere on the path",
        FIXABLE,
        "'no-such-program' cannot be started",
        "check the path",
        with_program(lambda _: "no-such-program"),
    ),
    refused("a program that is a folder", FIXABLE, "cannot be started", "", with_program(lambda world: world.top)),
    refused("a program that is not executable", FIXABLE, "is not executable", "chmod +x", with_program(not_executable)),
    refused("approval where there is no change", REFUSED, "not allowed", "", waiting_bead("pr", "approve", "BEAD")),
    refused(
        "a look where there is no change", FIXABLE, "no change to look at", "why", waiting_bead("pr", "diff", "BEAD")
    ),
    refused(
        "done where nothing was reported",
        REFUSED,
        "does not hold it; it is open",
        "takes it",
        waiting_bead("bead", "done", "BEAD", "-m", "x"),
    ),
    refused(
        "a bead that would need itself",
        REFUSED,
        "would make a cycle",
        "factory bead unlink takes one of these edges out",
        waiting_bead("bead", "link", "BEAD", "needs", "BEAD"),
    ),
]


@pytest.mark.parametrize(("code", "sentence", "hint", "arrange"), [*PLACES, *MACHINE, *SAID_WRONGLY, *ASKED])
def test_bad_input_gets_a_sentence_and_a_hint_and_nothing_is_written(
    world: World, code: int, sentence: str, hint: str, arrange: Arrange
) -> None:
    call = arrange(world)
    before = world.everything()

    answer = world.factory(*call.words, cwd=call.cwd, env=call.env, under=call.under)

    assert answer.code == code, answer
    says_in_one_sentence(answer, sentence, hint)
    assert world.everything() == before


@pytest.mark.parametrize("words", [("spawn", "x", "--", "true"), ("run",), ("bead", "add", "x"), ("init",)])
def test_a_read_only_repository_is_told_in_one_sentence_with_a_hint(world: World, words: tuple[str, ...]) -> None:
    world.well("bead", "add", "There is a bead already")
    bound = ("bwrap", "--dev-bind", "/", "/", "--ro-bind", str(world.repo), str(world.repo), "--")

    answer = world.factory(*words, under=bound)

    assert answer.code == FIXABLE, answer
    says_in_one_sentence(answer, "Read-only file system", "permissions")


@pytest.mark.parametrize("words", [("status",), ("bead", "list"), ("why", "BEAD"), ("pr", "list")])
def test_a_read_only_repository_can_still_be_looked_at(world: World, words: tuple[str, ...]) -> None:
    opened = world.well("bead", "add", "There is a bead already", "--json").document["bead"]["id"]
    bound = ("bwrap", "--dev-bind", "/", "/", "--ro-bind", str(world.repo), str(world.repo), "--")

    answer = world.factory(*(opened if word == "BEAD" else word for word in words), under=bound)

    assert answer.code == 0, answer


# ---------------------------------------------------------------------- what shows only once work has begun


def test_another_floor_that_runs_is_named_and_the_second_ends_with_75(world: World) -> None:
    with world.beside("run", "--forever") as floor:
        until(lambda: world.well("status", "--json").document["floor"] is not None, "the floor runs")
        answer = world.factory("run")

    assert answer.code == LATER
    says_in_one_sentence(answer, f"a floor is already running in this repository (process {floor.pid})", "factory stop")


def test_local_changes_in_the_way_make_landing_wait_and_stay_as_they_are(world: World) -> None:
    world.write("a.txt", "mine\n")

    waits = world.factory(*spawning(world).words)

    assert waits.code == LATER, waits
    assert "local changes: a.txt" in waits.out
    assert "commit or stash them" in waits.out
    assert (world.repo / "a.txt").read_text() == "mine\n"
    assert world.why(world.bead()["id"])["code"] == "local-changes"

    world.git("checkout", "a.txt")
    world.well("run")
    assert world.bead()["state"] == "landed"
    assert (world.repo / "a.txt").read_text() == "one\ntwo\n"


def test_an_untracked_file_in_the_way_makes_landing_wait_and_stays_as_it_is(world: World) -> None:
    mine = world.write("new.txt", "mine\n")
    agent = world.program("echo theirs > new.txt")

    waits = world.factory("spawn", "Add a file", "--", agent)

    assert waits.code == LATER, waits
    assert "new.txt" in waits.out
    assert mine.read_text() == "mine\n"


def test_local_changes_elsewhere_do_not_keep_a_change_from_landing(world: World) -> None:
    world.commit(mine_dot_txt="one\n")
    mine = world.write("mine.txt", "two\n")

    world.well(*spawning(world).words)
    assert mine.read_text() == "two\n"
    assert world.git("status", "--porcelain") == "M mine.txt"


def test_a_target_that_is_not_checked_out_moves_and_no_file_of_anybody_does(world: World) -> None:
    world.git("checkout", "-qb", "mine")
    world.write("a.txt", "mine\n")

    world.well("spawn", "--target", "main", "Add a line", "--", world.program("echo two >> a.txt"))

    assert world.git("show", "main:a.txt") == "one\ntwo"
    assert (world.repo / "a.txt").read_text() == "mine\n"
    assert world.git("status", "--porcelain") == "M a.txt"


def test_attributes_that_nobody_committed_do_not_decide_what_merges(world: World) -> None:
    world.write(".gitattributes", "*.txt merge=union\n")
    agent = world.program('echo "$FACTORY_TITLE" >> a.txt')

    answer = world.well("spawn", "--json", "One end", "Another end", "--", agent)

    assert sorted(bead["attempts"] for bead in answer.document["beads"]) == [1, 2]


def test_an_agent_that_never_ends_is_ended_and_tried_again_and_then_waits(world: World) -> None:
    agent = world.program("sleep 600")

    bead = world.spawned("Add a line", "--timeout", "0.3", "--", agent)

    why = world.why(bead["id"])
    assert (bead["exit"], bead["state"], why["code"]) == (FIXABLE, "waiting", "agent-failed")
    assert "3 sessions failed" in why["sentence"]
    assert "ended after 0.3 s" in why["sentence"]
    assert why["remedy"] == f"factory bead reopen {bead['id']} tries again"
    assert [event["data"]["code"] for event in world.events(bead["id"], "session_failed")] == ["timeout"] * 3


GIGABYTE = 1 << 30
ROOM = 1 << 20


def test_an_agent_that_prints_a_gigabyte_costs_neither_disk_nor_memory_and_lands(world: World) -> None:
    agent = world.program(f"head -c {GIGABYTE} /dev/zero\necho two >> a.txt")
    # The limit binds factory, its host and the agent alike: none of them could hold what was printed.
    limited = ("prlimit", f"--as={GIGABYTE}", f"--fsize={64 * ROOM}", "--")

    answer = world.factory("spawn", "Add a line", "--", agent, under=limited)

    assert answer.code == 0, answer
    kept = sum(len(content) for content in world.everything().values())
    assert kept < 8 * ROOM


# ---------------------------------------------------------------------- what gates answer


@dataclass(frozen=True)
class Gate:
    """A gate that cannot say yes: what it runs, within how long, and what is said of it."""

    run: str
    says: str
    timeout_s: float = 60


HELD = {
    "is missing": Gate("no-such-program --check", "its command was not found (exit 127)"),
    "is not executable": Gate("./a.txt", "its command was not found (exit 126)"),
    "does not end": Gate("sleep 600", "did not end within 0.3 s", 0.3),
    "is killed": Gate("kill -9 $$", "was killed by signal 9"),
    "is killed inside of a shell": Gate("sh -c 'kill -9 $$'; exit $?", "was killed by signal 9"),
    "collects no tests": Gate("python3 -m pytest -q", "collected no tests, so it proved nothing"),
}


@pytest.mark.parametrize("gate", HELD.values(), ids=HELD)
def test_a_gate_holds_the_change_for_a_person_when_it(world: World, gate: Gate) -> None:
    world.settings(f"[gates.tests]\nrun = {json.dumps(gate.run)}\ntimeout_s = {gate.timeout_s}\n")
    before = world.history()

    bead = world.spawned("Add a line", "--", world.program("echo two >> a.txt"))

    assert (bead["exit"], bead["state"], bead["rounds"], bead["attempts"]) == (FIXABLE, "waiting", 0, 1)
    assert gate.says in bead["reason"]
    assert world.history() == before


def test_why_names_the_remedy_for_a_change_that_a_gate_held(world: World) -> None:
    world.settings("[gates.tests]\nrun = 'echo nothing here; no-such-program'\n")
    bead = world.spawned("Add a line", "--", world.program("echo two >> a.txt"))

    why = world.why(bead["id"])

    assert why["code"] == "gate-held"
    assert why["remedy"] == f"mend the gate on main, then factory pr approve {bead['id']}"
    assert "nothing here" in why["evidence"]
    world.settings(SETTINGS)
    world.well("pr", "approve", bead["id"])
    assert world.factory("run").code == 0


def test_nothing_lands_without_a_gate_and_the_change_lands_once_there_is_one(world: World) -> None:
    world.settings("max_agents = 4\n")
    before = world.history()

    bead = world.spawned("Add a line", "--", world.program("echo two >> a.txt"))

    why = world.why(bead["id"])
    assert (bead["exit"], bead["state"], why["code"]) == (FIXABLE, "queued", "no-gate")
    assert "no gate is configured on main" in why["sentence"]
    assert "[gates.tests]" in why["remedy"]
    assert world.history() == before

    world.settings(SETTINGS)
    world.well("run")
    assert world.bead()["state"] == "landed"


def test_a_gate_that_says_no_sends_the_change_back_twice_and_then_to_a_person(world: World) -> None:
    world.settings("[gates.tests]\nrun = 'echo the line is wrong; exit 1'\n")

    bead = world.spawned("Add a line", "--", world.program("echo two >> a.txt"))

    why = world.why(bead["id"])
    assert (bead["exit"], bead["state"], bead["rounds"], why["code"]) == (FIXABLE, "waiting", 2, "gate-again")
    assert "the line is wrong" in why["evidence"]


# ---------------------------------------------------------------------- trust


def test_trust_is_asked_for_again_when_a_gate_changes_and_not_when_a_comment_does(world: World) -> None:
    def asked() -> Answer:
        return world.factory("run", env={"FACTORY_YES_TRUST": ""})

    first = asked()
    assert first.code == REFUSED
    assert "gates.tests.run = test -s a.txt" in first.err
    assert world.factory("run", "--yes-trust", env={"FACTORY_YES_TRUST": ""}).code == 0
    assert asked().code == 0

    world.settings(f"# a comment\n{SETTINGS}")
    assert asked().code == 0

    world.settings(SETTINGS.replace("test -s", "test -e"))
    again = asked()
    assert again.code == REFUSED
    assert "gates.tests.run = test -e a.txt" in again.err


def test_a_changed_gate_on_the_target_does_not_run_before_it_is_trusted(world: World) -> None:
    bead = world.spawned("Add a line", "--no-land", "--", world.program("echo two >> a.txt"))
    world.settings("[gates.tests]\nrun = 'true; echo changed'\n")

    answer = world.factory("run", env={"FACTORY_YES_TRUST": ""})

    assert answer.code == REFUSED
    assert world.events(bead["id"], "gate_finished") == []


# ---------------------------------------------------------------------- a record that was damaged


def test_a_corrupt_line_is_named_and_all_the_rest_still_loads(world: World) -> None:
    ids = [world.well("bead", "add", title, "--json").document["bead"]["id"] for title in ("one", "two")]
    (file,) = (world.state / "live").rglob(f"{ids[0]}.jsonl")
    file.write_bytes(file.read_bytes() + b'{"v":1,"id":\xff\n')
    where = f"beads/{file.parent.name}/{file.name}:2"

    listed = world.factory("bead", "list", "--json")
    assert [bead["title"] for bead in listed.document["beads"]] == ["one", "two"]
    assert (listed.code, listed.err.startswith(f"factory: {where}: ")) == (1, True)

    verified = world.factory("verify")
    assert verified.code == 1
    assert where in verified.out + verified.err
    assert where in world.factory("run", "--hooked").err
    assert [problem["where"] for problem in world.factory("verify", "--json").document["problems"]] == [where]


def test_a_torn_last_line_is_set_aside_and_the_next_event_is_whole(world: World) -> None:
    bead = world.well("bead", "add", "one", "--json").document["bead"]["id"]
    (file,) = (world.state / "live").rglob(f"{bead}.jsonl")
    file.write_bytes(file.read_bytes() + b'{"v":1,"id":"06')

    world.well("bead", "comment", bead, "still here")

    assert [event["type"] for event in world.events(bead)] == ["bead_opened", "bead_commented"]
    assert world.well("verify", "--json").document["problems"] == []
