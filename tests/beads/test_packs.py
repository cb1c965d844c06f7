"""Sealed files: what goes in comes out byte for byte, and what is damaged in one hides nothing else."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.beads.packs import Pack, Packs, name_of, seal

MONTH = "2026-09"
FILES = {
    "beads/2026-09-01/fa-aaaa.jsonl": b'{"a":1}\n{"b":2}\n',
    "beads/2026-09-01/fa-aaaa/s1.jsonl": b"no newline at its end",
    "beads/2026-09-02/fa-bbbb.jsonl": b"",
    "beads/2026-09-03/fa-cccc.jsonl": b"\0\xff\r\n\n\ngarbage\n",
    "beads/2026-09-03/fa-dddd.jsonl": b'{"d":4}\n',
}


def kept(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    data = seal(MONTH, files)
    path = folder / "packed" / name_of(MONTH, data)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


paths = st.builds(
    lambda day, bead, session: f"beads/2026-09-{day:02}/fa-{bead:04}" + (f"/s{session}.jsonl" if session else ".jsonl"),
    st.integers(1, 30),
    st.integers(0, 9999),
    st.integers(0, 3),
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(paths, st.binary(max_size=300), max_size=30))
def test_whatever_goes_in_comes_out_byte_for_byte(files: dict[str, bytes]) -> None:
    data = seal(MONTH, files)
    pack = Pack.of(data, name_of(MONTH, data))
    assert {path: pack.read(path) for path in pack.paths()} == files
    assert pack.check() == []
    assert seal(MONTH, dict(reversed(files.items()))) == data


def test_one_bead_is_found_with_its_ledgers_and_no_other(tmp_path: Path) -> None:
    pack = Pack.open(kept(tmp_path))
    assert [entry.path for entry in pack.find("fa-aaaa")] == list(FILES)[:2]
    assert pack.find("fa-abcd") == []
    with pytest.raises(KeyError):
        pack.read("beads/2026-09-01/fa-abcd.jsonl")


def test_a_bead_among_thousands_is_found_by_a_few_small_reads(tmp_path: Path) -> None:
    files = {f"beads/2026-09-01/fa-{n:05}.jsonl": f"{n}\n".encode() for n in range(5000)}
    pack = Pack.open(kept(tmp_path, files))
    assert [pack.read(f"beads/2026-09-01/fa-{n:05}.jsonl") for n in (0, 2500, 4999)] == [b"0\n", b"2500\n", b"4999\n"]


def test_every_line_but_the_files_own_is_json(tmp_path: Path) -> None:
    first, *rows = kept(tmp_path, {"beads/2026-09-01/fa-aaaa.jsonl": b'{"a":1}\n'}).read_bytes().splitlines()
    assert json.loads(first)["month"] == MONTH
    assert [next(iter(json.loads(row))) for row in rows] == ["bead", "a", "seal"]


def test_the_packs_of_a_folder_answer_for_a_bead_and_notice_a_new_one(tmp_path: Path) -> None:
    kept(tmp_path)
    packs = Packs(tmp_path)
    assert packs.beads() == {"fa-aaaa", "fa-bbbb", "fa-cccc", "fa-dddd"}
    assert [item.data for item in packs.events_of("fa-aaaa")] == [b'{"a":1}\n{"b":2}\n']
    assert [item.data for item in packs.ledgers_of("fa-aaaa")] == [b"no newline at its end"]
    kept(tmp_path, {"beads/2026-09-01/fa-aaaa.jsonl": b"later\n", "beads/2026-09-09/fa-eeee.jsonl": b"e\n"})
    assert sorted(item.data for item in packs.events_of("fa-aaaa")) == [b"later\n", b'{"a":1}\n{"b":2}\n']
    assert "fa-eeee" in packs.beads()
    assert (packs.day_of("fa-eeee"), packs.day_of("fa-zzzz")) == ("2026-09-09", None)


def test_every_single_flipped_byte_is_found_and_raises_nothing(tmp_path: Path) -> None:
    path = kept(tmp_path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        pack = Pack.of(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :], path.name)
        assert pack.check(), place
        for name in FILES:
            _ = pack.find(name.split("/")[2].removesuffix(".jsonl"))


def test_a_pack_cut_short_at_any_byte_is_damage_and_what_is_before_the_cut_is_read(tmp_path: Path) -> None:
    path = kept(tmp_path)
    whole = path.read_bytes()
    first = FILES["beads/2026-09-01/fa-aaaa.jsonl"]
    end_of_first = whole.index(first) + len(first)
    for size in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:size])
        packs = Packs(tmp_path)
        assert packs.damage(), size
        if size >= end_of_first:
            assert packs.events_of("fa-aaaa")[0].data == first
            assert packs.events_of("fa-aaaa")[0].damage is None


@pytest.mark.parametrize("name", list(FILES))
def test_a_damaged_row_takes_only_its_own_file_away(tmp_path: Path, name: str) -> None:
    path = kept(tmp_path)
    row = path.read_bytes().replace(b'"path":"' + name.encode() + b'"', b'"path":"' + b"x" * len(name) + b'"')
    pack = Pack.of(row, path.name)
    others = [other for other in FILES if other != name]
    assert pack.paths() == others
    assert {other: pack.read(other) for other in others} == {other: FILES[other] for other in others}
    assert any("table of contents" in item.reason for item in pack.check())


def test_a_pack_without_a_readable_header_still_gives_its_files(tmp_path: Path) -> None:
    path = kept(tmp_path)
    pack = Pack.of(b"#" + path.read_bytes()[1:], path.name)
    assert {name: pack.read(name) for name in pack.paths()} == FILES
    assert pack.damage()


def test_a_file_that_is_not_a_pack_at_all_is_damage(tmp_path: Path) -> None:
    (tmp_path / "packed").mkdir()
    for number, content in enumerate((b"", b"\0" * 5000, b"[]\n", b'{"files":9999999,"row":3,"bytes":1}\n')):
        (tmp_path / "packed" / f"2026-0{number}.000000000000.jsonl").write_bytes(content)
    (tmp_path / "packed" / "2026-09.000000000000.jsonl").symlink_to("nowhere")
    packs = Packs(tmp_path)
    assert packs.beads() == frozenset()
    assert len(packs.damage()) == 5
