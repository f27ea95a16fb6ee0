"""Small files of every kind that is taken as an attachment, and what only looks like one."""

from __future__ import annotations

import struct
import zlib

PDF_BYTES = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\nstartxref\n9\n%%EOF\n"
JPEG_BYTES = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0" + b"\x11" * 60 + b"\xff\xd9"
)
GIF_BYTES = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
HEIC_BYTES = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x08mdat" * 4


def _chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def png(width: int = 1, height: int = 1, *, more: int = 0) -> bytes:
    """Return a PNG that says it has so many pixels, made longer by so many bytes of a comment."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    comment = _chunk(b"tEXt", b"c\0" + b"x" * more) if more else b""
    pixels = _chunk(b"IDAT", zlib.compress(b"\0\0"))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + comment + pixels + _chunk(b"IEND", b"")


def webp() -> bytes:
    body = b"WEBPVP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0"
    return b"RIFF" + struct.pack("<I", len(body)) + body


WHOLE = {
    "image/png": png(),
    "image/jpeg": JPEG_BYTES,
    "image/gif": GIF_BYTES,
    "image/webp": webp(),
    "image/heic": HEIC_BYTES,
    "application/pdf": PDF_BYTES,
}
"""A whole file of each kind."""

NO_KIND_OF_OURS = {
    "a page": b"<!doctype html><script>alert(1)</script>",
    "a drawing with a script": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "a drawing": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
    "a program": b"MZ\x90\0\x03\0\0\0",
    "a program of Linux": b"\x7fELF\x02\x01\x01\0",
    "an archive": b"PK\x03\x04\x14\0\0\0\x08\0",
    "a document of Word": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "a text": "Почему начислено больше?".encode(),
    "a page before a PDF": b"<html><script>1</script></html>%PDF-1.7\n%%EOF",
    "a picture after a space": b" " + png(),
    "a film": b"\0\0\0\x18ftypisom\0\0\0\0",
    "a sound in RIFF": b"RIFF\x24\0\0\0WAVEfmt ",
    "a line end before PNG": b"\n" + png(),
}
"""Contents that no name makes an attachment."""
