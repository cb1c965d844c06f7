import json
from pathlib import Path

from factory.beads.changes import Changes, Position


def note(changes: Changes, path: str) -> None:
    changes.announce(path, "human:a", f"{path} grew")
    changes.settle()


def paths(changes: Changes, position: Position | None) -> list[str]:
    since = changes.since(position)
    assert since is not None
    return [one.path for one in since.notes]


def test_each_reader_is_told_what_was_noted_since_it_last_asked(tmp_path: Path) -> None:
    changes = Changes(tmp_path)
    note(changes, "a")
    position = changes.position()
    note(changes, "b")
    note(changes, "c")
    assert paths(changes, position) == ["b", "c"]
    assert paths(Changes(tmp_path), changes.beginning()) == ["a", "b", "c"]
    since = changes.since(position)
    assert since is not None
    assert paths(changes, since.position) == []


def test_what_a_dead_writer_announced_is_told_again_until_somebody_settles(tmp_path: Path) -> None:
    changes = Changes(tmp_path)
    note(changes, "a")
    position = changes.position()
    changes.announce("b", "human:a", "")
    for _ in range(2):
        since = changes.since(position)
        assert since is not None
        assert paths(changes, position) == ["b"]
        assert since.in_flux == {"b"}
        position = since.position
    assert changes.in_flux() == {"b"}
    changes.settle()
    assert changes.in_flux() == frozenset()
    assert paths(changes, position) == ["b"]


def test_a_line_cut_short_is_not_told_and_the_next_note_stands_on_a_line_of_its_own(tmp_path: Path) -> None:
    changes = Changes(tmp_path)
    note(changes, "a")
    position = changes.position()
    with (tmp_path / "changes.jsonl").open("ab") as file:
        file.write(b'{"path":"torn')
    assert paths(changes, position) == []
    note(changes, "b")
    assert paths(changes, position) == ["b"]


def test_whoever_cannot_be_told_looks_at_everything(tmp_path: Path) -> None:
    changes = Changes(tmp_path)
    assert changes.since(None) is None
    assert changes.position() is None
    note(changes, "a")
    position = changes.position()
    assert position is not None
    assert changes.since(position._replace(boot="another start of the machine")) is None
    assert changes.since(position._replace(generation="another journal")) is None
    assert changes.since(position._replace(offset=position.offset + 1)) is None


def test_a_journal_that_was_rotated_once_is_still_told_and_one_rotated_twice_is_not(tmp_path: Path) -> None:
    changes = Changes(tmp_path, rotate_bytes=400)
    note(changes, "first")
    position = changes.position()
    told = []
    for number in range(8):
        note(changes, f"n{number}")
        told.append(f"n{number}")
    assert (tmp_path / "changes.old.jsonl").exists()
    assert paths(changes, position) == told
    for number in range(30):
        note(changes, f"m{number}")
    assert changes.since(position) is None
    assert json.loads((tmp_path / "changes.jsonl").read_bytes().split(b"\n")[0])["generation"]
