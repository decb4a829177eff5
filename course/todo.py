"""How an exercise says that it is not written yet."""


class NotSolved(NotImplementedError):
    """Raised by a stub; `exercise` is its number."""

    def __init__(self, exercise: str) -> None:
        super().__init__(f"exercise {exercise} is still to be written")
        self.exercise = exercise


def todo(exercise: str) -> NotSolved:
    """The error that stands in a stub's place: ``raise todo("02.1")``. Take the line out when you write your own."""
    return NotSolved(exercise)
