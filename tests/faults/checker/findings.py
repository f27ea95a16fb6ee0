"""What a check finds."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True, order=True):
    """A violation: of which invariant, by which rule, of what, in a sentence.

    `about` is what tells it from others of the same rule: an id, an account, a position.
    """

    invariant: str
    rule: str
    about: str
    sentence: str = ""

    def __str__(self) -> str:
        return f"{self.invariant} {self.rule}: {self.about}: {self.sentence}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two findings the same one, however the sentences differ."""
        return self.invariant, self.rule, self.about
