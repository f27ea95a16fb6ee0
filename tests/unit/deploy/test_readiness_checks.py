"""A readiness check waits for no target for ever: one may be frozen at any moment."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from struct import pack, unpack

import pytest
from amqp import spec
from amqp.serialization import dumps

from deploy.embedded import readiness
from deploy.embedded.plan import Check
from deploy.embedded.readiness import is_ready

LIMIT_S = 20.0
"""Several waits, and the second attempt of kombu to connect after two seconds."""

Served = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "TIMEOUT_SECONDS", 0.5)


@contextmanager
def frozen_after(serve: Served) -> Iterator[str]:
    """Yield the address of a server that serves each connection so far, and then says nothing."""
    taken: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                taken.append(listener.accept()[0])
                serve(taken[-1])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for one in taken:
                one.close()
            thread.join(LIMIT_S)


def checked(check: Check) -> bool | None:
    """Return what a check says; None for one that does not end."""
    said: list[bool] = []
    thread = threading.Thread(target=lambda: said.append(is_ready(check)), daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    return said[0] if said else None


def exactly(connection: socket.socket, size: int) -> bytes:
    return connection.recv(size, socket.MSG_WAITALL)


def accept_broker_login(connection: socket.socket) -> None:
    exactly(connection, len(b"AMQP\x00\x00\x09\x01"))
    send(connection, 0, spec.Connection.Start, "ooFSS", (0, 9, {}, "PLAIN", "en_US"))
    take(connection)
    send(connection, 0, spec.Connection.Tune, "BlB", (10, 4096, 0))
    take(connection)
    take(connection)
    send(connection, 0, spec.Connection.OpenOk, "s", ("",))


def open_channel(connection: socket.socket) -> None:
    accept_broker_login(connection)
    take(connection)
    send(connection, 1, spec.Channel.OpenOk, "S", ("",))


def send(
    connection: socket.socket, channel: int, method: tuple[int, int], form: str, values: object
) -> None:
    payload = pack(">HH", *method) + dumps(form, values)
    connection.sendall(pack(">BHI", 1, channel, len(payload)) + payload + b"\xce")


def take(connection: socket.socket) -> None:
    """Read one frame."""
    _, _, size = unpack(">BHI", exactly(connection, 7))
    exactly(connection, size + 1)


def accept_database_login(connection: socket.socket) -> None:
    [size] = unpack(">I", exactly(connection, 4))
    exactly(connection, size - 4)
    connection.sendall(b"R" + pack(">II", 8, 0) + b"Z" + pack(">I", 5) + b"I")


@pytest.mark.parametrize("serve", [lambda _: None, accept_broker_login, open_channel])
def test_frozen_broker_is_not_ready(serve: Served) -> None:
    with frozen_after(serve) as address:
        assert checked(Check("amqp", f"amqp://guest:guest@{address}//", ("work",))) is False


def test_frozen_database_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "TIMEOUT_SECONDS", 2.0)
    with frozen_after(accept_database_login) as address:
        url = f"postgresql://saldo@{address}/saldo?sslmode=disable&gssencmode=disable"
        assert checked(Check("sql", url)) is False


@pytest.mark.parametrize(("consumers", "ready"), [(1, True), (0, False)])
def test_broker_is_ready_once_its_queues_are_read(consumers: int, ready: bool) -> None:
    def serve(connection: socket.socket) -> None:
        open_channel(connection)
        take(connection)
        send(connection, 1, spec.Queue.DeclareOk, "sll", ("work", 0, consumers))
        take(connection)
        send(connection, 0, spec.Connection.CloseOk, "", ())

    with frozen_after(serve) as address:
        assert checked(Check("amqp", f"amqp://guest:guest@{address}//", ("work",))) is ready


def management_api(body: bytes, status: str = "200 OK") -> Served:
    """Return what serves this body, as RabbitMQ's list of queues, and closes the connection."""

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)

    return serve


@pytest.mark.parametrize(
    ("listed", "healthy"),
    [
        (b'[{"name":"ledger.stream","type":"stream","state":"down"}]', False),
        (b'[{"name":"ledger.stream","type":"stream"}]', False),
        (b'[{"name":"ledger.stream","type":"stream","state":"running"}]', True),
        (b'[{"name":"rpc","type":"quorum","state":"down"}]', True),
        (b'[{"name":"reply"}]', True),
        (b"[]", True),
        (b"no JSON", True),
    ],
)
def test_broker_is_ill_where_a_stream_does_not_run(listed: bytes, healthy: bool) -> None:
    with frozen_after(management_api(listed)) as address:
        assert checked(Check("streams", f"http://saldo:secret@{address}")) is healthy


@pytest.mark.parametrize("serve", [management_api(b"{}", "401 Unauthorized"), lambda _: None])
def test_broker_that_tells_nothing_of_its_streams_is_not_ill(serve: Served) -> None:
    with frozen_after(serve) as address:
        assert checked(Check("streams", f"http://saldo:wrong@{address}")) is True
