import unittest

from inkwell.words import Counts, count, words


class WordsTest(unittest.TestCase):
    def test_signs_are_no_words(self) -> None:
        self.assertEqual(words("Well, this - is it."), ["Well", "this", "is", "it"])

    def test_an_apostrophe_is_part_of_its_word(self) -> None:
        self.assertEqual(words("Don't stop"), ["Don't", "stop"])

    def test_every_alphabet_has_words(self) -> None:
        self.assertEqual(words("Füße и слова"), ["Füße", "и", "слова"])

    def test_a_text_is_counted(self) -> None:
        self.assertEqual(count("one two\nthree\n"), Counts(lines=2, words=3, characters=14))

    def test_an_empty_text_counts_nothing(self) -> None:
        self.assertEqual(count(""), Counts(0, 0, 0))
