# ruff: noqa: E501 - a table of attacks reads best with one on a line
"""An agent tries to reach what is not its own; nothing of the host may change or be learned."""

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from factory.workspaces.sandboxes import choose
from factory.workspaces.workspace import Brought, Nothing, Unwanted, Workspace

from .world import World, git, make_world, running, sh

ATTACKS = {
    "moves main": "echo x > x; git add x; git commit -qm x; git update-ref refs/heads/main HEAD; git branch -f main HEAD",
    "overwrites packed-refs": 'echo "$(git rev-parse HEAD) refs/heads/zzz" > "$COMMON/packed-refs"',
    "moves another agent's branch": 'git update-ref refs/heads/other HEAD; mkdir -p "$COMMON/refs/heads";'
    ' git rev-parse HEAD > "$COMMON/refs/heads/other"',
    "fsmonitor in the config": 'git config core.fsmonitor "touch $MARKER; false"; git config --global core.fsmonitor "$EVIL"',
    "alias, pager, include": 'git config alias.status "!touch $MARKER"; git config core.pager "touch $MARKER";'
    ' printf "[core]\\n\\tfsmonitor = %s\\n" "$EVIL" > inc; git config include.path "$PWD/inc"',
    "hook in the common directory": 'mkdir -p "$COMMON/hooks"; for h in post-commit pre-commit post-checkout'
    ' reference-transaction post-index-change; do printf "#!/bin/sh\\ntouch \\"$MARKER\\"\\n" > "$COMMON/hooks/$h";'
    ' chmod +x "$COMMON/hooks/$h"; done; echo x > x',
    "hooks path in the work tree": 'mkdir h; printf "#!/bin/sh\\ntouch \\"$MARKER\\"\\n" > h/pre-commit; chmod +x h/*;'
    " cp h/pre-commit h/reference-transaction; git config core.hooksPath h; echo x > x",
    "replaces .git by a repository": "rm -rf .git; mv .git .g; git init -q evil; mv evil/.git .git;"
    ' printf "[core]\\n\\tfsmonitor = %s\\n" "$EVIL" >> .git/config',
    "redirects commondir": 'mkdir /tmp/c; echo /tmp/c > "$ENTRY/commondir"; printf "[core]\\n\\tfsmonitor = %s\\n" "$EVIL"'
    " > /tmp/c/config",
    "config.worktree": 'git config extensions.worktreeConfig true; printf "[core]\\n\\tfsmonitor = %s\\n" "$EVIL"'
    ' > "$ENTRY/config.worktree"',
    "filter driver": 'echo "* filter=f" > .gitattributes; git config filter.f.clean "touch $MARKER; cat";'
    ' git config filter.f.process "touch $MARKER"; echo "* filter=f" > "$COMMON/info/attributes"; echo x > x',
    "nested repository with a gitlink": "git init -q n; cd n; echo x > x; git add x; git commit -qm x;"
    ' git config core.fsmonitor "touch $MARKER; false"; cd ..; git add n; git commit -qm n',
    "nested repository without commits": 'git init -q n; git -C n config core.fsmonitor "touch $MARKER"; echo x > x',
    "writes another agent's worktree": 'echo x > "$SIBLING/a.txt"; mkdir -p "$SIBLING"; echo x > "$SIBLING/new"',
    "writes another agent's index and head": 'for f in index HEAD commondir gitdir; do echo x > "$COMMON/worktrees/fa-7k2m-9/$f"; done',
    "removes other worktrees": 'git worktree prune --expire now; git worktree remove -f -f "$SIBLING"; rm -rf "$SIBLING"',
    "edits the main checkout": 'echo x > "$MAIN/a.txt"; rm -rf "$MAIN"',
    "destroys the shared objects": 'rm -rf "$COMMON/objects" /run/factory/objects; chmod -R 777 /run/factory/objects',
    "collects garbage": "git gc -q --prune=now; git reflog expire --expire=now --all; git prune --expire=now",
    "rewrites alternates": 'echo "$HOME" > "$COMMON/objects/info/alternates"; echo x > x',
    "replace refs and grafts": 'echo x > x; git add x; git commit -qm x; git replace HEAD HEAD^; mkdir -p "$COMMON/info";'
    ' git rev-parse HEAD > "$COMMON/info/grafts"; git rev-parse HEAD > "$COMMON/shallow"',
    "symbolic link out": 'ln -s "$SECRETS" key; ln -s ../../../etc/passwd up; git add -A; git commit -qm links',
    "a link where the private directories were": 'rm -rf "$COMMON/worktrees" "$COMMON/objects"; ln -s "$MAIN" "$COMMON/worktrees"'
    '; ln -s "$MAIN/.git/objects" "$COMMON/objects"; rm -f "$COMMON/config"; ln -s "$MARKER" "$COMMON/config"',
    "reads a key": 'cat "$SECRETS"; cat ~root/.ssh/* /root/.ssh/* /etc/shadow; find /home /root -name id -path "*ssh*" -exec cat {} +',
    "reads the host's environment": "env; cat /proc/*/environ; cat /proc/1/environ",
    "escapes through /proc": "cat /proc/1/root/$SECRETS; ls /proc/1/cwd/; for f in /proc/[0-9]*/fd/*; do ls -l $f; done",
    "kills the host": "for p in /proc/[0-9]*; do kill -9 ${p#/proc/}; done; kill -9 -1; kill -9 $HOST_PID",
    "connects to a server of the host": '"$PYTHON" -c "import socket,os;s=socket.create_connection'
    "(('127.0.0.1', int(os.environ['PORT'])));s.send(b'reached')\"",
    "connects to sockets of the host": '"$PYTHON" -c "import socket,os;s=socket.socket(socket.AF_UNIX);'
    "s.connect(chr(0)+os.environ['ABSTRACT']);s.send(b'reached')\"",
    "leaves a daemon": '(trap "" HUP TERM INT; setsid nohup sh -c "sleep 2.$HOST_PID; touch \\"$MARKER\\"" >/dev/null 2>&1 &)',
    "mounts": "umount .git; umount $COMMON; mount -o remount,rw /usr; unshare -Urm true && echo nested; touch /usr/x /etc/x /x",
    "writes the session's own record": 'rm -rf "$COMMON/factory"; mkdir -p "$COMMON/factory/sessions"; echo x > "$COMMON/factory/index"',
    "changes settings and beads": "mkdir -p .factory beads; echo x > .factory/factory.toml; echo x > beads/b.jsonl",
    "fifos everywhere": 'mkfifo .gitignore .gitattributes p; rm -f "$COMMON/config" "$ENTRY/index"; mkfifo "$COMMON/config" "$ENTRY/index"',
    "forges the valve's answer": "printf x > head; printf x > left; printf x > big; printf x > \"$(printf 'a\\nhead')\"",
}


class Listener:
    """Servers of the host that nobody inside may reach; ``heard`` is what reached them."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract_name = f"factory-test-{os.getpid()}-{id(self)}"
        self.abstract.bind(f"\0{self.abstract_name}")
        self.abstract.listen()
        self._threads = [threading.Thread(target=self._serve, args=(server,)) for server in (self.tcp, self.abstract)]
        for thread in self._threads:
            thread.start()

    def _serve(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    self.heard.append(connection.recv(100))

    def close(self) -> None:
        for server in (self.tcp, self.abstract):
            server.shutdown(socket.SHUT_RDWR)
            server.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def attack(world: World, workspace: Workspace, script: str, listener: Listener) -> str:
    """Run an attack; the answer is all that it printed."""
    entry = world.common / "worktrees" / "fa-7k2m-1"
    marker = world.main.parent / "marker"
    evil = world.main.parent / "evil.sh"
    env = {
        "MARKER": str(marker),
        "EVIL": str(evil),
        "COMMON": str(world.common),
        "ENTRY": str(entry),
        "MAIN": str(world.main),
        "SIBLING": str(world.root / "fa-7k2m-9"),
        "SECRETS": str(world.home / ".ssh" / "id"),
        "HOST_PID": str(os.getpid()),
        "PORT": str(listener.tcp.getsockname()[1]),
        "ABSTRACT": listener.abstract_name,
        "PYTHON": sys.executable,
    }
    evil.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    evil.chmod(0o755)
    return sh(workspace, script, env).text


def host_goes_about_its_business(world: World) -> None:
    """What people and the factory do in their own repository meanwhile."""
    git(world.main, "status", "--porcelain")
    git(world.main, "log", "--all", "--format=%s")
    git(world.main, "worktree", "list")
    git(world.main, "for-each-ref")


@dataclass(frozen=True)
class Field:
    """Where one attack after the other is made: a repository, and another agent at work beside the attacker."""

    world: World
    sibling: Workspace


@pytest.fixture(scope="module")
def field(lasting_world: World) -> Iterator[Field]:
    """The same for all attacks, which each prove that they changed nothing in it."""
    git(lasting_world.main, "branch", "other")
    sibling = lasting_world.lease(9)
    (sibling.root / "theirs").write_text("theirs")
    yield Field(lasting_world, sibling)
    sibling.give_back()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_reaches_nothing(field: Field, listener: Listener, name: str) -> None:
    world, sibling = field.world, field.sibling
    there = world.leftovers()
    workspace = world.lease(1)
    before = world.untouchable()
    theirs = {path: path.read_bytes() for path in sibling.root.rglob("*") if path.is_file()}

    said = attack(world, workspace, ATTACKS[name], listener)
    host_goes_about_its_business(world)
    outcome = workspace.bring_out("the rest")
    kept = workspace.keep()
    host_goes_about_its_business(world)

    assert isinstance(outcome, Brought | Nothing | Unwanted)
    assert "hunter2" not in said
    assert listener.heard == []
    assert running(f"sleep 2.{os.getpid()}") == []
    assert not (world.main.parent / "marker").exists()
    after = world.untouchable()
    new = {path for path in after.keys() - before.keys() if "/objects/pack/" not in path and "/kept/" not in path}
    assert new == set()
    assert {path: after.get(path) for path in before} == before
    assert {path: path.read_bytes() for path in sibling.root.rglob("*") if path.is_file()} == theirs
    if kept.commit:
        assert "hunter2" not in git(world.main, "grep", "hunter2", kept.commit, ok=(0, 1))
    workspace.give_back()
    if isinstance(outcome, Brought):
        git(world.main, "branch", "-qD", "factory/fa-7k2m/1")
    assert world.leftovers() == there


WORKS_WITHOUT_A_BOUNDARY = {
    "reads a key": "hunter2",
    "connects to a server of the host": "",
    "connects to sockets of the host": "",
    "edits the main checkout": "",
    "fsmonitor in the config": "",
}


@pytest.mark.parametrize("name", WORKS_WITHOUT_A_BOUNDARY)
def test_the_attacks_work_where_there_is_no_boundary(tmp_path: Path, home: Path, listener: Listener, name: str) -> None:
    world = make_world(tmp_path, home, choose("none"))
    workspace = world.lease()
    before = world.untouchable()
    script = {
        "reads a key": 'cat "$SECRETS"',
        "edits the main checkout": 'echo x > "$MAIN/a.txt"',
        "fsmonitor in the config": 'git config core.fsmonitor "$EVIL"; git status',
    }.get(name, ATTACKS[name])
    said = attack(world, workspace, script, listener)
    marker = world.main.parent / "marker"
    reached = listener.heard or "hunter2" in said or world.untouchable() != before or marker.exists()
    assert reached, "an attack that never works proves nothing"
    workspace.give_back()


def test_the_network_is_there_when_it_was_asked_for(world: World, listener: Listener) -> None:
    workspace = world.lease(network=True)
    attack(world, workspace, ATTACKS["connects to a server of the host"], listener)
    assert listener.heard == [b"reached"]


def test_memory_for_temporary_files_is_bounded_and_ends_with_the_command(world: World) -> None:
    workspace = world.lease()
    said = sh(workspace, "head -c 1G /dev/zero > /dev/shm/big; df -k /tmp | tail -1; ulimit -c; touch /tmp/mine")
    assert "No space left" in said.text
    assert "1048576" in said.text, "the kibibytes that df shows"
    assert said.text.endswith("\n0\n"), "no core files"
    assert {"mine", "big"} & set(sh(workspace, "ls /tmp /dev/shm").text.split()) == set()
