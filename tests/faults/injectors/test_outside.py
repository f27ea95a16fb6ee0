"""Banks, mail server and registrar misbehave as they are told, and behave again."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.faults.injectors import outside
from tests.faults.injectors.small_house import Choosing, SmallHouse
from tests.faults.newcomers import Newcomer

pytestmark = pytest.mark.slow

RECOVERY_S = 90.0


@pytest.mark.parametrize(
    ("fault", "party", "variable", "wanted"),
    [
        (outside.BankMisbehaves(), "acquirer", "SALDO_ACQUIRER_URL", {"double_callbacks": True}),
        (outside.BankMisbehaves(), "yookassa", "SALDO_ACQUIRER_KASSA_URL", {"hang": True}),
        (outside.MailServerMisbehaves(), "mailcatcher", "SALDO_MAILBOX_URL", {"down": True}),
        (outside.RegistrarMisbehaves(), "ofd", "SALDO_FISCAL_URL", {"lose_answers": True}),
    ],
    ids=["acquirer", "yookassa", "mail", "registrar"],
)
def test_party_misbehaves_until_it_is_healed(
    house: SmallHouse, fault: Any, party: str, variable: str, wanted: dict[str, Any]
) -> None:
    words = fault.inject(house, Choosing(party, wanted))
    [(name, value)] = wanted.items()
    assert words == f"{party}: {name} {value}"
    assert faults(house, variable)[name] == value
    fault.heal(house)
    assert faults(house, variable)[name] is False


def test_letter_waits_for_a_mail_server_that_is_down(house: SmallHouse) -> None:
    fault, waiting = outside.MailServerMisbehaves(), Newcomer(house)
    fault.inject(house, Choosing("mailcatcher", {"down": True}))
    assert waiting.asks(patience=RECOVERY_S) == "accepted"
    assert not waiting.has_letter()
    fault.heal(house)
    waiting.has_letter_within(RECOVERY_S)


def faults(house: SmallHouse, variable: str) -> dict[str, Any]:
    """Return the faults of a party; an empty change answers with all of them."""
    url = f"{house.environment[variable]}/admin/faults"
    found: dict[str, Any] = requests.put(url, json={}, timeout=10).json()
    return found
