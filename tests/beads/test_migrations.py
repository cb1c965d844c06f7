"""A store that an earlier version wrote, kept under ``tests/data``, opens and goes on."""

import json
import os
import shutil
from pathlib import Path

import pytest

from factory.base.process import run
from factory.beads.events import VERSION, Event, parse_lines
from factory.beads.payloads import BeadCommented
from factory.beads.store import Store
from factory.git.repository import Repository
from factory.observe.verify import verify
from tests.acceptance.world import FACTORY

KEPT = sorted((Path(__file__).parents[1] / "data").glob("store-*"))


@pytest.mark.parametrize("kept", KEPT, ids=[path.name for path in KEPT])
def test_a_store_of_an_earlier_version_tells_what_it_told_then_and_goes_on(repo: Repository, kept: Path) -> None:
    store = Store(repo)
    shutil.copytree(kept / "beads", store.live)
    then = json.loads((kept / "list.json").read_bytes())["beads"]

    told = run([str(FACTORY), "bead", "list", "--all", "--json"], env=dict(os.environ), cwd=repo.root)

    now = {bead["id"]: bead for bead in json.loads(told.text)["beads"]}
    assert {id_: {key: now[id_][key] for key in bead} for id_, bead in ((bead["id"], bead) for bead in then)} == {
        bead["id"]: bead for bead in then
    }
    before = {bead: store.raw(bead) for bead in now}
    for bead in now:
        store.append(bead, BeadCommented(text="still here"), "human:alex@example.org")
        assert store.raw(bead).startswith(before[bead])
    assert [problem for problem in verify(repo, store, sign=False).problems if "landed" not in problem.says] == []


def test_every_event_names_its_version_and_that_of_a_newer_program_is_kept_byte_for_byte(repo: Repository) -> None:
    store = Store(repo)
    for path in KEPT[0].glob("beads/*/*.jsonl"):
        events = [item for item in parse_lines(path.read_bytes(), path.name) if isinstance(item, Event)]
        assert {event.version for event in events} == {VERSION}
    shutil.copytree(KEPT[0] / "beads", store.live)
    path = next(store.live.glob("*/*.jsonl"))
    newer = path.read_bytes().splitlines()[-1].replace(b'{"v":1,', b'{"v":7,"colour":"blue",') + b"\n"
    newer = newer.replace(b'"id":"01M7', b'"id":"01N7')
    with path.open("ab") as file:
        file.write(newer)

    store.append(path.stem, BeadCommented(text="more"), "human:alex@example.org")
    store.commit()

    assert newer in store.raw(path.stem)
    assert store.snapshot().damage == ()
