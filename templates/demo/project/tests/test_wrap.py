import unittest

from inkwell.wrap import wrap


class WrapTest(unittest.TestCase):
    def test_lines_are_filled_to_the_width(self) -> None:
        self.assertEqual(wrap("one two three four", width=9), "one two\nthree\nfour")

    def test_paragraphs_stay_apart(self) -> None:
        self.assertEqual(wrap("one\ntwo\n\n\nthree"), "one two\n\nthree")

    def test_a_word_longer_than_the_width_stays_whole(self) -> None:
        self.assertEqual(wrap("a supercalifragilistic word", width=8), "a\nsupercalifragilistic\nword")
