"""The head of a request and the framing of its body, read strictly (RFC 9112).

What two readers could understand differently is refused: behind a proxy it would smuggle a request
past that proxy's rules. So lines end in CRLF, a request has one Host, and its length is told once.
"""

from __future__ import annotations

import re
from typing import IO, Any

from eventlet.wsgi import ChunkReadError, Input

from gateway.problems import Refusal

MAX_REQUEST_LINE = 8192
MAX_HEADER_LINE = 8192
MAX_HEADERS = 100
MAX_HEAD_BYTES = 64 * 1024
MAX_CHUNK_LINE = 1024
MAX_TRAILERS = 100

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) HTTP/(\d)\.(\d)\r\n")
_WITHOUT_VERSION = re.compile(_TOKEN + rb" [!-~]+\r?\n")
_HEADER_LINE = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t -~\x80-\xff]*?)[ \t]*\r\n")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t -~\x80-\xff]*)?\r\n")
_ABSOLUTE = re.compile(r"https?://([^/?#@]+)([/?].*)?", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
_LENGTH = re.compile(r"[0-9]{1,18}")


class RequestHeaders:
    """The headers of a request as eventlet asks for them: `HTTPMessage` takes them apart anew."""

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self._headers = headers

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of the first header of a name."""
        name = name.lower()
        return next((value for known, value in self._headers if known.lower() == name), default)

    def get_content_type(self) -> str:
        """Return the type of a body that names none."""
        return "text/plain"

    def replace(self, name: str, value: str) -> None:
        """Put one value in the place of all headers of a name."""
        kept = [pair for pair in self._headers if pair[0].lower() != name.lower()]
        self._headers = [*kept, (name, value)]


class Head:
    """The request line and the headers of one request, as far as they have been read."""

    def __init__(self) -> None:
        self.method = ""
        self.target = ""
        self.version = (1, 1)
        self.headers: list[tuple[str, str]] = []
        self._values: dict[str, list[str]] = {}

    def read(self, file: IO[bytes]) -> None:
        """Read a head to its end, and check the framing of the body that it announces.

        Raises Refusal: 400, 414, 431, 501 or 505.
        """
        authority = self._read_request_line(file)
        self._read_headers(file)
        self._check_host(authority)
        self._check_framing()

    def values(self, name: str) -> list[str]:
        """Return the values of all headers of a name."""
        return self._values.get(name, [])

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wants to send further requests on the connection."""
        connection = self.values("connection")
        if not connection:
            return self.version >= (1, 1)
        options = {option.strip().lower() for value in connection for option in value.split(",")}
        if self.version < (1, 1):
            return "keep-alive" in options
        return "close" not in options

    def _read_request_line(self, file: IO[bytes]) -> str | None:
        """Read the request line; return the authority of an absolute target."""
        line = file.readline(MAX_REQUEST_LINE + 1)
        if line == b"\r\n":  # some clients send one after a body
            line = file.readline(MAX_REQUEST_LINE + 1)
        if len(line) > MAX_REQUEST_LINE:
            raise Refusal(414, "target_too_long", limit=MAX_REQUEST_LINE)
        found = _REQUEST_LINE.fullmatch(line)
        if found is None:
            if _WITHOUT_VERSION.fullmatch(line):  # HTTP/0.9
                raise Refusal(505, "http_version_unsupported")
            raise Refusal(400, "malformed_request")
        self.method, self.target = found[1].decode("ascii"), found[2].decode("ascii")
        if found[3] != b"1":
            raise Refusal(505, "http_version_unsupported")
        self.version = (1, min(1, int(found[4])))
        absolute = _ABSOLUTE.fullmatch(self.target)
        if absolute:
            rest = absolute[2] or "/"
            self.target = rest if rest.startswith("/") else f"/{rest}"
        if not self.target.startswith("/") and (self.method, self.target) != ("OPTIONS", "*"):
            raise Refusal(400, "malformed_request")
        if self.target.startswith("//"):  # a redirect to it would lead to another site
            self.target = "/" + self.target.lstrip("/")
        return absolute[1] if absolute else None

    def _read_headers(self, file: IO[bytes]) -> None:
        size = 0
        while (line := file.readline(MAX_HEADER_LINE + 1)) != b"\r\n":
            size += len(line)
            if (
                len(line) > MAX_HEADER_LINE
                or size > MAX_HEAD_BYTES
                or len(self.headers) == MAX_HEADERS
            ):
                raise Refusal(431, "headers_too_large", limit=MAX_HEAD_BYTES, number=MAX_HEADERS)
            found = _HEADER_LINE.fullmatch(line)
            if found is None:
                raise Refusal(400, "malformed_request")
            name, value = found[1].decode("ascii"), found[2].decode("latin-1")
            self.headers.append((name, value))
            self._values.setdefault(name.lower(), []).append(value)

    def _check_host(self, authority: str | None) -> None:
        hosts = self.values("host")
        if len(hosts) > 1 or (not hosts and self.version >= (1, 1)):
            raise Refusal(400, "malformed_request")
        if authority is not None:
            self.headers = [(name, value) for name, value in self.headers if name.lower() != "host"]
            self.headers.append(("Host", authority))
            self._values["host"] = hosts = [authority]
        if not all(map(_HOST.fullmatch, hosts)):
            raise Refusal(400, "malformed_request")

    def _check_framing(self) -> None:
        lengths, encodings = self.values("content-length"), self.values("transfer-encoding")
        if not encodings:
            if len(lengths) > 1 or not all(_LENGTH.fullmatch(length) for length in lengths):
                raise Refusal(400, "framing_ambiguous")
            return
        codings = [coding.strip().lower() for value in encodings for coding in value.split(",")]
        if lengths or self.version < (1, 1):
            raise Refusal(400, "framing_ambiguous")
        if any(coding != "chunked" for coding in codings):
            raise Refusal(501, "transfer_coding_unsupported")
        if len(codings) > 1:
            raise Refusal(400, "framing_ambiguous")


class ChunkedInput(Input):
    """A chunked body; eventlet's own reader takes signs, underscores and any end of a chunk."""

    def _chunked_read(
        self, rfile: IO[bytes], length: int | None = None, use_readline: bool = False
    ) -> bytes:
        """Return up to ``length`` bytes; b"" at the end.

        Raises ChunkReadError for a malformed chunk, OSError for a body that breaks off.
        """
        if use_readline:
            raise NotImplementedError("a body is read as a whole")
        if self.should_send_hundred_continue:
            self.send_hundred_continue_response()
            self.is_hundred_continue_response_sent = True
        pieces: list[bytes] = []
        left = length if length is not None and length >= 0 else None
        while self.chunk_length != 0 and left != 0:
            if self.chunk_length < 0:
                self._begin_chunk(rfile)
                continue
            size = self.chunk_length - self.position
            piece = rfile.read(size if left is None else min(size, left))
            if not piece:
                raise OSError("the body breaks off within a chunk")
            pieces.append(piece)
            self.position += len(piece)
            left = None if left is None else left - len(piece)
            if self.position == self.chunk_length:
                self._end_chunk(rfile)
        return b"".join(pieces)

    def _begin_chunk(self, rfile: IO[bytes]) -> None:
        found = _CHUNK_LINE.fullmatch(_line(rfile))
        if found is None:
            raise ChunkReadError("the size of a chunk is malformed")
        self.position, self.chunk_length = 0, int(found[1], 16)
        if self.chunk_length == 0:
            self._read_trailers(rfile)

    def _end_chunk(self, rfile: IO[bytes]) -> None:
        if (end := rfile.read(2)) != b"\r\n":
            if len(end) < 2:
                raise OSError("the body breaks off after a chunk")
            raise ChunkReadError("a chunk is longer than its size")
        self.chunk_length = -1

    def _read_trailers(self, rfile: IO[bytes]) -> None:
        for _ in range(MAX_TRAILERS + 1):
            if (line := _line(rfile)) == b"\r\n":
                return
            if not _HEADER_LINE.fullmatch(line):
                break
        raise ChunkReadError("the trailers are malformed or too many")


def chunked_input(original: Any) -> ChunkedInput:
    """Return the strict reader of a chunked body in place of eventlet's."""
    return ChunkedInput(
        original.rfile,
        None,
        original.get_socket(),
        wfile=original.wfile,
        wfile_line=original.wfile_line,
        chunked_input=True,
    )


def _line(rfile: IO[bytes]) -> bytes:
    line = rfile.readline(MAX_CHUNK_LINE)
    if not line.endswith(b"\n") and len(line) < MAX_CHUNK_LINE:
        raise OSError("the body breaks off between chunks")
    return line
