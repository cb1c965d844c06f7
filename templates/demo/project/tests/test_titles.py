import unittest

from inkwell.titles import title


class TitleTest(unittest.TestCase):
    def test_each_word_gets_a_capital(self) -> None:
        self.assertEqual(title("small tools, big texts"), "Small Tools, Big Texts")

    def test_small_words_stay_small_in_the_middle(self) -> None:
        self.assertEqual(title("the lord of the rings"), "The Lord of the Rings")

    def test_the_last_word_gets_a_capital_however_small(self) -> None:
        self.assertEqual(title("what it is made of"), "What It Is Made Of")

    def test_every_part_of_a_compound_counts(self) -> None:
        self.assertEqual(title("a state-of-the-art well-known tool"), "A State-of-the-Art Well-Known Tool")
