"""The frames of one published message, in AMQP 0-9-1, encoded by ourselves.

py-amqp encodes a message through a dozen calls for each header, most of which are the same for
thousands of messages: here a header of a repeated text is encoded once. The bytes are those of
py-amqp (tests/unit/shared/test_frames.py), which still has the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from struct import Struct
from typing import Any

from amqp.serialization import dumps

_FRAME = Struct(">BHI")  # type, channel, size
_METHOD = Struct(">HHH")  # class, method, a ticket that nobody uses
_CONTENT = Struct(">HHQ")  # class, weight, size of the body
_NUMBER, _TEXT, _SIZE = Struct(">ci"), Struct(">cI"), Struct(">I")
_METHOD_FRAME, _HEADER_FRAME, _BODY_FRAME = 1, 2, 3
_END = b"\xce"
_FRAMED = _FRAME.size + len(_END)
_BASIC, _PUBLISH = 60, 40
_MANDATORY = 1
_LARGEST = 2**31 - 1
_PERSISTENT = b"\x02"
_PROPERTIES = (0b1111_0000_0001_0000).to_bytes(2, "big")
"""Those that follow: type and encoding of the content, headers, delivery mode, user."""

Encode = Callable[[str, str, Mapping[str, Any], bytes], bytes]
"""Returns the frames of a message: its exchange, routing key, headers and body."""


def encoder(
    channel: int,
    frame_max: int,
    user: str,
    content_type: str,
    repeated: Collection[str],
    *,
    mandatory: bool,
) -> Encode:
    """Return what encodes the persistent messages of one user on one channel of a connection.

    ``repeated`` are the names of the headers whose values are the same for many messages.
    """
    before = _PROPERTIES + _short(content_type) + _short("utf-8")
    after = _PERSISTENT + _short(user)
    bits = bytes([_MANDATORY if mandatory else 0])
    most = frame_max - _FRAMED

    @lru_cache(maxsize=1_000)
    def method(exchange: str, routing_key: str) -> bytes:
        arguments = _METHOD.pack(_BASIC, _PUBLISH, 0) + _short(exchange) + _short(routing_key)
        return _framed(_METHOD_FRAME, channel, arguments + bits)

    def encode(exchange: str, routing_key: str, headers: Mapping[str, Any], body: bytes) -> bytes:
        table = b"".join(
            [
                _repeated(name, value)
                if name in repeated and type(value) is str
                else _item(name, value)
                for name, value in headers.items()
            ]
        )
        head = b"".join(
            (
                _CONTENT.pack(_BASIC, 0, len(body)),
                before,
                _SIZE.pack(len(table)),
                table,
                after,
            )
        )
        frames = [method(exchange, routing_key), _framed(_HEADER_FRAME, channel, head)]
        frames += [
            _framed(_BODY_FRAME, channel, body[start : start + most])
            for start in range(0, len(body), most)
        ]
        return b"".join(frames)

    return encode


def _framed(kind: int, channel: int, payload: bytes) -> bytes:
    return _FRAME.pack(kind, channel, len(payload)) + payload + _END


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded


def _item(name: str, value: Any) -> bytes:
    """Return an entry of a table."""
    if type(value) is str:
        text = value.encode("utf-8", "surrogatepass")
        return _name(name) + _TEXT.pack(b"S", len(text)) + text
    if type(value) is int and -_LARGEST <= value <= _LARGEST:
        return _name(name) + _NUMBER.pack(b"I", value)
    # None of ours, but staff replay what somebody may have sent.
    encoded: bytes = dumps("F", [{name: value}])
    return encoded[_SIZE.size :]


@lru_cache(maxsize=10_000)
def _repeated(name: str, value: str) -> bytes:
    return _item(name, value)


@lru_cache(maxsize=1_000)
def _name(name: str) -> bytes:
    return _short(name)
