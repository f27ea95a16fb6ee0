"""Small pictures: a screenshot of Chromium as a PNG with a palette of 256 colours."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_COLOURS = 256
RGB, PALETTE = 2, 3

Colour = tuple[int, int, int]


def with_palette(png: bytes, most: int = MOST_COLOURS) -> bytes:
    """Return an 8-bit RGB picture with a few colours, the rare ones replaced by the nearest.

    Raises ValueError for a picture of another kind.
    """
    width, height, pixels = decode(png)
    colours = list(zip(pixels[0::3], pixels[1::3], pixels[2::3], strict=True))
    counted = [colour for colour, _ in Counter(colours).most_common()]
    palette = counted[:most]
    index = {colour: number for number, colour in enumerate(palette)}
    index |= {colour: _nearest(colour, palette) for colour in counted[most:]}
    rows = bytearray()
    for start in range(0, width * height, width):
        rows.append(0)  # no filter: neighbours in a palette are not alike
        rows += bytes(index[colour] for colour in colours[start : start + width])
    header = struct.pack(">IIBBBBB", width, height, 8, PALETTE, 0, 0, 0)
    return SIGNATURE + b"".join(
        (
            chunk(b"IHDR", header),
            chunk(b"PLTE", bytes(part for colour in palette for part in colour)),
            chunk(b"IDAT", zlib.compress(bytes(rows), 9)),
            chunk(b"IEND", b""),
        )
    )


def decode(png: bytes) -> tuple[int, int, bytearray]:
    """Return width, height and the bytes of all pixels."""
    header, data = b"", b""
    for kind, content in _chunks(png):
        if kind == b"IHDR":
            header = content
        elif kind == b"IDAT":
            data += content
    width, height, *form = struct.unpack(">IIBBBBB", header)
    if form != [8, RGB, 0, 0, 0]:
        raise ValueError(f"not a plain 8-bit RGB picture: {form}")
    raw, size = zlib.decompress(data), width * 3
    pixels, above = bytearray(), bytearray(size)
    for start in range(0, len(raw), size + 1):
        above = _unfiltered(raw[start], raw[start + 1 : start + 1 + size], above)
        pixels += above
    return width, height, pixels


def _unfiltered(kind: int, row: bytes, above: Sequence[int]) -> bytearray:
    """Undo the filter of a row (PNG specification, 9.2)."""
    result = bytearray()
    for place, value in enumerate(row):
        left = result[place - 3] if place >= 3 else 0
        corner = above[place - 3] if place >= 3 else 0
        up = above[place]
        guess = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]
        result.append((value + guess) & 255)
    return result


def _paeth(left: int, up: int, corner: int) -> int:
    estimate = left + up - corner
    return min((left, up, corner), key=lambda value: abs(estimate - value))


def _nearest(colour: Colour, palette: Sequence[Colour]) -> int:
    def distance(number: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(colour, palette[number], strict=True))

    return min(range(len(palette)), key=distance)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place < len(png):
        (size,) = struct.unpack_from(">I", png, place)
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        place += size + 12


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG: length, kind, content, checksum."""
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
