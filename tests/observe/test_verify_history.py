"""The proof that the branch is append-only, attacked: each way to change the past is found and named."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.beads.packs import name_of, seal
from factory.git.repository import Repository
from factory.observe.departed import aside_path
from factory.observe.growth import Fault, fault
from factory.observe.history import Walk, walk

from .branching import BEAD, DAY, Branch

OTHER = f"{DAY}/fa-1111.jsonl"


@pytest.fixture
def branch(repo: Repository) -> Branch:
    return Branch(repo)


def looked(branch: Branch) -> list[tuple[str, str]]:
    return [(problem.where, problem.says) for problem in walked(branch).problems]


def walked(branch: Branch) -> Walk:
    assert branch.head is not None
    return walk(branch.repo, branch.head)


def event_id(line: bytes) -> str:
    return line.split(b'"id":"')[1][:26].decode()


def grown(branch: Branch) -> list[bytes]:
    """A bead of four events, in four commits."""
    lines = [branch.opened(), *branch.lines("one", "two", "three")]
    for end in range(1, 5):
        branch.commit({BEAD: b"".join(lines[:end])})
    return lines


def test_a_history_that_only_grew_is_clean(branch: Branch) -> None:
    grown(branch)
    branch.commit({OTHER: branch.opened(), f"{DAY}/fa-1111/s1.jsonl": b"{}\n", "beads/.gitattributes": b"x"})
    branch.commit({"beads/.gitattributes": b"y"})
    assert looked(branch) == []
    assert (len(walked(branch).commits), walked(branch).versions) == (6, 8)


def test_another_file_that_changes_is_not_taken_for_events(branch: Branch) -> None:
    grown(branch)
    branch.commit({"beads/.gitattributes": b"x\n", "notes.jsonl": b'{"id":1}\n'})
    branch.commit({"beads/.gitattributes": b"y\n", "notes.jsonl": b"garbage\n", BEAD: None})
    assert [where for where, _ in looked(branch)] == [f"{BEAD}:1"]


def rewritten(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b"one", b"ONE"), *lines[2:]]


def dropped(lines: list[bytes]) -> list[bytes]:
    return [lines[0], *lines[2:]]


def reordered(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], lines[3]]


def inserted(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(event_id(lines[1]).encode(), b"0" * 26), *lines[1:]]


def shortened(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1][:40]]


ATTACKS: list[tuple[Callable[[list[bytes]], list[bytes]], str]] = [
    (rewritten, "rewritten"),
    (dropped, "dropped"),
    (reordered, "reordered"),
    (inserted, "inserted"),
    (shortened, "dropped"),
]


@pytest.mark.parametrize(("attack", "name"), ATTACKS)
def test_the_first_bad_event_is_named_with_what_was_done_to_it(
    branch: Branch, attack: Callable[[list[bytes]], list[bytes]], name: str
) -> None:
    lines = grown(branch)
    bad = branch.commit({BEAD: b"".join(attack(lines))})
    branch.commit({BEAD: b"".join([*attack(lines), *branch.lines("after")])})
    victim = "0" * 26 if name == "inserted" else event_id(lines[1])
    assert looked(branch)[0] == (f"{BEAD}:2", f"event {victim} was {name} in commit {bad[:10]}")


@pytest.mark.parametrize(("attack", "name"), ATTACKS)
def test_what_was_put_back_afterwards_is_found_all_the_same(
    branch: Branch, attack: Callable[[list[bytes]], list[bytes]], name: str
) -> None:
    lines = grown(branch)
    bad = branch.commit({BEAD: b"".join(attack(lines))})
    branch.commit({BEAD: b"".join(lines)})
    assert any(f"was {name} in commit {bad[:10]}" in says for _, says in looked(branch))


def test_a_second_line_that_would_overrule_an_event_is_found_even_when_the_first_is_set_aside(branch: Branch) -> None:
    lines = grown(branch)
    forged = lines[1].replace(b"one", b"!!!")
    branch.commit({BEAD: b"".join([*lines, forged])})
    aside: dict[str, bytes | None] = {aside_path(f"beads/aside/x.jsonl.{'0' * 12}", lines[1]): lines[1]}
    branch.commit({BEAD: b"".join([lines[0], *lines[2:], forged]), **aside})
    assert [(where, says.split(",")[0]) for where, says in looked(branch)] == [
        (f"{BEAD}:5", f"event {event_id(lines[1])} was rewritten by a second line with its id")
    ]


def test_a_deleted_file_is_found(branch: Branch) -> None:
    lines = grown(branch)
    bad = branch.commit({BEAD: None})
    assert looked(branch) == [(f"{BEAD}:1", f"event {event_id(lines[0])} was dropped in commit {bad[:10]}")]


def test_a_file_that_became_a_link_is_found(branch: Branch) -> None:
    grown(branch)
    repo, made = branch.repo, branch.head
    tree = repo.ask("ls-tree", f"{made}:{DAY}").text.replace("100644", "120000")
    day = repo.ask("mktree", stdin=tree.encode()).text.strip()
    beads = repo.ask("mktree", stdin=f"040000 tree {day}\t2023-11-14\n".encode()).text.strip()
    root = repo.ask("mktree", stdin=f"040000 tree {beads}\tbeads\n".encode()).text.strip()
    linked = repo.ask("commit-tree", root, "-p", str(made), "-m", "x").text.strip()
    problems = walk(repo, repo.resolve(linked) or branch.commit({})).problems
    assert [problem.says[:38] for problem in problems] == ["became something else than a plain fil"]


# ---------------------------------------------------------------------- merges


def forked(branch: Branch) -> tuple[list[bytes], list[bytes], list[bytes], str, str]:
    """Two sides that each added a comment to the same bead; the answer: base, ours, theirs and their commits."""
    base = grown(branch)
    fork = branch.head
    ours, theirs = branch.lines("ours"), branch.lines("theirs")
    left = branch.commit({BEAD: b"".join(base + ours)}, fork)
    right = branch.commit({BEAD: b"".join(base + theirs), OTHER: branch.opened()}, fork)
    return base, ours, theirs, left, right


def merged(branch: Branch, left: str, right: str, files: dict[str, bytes | None]) -> str:
    def commit(name: str) -> object:
        return branch.repo.resolve(name)

    other = branch.repo.ask("cat-file", "blob", f"{right}:{OTHER}").out
    return branch.commit({OTHER: other, **files}, branch.repo.resolve(left), branch.repo.resolve(right))


def test_a_merge_that_unites_its_sides_is_clean(branch: Branch) -> None:
    base, ours, theirs, left, right = forked(branch)
    merged(branch, left, right, {BEAD: b"".join(base + ours + theirs)})
    assert looked(branch) == []


def test_a_merge_that_takes_one_side_alone_is_found(branch: Branch) -> None:
    base, ours, theirs, left, right = forked(branch)
    bad = merged(branch, left, right, {BEAD: b"".join(base + ours)})
    assert looked(branch) == [(f"{BEAD}:5", f"event {event_id(theirs[0])} was dropped by a merge in commit {bad[:10]}")]


def test_a_merge_that_drops_a_file_of_the_other_side_is_found(branch: Branch) -> None:
    base, ours, theirs, left, right = forked(branch)
    merged(branch, left, right, {BEAD: b"".join(base + ours + theirs), OTHER: None})
    assert [where for where, _ in looked(branch)] == [f"{OTHER}:1"]


def test_a_merge_that_brings_an_event_of_its_own_is_found(branch: Branch) -> None:
    base, ours, theirs, left, right = forked(branch)
    evil = branch.lines("evil")
    merged(branch, left, right, {BEAD: b"".join(base + ours + evil + theirs)})
    assert [says.split(" in commit")[0] for _, says in looked(branch)] == [
        f"event {event_id(evil[0])} was inserted by a merge"
    ]


def test_a_merge_that_rewrites_is_found(branch: Branch) -> None:
    base, ours, theirs, left, right = forked(branch)
    merged(branch, left, right, {BEAD: b"".join(rewritten(base) + ours + theirs)})
    assert "rewritten by a merge" in looked(branch)[0][1]
    assert event_id(base[1]) in looked(branch)[0][1]


# ---------------------------------------------------------------------- what may leave


def packed(files: dict[str, bytes]) -> dict[str, bytes | None]:
    data = seal("2023-11", files)
    return {f"beads/packed/{name_of('2023-11', data)}": data}


def test_files_may_leave_into_a_sealed_pack_of_the_same_commit(branch: Branch) -> None:
    whole = b"".join(grown(branch))
    branch.commit({BEAD: None, **packed({BEAD: whole})})
    assert looked(branch) == []
    branch.commit({BEAD: branch.lines("it goes on")[0]})
    assert looked(branch) == []


def test_a_pack_that_lacks_a_line_of_what_left_is_found(branch: Branch) -> None:
    lines = grown(branch)
    bad = branch.commit({BEAD: None, **packed({BEAD: b"".join(lines[:3])})})
    assert looked(branch) == [(f"{BEAD}:4", f"event {event_id(lines[3])} was dropped in commit {bad[:10]}")]


def test_a_pack_that_holds_what_the_branch_never_had_is_found(branch: Branch) -> None:
    lines = grown(branch)
    branch.commit({BEAD: None, **packed({BEAD: b"".join(rewritten(lines)), OTHER: branch.opened()})})
    said = [says.split(" in commit")[0] for _, says in looked(branch)]
    assert f"event {event_id(lines[1])} was dropped" in said
    assert f"holds {BEAD} with a line 2 that was inserted" in said
    assert f"holds {OTHER} with a line 1 that was inserted" in said


def test_a_pack_that_is_changed_or_dropped_later_is_found(branch: Branch) -> None:
    pack = packed({BEAD: b"".join(grown(branch))})
    (name, data), *_ = pack.items()
    assert data is not None
    branch.commit({BEAD: None, **pack})
    branch.commit({name: data.replace(b"three", b"THREE")})
    branch.commit({name: None})
    assert [(where, says.split(" in ")[0]) for where, says in looked(branch)] == [
        (name, "was changed"),
        (name, "was dropped"),
    ]


def test_a_pack_with_a_broken_seal_excuses_nothing(branch: Branch) -> None:
    (name, data), *_ = packed({BEAD: b"".join(grown(branch))}).items()
    assert data is not None
    branch.commit({BEAD: None, name: data.replace(b'"seal":"', b'"SEAL":"')})
    said = " ".join(says for _, says in looked(branch))
    assert "seal is broken" in said or "its name is not that" in said
    assert "was dropped" in said


def test_a_line_that_is_no_event_may_be_set_aside_and_an_event_may_not(branch: Branch) -> None:
    lines = grown(branch)
    garbage = b"garbage\n"
    branch.commit({BEAD: b"".join([*lines, garbage])})
    branch.commit({BEAD: b"".join(lines), aside_path(f"beads/aside/x.jsonl.{'0' * 12}", garbage): garbage})
    assert looked(branch) == []
    bad = branch.commit(
        {BEAD: b"".join(dropped(lines)), aside_path(f"beads/aside/x.jsonl.{'0' * 12}", lines[1]): lines[1]}
    )
    assert looked(branch) == [(f"{BEAD}:2", f"event {event_id(lines[1])} was dropped in commit {bad[:10]}")]


def test_a_line_with_a_foreign_end_may_be_mended_and_not_changed(branch: Branch) -> None:
    lines = grown(branch)
    later = branch.lines("from an editor")[0]
    foreign = b"\xef\xbb\xbf" + later[:-1] + b"\r\n"
    branch.commit({BEAD: b"".join([*lines, foreign])})
    aside: dict[str, bytes | None] = {aside_path(f"beads/aside/x.jsonl.{'0' * 12}", foreign): foreign}
    fork = branch.head
    branch.commit({BEAD: b"".join([*lines, later]), **aside})
    assert looked(branch) == []
    branch.commit({BEAD: b"".join([*lines, later.replace(b"editor", b"forger")]), **aside}, fork)
    assert [says.split(" in ")[0] for _, says in looked(branch)] == [f"event {event_id(later)} was rewritten"]


def test_bytes_set_aside_stay_as_they_are(branch: Branch) -> None:
    grown(branch)
    path = aside_path(f"beads/aside/x.jsonl.{'0' * 12}", b"a")
    branch.commit({path: b"a", "beads/aside/wrong.jsonl.000000000000": b"b"})
    branch.commit({path: b"c"})
    branch.commit({path: None})
    assert [says.split(" in commit")[0] for _, says in looked(branch)] == [
        "has a name that is not that of its content",
        "was changed",
        "was dropped",
    ]


# ---------------------------------------------------------------------- the comparison itself


@given(st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"d\n"]), max_size=6), st.lists(st.binary(), max_size=3))
def test_lines_added_at_the_end_are_never_a_fault(old: list[bytes], more: list[bytes]) -> None:
    assert fault(old, [*old, *more], lambda _: False) is None


@given(st.permutations([b"a\n", b"b\n", b"c\n", b"d\n"]), st.integers(0, 3), st.lists(st.just(b"e\n"), max_size=2))
def test_a_line_that_is_missing_is_always_a_fault(old: list[bytes], place: int, more: list[bytes]) -> None:
    new = [line for number, line in enumerate(old) if number != place] + more
    assert fault(old, new, lambda _: False) == Fault("dropped", place + 1, "")
    assert fault(old, new, lambda line: line == old[place]) is None
