"""Importing from other trackers and exporting, through the program."""
