import subprocess
import sys

import pytest

from factory.agents.runtimes import RUNTIMES, UnknownRuntime, runtime
from factory.base.templates import template


def test_the_table_names_each_runtime_as_it_names_itself() -> None:
    assert {name: runtime(name).name for name in RUNTIMES} == {"builtin": "builtin", "command": "command"}


def test_an_unknown_runtime_is_told_with_the_near_name() -> None:
    with pytest.raises(UnknownRuntime) as refused:
        runtime("comand")

    assert "'command'" in refused.value.hint


def test_naming_the_runtimes_does_not_import_the_sdk() -> None:
    program = "import sys, factory.agents.runtimes; sys.exit('anthropic' in sys.modules or 'httpx2' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", ["prompts/builder.md", "prices.toml"])
def test_templates_are_found(name: str) -> None:
    assert template(name).read_bytes()
