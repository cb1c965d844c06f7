import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.base.process import Finished
from factory.gates.verdict import judge


def ended(code: int, out: bytes = b"", ended_by: str = "") -> Finished:
    return Finished(code, out, b"", 1.0, ended_by)


@pytest.mark.parametrize(
    ("finished", "command", "answer", "code"),
    [
        (ended(0), "pytest", "passed", "passed"),
        (ended(1), "pytest", "failed", "failed"),
        (ended(2), "make test", "failed", "failed"),
        (ended(5), "python3 -m pytest -q", "held", "no-tests"),
        (ended(5), "make test", "failed", "failed"),
        (ended(126), "./gate", "held", "missing"),
        (ended(127), "gate", "held", "missing"),
        (ended(-9), "gate", "held", "killed"),
        (ended(137), "gate", "held", "killed"),
        (ended(0, ended_by="timeout"), "gate", "held", "timeout"),
        (ended(-9, ended_by="processes"), "gate", "held", "killed"),
    ],
)
def test_the_end_of_a_gate_means_one_thing(finished: Finished, command: str, answer: str, code: str) -> None:
    ruling = judge("tests", command, finished, 10)
    assert (ruling.answer, ruling.code) == (answer, code)
    assert "tests" in ruling.reason


@given(st.integers(min_value=-64, max_value=255), st.text(), st.binary(max_size=200))
def test_only_a_gate_that_ended_by_itself_with_0_has_passed(code: int, command: str, out: bytes) -> None:
    for ended_by in ("", "timeout", "processes"):
        passed = judge("tests", command, ended(code, out, ended_by), 10).answer == "passed"
        assert passed == (code == 0 and not ended_by)


def test_the_evidence_is_the_end_of_the_output_without_colours_and_bounded() -> None:
    out = b"x" * 100_000 + b"\n\x1b[31mFAILED tests/test_a.py::test_b\x1b[0m\n"
    evidence = judge("tests", "pytest", ended(1, out), 10).evidence
    assert evidence.endswith("FAILED tests/test_a.py::test_b")
    assert "\x1b" not in evidence
    assert len(evidence) < 7000
