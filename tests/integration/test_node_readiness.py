"""The supervisor's checks of the nodes, against the nodes."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from amqp import Connection

from deploy.embedded.plan import Check
from deploy.embedded.readiness import is_ready
from tests.conftest import Database

pytestmark = pytest.mark.nodes


def with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}:{password}@{host}").geturl()


def test_database_is_ready_for_who_may_sign_in(database: Database) -> None:
    url = database.settings.database_url
    assert is_ready(Check("sql", url))
    assert not is_ready(Check("sql", with_password(url, "another")))


def test_broker_is_ready_for_who_may_sign_in_once_its_queues_are_read(amqp_url: str) -> None:
    assert is_ready(Check("amqp", amqp_url))
    assert not is_ready(Check("amqp", with_password(amqp_url, "another")))
    assert not is_ready(Check("amqp", amqp_url, ("no-such-queue",)))
    parts = urlsplit(amqp_url)
    with Connection(
        host=f"{parts.hostname}:{parts.port}", userid=parts.username, password=parts.password
    ) as connection:
        channel = connection.channel()
        queue = channel.queue_declare(exclusive=True).queue
        assert not is_ready(Check("amqp", amqp_url, (queue,))), "it is another connection's"
    assert not is_ready(Check("amqp", amqp_url, (queue,)))
