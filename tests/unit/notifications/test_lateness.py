"""Letters are late when one with a secret is due and nobody takes it."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from letter_doubles import Harness

from services.notifications.lateness import LATE_AFTER, delivery
from services.notifications.queueing import queue_letters
from services.notifications.requests import LetterRequest
from shared.contracts.notifications import LetterKind


@pytest.mark.parametrize(
    ("kind", "waits", "late"),
    [
        (LetterKind.REGISTRATION_CODE, timedelta(), False),
        (LetterKind.REGISTRATION_CODE, LATE_AFTER - timedelta(seconds=1), False),
        (LetterKind.REGISTRATION_CODE, LATE_AFTER, True),
        (LetterKind.BILL_READY, timedelta(hours=5), False),
    ],
)
def test_letters_are_late_once_a_code_has_waited(
    kind: LetterKind, waits: timedelta, late: bool
) -> None:
    harness = Harness()
    request = LetterRequest(
        letter_id=uuid4(), kind=kind, person_id=None, refs={"registration_id": str(uuid4())}
    )
    harness.store.transact(lambda session, _: queue_letters(session, [request]), None)
    harness.clock.advance(waits)
    assert harness.store.query(delivery) == {"late": late}
