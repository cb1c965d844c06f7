"""The part of the valve that runs inside the cage: two small shell scripts and what they say.

Everything that reads with git what an agent wrote happens here, confined, with our own config in place:
no hook, filter, fsmonitor or other program of the agent's choosing runs.
"""

from dataclasses import dataclass

from factory.base.errors import UserError
from factory.base.files import printable
from factory.base.ids import CommitId, is_object_id
from factory.workspaces.confinement import Confinement
from factory.workspaces.policy import BLOB_LIMIT

_KEPT_BYTES = 1 << 16
"""How much is read of a list of paths, in bytes."""

_PATH = 3
"""Where the path begins in a line of ``git status --porcelain``: after two letters and a space."""

_SETTINGS = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.quotePath", "false"),
    ("core.bigFileThreshold", "64m"),
    ("checkout.workers", "2"),
    ("commit.gpgSign", "false"),
    ("diff.ignoreSubmodules", "none"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("protocol.allow", "never"),
    ("submodule.recurse", "false"),
    ("advice.addEmbeddedRepo", "false"),
    ("core.safecrlf", "false"),
)

_PREPARE = r"""
set -u
cd "$GIT_WORK_TREE" || exit 90
rm -f "$GIT_DIR/index.lock" "$GIT_DIR/HEAD.lock" "$GIT_COMMON_DIR/packed-refs.lock" \
      "$GIT_COMMON_DIR/shallow" "$GIT_COMMON_DIR/info/grafts"
case $BRANCH in ?*) rm -f "$GIT_COMMON_DIR/refs/heads/$BRANCH.lock" ;; esac
find "$GIT_COMMON_DIR" -type d ! -perm -700 -exec chmod u+rwx {} \; -o -type p -exec rm -f {} \; 2>/dev/null
find . -path ./.git -prune \
    -o -type d ! -perm -700 -exec chmod u+rwx {} \; \
    -o -type f ! -perm -400 -exec chmod u+r {} \; \
    -o -type p -name '.git*' -exec rm -f {} \; 2>/dev/null
printf 'big\0'
find . -path ./.git -prune -o -type f -size +"$LIMIT_KIB"k -print0 2>/dev/null \
    | xargs -0 -r git --literal-pathspecs status --porcelain -z --no-renames --untracked-files=all -- 2>/dev/null \
    | head -c "$KEPT" > "$HOME/big"
cat "$HOME/big"
if [ -s "$HOME/big" ]; then exit 0; fi
message=$HOME/message
cat > "$message"
said() { printf 'left\0'; git status --porcelain -z --no-renames --untracked-files=all 2>/dev/null | head -c "$KEPT"; }
stage() {
    git update-index -q --really-refresh >/dev/null 2>&1
    git add -A --ignore-errors >/dev/null 2>&1 || said
}
"""

_COLLECT = (
    _PREPARE
    + r"""
stage
git diff-index --cached --quiet HEAD -- >/dev/null 2>&1 \
    || git commit -q --no-verify --allow-empty-message -F "$message" >/dev/null 2>&1 \
    || exit 92
head=$(git rev-parse --verify -q 'HEAD^{commit}') || exit 91
printf 'head\0%s\0' "$head"
"""
)

_KEEP = (
    _PREPARE
    + r"""
head=$(git rev-parse --verify -q 'HEAD^{commit}') || exit 91
cp "$GIT_DIR/index" "$HOME/index" 2>/dev/null && export GIT_INDEX_FILE="$HOME/index"
top=$head
staged=$(git write-tree 2>/dev/null) && [ "$staged" != "$(git rev-parse -q --verify 'HEAD^{tree}')" ] \
    && top=$(printf 'what was staged\n' | git commit-tree "$staged" -p "$head")
stage
tree=$(git write-tree 2>/dev/null) || exit 93
parents="-p $top"
more=
tips=$(git for-each-ref --format='%(objectname)' refs/heads refs/stash | sort -u | head -n 30)
for tip in $KEPT_BEFORE $tips; do
    git merge-base --is-ancestor "$tip" "$top" 2>/dev/null && continue
    git cat-file -e "$tip^{commit}" 2>/dev/null || continue
    case " $more " in *" $tip "*) continue ;; esac
    more="$more $tip"
    parents="$parents -p $tip"
done
known_before() {
    [ -n "$KEPT_BEFORE" ] && [ "$tree" = "$(git rev-parse -q --verify "$KEPT_BEFORE^{tree}")" ] || return 1
    for tip in $head $tips; do git merge-base --is-ancestor "$tip" "$KEPT_BEFORE" 2>/dev/null || return 1; done
}
if known_before; then
    top=$KEPT_BEFORE
elif [ -n "$more" ] || [ "$tree" != "$(git rev-parse -q --verify "$top^{tree}")" ]; then
    top=$(git commit-tree "$tree" $parents -F "$message") || exit 94
fi
printf 'head\0%s\0' "$top"
"""
)

_PACK = r"""
head=$1; shift
{ printf '%s\n' "$head"; for known in "$@"; do printf '^%s\n' "$known"; done; } \
    | exec git pack-objects --revs --thin --stdout --delta-base-offset -q 2>/dev/null
"""


@dataclass(frozen=True)
class Collected:
    """What the cage said: its head, files too large to take, paths that could not be read."""

    head: CommitId
    too_big: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Broken:
    """The private git directory does not work any more; ``code`` tells where the script gave up."""

    code: int


def collect(place: Confinement, message: str) -> Collected | Broken:
    """Commit what is uncommitted, inside, and say which commit the agent's head is."""
    return _run(place, _COLLECT, message, {})


def collect_all(place: Confinement, message: str, before: CommitId | None) -> Collected | Broken:
    """Make one commit, on no branch, that holds everything: head, staged, work tree, other branches, stash.

    ``before`` is what was kept of this session earlier; it becomes a parent.
    """
    return _run(place, _KEEP, message, {"KEPT_BEFORE": before or ""})


def check_out(place: Confinement) -> None:
    """Write the files of the head into the new work tree; raises ``CheckoutFailed``."""
    finished = place.run(["git", "reset", "--hard", "-q"], git_environment(place))
    if finished.code != 0:
        said = finished.err.decode("utf-8", "replace").strip().splitlines()
        raise CheckoutFailed(said[-1] if said else f"git ended with {finished.code}")


def read_head_into_index(place: Confinement) -> bool:
    """Give a rebuilt private git directory an index; the files stay as they are."""
    return place.run(["git", "read-tree", "HEAD"], git_environment(place)).code == 0


def pack_words(head: CommitId, known: tuple[CommitId, ...]) -> list[str]:
    """The command that writes what ``head`` has and ``known`` have not, as a pack stream."""
    return ["sh", "-c", _PACK, "factory-valve", head, *known]


def git_environment(place: Confinement) -> dict[str, str]:
    """Explicit directories and fixed settings: git discovers nothing and reads no configuration of a user."""
    rows = enumerate(_SETTINGS)
    settings = {
        key: value
        for number, (name, setting) in rows
        for key, value in ((f"GIT_CONFIG_KEY_{number}", name), (f"GIT_CONFIG_VALUE_{number}", setting))
    }
    return settings | {
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_DIR": str(place.entry_seen),
        "GIT_COMMON_DIR": str(place.git_seen),
        "GIT_WORK_TREE": str(place.lease.root),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(place.objects_seen) if place.sandbox.remounts else "",
        "LC_ALL": "C.UTF-8",
    }


class CheckoutFailed(UserError):
    """git could not write the files of the base commit; ``said`` is the last that it said."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"git could not write the files of a new work tree: {printable(said)}",
            "see whether the disk is full and whether git fsck finds the repository whole",
        )
        self.said = said


def _run(place: Confinement, script: str, message: str, extra: dict[str, str]) -> Collected | Broken:
    scratch = place.scratch()
    env = git_environment(place) | extra
    env |= {"LIMIT_KIB": str(BLOB_LIMIT >> 10), "KEPT": str(_KEPT_BYTES), "BRANCH": place.lease.branch or ""}
    env["HOME"] = scratch
    finished = place.run(["sh", "-c", script, "factory-valve"], env, message.encode("utf-8", "surrogateescape"))
    return _read(finished.out, finished.code if not finished.ended_by else -1)


def _read(out: bytes, code: int) -> Collected | Broken:
    if code != 0:
        return Broken(code)
    lists: dict[str, list[str]] = {"big": [], "left": [], "head": []}
    current = lists["big"]
    for word in out.decode("utf-8", "surrogateescape").split("\0"):
        if word in lists:
            current = lists[word]
        elif word:
            current.append(word)
    too_big = tuple(row[_PATH:] for row in lists["big"])
    left_out = tuple(row[_PATH:] for row in lists["left"] if row[1:2] != " ")
    head = lists["head"][-1] if lists["head"] else ""
    if too_big:
        return Collected(CommitId(""), too_big, left_out)
    return Collected(CommitId(head), too_big, left_out) if is_object_id(head) else Broken(code)
