"""The four ways a command can end badly, and nothing else.

Every expected problem is a leaf of ``UserError`` (exit 1), ``Refused`` (4) or ``TryAgain`` (75) and
stands beside the code that raises it. Whatever is not one of these is a bug in factory (exit 3).
"""


class FactoryError(Exception):
    """A problem with one sentence for people and, where there is one, a hint that helps.

    ``exit_code`` is what the process ends with: 1 you can fix it, 4 refused by policy, 75 try later.
    """

    exit_code = 3

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint


class UserError(FactoryError):
    """Something that the person who called can fix."""

    exit_code = 1


class Refused(FactoryError):
    """A policy says no: the lifecycle, trust, separation of duties, a confinement rule."""

    exit_code = 4


class TryAgain(FactoryError):
    """Nothing is wrong; something else is in the way for the moment."""

    exit_code = 75
