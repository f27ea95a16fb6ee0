"""What a RabbitMQ of a cluster says of itself, with a management API of the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.cluster import rabbitmq
from deploy.cluster.console import _BROKERS
from deploy.embedded.surroundings import LOOPBACK
from tests.ports import free_port

PASSWORD = "s3cret"
ENDS_S = 15.0


@contextmanager
def management(answer: Callable[[str], bytes]) -> Iterator[rabbitmq.Node]:
    """Serve a node's management API, which knows one user, and yield the node."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # base64 of saldo:s3cret
            is_known = self.headers["Authorization"] == "Basic c2FsZG86czNjcmV0"
            text = answer(self.path) if is_known else b'{"error":"not_authorised"}'
            self.send_response(200 if is_known else 401)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield rabbitmq.Node("mq-2", LOOPBACK, {"amqp_management": server.server_address[1]})
        server.shutdown()
        thread.join(ENDS_S)


@pytest.mark.parametrize(
    ("said", "does"),
    [
        (b'{"partitions":[],"running":true}', "serves"),
        (b'{"partitions":["mq-1@127.0.0.1"],"running":true}', "is apart"),
        (b'{"partitions":[],"running":false}', "is down"),
        (b"<html>", "is down"),
    ],
)
def test_node_that_is_apart_does_not_count_as_one_that_serves(said: bytes, does: str) -> None:
    asked: list[str] = []

    def answer(path: str) -> bytes:
        asked.append(path)
        return said

    with management(answer) as node:
        assert rabbitmq.does(node, PASSWORD) == does
    assert asked == ["/api/nodes/mq-2@127.0.0.1?columns=running,partitions"]
    assert does in _BROKERS


def test_node_that_says_nothing_is_down() -> None:
    with management(lambda path: b'{"partitions":[],"running":true}') as node:
        assert rabbitmq.does(node, "guessed") == "is down"
    silent = rabbitmq.Node("mq-2", LOOPBACK, {"amqp_management": free_port()})
    assert rabbitmq.does(silent, PASSWORD) == "is down"
