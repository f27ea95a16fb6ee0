"""Letters after a restore: what had gone out is not sent again, what had not is."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from letter_doubles import START, Harness, message_of

from services.notifications import lost_events, reactions
from shared.eventstore.lost_events import LostEvent

PERSON = str(uuid4())


@pytest.fixture
def harness() -> Harness:
    return Harness()


def completed(payment_id: str, position: int = 7) -> Any:
    data = {"payment_id": payment_id, "person_id": PERSON, "lines": [], "total": 1}
    return message_of("payments", "payment_completed", data, position)


def receipt(harness: Harness, message: Any) -> None:
    harness.react(reactions.payment_completed, message)


def sent(letter_id: object) -> LostEvent:
    return LostEvent(
        epoch="1",
        position=9,
        version=1,
        type="letter_sent",
        subject=str(letter_id),
        occurred_at=START,
        correlation_id="c",
        data={"letter_id": str(letter_id), "kind": "payment_receipt"},
    )


def states(harness: Harness) -> list[str]:
    return [row["state"] for row in harness.store.read_model.letters.values()]


def test_letter_that_waits_and_had_gone_out_is_marked_as_sent(harness: Harness) -> None:
    receipt(harness, completed(str(uuid4())))
    receipt(harness, completed(str(uuid4()), 8))
    gone, _ = harness.store.read_model.letters
    lost_events.protect(harness, [sent(gone)], whole=True)
    assert states(harness) == ["sent", "queued"]
    assert len(harness.queued) == 1


def test_letter_that_is_queued_again_and_had_gone_out_never_waits(harness: Harness) -> None:
    payment_id = str(uuid4())
    before = Harness()
    receipt(before, completed(payment_id))
    [letter_id] = before.store.read_model.letters
    harness.store.read_model.lost.sent.add(str(letter_id))
    # The payment was taken up again: another event, in another epoch, of the same payment.
    receipt(harness, completed(payment_id, position=12))
    assert (states(harness), harness.queued) == (["sent"], [])


def test_letter_that_had_not_gone_out_waits_again(harness: Harness) -> None:
    receipt(harness, completed(str(uuid4())))
    assert (states(harness), len(harness.queued)) == (["queued"], 1)


def test_payment_gets_one_receipt_however_often_it_is_completed(harness: Harness) -> None:
    payment_id = str(uuid4())
    receipt(harness, completed(payment_id, 7))
    receipt(harness, completed(payment_id, 12))
    assert len(harness.queued) == 1
