"""What a RabbitMQ of a cluster says of itself, with a management API of the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.cluster import rabbitmq
from deploy.embedded.plan import ProcessSpec
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
    ("said", "takes_for_dead"),
    [
        (b'{"partitions":[],"running":true}', []),
        (b'{"partitions":["mq-1@127.0.0.1"],"running":true}', ["mq-1@127.0.0.1"]),
        (b'{"partitions":[],"running":false}', None),
        (b"<html>", None),
    ],
)
def test_node_says_whom_it_takes_for_dead(said: bytes, takes_for_dead: list[str] | None) -> None:
    asked: list[str] = []

    def answer(path: str) -> bytes:
        asked.append(path)
        return said

    with management(answer) as node:
        assert rabbitmq.takes_for_dead(node, PASSWORD) == takes_for_dead
    assert asked == ["/api/nodes/mq-2@127.0.0.1?columns=running,partitions"]


def test_node_that_says_nothing_does_not_serve() -> None:
    with management(lambda path: b'{"partitions":[],"running":true}') as node:
        assert rabbitmq.takes_for_dead(node, "guessed") is None
    silent = rabbitmq.Node("mq-2", LOOPBACK, {"amqp_management": free_port()})
    assert rabbitmq.takes_for_dead(silent, PASSWORD) is None


@pytest.mark.parametrize(
    ("said", "apart"),
    [
        ({"mq-1": [], "mq-2": [], "mq-3": []}, None),
        # Both others took it for dead; it may know, or not.
        ({"mq-1": ["mq-2@a"], "mq-2": [], "mq-3": ["mq-2@a"]}, "mq-2"),
        ({"mq-1": ["mq-2@a"], "mq-2": ["mq-1@a", "mq-3@a"], "mq-3": ["mq-2@a"]}, "mq-2"),
        # Two who take each other so: one of them, not both, or the third would be a minority.
        ({"mq-1": ["mq-2@a"], "mq-2": ["mq-1@a"], "mq-3": []}, "mq-2"),
        ({"mq-1": []}, None),
    ],
)
def test_only_the_node_that_most_others_take_for_dead_is_restarted(
    said: dict[str, list[str]], apart: str | None
) -> None:
    assert rabbitmq.apart(said) == apart
    assert apart is None or rabbitmq.is_parted(apart, said)


def test_whom_nodes_take_for_dead_is_read_from_what_they_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = {"mq-1": "['mq-2@10.1.2.32','mq-3@10.1.2.33']", "mq-2": ""}
    servers = {name: ProcessSpec(name=name, argv=(), environ={}, cwd="/") for name in said}
    monkeypatch.setattr(rabbitmq, "asked", lambda spec, expression: said[spec.name])
    assert rabbitmq.partitions(servers) == {
        "mq-1": ["mq-2@10.1.2.32", "mq-3@10.1.2.33"],
        "mq-2": [],
    }
