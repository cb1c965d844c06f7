"""What ``factory init`` makes: settings with the gates this repository seems to have, attributes, the branch."""

import json
import tomllib
from pathlib import Path

from factory.base.errors import UserError
from factory.base.files import printable, replace_file
from factory.base.settings import FILE
from factory.beads.branch import ATTRIBUTES, BRANCH
from factory.beads.store import Store
from factory.git.repository import Repository

_HEAD = """\
# Settings of factory for this repository. Every key and its default: factory doctor --settings
# What counts for landing is what the target branch holds, so commit this file.

{target}
max_agents = 4
"""

_NO_GATE = """\
# Nothing lands without a gate. Say what must pass:
# [gates.tests]
# run = "make test"
"""


class NotMade(UserError):
    """The disk did not take a file that was to be made."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"{printable(str(path))} could not be made: {error.strerror or error}",
            "check the folder's permissions and the space on its disk",
        )
        self.path = path


def set_up(repo: Repository, store: Store) -> list[str]:
    """Make what is missing and return its names; what is there is left as it is. Raises ``NotMade``."""
    made = []
    for path, content in ((FILE, _settings(repo)), ("beads/.gitattributes", ATTRIBUTES)):
        if not (repo.main_root / path).exists():
            _make(repo.main_root / path, content)
            made.append(path)
    if repo.branch(BRANCH) is None:
        store.commit()
        made.append(f"branch {BRANCH}")
    return made


def _make(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise NotMade(path, error) from error


def _settings(repo: Repository) -> bytes:
    branch = repo.current_branch()
    target = f"target = {json.dumps(branch)}" if branch else '# target = "main"'
    run = likely_gate(repo.main_root)
    gate = f"[gates.tests]\nrun = {json.dumps(run)}\ntimeout_s = 600\n" if run else _NO_GATE
    return f"{_HEAD.format(target=target)}\n{gate}".encode()


def likely_gate(root: Path) -> str:
    """The command that runs this repository's tests, judged by its files, or nothing when they do not say."""
    if _has_target(root / "Makefile", "test:"):
        return "make test"
    if (root / "package.json").is_file() and _npm_has_tests(root / "package.json"):
        return "npm test"
    for file, command in (("Cargo.toml", "cargo test"), ("go.mod", "go test ./...")):
        if (root / file).is_file():
            return command
    if _python_tests(root):
        return "python3 -m pytest -q"
    return ""


def _has_target(makefile: Path, target: str) -> bool:
    return makefile.is_file() and any(
        line.startswith(target) for line in makefile.read_text(errors="replace").splitlines()
    )


def _npm_has_tests(package: Path) -> bool:
    try:
        scripts = json.loads(package.read_bytes()).get("scripts", {})
    except (ValueError, AttributeError):
        return False
    return isinstance(scripts, dict) and "no test specified" not in str(scripts.get("test", "no test specified"))


def _python_tests(root: Path) -> bool:
    if any((root / name).is_file() for name in ("pytest.ini", "conftest.py", "tests/conftest.py")):
        return True
    project = root / "pyproject.toml"
    if project.is_file():
        try:
            if "pytest" in tomllib.loads(project.read_text(errors="replace")).get("tool", {}):
                return True
        except tomllib.TOMLDecodeError:
            return False
    return any((root / "tests").glob("test_*.py"))
