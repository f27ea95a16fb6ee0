"""The encoding of a file, UTF-8 or cp1251, by a vote of its lines.

One broken line must not turn a UTF-8 file into cp1251, where every byte means something and all
names would come out wrong. Each line with bytes beyond ASCII votes; the broken one is refused
alone.
"""

from __future__ import annotations

from shared.tablefiles.lines import MAX_ROW

UTF_8, CP1251 = "utf-8", "cp1251"


class EncodingVote:
    """Counts the votes of a file, block by block."""

    def __init__(self) -> None:
        self._carry = b""
        self._utf8 = 0
        self._other = 0

    def count(self, block: bytes) -> None:
        """Count the whole lines of a block; the rest waits for the next block."""
        if block.isascii() and self._carry.isascii():
            self._carry = b""
            return
        head, end, rest = block.rpartition(b"\n")
        if end:
            self._vote(self._carry + head)
            self._carry = rest
        elif len(self._carry) + len(rest) <= MAX_ROW:
            self._carry += rest
        else:
            # It has no vote: it is refused for its length in any case.
            self._carry = b""

    @property
    def winner(self) -> str:
        """Return the encoding; a file of ASCII alone is UTF-8."""
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
