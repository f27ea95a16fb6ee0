"""A connection to RabbitMQ on which nothing waits for ever.

A broker that is out of memory or disk stops reading from whoever publishes, and one that is frozen
from everybody: what is sent then fills the buffers of the kernel and blocks. kombu has no limit for
that, nor for the reply to a request, nor for the farewell when a connection is closed.
"""

from __future__ import annotations

from typing import Any

from kombu import Connection

from shared.bus.read_ahead import read_ahead

LIMIT_S = 10.0
"""How long one write, or the wait for one reply of the broker, may take."""


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
