"""The wheel: everything a user needs is inside, and nothing else."""

import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import factory
from factory.base import process

TOP = Path(factory.__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from this checkout without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    finished = process.run(build, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)}, cwd=TOP)
    assert finished.code == 0, finished.err.decode()
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_every_template_is_inside(wheel: zipfile.ZipFile) -> None:
    shipped = {name.removeprefix("factory/_templates/") for name in wheel.namelist() if "_templates/" in name}
    source = {
        path.relative_to(TOP / "templates").as_posix()
        for path in (TOP / "templates").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".gitkeep"
    }

    assert "prompts/builder.md" in shipped
    assert source <= shipped
    assert not any("__pycache__" in name for name in shipped)


def test_it_is_typed_licensed_and_has_both_commands(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    info = f"git_factory-{factory.__version__}.dist-info"
    commands = wheel.read(f"{info}/entry_points.txt").decode()
    about = HeaderParser().parsestr(wheel.read(f"{info}/METADATA").decode())

    assert "factory/py.typed" in names
    assert any(name.startswith(info) and name.endswith("LICENSE") for name in names)
    assert "factory = factory.cli.entry:main" in commands
    assert "git-factory = factory.cli.entry:main" in commands
    assert (about["Name"], about["License-Expression"]) == ("git-factory", "Apache-2.0")
    assert about["Requires-Python"] == ">=3.11"


def test_tests_and_settings_of_this_project_stay_out(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}

    assert tops == {"factory", f"git_factory-{factory.__version__}.dist-info"}
