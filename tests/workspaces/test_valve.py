"""What may come out of a workspace and what may not, and what is done about a broken git directory."""

import sys

import pytest

from factory.workspaces.workspace import Brought, Nothing, Unwanted

from .world import World, git, sh

UNWANTED = {
    "absolute link": ("ln -s /etc/passwd l", "link", ("l",)),
    "link that climbs out": ("mkdir d; ln -s ../../x d/l", "link", ("d/l",)),
    "link into git": ("ln -s .git/config l", "link", ("l",)),
    "nested repository": ("git init -q n; cd n; echo x>x; git add x; git commit -qm x", "nested", ("n",)),
    "settings": ("mkdir .factory; echo x > .factory/factory.toml", "settings", (".factory/factory.toml",)),
    "settings in capitals": ("mkdir .Factory; echo x > .Factory/x", "settings", (".Factory/x",)),
    "beads": ("mkdir -p beads/d; echo x > beads/d/x.jsonl", "beads", ("beads/d/x.jsonl",)),
    "submodules": ("echo x > .gitmodules", "submodules", (".gitmodules",)),
    "large file": ("truncate -s 65M big; git add -N big", "64 MiB", ("big",)),
    "sparse terabyte": ("truncate -s 1T huge", "64 MiB", ("huge",)),
    "large file in a commit": (
        (
            "git config core.compression 0; head -c 68000000 /dev/zero > b; git add b; git commit -qm b; rm b;"
            " git rm -q --cached b; git stash"
        ),
        "64 MiB",
        ("b",),
    ),
    "orphan history": ("git checkout -q --orphan o; git commit -qm o", "history", ()),
    "older head": ("git checkout -q HEAD^", "history", ()),
}


@pytest.mark.parametrize("name", UNWANTED)
def test_what_may_not_come_out_is_named(lasting_world: World, name: str) -> None:
    world = lasting_world
    script, reason, paths = UNWANTED[name]
    if name == "older head":
        world.commit(second_dot_txt="x")
    workspace = world.lease()
    at = world.repo.branch("factory/fa-7k2m/1")
    sh(workspace, script)
    outcome = workspace.bring_out("m")
    assert isinstance(outcome, Unwanted), outcome
    assert reason in outcome.reason
    assert outcome.paths == paths
    assert world.repo.branch("factory/fa-7k2m/1") == at
    workspace.give_back()
    assert world.leftovers() == []


def test_what_is_odd_but_harmless_comes_out(world: World) -> None:
    workspace = world.lease()
    script = r"""
        ln -s folder/b.txt good; ln -s ../a.txt folder/up
        printf x > "$(printf 'new\nline')"; printf x > "$(printf 'quo"te\t')"; printf x > head; printf x > 'ünï'
        printf x > "$(printf '\377\376')"; mkdir deep; printf x > deep/-dash; chmod +x a.txt
        mkfifo pipe
    """
    assert sh(workspace, script).code == 0
    outcome = workspace.bring_out("m")
    assert isinstance(outcome, Brought), outcome
    names = {"good", "folder/up", "new\nline", 'quo"te\t', "head", "ünï", "\udcff\udcfe", "deep/-dash", "a.txt"}
    assert set(outcome.paths) == names


def test_unreadable_files_and_folders_come_out_all_the_same(world: World) -> None:
    workspace = world.lease()
    sh(workspace, "mkdir -p d/e; echo x > d/e/x; echo y > y; chmod 000 d/e/x y d/e d; chmod 000 a.txt; chmod 000 .")
    outcome = workspace.bring_out("m")
    assert isinstance(outcome, Brought), outcome
    assert set(outcome.paths) == {"d/e/x", "y"}
    assert outcome.left_out == ()


def test_what_git_cannot_take_is_reported(world: World) -> None:
    workspace = world.lease()
    sh(workspace, "git init -q empty; echo x > empty/x; echo y > y")
    outcome = workspace.bring_out("m")
    assert isinstance(outcome, Brought), outcome
    assert outcome.paths == ("y",)
    assert outcome.left_out == ("empty/",)


BROKEN = {
    "everything removed": 'rm -rf "$C"/* "$C"/.[a-z]*',
    "head is garbage": 'echo garbage > "$E/HEAD"',
    "index is garbage": 'head -c 5000 /dev/urandom > "$E/index"',
    "index is a fifo": 'rm "$E/index"; mkfifo "$E/index"',
    "objects removed": 'rm -rf "$C/objects"',
    "alternates removed": 'rm "$C/objects/info/alternates"',
    "config is a folder": 'rm "$C/config"; mkdir "$C/config"',
    "config is garbage": "echo '[core' > \"$C/config\"",
    "permissions taken": 'chmod -R 000 "$C"',
    "locks left": 'touch "$E/index.lock" "$E/HEAD.lock" "$C/packed-refs.lock" "$C/config.lock";'
    ' mkdir -p "$C/refs/heads/factory/fa-7k2m"; touch "$C/refs/heads/factory/fa-7k2m/1.lock"',
    "commondir elsewhere": 'echo /nowhere > "$E/commondir"',
    "grafts and shallow": 'git rev-parse HEAD | tee "$C/shallow" > "$C/info/grafts"',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_git_directory_does_not_cost_the_work(lasting_world: World, name: str) -> None:
    world = lasting_world
    workspace = world.lease()
    entry = world.common / "worktrees" / "fa-7k2m-1"
    sh(workspace, "echo committed > committed; git add -A; git commit -qm c; echo dirty > dirty")
    sh(workspace, BROKEN[name], {"C": str(world.common), "E": str(entry)})
    outcome = workspace.bring_out("all of it")
    assert isinstance(outcome, Brought), outcome
    assert outcome.paths == ("committed", "dirty")
    assert git(world.main, "show", f"{outcome.head}:dirty") == "dirty"
    sh(workspace, "echo more > more")
    again = workspace.bring_out("and more")
    assert isinstance(again, Brought)
    assert again.paths == ("committed", "dirty", "more")
    workspace.give_back()
    git(world.main, "branch", "-qD", "factory/fa-7k2m/1")
    assert world.leftovers() == []


FORGE = """
import subprocess, sys
def git(*words, data=b""):
    return subprocess.run(["git", *words], input=data, capture_output=True, check=True).stdout.strip().decode()
def raw(kind, data):
    return git("hash-object", "-w", "--literally", "-t", kind, "--stdin", data=data)
def tree(*rows):
    return raw("tree", b"".join(mode + b" " + name + b"\\0" + bytes.fromhex(oid) for mode, name, oid in rows))
blob = raw("blob", b"x")
head = git("rev-parse", "HEAD")
who = b"A <a@b> 1700000000 +0000"
def commit(tree, who=who, parent=head):
    return raw("commit", b"tree " + tree.encode() + b"\\nparent " + parent.encode()
        + b"\\nauthor " + who + b"\\ncommitter " + who + b"\\n\\nm\\n")
F, D, L = b"100644", b"40000", b"120000"
made = {
    "dot git": lambda: commit(tree((D, b".git", tree((F, b"config", blob))))),
    "capital git": lambda: commit(tree((D, b".GIT", tree((F, b"config", blob))))),
    "short git": lambda: commit(tree((F, b"git~1", blob))),
    "dot dot": lambda: commit(tree((D, b"..", tree((F, b"x", blob))))),
    "slash": lambda: commit(tree((F, b"a/b", blob))),
    "empty name": lambda: commit(tree((F, b"", blob))),
    "twice": lambda: commit(tree((F, b"a", blob), (F, b"a", blob))),
    "unsorted": lambda: commit(tree((F, b"b", blob), (F, b"a", blob))),
    "modules link": lambda: commit(tree((L, b".gitmodules", blob))),
    "modules option": lambda: commit(tree((F, b".gitmodules",
        raw("blob", b'[submodule "x"]\\n\\tpath = x\\n\\turl = -u./x\\n')))),
    "no author": lambda: commit(tree((F, b"a", blob)), b"nobody"),
    "blob as a tree": lambda: commit(tree((D, b"a", blob))),
    "missing blob": lambda: commit(tree((F, b"a", "12" * 20))),
    "missing parent": lambda: commit(tree((F, b"a", blob)), parent="34" * 20),
}[sys.argv[1]]()
import os
path = os.path.join(os.environ["E"], "HEAD")
open(path, "w").write(made + "\\n")
"""
FORGED = (
    "dot git", "capital git", "short git", "dot dot", "slash", "empty name", "twice", "unsorted", "modules link",
    "modules option", "no author", "blob as a tree", "missing blob", "missing parent",
)  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_forged_objects_never_reach_the_repository(lasting_world: World, name: str) -> None:
    world = lasting_world
    workspace = world.lease()
    (workspace.notes / "forge.py").write_text(FORGE)
    script = f'"$PYTHON" "$FORGE" "{name}"'
    before = _objects(world)
    env = {
        "PYTHON": sys.executable,
        "FORGE": workspace.inside(workspace.notes / "forge.py"),
        "E": str(world.common / "worktrees" / "fa-7k2m-1"),
    }
    said = sh(workspace, script, env)
    assert said.code == 0, said.text
    outcome = workspace.bring_out("m")
    if name in {"missing blob", "missing parent", "blob as a tree", "empty name"}:
        assert isinstance(outcome, Unwanted | Nothing), "the head is unusable; the files are as they were"
    else:
        assert isinstance(outcome, Unwanted), outcome
    assert _objects(world) == before
    assert world.repo.branch("factory/fa-7k2m/1") == world.base
    kept = workspace.keep()
    assert kept.folder is not None or kept.commit is None
    (workspace.notes / "forge.py").unlink()
    workspace.give_back()
    assert world.leftovers() == []


def _objects(world: World) -> set[str]:
    return set(git(world.main, "cat-file", "--batch-check", "--batch-all-objects").splitlines())
