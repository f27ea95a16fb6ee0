"""Announces checkpoints on the bus, so that every subscriber can be a witness.

A checkpoint is no event: an event would be in the log, and be sealed again. So the worker sends the
signed note as it is to an exchange beside the log. A note proves itself, whoever passes it on; one
that is lost is followed by a newer one.
"""

from __future__ import annotations

from typing import Any

import amqp
from kombu import Exchange

from services.ledger.seal.sealer import Sealed, last_checkpoint
from shared.books import SPLIT
from shared.bus import Services
from shared.bus.topology import connect
from shared.config import user_of

ROUTING_KEY = "checkpoint"
CONFIRM_SECONDS = 5.0
_PERSISTENT = 2

_ANNOUNCED = "SELECT number FROM announced_checkpoint"
_ANNOUNCE = "UPDATE announced_checkpoint SET number = %s"


def checkpoints_of(log: str) -> str:
    """Return the exchange of the checkpoints of a log."""
    return f"{log}.checkpoints"


EXCHANGE = checkpoints_of(SPLIT)


def announce_checkpoint(services: Services) -> int:
    """Publish the newest checkpoint, once (a job); return 0, so that it waits for the next one."""
    newest: Sealed | None = services.store.query(_newest)
    if newest is None:
        return 0
    _publish(services.settings.amqp_url_of(services.store.service), newest)
    services.store.transact(_announced, newest.number)
    return 0


def _newest(session: Any) -> Sealed | None:
    newest = last_checkpoint(session.cursor)
    announced = session.cursor.execute(_ANNOUNCED).fetchone()["number"]
    return newest if newest and newest.number > announced else None


def _announced(session: Any, number: int) -> None:
    session.cursor.execute(_ANNOUNCE, (number,))


def _publish(url: str, sealed: Sealed) -> None:
    message = amqp.Message(
        sealed.note.encode(),
        content_type="text/plain",
        content_encoding="utf-8",
        delivery_mode=_PERSISTENT,
        user_id=user_of(url),
        application_headers={"number": sealed.number, "size": sealed.size},
    )
    log = user_of(url)
    with connect(url, name=f"{log} checkpoints", heartbeat=0) as broker:
        channel = broker.channel()
        exchange = checkpoints_of(log)
        Exchange(exchange, type="topic", durable=True)(channel).declare()
        channel.confirm_select()
        try:
            channel.basic_publish_confirm(
                message, exchange, ROUTING_KEY, confirm_timeout=CONFIRM_SECONDS
            )
        except (amqp.exceptions.MessageNacked, TimeoutError):
            return  # a subscriber's queue takes nothing: that is his affair
