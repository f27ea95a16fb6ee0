"""What staff type at the terminal: names, reasons, days, instants, and the approval limit."""

from __future__ import annotations

from datetime import date

import pytest

from services.ledger.commands.corrections import approval_limit
from services.ledger.commands.printing import author, day, day_or_instant
from shared.config import ConfigurationError


def test_a_name_is_one_name_however_it_is_written() -> None:
    written = ("ivanova", "Ivanova", " staff:IVANOVA ")
    assert {author(name, " act \n 7 ") for name in written} == {("staff:ivanova", "act 7")}


@pytest.mark.parametrize(
    ("actor", "reason"),
    [("", "r"), ("staff:", "r"), ("a b", "r"), ("a" * 65, "r"), ("a", " "), ("a", "x" * 501)],
)
def test_no_name_or_no_reason_is_refused(actor: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"--(actor|reason)"):
        author(actor, reason)


def test_days_and_instants_are_read_strictly() -> None:
    assert day("2026-10-31", "--on") == date(2026, 10, 31)
    assert day_or_instant("2026-10-31", "--as-of") == "2026-10-31"
    assert day_or_instant("2026-10-31T12:00:00+03:00", "--as-of") == "2026-10-31T12:00:00+03:00"
    for text in ("20261031", "2026-W44-6", "2026-02-30", "31.10.2026", ""):
        with pytest.raises(ValueError, match="--on"):
            day(text, "--on")
    for text in ("2026-10-31T12:00:00", "now", "2026-10-31 25:00:00+03:00"):
        with pytest.raises(ValueError, match="--as-of"):
            day_or_instant(text, "--as-of")


def test_the_limit_of_one_person_is_a_sum() -> None:
    name = "SALDO_LEDGER_APPROVAL_OVER"
    assert approval_limit({}) == 50_000_00
    assert approval_limit({name: "0"}) == 0
    assert approval_limit({name: "1 500,50"}) == 1_500_50
    for text in ("-1", "much", "1,005"):
        with pytest.raises(ConfigurationError, match=name):
            approval_limit({name: text})
