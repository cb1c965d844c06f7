import unittest

from inkwell.slug import slugify


class SlugTest(unittest.TestCase):
    def test_spaces_and_signs_become_one_separator(self) -> None:
        self.assertEqual(slugify("Hello,  wide world!"), "hello-wide-world")

    def test_digits_stay(self) -> None:
        self.assertEqual(slugify("Chapter 12"), "chapter-12")

    def test_the_separator_can_be_chosen(self) -> None:
        self.assertEqual(slugify("Hello world", separator="_"), "hello_world")

    def test_nothing_stands_at_the_ends(self) -> None:
        self.assertEqual(slugify("  ...and so on... "), "and-so-on")
