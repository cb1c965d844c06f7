"""Two clones that meet at a remote: one bead, one worker, one landing."""

from dataclasses import replace

from .world import SETTINGS, World

HUB = '\n[beads]\nremote = "origin"\n'
AGENT = 'echo "$FACTORY_BEAD" >> b.txt'


def two(world: World) -> tuple[World, World]:
    """A repository with a remote, and a clone of it, both of which claim where they meet."""
    world.git("clone", "-q", "--bare", str(world.repo), str(world.top / "hub.git"))
    world.git("remote", "add", "origin", str(world.top / "hub.git"))
    world.write("agent.sh", f"#!/bin/sh\n{AGENT}\n").chmod(0o755)
    world.settings(f'{SETTINGS}{HUB}\n[agents.ada]\nruntime = "command"\ncommand = ["./agent.sh"]\n')
    world.git("push", "-q", "origin", "main")
    world.git("clone", "-q", str(world.top / "hub.git"), str(world.top / "other"), cwd=world.top)
    return world, replace(world, repo=world.top / "other")


def test_what_one_clone_holds_no_floor_of_another_works_on_and_it_lands_once(world: World) -> None:
    here, there = two(world)
    bead = here.well("bead", "add", "Do it once", "--json").document["bead"]["id"]
    here.well("sync")
    there.well("sync")
    here.well("bead", "claim", bead, "--for", "1h")

    refused = there.factory("bead", "claim", bead)
    assert refused.code == 4
    assert "is held by human:" in refused.sentence
    there.factory("run")
    (put_off,) = there.events(bead, "bead_edited")
    assert put_off["data"]["not_before"]
    assert there.events(bead, "change_submitted") == []
    assert there.why(bead)["code"] == "deferred"

    here.well("bead", "release", bead)
    here.well("run")
    there.well("sync")
    here.well("sync")
    there.well("sync")
    assert here.bead()["state"] == there.bead()["state"] == "landed"
    assert there.why(bead)["code"] == "landed"
    gates = [event["data"]["gate"] for event in here.events(bead, "gate_finished")]
    assert gates == ["tests", "claim"]
    for clone in (here, there):
        assert clone.well("verify", "--json").document["problems"] == []


def test_a_change_whose_bead_another_clone_took_meanwhile_waits_for_a_person(world: World) -> None:
    here, there = two(world)
    held = ("spawn", "Do it once", "--no-land", "--json", "--", world.program(AGENT))
    bead = here.well(*held).document["beads"][0]["id"]
    here.well("sync")
    here.git("push", "-q", "origin", "--delete", f"refs/factory/claims/{bead}")
    there.well("sync")
    there.well("bead", "reopen", bead)
    there.well("bead", "claim", bead)
    here.well("pr", "approve", bead)

    assert here.factory("run").code == 1
    assert here.why(bead)["code"] == "claim-lost"
    assert len(here.history()) == 2
