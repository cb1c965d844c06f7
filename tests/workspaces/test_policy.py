"""The policy as pure logic."""

import posixpath

from hypothesis import given
from hypothesis import strategies as st

from factory.workspaces.policy import BLOB_LIMIT, Change, is_git_like, judge, parse_changes, stays_inside

PARTS = st.sampled_from(["a", "b", ".", "..", "", "c.d", "..."])


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), st.lists(PARTS, min_size=1, max_size=8))
def test_a_link_stays_inside_exactly_when_no_step_leaves(folders: list[str], parts: list[str]) -> None:
    path, target = "/".join(folders), "/".join(parts)
    at, inside = posixpath.dirname(path), bool(target) and not target.startswith("/")
    for part in target.split("/"):
        at = posixpath.normpath(posixpath.join(at, part))
        inside = inside and at != ".." and not at.startswith("../")
    assert stays_inside(path, target) == inside


@given(st.text())
def test_no_target_makes_the_policy_stumble(target: str) -> None:
    if stays_inside("d/l", target):
        assert not target.startswith("/")
        assert "\0" not in target


def test_names_that_some_file_system_takes_for_git() -> None:
    for name in (".git", ".GIT", ".Git ", ".git.", "git~1", "GIT~1", ".git . "):
        assert is_git_like(name)
    for name in (".github", "git", ".gitignore", ".gitx", "agit~1"):
        assert not is_git_like(name)


def test_removing_is_allowed_where_changing_is_and_only_there() -> None:
    gone = Change("x", "100644", "000000", "0" * 40)
    assert judge([gone], {}, {}) is None
    reserved = judge([Change("beads/x.jsonl", "100644", "000000", "0" * 40)], {}, {})
    assert reserved is not None
    submodule = judge([Change("lib", "160000", "000000", "0" * 40)], {}, {})
    assert submodule is not None


def test_a_file_of_unknown_size_is_too_large() -> None:
    change = Change("x", "000000", "100644", "1" * 40)
    assert judge([change], {"1" * 40: BLOB_LIMIT}, {}) is None
    assert judge([change], {"1" * 40: BLOB_LIMIT + 1}, {}) is not None
    assert judge([change], {}, {}) is not None


def test_all_paths_of_one_reason_are_named() -> None:
    changes = [Change(f"beads/{name}", "000000", "100644", "1" * 40) for name in "ab"]
    unwanted = judge(changes, {}, {})
    assert unwanted is not None
    assert unwanted.paths == ("beads/a", "beads/b")


def test_raw_lines_are_read_with_any_name() -> None:
    raw = b":100644 120000 " + b"1" * 40 + b" " + b"2" * 40 + b" T\0a\nb\xff\0"
    assert parse_changes(raw) == (Change("a\nb\udcff", "100644", "120000", "2" * 40),)
    assert parse_changes(b"") == ()
