"""Pictures with a palette: small, and the same to the eye."""

from __future__ import annotations

import struct
import zlib

import pytest

from tests.browser.palette import PALETTE, SIGNATURE, chunk, decode, with_palette

WHITE, INK = bytes((255, 255, 255)), bytes((20, 60, 50))


def _rgb(width: int, rows: list[tuple[int, bytes]], colour_type: int = 2) -> bytes:
    """Return an RGB picture of filtered rows: the number of the filter, the filtered bytes."""
    header = struct.pack(">IIBBBBB", width, len(rows), 8, colour_type, 0, 0, 0)
    data = b"".join(bytes([kind]) + row for kind, row in rows)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    return SIGNATURE + b"".join(chunk(kind, content) for kind, content in chunks)


def test_rows_are_read_whatever_their_filter() -> None:
    step = bytes((1, 2, 3))
    png = _rgb(2, [(0, INK + WHITE), (1, step * 2), (2, step * 2), (3, step * 2), (4, step * 2)])
    width, height, pixels = decode(png)
    assert (width, height) == (2, 5)
    assert pixels[:6] == INK + WHITE
    assert pixels[6:12] == bytes((1, 2, 3, 2, 4, 6)), "filter 1 adds the pixel to the left"
    assert pixels[12:18] == bytes((2, 4, 6, 3, 6, 9)), "filter 2 adds the pixel above"
    assert pixels[18:24] == bytes((2, 4, 6, 3, 7, 10)), "filter 3 adds the mean of both"
    assert pixels[24:30] == bytes((3, 6, 9, 4, 9, 13)), "filter 4 adds the likeliest of three"


def test_picture_with_few_colours_keeps_each_pixel() -> None:
    small = with_palette(_rgb(2, [(0, INK + WHITE), (0, WHITE + WHITE)]))
    (size,) = struct.unpack_from(">I", small, 33)
    palette = small[41 : 41 + size]
    assert small[25] == PALETTE
    assert palette == WHITE + INK
    data = zlib.decompress(small[41 + size + 12 : -12 - 4])
    assert data == bytes((0, 1, 0, 0, 0, 0)), "a row is its filter and the numbers of its colours"


def test_rare_colours_become_the_nearest_of_the_palette() -> None:
    greys = b"".join(bytes((grey, grey, grey)) * 2 for grey in range(256))
    almost_ink = bytes((20, 21, 20))
    small = with_palette(_rgb(513, [(0, greys + almost_ink)]))
    (size,) = struct.unpack_from(">I", small, 33)
    assert size == 256 * 3
    data = zlib.decompress(small[41 + size + 12 : -12 - 4])
    assert data[-1] == data[1 + 20 * 2], "the grey 20"


def test_picture_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="RGB"):
        with_palette(_rgb(1, [(0, INK + b"\xff")], colour_type=6))
