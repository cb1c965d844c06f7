import unittest

from inkwell.table import table


class TableTest(unittest.TestCase):
    def test_columns_line_up(self) -> None:
        self.assertEqual(table([["name", "town"], ["Ada", "London"]]), "name  town\nAda   London")

    def test_numbers_stand_to_the_right(self) -> None:
        self.assertEqual(table([["ink", "7"], ["paper", "1,200"]]), "ink        7\npaper  1,200")

    def test_a_short_row_is_filled_up(self) -> None:
        self.assertEqual(table([["a", "b"], ["c"]]), "a  b\nc")

    def test_no_rows_make_no_table(self) -> None:
        self.assertEqual(table([]), "")
