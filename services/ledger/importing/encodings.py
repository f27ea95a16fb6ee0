"""Which encoding a file has: UTF-8, or cp1251, by the lines that have letters beyond ASCII.

One broken line must not turn a whole UTF-8 file into cp1251, where every byte means something and
all names would be posted wrong: so the lines vote, and the broken one is refused alone.
"""

from __future__ import annotations

UTF_8, CP1251 = "utf-8", "cp1251"


class EncodingVote:
    """Counts the blocks of a file as they are read."""

    def __init__(self) -> None:
        self._carry = b""
        self._utf8 = 0
        self._other = 0

    def count(self, block: bytes) -> None:
        """Let the lines of a block vote; what follows its last line end waits for the next."""
        if block.isascii() and self._carry.isascii():
            self._carry = b""
            return
        head, _, rest = block.rpartition(b"\n")
        if not head:
            # A line of more than a block has no vote: it is refused for its length in any case.
            self._carry = b""
            return
        self._vote(self._carry + head)
        self._carry = rest

    @property
    def winner(self) -> str:
        """Answer the encoding; a file of ASCII alone is UTF-8."""
        self._vote(self._carry)
        self._carry = b""
        return CP1251 if self._other > self._utf8 else UTF_8

    def _vote(self, lines: bytes) -> None:
        if lines.isascii():
            return
        try:
            lines.decode(UTF_8)
        except UnicodeDecodeError:
            self._vote_by_line(lines)
        else:
            self._utf8 += lines.count(b"\n") + 1

    def _vote_by_line(self, lines: bytes) -> None:
        for line in lines.split(b"\n"):
            if not line.isascii():
                try:
                    line.decode(UTF_8)
                except UnicodeDecodeError:
                    self._other += 1
                else:
                    self._utf8 += 1
