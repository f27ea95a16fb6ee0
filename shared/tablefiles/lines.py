"""A file as a stream of lines: read in blocks, never as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, TypeAlias

MAX_ROW = 1 << 16
"""Bytes of the longest row that is read; of a longer one only the beginning is kept."""
BLOCK = 1 << 20
KEPT_OF_A_LONG_ROW = 1_000

CUT = "the file ends in the middle of this row"
"""The flaw of a last line without a line end; it may be complete all the same."""

Line: TypeAlias = tuple[int, int, int, bytes, str]
"""(number of the row, its first byte, the byte after it, the line without its end, its flaw)."""


def split_lines(file: BinaryIO, offset: int, row: int) -> Iterator[Line]:
    """Yield the lines of a file from a byte on; memory does not grow with their length."""
    file.seek(offset)
    start, carry, dropped = offset, b"", 0
    while block := file.read(BLOCK):
        whole = (carry + block).split(b"\n") if carry else block.split(b"\n")
        carry = whole.pop()
        for raw in whole:
            row += 1
            length = len(raw) + dropped
            end = start + length + 1
            if length > MAX_ROW:
                yield row, start, end, raw[:KEPT_OF_A_LONG_ROW], _too_long(length)
                dropped = 0
            else:
                yield row, start, end, raw, ""
            start = end
        if len(carry) > MAX_ROW:
            dropped += len(carry) - MAX_ROW
            carry = carry[:MAX_ROW]
    if carry:
        length = len(carry) + dropped
        flaw = CUT if length <= MAX_ROW else _too_long(length)
        kept = carry if length <= MAX_ROW else carry[:KEPT_OF_A_LONG_ROW]
        yield row + 1, start, start + length, kept, flaw


def _too_long(length: int) -> str:
    return f"the row has {length} bytes; up to {MAX_ROW} are read"
