"""Readiness checks, over the protocol that the users of a process speak."""

from __future__ import annotations

import http.client
import socket
import urllib.request

from deploy.embedded.plan import Check

TIMEOUT_SECONDS = 2.0
"""How long each wait for the target may take."""


def is_ready(check: Check) -> bool:
    """Return whether the target responds; one that is frozen does not, at whatever moment."""
    match check.kind:
        case "tcp":
            return _responds_to_tcp(check.target)
        case "amqp":
            return _responds_to_amqp(check.target, check.queues)
        case "sql":
            return _responds_to_sql(check.target)
        case "http":
            return _responds_to_http(check.target)


def _responds_to_tcp(target: str) -> bool:
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True


def _responds_to_http(url: str) -> bool:
    # Ignore proxies of the environment: the target is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_SECONDS) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException, ValueError):
        return False


def _responds_to_sql(url: str) -> bool:
    import psycopg

    from shared.database import BoundedConnection

    try:
        with BoundedConnection.connect(url, connect_timeout=int(TIMEOUT_SECONDS)) as connection:
            connection.patience_s = TIMEOUT_SECONDS
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _responds_to_amqp(url: str, queues: tuple[str, ...]) -> bool:
    from kombu import Connection

    connection = Connection(url, connect_timeout=TIMEOUT_SECONDS, heartbeat=0)
    try:
        # kombu limits only the connecting. BrokerConnection limits all, but with shared.bus would
        # come 10 MB that the supervisor holds as long as it runs.
        connection.connect().transport.sock.settimeout(TIMEOUT_SECONDS)
        channel = connection.channel()
        answers = [channel.queue_declare(queue, passive=True) for queue in queues]
    except (OSError, *connection.connection_errors, *connection.channel_errors):
        return False
    finally:
        connection.release()
    return all(answer.consumer_count for answer in answers)
