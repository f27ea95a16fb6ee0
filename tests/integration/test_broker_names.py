"""Nobody speaks at the broker in the name of another, whatever he writes into a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pika
import pytest
from amqp.exceptions import AccessRefused

from shared.bus.topology import connect, declare_listening, log_exchange
from shared.config import Settings
from tests.integration.broker_attempts import UUID, outcome_of

pytestmark = pytest.mark.nodes


def test_nobody_publishes_in_the_name_of_another(base_settings: Settings) -> None:
    url = base_settings.amqp_url_of("accounts")
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        forged = pika.BasicProperties(user_id="ledger")
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="user_id"):
            channel.basic_publish("nameko-rpc", f"reply.x.{UUID}", b"{}", forged)


def test_a_key_in_a_header_signs_for_nobody_else(
    users: Mapping[str, str], base_settings: Settings
) -> None:
    """Before version 4 the broker does not check the keys in CC: the caller is the clerk still."""
    with pika.BlockingConnection(pika.URLParameters(base_settings.amqp_url)) as house:
        reader = house.channel()
        reader.queue_bind("rpc-identity", "nameko-rpc", "identity.*")
        copied = pika.BasicProperties(headers={"CC": ["identity.issue_reset_link"]})

        def attempt(channel: Any, _: str) -> None:
            channel.basic_publish("nameko-rpc", "ledger.adjust", b"{}", copied)

        if outcome_of(users["clerk"], attempt) == "allowed":
            _, properties, _ = reader.basic_get("rpc-identity", auto_ack=True)
            assert properties.user_id is None
        for forged in ("gateway", "notifications"):
            copied.user_id = forged
            assert outcome_of(users["clerk"], attempt) == "refused"


def test_a_reply_that_is_dead_lettered_as_a_call_cannot_be_answered(
    users: Mapping[str, str], base_settings: Settings
) -> None:
    """Whoever may call may let a service's reply go out again as a call, signed by the service.

    It has no `reply_to`, and the server drops what has none.
    """
    with (
        pika.BlockingConnection(pika.URLParameters(base_settings.amqp_url)) as house,
        pika.BlockingConnection(pika.URLParameters(users["clerk"])) as clerk,
        pika.BlockingConnection(pika.URLParameters(users["ledger"])) as ledger,
    ):
        user = pika.URLParameters(users["clerk"]).credentials.username
        me = f"{user}.{UUID}"
        channel = clerk.channel()
        channel.queue_declare(
            f"rpc.reply-{me}",
            exclusive=True,
            arguments={
                "x-message-ttl": 0,
                "x-dead-letter-exchange": "nameko-rpc",
                "x-dead-letter-routing-key": "identity.issue_reset_link",
            },
        )
        channel.queue_bind(f"rpc.reply-{me}", "nameko-rpc", f"reply.{me}")
        reader = house.channel()
        reader.queue_bind("rpc-identity", "nameko-rpc", "identity.*")
        reply = pika.BasicProperties(user_id="ledger", correlation_id="1")
        ledger.channel().basic_publish("nameko-rpc", f"reply.{me}", b"{}", reply)
        _, properties, _ = next(reader.consume("rpc-identity", inactivity_timeout=30))
        assert properties is not None
        assert (properties.user_id, properties.reply_to) == ("ledger", None)


def test_a_service_cannot_listen_in_the_name_of_another(
    users: Mapping[str, str], house: None
) -> None:
    with connect(users["payments"], name="tests", heartbeat=0) as broker:
        for consumer, upstream in (("ledger", "payments"), ("payments", "identity")):
            with pytest.raises(AccessRefused):
                declare_listening(broker, consumer, upstream)
        with pytest.raises(AccessRefused), broker.channel() as channel:
            log_exchange("ledger")(channel).declare()
