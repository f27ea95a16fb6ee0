"""Nothing is owed only where no penalty of that day is, accrued or not."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from account_sessions import TODAY, AccountSession
from eventful_account import NUMBER, an_account, bill, day

from services.ledger.domain import Account
from services.ledger.papers.certificate import debt_on
from shared.errors import ValidationFailed


def late() -> Account:
    """Return an account whose bill was paid months late, without its penalty."""
    account = an_account("01-01")
    bill(account, "01-31", "2026-01", heating=4_500_00)
    account.post_payment(uuid4(), day("06-20"), 4_500_00, 0)
    return account


def debt(account: Account, on: date) -> dict[str, Any]:
    session = AccountSession(account.pending, account.snapshot())
    return debt_on(session, NUMBER, on)  # type: ignore[arg-type]


def test_paid_account_owes_the_penalty_that_nobody_has_accrued() -> None:
    found = debt(late(), TODAY)
    assert found["principal"] == found["advance"] == 0
    assert found["owed"] == found["penalty"] > 0
    assert debt(late(), day("02-01"))["owed"] == 4_500_00


def test_account_that_is_paid_in_time_owes_nothing() -> None:
    account = an_account("01-01")
    bill(account, "01-31", "2026-01", heating=4_500_00)
    account.post_payment(uuid4(), day("01-31"), 4_600_00, 0)
    for on in (TODAY, day("02-01")):
        found = debt(account, on)
        assert (found["owed"], found["penalty"], found["advance"]) == (0, 0, 100_00)


def test_certificate_of_a_day_to_come_is_refused() -> None:
    with pytest.raises(ValidationFailed) as refused:
        debt(late(), TODAY + timedelta(days=1))
    assert refused.value.code == "invalid_day"
