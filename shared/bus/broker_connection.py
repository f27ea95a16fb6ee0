"""A connection to RabbitMQ on which nothing waits for ever.

A broker that is out of memory or disk stops reading from whoever publishes, and one that is frozen
from everybody: what is sent then fills the buffers of the kernel and blocks. kombu has no limit for
that, nor for the reply to a request, nor for the farewell when a connection is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amqp.method_framing import frame_writer
from kombu import Connection

from shared.bus.read_ahead import read_ahead

LIMIT_S = 10.0
"""How long one write, or the wait for one reply of the broker, may take."""
LARGEST_FRAME = 16 * 1024
"""The bytes of a frame that is sent: the body of a larger message goes in several."""


class BrokerConnection(Connection):
    """kombu's connection, with limits; it knows whether the broker refuses to read from it."""

    is_blocked = False
    """Whether the broker has said so (``connection.blocked``), as far as it has been read."""
    reads_ahead = False
    """Whether it is read in large pieces; to be set before it is established."""

    def drop(self) -> None:
        """End the connection without a farewell: the broker may not be listening."""
        self.collect()
        self._default_channel = None
        self._closed = True

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        if isinstance(exc_val, (OSError, *self.connection_errors)):
            self.drop()
        else:
            self.release()

    def _establish_connection(self) -> Any:
        made = super()._establish_connection()
        # Under eventlet a socket heeds no SO_SNDTIMEO, but its own timeout.
        made.transport.sock.settimeout(LIMIT_S)
        self.is_blocked = False
        made.on_blocked = lambda _: self._note_blocked(True)
        made.on_unblocked = lambda: self._note_blocked(False)
        if self.reads_ahead:
            read_ahead(made)
        return made

    def _note_blocked(self, blocked: bool) -> None:
        self.is_blocked = blocked


class _SmallFrames:
    """What py-amqp's writer of frames asks a connection for."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def frame_max(self) -> int:
        return min(int(self._connection.frame_max), LARGEST_FRAME)

    @property
    def bytes_sent(self) -> int:
        """How much was sent: who sends nothing for a while sends a heartbeat."""
        return int(self._connection.bytes_sent)

    @bytes_sent.setter
    def bytes_sent(self, sent: int) -> None:
        self._connection.bytes_sent = sent


def small_frames(connection: Any, transport: Any) -> Callable[..., None]:
    """Return what writes frames to a connection of py-amqp.

    py-amqp's own keeps room for the largest frame that RabbitMQ takes, 128 KiB, for each connection
    as long as it lives; a worker has some forty of them.
    """
    written: Callable[..., None] = frame_writer(_SmallFrames(connection), transport)
    return written
