"""Messages without a reaction are passed over with the next that has one, or soon by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import mock

import pytest

from services.ledger.publishing import publish
from shared.bus import listen
from shared.bus.listen import Listener
from shared.bus.reactions import Delivery, Reactions
from shared.bus.relay import Relay
from shared.bus.worker import Worker
from tests.conftest import Database
from tests.integration.bus_ends import Calls, open_one, pay
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("clean_bus")


class Reading:
    """Payments that read the events of a ledger; notes the types that took effect together."""

    def __init__(self, database: Database, worker: Worker) -> None:
        self.ledger = database.store("ledger")
        self.batches: list[list[str]] = []
        payments = database.store("payments")
        calls = Calls(database.settings, payments, self.ledger)
        self.reactions = Reactions(calls, payments, "ledger", {})
        worker.start("relay", Relay(database.settings, self.ledger, publish, worker.stop).run)
        handlers: dict[str, Any] = {"payment_posted": lambda *_: None}
        listener = Listener(calls, payments, "ledger", handlers, worker.stop)
        worker.start("listener", listener.run)
        open_one(self.ledger, "0100000009")
        eventually(lambda: self.reactions.position() == 1, "what is read first")
        self.batches.clear()

    def note(self, reactions: Reactions, batch: Sequence[Delivery], *args: Any, **how: Any) -> Any:
        self.batches.append([delivery.type for delivery in batch])
        return _apply(reactions, batch, *args, **how)


_apply = Reactions.apply


def test_they_wait_for_one_that_has_a_reaction(database: Database, worker: Worker) -> None:
    reading = Reading(database, worker)
    with (
        mock.patch.object(listen, "RIDE_S", 60.0),
        mock.patch.object(Reactions, "apply", autospec=True, side_effect=reading.note),
    ):
        open_one(reading.ledger)
        open_one(reading.ledger, "0100000002")
        pay(reading.ledger, 1)
        eventually(lambda: reading.reactions.position() == 4, "the payment takes effect")
    # On a machine under load they are old enough to be asked about, and applied after that.
    batch = reading.batches[-1]
    assert batch[-3:] == ["account_opened", "account_opened", "payment_posted"]


def test_they_are_passed_over_when_none_comes(database: Database, worker: Worker) -> None:
    reading = Reading(database, worker)
    open_one(reading.ledger)
    eventually(lambda: reading.reactions.position() == 2, "the account is passed over")
