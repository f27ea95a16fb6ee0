"""Static files: named by their content, immutable, compressed once."""

from __future__ import annotations

import gzip
import mimetypes
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files

from werkzeug.wrappers import Request, Response

PREFIX = "/static/"
_FOREVER = "public, max-age=31536000, immutable"
_COMPRESSIBLE = (".css", ".js", ".svg")


@dataclass(frozen=True)
class StaticFile:
    """One file, plain and compressed."""

    path: str
    media_type: str
    plain: bytes
    compressed: bytes | None


@lru_cache(maxsize=1)
def static_files() -> Mapping[str, StaticFile]:
    """Return all files of ``static/``, and the pictures of documents, by name (``cabinet.css``)."""
    found = {}
    own = files("gateway.cabinet").joinpath("static")
    for entry in (*own.iterdir(), *files("shared.documents").joinpath("pictures").iterdir()):
        if not entry.is_file():
            continue
        content = entry.read_bytes()
        digest = urlsafe_b64encode(sha256(content).digest())[:10].decode()
        stem, dot, ending = entry.name.rpartition(".")
        compressed = gzip.compress(content, 9, mtime=0) if dot + ending in _COMPRESSIBLE else None
        media_type = mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
        if media_type.startswith("text/"):
            media_type += "; charset=utf-8"
        found[entry.name] = StaticFile(
            f"{PREFIX}{stem}.{digest}.{ending}", media_type, content, compressed
        )
    return found


def static_path(name: str) -> str:
    """Return the address of a static file; raises KeyError for one that is not there."""
    return static_files()[name].path


def static_response(request: Request, name: str) -> Response | None:
    """Return a file by the last part of its address; None for one that is not there."""
    wanted = next((file for file in static_files().values() if file.path == PREFIX + name), None)
    if wanted is None:
        return None
    response = Response(content_type=wanted.media_type)
    if wanted.compressed is not None:
        response.vary.add("Accept-Encoding")
    if wanted.compressed is not None and request.accept_encodings["gzip"] > 0:
        response.data = wanted.compressed
        response.headers["Content-Encoding"] = "gzip"
    else:
        response.data = wanted.plain
    response.headers["Cache-Control"] = _FOREVER
    return response
