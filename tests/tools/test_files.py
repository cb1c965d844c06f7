import asyncio
import contextlib
import itertools
import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.tools.files import exact_edit
from factory.tools.table import TOOLS
from factory.tools.tool import ToolResult
from tests.tools.open_place import OpenPlace


def use(root: Path, name: str, **sent: object) -> ToolResult:
    return asyncio.run(TOOLS[name](OpenPlace(root), sent))


def test_read_numbers_the_lines_and_says_where_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\nfour\n")

    result = use(tmp_path, "read", path="a.txt", offset=2, limit=2)

    assert result.text == "a.txt, lines 2-3 of 4\n     2\ttwo\n     3\tthree\n[go on with offset 4]"


def test_read_says_when_a_file_is_binary_empty_huge_or_has_other_line_ends(tmp_path: Path) -> None:
    (tmp_path / "b.bin").write_bytes(b"ab\0cd")
    (tmp_path / "e.txt").write_bytes(b"")
    (tmp_path / "w.txt").write_bytes(b"a\r\nb\r\n")
    with (tmp_path / "h.txt").open("wb") as huge:
        huge.truncate(6 << 20)

    assert "binary file of 5 bytes" in use(tmp_path, "read", path="b.bin").text
    assert use(tmp_path, "read", path="e.txt").text == "e.txt is empty"
    assert "CRLF" in use(tmp_path, "read", path="w.txt").text
    assert use(tmp_path, "read", path="h.txt").is_error
    assert "larger than 5 MiB" in use(tmp_path, "read", path="h.txt").text


def test_a_file_that_is_not_there_is_an_answer_not_a_crash(tmp_path: Path) -> None:
    assert use(tmp_path, "read", path="no.txt") == ToolResult("cannot read: No such file or directory", is_error=True)


def test_reading_past_the_end_says_how_long_the_file_is(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")

    assert "has only 1 lines" in use(tmp_path, "read", path="a.txt", offset=9).text


def test_write_makes_folders_and_keeps_the_mode_of_what_was_there(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("a longer old content")
    script.chmod(0o755)

    assert not use(tmp_path, "write", path="x/y/new.txt", content="hé\n").is_error
    assert not use(tmp_path, "write", path="run.sh", content="new").is_error

    assert (tmp_path / "x/y/new.txt").read_text() == "hé\n"
    assert script.read_text() == "new"
    assert script.stat().st_mode & 0o777 == 0o755


def test_an_absolute_path_into_the_place_is_taken(tmp_path: Path) -> None:
    assert not use(tmp_path, "write", path=f"{tmp_path}/a.txt", content="a").is_error
    assert (tmp_path / "a.txt").exists()


@pytest.mark.parametrize("name", ["read", "write", "edit"])
@pytest.mark.parametrize(
    "path", ["../out.txt", "/etc/hostname", "a/../../out.txt", ".git/config", "sub/.GIT/hooks/x", "."]
)
def test_no_tool_leaves_the_place_or_enters_git(name: str, path: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / ".git").mkdir(parents=True)
    (root / ".git/config").write_text("secret")
    (tmp_path / "out.txt").write_text("secret")
    sent: dict[str, dict[str, str]] = {"write": {"content": "x"}, "edit": {"old": "secret", "new": "x"}}

    result = use(root, name, path=path, **sent.get(name, {}))

    assert result.is_error
    assert "secret" not in result.text
    assert (root / ".git/config").read_text() == (tmp_path / "out.txt").read_text() == "secret"


@pytest.mark.parametrize("path", ["link.txt", "folder/out.txt"])
def test_links_are_refused(path: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "out.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "out.txt")
    (root / "folder").symlink_to(tmp_path)

    assert "secret" not in use(root, "read", path=path).text
    assert use(root, "write", path=path, content="x").is_error
    assert use(root, "edit", path=path, old="secret", new="x").is_error
    assert (tmp_path / "out.txt").read_text() == "secret"


def test_a_fifo_does_not_hang_the_host(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert use(tmp_path, "read", path="pipe").is_error
    assert use(tmp_path, "write", path="pipe", content="x").is_error


def test_a_link_swapped_in_while_tools_work_never_leads_out(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "d").mkdir(parents=True)
    outside.mkdir()
    (outside / "f.txt").write_text("secret")
    stop = threading.Event()

    def swap() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            with contextlib.suppress(OSError):
                (root / "d").rename(root / f"moved{number}")
            with contextlib.suppress(OSError):
                (root / "d").symlink_to(outside)
            with contextlib.suppress(OSError):
                (root / "d").unlink()

    attacker = threading.Thread(target=swap)
    attacker.start()
    try:
        for number in range(300):
            use(root, "write", path="d/f.txt", content=f"{number}")
            assert "secret" not in use(root, "read", path="d/f.txt").text
            use(root, "edit", path="d/f.txt", old="secret", new="gone")
    finally:
        stop.set()
        attacker.join()

    assert (outside / "f.txt").read_text() == "secret"


small = st.binary(max_size=12).map(lambda raw: bytes(b"ab\n"[byte % 3] for byte in raw))


@given(small, small.filter(bool), small)
def test_an_edit_replaces_exactly_one_place_or_says_why_not(content: bytes, old: bytes, new: bytes) -> None:
    places = [at for at in range(len(content)) if content[at : at + len(old)] == old]

    edited = exact_edit(content, old, new, replace_all=False)

    if len(places) == 1:
        assert edited == content[: places[0]] + new + content[places[0] + len(old) :]
    else:
        assert isinstance(edited, str)
        assert ("times" in edited) == bool(places)


@given(small, small.filter(bool), small)
def test_replace_all_is_what_bytes_replace_does(content: bytes, old: bytes, new: bytes) -> None:
    edited = exact_edit(content, old, new, replace_all=True)

    assert edited == content.replace(old, new) if old in content else isinstance(edited, str)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_an_edit_leaves_every_other_byte_as_it_was(before: bytes, after: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "f").write_bytes(before + b"<<unique>>" + after)

        result = use(root, "edit", path="f", old="<<unique>>", new="né")

        assert not result.is_error
        assert (root / "f").read_bytes() == before + "né".encode() + after


def test_an_edit_that_cannot_be_made_changes_nothing_and_helps(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(b"def f():\n    return 1\ndef g():\n    return 1\n")

    twice = use(tmp_path, "edit", path="a.py", old="return 1", new="return 2")
    indented = use(tmp_path, "edit", path="a.py", old="def f():\n  return 1", new="x")
    absent = use(tmp_path, "edit", path="a.py", old="nothing like it", new="x")
    same = use(tmp_path, "edit", path="a.py", old="def f", new="def f")

    assert all(result.is_error for result in (twice, indented, absent, same))
    assert "2 times" in twice.text
    assert "begins like line 1" in indented.text
    assert "not found" in absent.text
    assert file.read_bytes() == b"def f():\n    return 1\ndef g():\n    return 1\n"


def test_an_edit_that_misses_carriage_returns_says_so(tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_bytes(b"a\r\nb\r\n")

    assert "CRLF" in use(tmp_path, "edit", path="w.txt", old="a\nb", new="c").text
    assert not use(tmp_path, "edit", path="w.txt", old="a\r\nb", new="c").is_error
    assert (tmp_path / "w.txt").read_bytes() == b"c\r\n"
