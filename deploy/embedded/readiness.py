"""Readiness checks, over the protocol that the users of a process speak."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import urllib.request
from base64 import b64encode
from urllib.parse import unquote, urlsplit, urlunsplit

from deploy.embedded.plan import Check
from deploy.embedded.postgres_binaries import binaries

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
        case "streams":
            return _has_streams_running(check.target)


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


def _has_streams_running(url: str) -> bool:
    """Return whether a management API shows every stream as running, or nothing at all.

    The writers of the streams report that every few seconds; one that is down for good does not.
    """
    parts = urlsplit(url)
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", "/api/queues/%2F?columns=type,state", headers=headers)
        with connection.getresponse() as response:
            if response.status != http.client.OK:
                return True
            queues = json.load(response)
    except (OSError, http.client.HTTPException, ValueError):
        return True
    finally:
        connection.close()
    # One whose node is down has fewer columns.
    streams = [queue for queue in queues if queue.get("type") == "stream"]
    return all(queue.get("state") == "running" for queue in streams)


def _responds_to_sql(url: str) -> bool:
    # The supervisor would hold the memory of a driver as long as it runs: psql does it.
    parts = urlsplit(url)
    without_password = parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}")
    try:
        result = subprocess.run(
            [str(binaries() / "psql"), "-X", "-c", "SELECT 1", urlunsplit(without_password)],
            env={
                "PGPASSWORD": unquote(parts.password or ""),
                "PGCONNECT_TIMEOUT": str(max(2, round(TIMEOUT_SECONDS))),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=2 * TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def _responds_to_amqp(url: str, queues: tuple[str, ...]) -> bool:
    from amqp import Connection
    from amqp.exceptions import AMQPError

    parts = urlsplit(url)
    connection = Connection(
        host=f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}",
        userid=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        virtual_host=unquote(parts.path[1:]) or "/",
        ssl=parts.scheme == "amqps",
        connect_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,
        write_timeout=TIMEOUT_SECONDS,
    )
    try:
        connection.connect()
        channel = connection.channel()
        answers = [channel.queue_declare(queue, passive=True) for queue in queues]
        connection.close()
    except (OSError, AMQPError):
        return False
    finally:
        connection.collect()
    return all(answer.consumer_count for answer in answers)
