"""The quick way in and the commands themselves say the same, byte for byte, and the quick way knows its limits."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from factory.base import process
from factory.base.errors import FactoryError
from factory.beads.store import Store
from factory.cli import plain_json
from factory.cli.locate import state_dir
from factory.git import repository
from factory.git.repository import Repository
from tests.conftest import commit, git

from .program import Said, factory

IN_FULL = "import sys; sys.argv[0] = 'factory'; from factory.cli.main import main; main()"
QUICK = "import sys; sys.argv[0] = 'factory'; from factory.cli.entry import main; main()"
PROOF = "import sys; from factory.cli.quick import answer; sys.exit(3 if answer(sys.argv[1:]) is None else 0)"


def called(program: str, folder: Path, *words: str, **environment: str) -> Said:
    argv = [sys.executable, "-c", program, *words]
    finished = process.run(argv, env=dict(os.environ) | environment, cwd=folder, timeout_s=120)
    return Said(finished.code, finished.text, finished.err.decode())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Beads of every kind: urgent and not, blocked, deferred, part of others, labelled, with odd titles."""
    root = tmp_path_factory.mktemp("project")
    git(root, "-c", "init.defaultBranch=main", "init", "-q")
    git(root, "config", "user.name", "Ana")
    git(root, "config", "user.email", "ana@example.org")
    commit(root, {"a.txt": "a"})

    def add(title: str, *words: str) -> str:
        made = factory(root, "bead", "add", title, "--json", *words).document["bead"]["id"]
        assert isinstance(made, str)
        return made

    epic = add("An epic", "-p", "1", "-l", "big")
    first = add("First", "--part-of", epic, "-m", "Several\nlines of text\t and a tab")
    add("Second, " + "long " * 50, "--needs", first, "--part-of", epic, "-l", "big", "-l", "ui")
    add("Wörter 日本 \u202e", "-p", "0")
    later = add("Later")
    factory(root, "bead", "edit", later, "--not-before", "2099-01-01")
    dropped = add("Dropped")
    factory(root, "bead", "drop", dropped, "-m", "no need")
    (root / "ids.json").write_text(json.dumps({"epic": epic, "first": first, "dropped": dropped}))
    return root


CALLS = """
ready | ready -n 2 | ready -n2 | ready --limit=2 | ready --limit 2 --json | ready --json | ready --explain
ready --explain --json -n 1 | blocked | blocked --json -n 1 | list | list -a | list --all --json | list -n 3
list --limit=3 --json | list -s open -s dropped | list --state=dropped --json | list -l big | list --label=big -n 1
list -l none | list -l none --json | show {first} | show {first} --json | show --json {epic} | show {dropped}
tree | tree --json | tree {epic} | tree {first} --json | tree -a
"""
ODD = """
ready -n 0 | ready -n x | ready --limit | ready -n=2 | ready --nope | ready extra | list -s nonsense | show
show fa-zzzz | show fa-zzzz --json | show nonsense | show {first} {epic} | tree fa-zzzz | list --json=yes
ready --help | list -an 2 | ready -- | nonsense
"""


def each(calls: str) -> list[str]:
    return [call.strip() for line in calls.strip().splitlines() for call in line.split("|")]


def words_of(call: str, project: Path) -> list[str]:
    return ["bead", *call.format(**json.loads((project / "ids.json").read_text())).split()]


@pytest.mark.parametrize("call", each(CALLS))
def test_the_quick_way_says_what_the_command_says(project: Path, call: str) -> None:
    words = words_of(call, project)

    assert called(QUICK, project, *words) == called(IN_FULL, project, *words)
    assert called(PROOF, project, *words).code == 0


@pytest.mark.parametrize("call", each(ODD))
def test_what_the_quick_way_does_not_understand_the_command_answers(project: Path, call: str) -> None:
    words = words_of(call, project)

    assert called(QUICK, project, *words) == called(IN_FULL, project, *words)
    assert called(PROOF, project, *words).code == 3


@pytest.mark.parametrize(
    "environment", [{"FORCE_COLOR": "1"}, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, {"COLUMNS": "30"}, {"TERM": "dumb"}]
)
def test_both_take_the_same_from_the_environment(project: Path, environment: dict[str, str]) -> None:
    for call in ("list -a", "show {first}", "ready --explain"):
        words = words_of(call, project)
        quick = called(QUICK, project, *words, **environment)
        assert quick == called(IN_FULL, project, *words, **environment)
        assert ("\x1b[" in quick.out) == (environment == {"FORCE_COLOR": "1"})


@pytest.mark.parametrize("width", [20, 40, 200])
def test_both_fit_the_terminal(project: Path, width: int) -> None:
    told = [on_terminal(program, project, width, "bead", "list", "-a") for program in (QUICK, IN_FULL)]

    assert told[0] == told[1]
    plain = told[0].replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[90m", "")
    assert max(map(len, plain.splitlines())) <= max(width, 32)
    assert "\x1b[1m" in told[0]


def on_terminal(program: str, folder: Path, width: int, *words: str) -> str:
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-c", program, *words], cwd=folder, stdout=theirs, env=environment | {"TERM": "xterm"}
    ) as running:
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 4096):
                said += chunk
        except OSError:  # the terminal is gone with its last program
            pass
        assert running.wait() == 0
    os.close(ours)
    return said.decode()


def test_damage_is_named_by_both_after_the_answer_and_the_exit_code_says_so(project: Path) -> None:
    words = words_of("show {first}", project)
    bead = words[-1]
    (path,) = (project / ".git/factory/live/beads").glob(f"*/{bead}.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole + b"garbage\n")
    try:
        quick = called(QUICK, project, *words)
        assert quick == called(IN_FULL, project, *words)
        assert quick.code == 1
        assert "First" in quick.out
        assert (
            quick.err == f"factory: beads/{path.parent.name}/{bead}.jsonl:2: not JSON\nhint: factory doctor --repair\n"
        )
    finally:
        path.write_bytes(whole)
    assert called(QUICK, project, *words).code == 0


def test_a_limit_is_a_prefix_of_the_whole(project: Path) -> None:
    whole = factory(project, "bead", "list", "-a", "--json").document["beads"]

    for limit in range(1, len(whole) + 2):
        assert factory(project, "bead", "list", "-a", "--json", "-n", str(limit)).document["beads"] == whole[:limit]


def test_log_tells_the_bead_as_it_was(project: Path) -> None:
    dropped = words_of("show {dropped}", project)[-1]
    opened, ended = factory(project, "bead", "log", dropped, "--json").document["events"]

    then = factory(project, "bead", "log", dropped, "--at", opened["at"], "--json").document
    later = factory(project, "bead", "log", dropped, "--at", ended["at"], "--json").document
    before = factory(project, "bead", "log", dropped, "--at", "1000d", "--json")

    assert (then["bead"]["state"], later["bead"]["state"]) == ("open", "dropped")
    assert before.code == 1
    assert f"{dropped} was not there" in before.err
    assert factory(project, "bead", "log", dropped, "--at", "yesterday").code == 2
    assert factory(project, "bead", "log", dropped, "--at", "999999999d").code == 2


def test_a_branch_that_git_moved_is_read_by_both(project: Path) -> None:
    before = git(project, "rev-parse", "factory/beads").strip()
    first = words_of("show {first}", project)[-1]
    assert factory(project, "bead", "comment", first, "said elsewhere").code == 0
    after = git(project, "rev-parse", "factory/beads").strip()
    live = Store(repository.find(project)).path(first)
    live.write_bytes(b"".join(live.read_bytes().splitlines(keepends=True)[:-1]))
    git(project, "update-ref", "refs/factory/published", before)
    assert before != after

    assert "said elsewhere" in factory(project, "bead", "log", first).out
    assert git(project, "rev-parse", "refs/factory/published").strip() == after


def test_search_finds_words_wherever_they_were_said(project: Path) -> None:
    first = words_of("show {first}", project)[-1]
    dropped = words_of("show {dropped}", project)[-1]

    assert [bead["id"] for bead in factory(project, "bead", "search", "lines", "text", "--json").document["beads"]] == [
        first
    ]
    assert [bead["id"] for bead in factory(project, "bead", "search", "no", "need", "--json").document["beads"]] == [
        dropped
    ]
    assert factory(project, "bead", "search", '"', "NOT").out.strip() == "no bead has all these words"


# ---------------------------------------------------------------- where


def test_the_quick_way_finds_the_clone_that_git_finds(repo: Repository, tmp_path: Path) -> None:
    deep = repo.root / "src" / "deep"
    deep.mkdir()
    linked = tmp_path / "linked tree"
    git(repo.root, "worktree", "add", "-q", "--detach", str(linked))

    for folder in (repo.root, deep, linked, linked / "src"):
        assert state_dir(str(folder)) == str(repository.find(folder).state_dir)


@pytest.mark.parametrize("odd", ["bare", "shallow", "inside", "worktree", "nothing", "submodule"])
def test_where_only_git_can_judge_the_quick_way_does_nothing(repo: Repository, tmp_path: Path, odd: str) -> None:
    place = repo.root
    match odd:
        case "bare":
            git(repo.root, "config", "core.bare", "true")
        case "shallow":
            place = tmp_path / "shallow"
            git(repo.root, "commit", "-q", "--allow-empty", "-m", "another")
            git(repo.root, "clone", "-q", "--depth", "1", f"file://{repo.root}", str(place))
        case "inside":
            place = repo.common_dir / "hooks"
            place.mkdir(exist_ok=True)
        case "worktree":
            git(repo.root, "config", "core.worktree", str(tmp_path))
        case "nothing":
            place = tmp_path
        case "submodule":
            place = tmp_path / "module"
            place.mkdir()
            (place / ".git").write_text("gitdir: ../project/.git/modules/x\n")

    assert state_dir(str(place)) is None
    if odd in ("bare", "shallow", "inside", "nothing"):
        with pytest.raises(FactoryError):
            repository.find(place)


@pytest.mark.parametrize(
    "value",
    [{}, [], {"a": [1, -2, True, False, None, 1.5], "ü": '\u2028\x00"\\/\n日本'}, ["x", {"y": {}}], "text", 10**30],
)
def test_json_is_what_the_standard_library_makes_of_it(value: object) -> None:
    assert plain_json.dumps(value) == json.dumps(value, ensure_ascii=False)
    assert plain_json.loads(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["", "{", "[1] 2", "nonsense", '{"a":}', '"\n"'])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        plain_json.loads(text)
