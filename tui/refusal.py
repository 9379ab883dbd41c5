"""What can't be done, said in a sentence."""

from __future__ import annotations


class Refused(Exception):
    """An action that cannot act now; the text says why, in a sentence.

    Attributes:
        place: where in a text that was typed the mistake is; None if it is nowhere in particular.
    """

    def __init__(self, reason: str, place: int | None = None) -> None:
        super().__init__(reason)
        self.place = place
