"""The builder of repositories: what it makes, and that nothing of the developer's own machine gets in."""

import stat
from pathlib import Path

import pytest

from factory.base import process
from factory.testing.repositories import AUTHOR, BuiltRepository

PLAIN = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def ask(root: Path, *words: str) -> str:
    finished = process.run(["git", "-C", str(root), *words], env=PLAIN)
    assert finished.code == 0, finished.err
    return finished.text.strip()


def test_commits_stand_on_the_branch_with_their_files(tmp_path: Path) -> None:
    repository = BuiltRepository.create(tmp_path / "a é b", branch="trunk")

    first = repository.commit("Say hello", {"docs/read me.txt": "hello\n", "run": "#!/bin/sh\n", "x": b"\0"})
    second = repository.commit("Take x away", {"x": None})

    assert ask(repository.root, "rev-list", "trunk").splitlines() == [second, first]
    assert ask(repository.root, "ls-tree", "-r", "--name-only", "trunk").splitlines() == ["docs/read me.txt", "run"]
    assert ask(repository.root, "status", "--porcelain") == ""
    assert (repository.root / "run").stat().st_mode & stat.S_IXUSR


def test_a_branch_grows_without_the_one_it_came_from(tmp_path: Path) -> None:
    repository = BuiltRepository.create(tmp_path / "r")
    base = repository.commit("base", {"a": "1\n"})

    repository.branch("side")
    repository.switch("side")
    side = repository.commit("side", {"a": "2\n"})
    repository.switch("main")

    assert (repository.head(), repository.head("side")) == (base, side)
    assert (repository.root / "a").read_text() == "1\n"


def test_the_same_calls_give_the_same_commit_ids(tmp_path: Path) -> None:
    def build(folder: str) -> str:
        repository = BuiltRepository.create(tmp_path / folder)
        repository.commit("one", {"a": "1\n"})
        return repository.commit("two", {"b": "2\n"})

    assert build("here") == build("there")


def test_the_developers_own_configuration_does_not_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-commit").write_text("#!/bin/sh\ntouch ../hook-ran\n")
    (hooks / "post-commit").chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[init]\n\ttemplateDir = {tmp_path / 'template'}\n\tdefaultBranch = other\n"
        "[user]\n\tname = Somebody\n\temail = somebody@example.org\n"
        f"[core]\n\tautocrlf = true\n\thooksPath = {hooks}\n\texcludesFile = {tmp_path / 'ignore'}\n"
        "[commit]\n\tgpgSign = true\n[i18n]\n\tcommitEncoding = ISO-8859-1\n"
    )
    (tmp_path / "ignore").write_text("*.txt\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2001-01-01T00:00:00Z")

    repository = BuiltRepository.create(tmp_path / "r")
    repository.commit("Grüße", {"a.txt": "one\r\n"})

    assert ask(repository.root, "log", "-1", "--format=%an <%ae> %s %aI", "main") == (
        f"{AUTHOR[0]} <{AUTHOR[1]}> Grüße 2026-01-05T09:00:00+00:00"
    )
    assert process.run(["git", "-C", str(repository.root), "cat-file", "blob", "main:a.txt"], env=PLAIN).out == (
        b"one\r\n"
    )
    assert not list((repository.root / ".git").glob("hooks/*"))
    assert not (tmp_path / "hook-ran").exists()
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "index").exists()
