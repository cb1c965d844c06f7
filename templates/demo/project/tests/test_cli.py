import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from inkwell.cli import main


def output(command: str, text: str) -> str:
    """What ``command`` prints for a file that holds ``text``."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as printed:
        file = Path(folder) / "text.txt"
        file.write_text(text, encoding="utf-8")
        main([command, str(file)])
    return printed.getvalue()


class CommandTest(unittest.TestCase):
    def test_slug_makes_one_of_each_line(self) -> None:
        self.assertEqual(output("slug", "One line\nAnother\n"), "one-line\nanother\n")

    def test_table_splits_at_tabs(self) -> None:
        self.assertEqual(output("table", "a\t1\nbb\t22\n"), "a    1\nbb  22\n")

    def test_wrap_fills_paragraphs(self) -> None:
        self.assertEqual(output("wrap", "one\ntwo\n"), "one two\n")


class HelpTest(unittest.TestCase):
    def test_an_unknown_command_is_refused(self) -> None:
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as printed:
            main(["sing"])
        self.assertIn("invalid choice: 'sing'", printed.getvalue())
