"""The union of two copies: no line lost, none doubled, and the same whoever does it and in whatever order."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.base.ids import is_bead_id
from factory.beads.union import alias, bead_of, is_plain, key, lines, opened, split, unite

DAYS = ("2026-11-20", "2026-11-21")
NAMES = ("fa-aaaa", "fa-bbbb")


@dataclass(frozen=True)
class Plain:
    """A copy that is a mapping."""

    files: Mapping[str, bytes]

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def named(self, bead: str) -> Iterable[str]:
        return [path for path in self.files if bead_of(path) == bead]


def union(ours: Plain, theirs: Plain) -> Plain:
    paths = {path for path in {*ours.files, *theirs.files} if ours.read(path) != theirs.read(path)}
    files = {**theirs.files, **ours.files, **unite(paths, ours, theirs).files}
    return Plain({path: content for path, content in files.items() if content is not None})


def event(number: int, kind: str = "bead_commented", on: str = "fa-aaaa", session: str = "null") -> bytes:
    return (
        f'{{"v":1,"id":"{number:026d}","at":"","by":"human:x","on":"{on}","session":{session},'
        f'"type":"{kind}","data":{{}}}}\n'
    ).encode()


def story(name: str, number: int) -> list[bytes]:
    """Five lines of the bead that is the ``number``-th to bear ``name``; ids do not repeat."""
    base = 1000 * NAMES.index(name) + 100 * number
    return [event(base, "bead_opened", name), *(event(base + n, on=name, session=f'"s{number}"') for n in range(1, 5))]


@st.composite
def copies(draw: st.DrawFn) -> Plain:
    """What a clone may have: one of three beads that share an id, or none, and a bead that may be partly packed."""
    files: dict[str, bytes] = {}
    for name, most in zip(NAMES, (2, 0), strict=True):
        number = draw(st.integers(-1, most))
        if number < 0:
            continue
        rows = story(name, number)
        rows = rows[:1] + [row for row in rows[1:] if draw(st.booleans())]
        day = DAYS[number % 2]
        packed = draw(st.integers(0, len(rows))) if most == 0 else 0
        if packed:
            pack = b"".join(rows[:packed])
            files[f"beads/packed/2026-11.{hashlib.sha256(pack).hexdigest()[:12]}.jsonl"] = pack
        if rows[packed:]:
            files[f"beads/{day}/{name}.jsonl"] = b"".join(rows[packed:])
        if draw(st.booleans()) and not packed:
            files[f"beads/{day}/{name}/s{number}.jsonl"] = event(9000 + number, "turn", name)
    return Plain(files)


def told(copy: Plain) -> dict[str, set[bytes]]:
    return {path: {key(row) for row in lines(content)} for path, content in copy.files.items()}


def every(*some: Plain) -> set[bytes]:
    return {row for copy in some for rows in told(copy).values() for row in rows}


@settings(max_examples=300, deadline=None)
@given(copies(), copies())
def test_every_line_of_both_is_there_and_none_that_neither_had(a: Plain, b: Plain) -> None:
    assert every(union(a, b)) == every(a, b)


@settings(max_examples=300, deadline=None)
@given(copies(), copies())
def test_both_sides_come_to_the_same_files(a: Plain, b: Plain) -> None:
    assert told(union(a, b)) == told(union(b, a))


@settings(max_examples=200, deadline=None)
@given(copies(), copies())
def test_what_is_united_already_stays_as_it_is(a: Plain, b: Plain) -> None:
    both = union(a, b)
    assert union(both, a).files == both.files
    assert union(both, b).files == both.files


@settings(max_examples=300, deadline=None)
@given(copies(), copies(), copies())
def test_three_copies_come_to_the_same_beads_in_whatever_order(a: Plain, b: Plain, c: Plain) -> None:
    one, other = union(union(a, b), c), union(a, union(c, b))
    assert every(one) == every(other)
    beads = [{path: rows for path, rows in told(copy).items() if bead_of(path)} for copy in (one, other)]
    assert beads[0] == beads[1]


@settings(max_examples=300, deadline=None)
@given(copies(), copies(), copies())
def test_no_line_stands_in_two_beads_and_no_file_has_two(a: Plain, b: Plain, c: Plain) -> None:
    files = {path: content for path, content in union(union(a, b), c).files.items() if bead_of(path)}
    rows = [row for content in files.values() for row in lines(content)]
    assert len(rows) == len(set(rows))
    assert all(len([row for row in lines(content) if opened(row)]) <= 1 for content in files.values())


# ---------------------------------------------------------------- the parts


def test_an_alias_is_a_bead_id_with_the_same_prefix_and_depends_on_the_opening_alone() -> None:
    made = alias("xy-7k2m", "0" * 26)
    assert is_bead_id(made)
    assert made == alias("xy-zzzz", "0" * 26) != alias("xy-7k2m", "1" + "0" * 25)
    assert (made[:3], len(made)) == ("xy-", 13)


def test_lines_before_the_first_opening_are_its_too_and_a_repeated_opening_opens_nothing_new() -> None:
    first, second = event(1, "bead_opened"), event(2, "bead_opened")
    rows = [b"garbage\n", first, event(3), second, event(4), first, event(5)]
    assert [part for _, part in split(rows)] == [
        [b"garbage\n", first, event(3), first, event(5)],
        [second, event(4)],
    ]


def test_an_id_that_two_days_share_is_seen_though_one_of_them_did_not_change() -> None:
    first = {"beads/2026-11-20/fa-aaaa.jsonl": event(1, "bead_opened")}
    second = {"beads/2026-11-21/fa-aaaa.jsonl": event(2, "bead_opened")}
    both = Plain(first | second)
    moved = f"beads/2026-11-21/{alias('fa-aaaa', f'{2:026d}')}.jsonl"
    assert union(both, Plain(first)).files == first | {moved: event(2, "bead_opened")}
    assert union(Plain(first), both).files == first | {moved: event(2, "bead_opened")}


def test_an_event_that_was_set_aside_stays_where_it_counts() -> None:
    clean = Plain({"beads/2026-11-21/fa-aaaa.jsonl": event(1, "bead_opened") + b"garbage\n" + event(2)})
    aside = Plain({
        "beads/2026-11-21/fa-aaaa.jsonl": event(1, "bead_opened") + event(2),
        "beads/aside/2026-11-21-fa-aaaa.jsonl.0": b"garbage\n" + event(2),
    })  # fmt: skip
    for both in (union(clean, aside), union(aside, clean)):
        assert both.files == aside.files


def test_a_torn_tail_that_was_set_aside_takes_no_whole_line_away() -> None:
    whole = Plain({"beads/2026-11-21/fa-aaaa.jsonl": event(1, "bead_opened") + b"[1, 2]\n"})
    aside = Plain({"beads/2026-11-21/fa-aaaa.jsonl": event(1, "bead_opened"), "beads/aside/x.0": b"[1, 2]"})
    assert union(whole, aside).read("beads/2026-11-21/fa-aaaa.jsonl") == whole.read("beads/2026-11-21/fa-aaaa.jsonl")


@pytest.mark.parametrize(
    "path", ["beads/../x", "/etc/passwd", "beads//x", "beads/.git/config", "beads/.GIT", "a\0b", ""]
)
def test_paths_that_lead_elsewhere_are_not_united(path: str) -> None:
    assert not is_plain(path)
    assert unite([path], Plain({path: b"x\n"}), Plain({})).files == {}
