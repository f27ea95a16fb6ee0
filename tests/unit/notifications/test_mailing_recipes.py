"""What a letter of a mailing says when it is delivered, hours after it was queued."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.notifications.application import ClaimedLetter
from services.notifications.recipes import RECIPES, Asking, Draft
from services.notifications.requests import Lane
from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.errors import Unavailable

ANNA = UUID(int=1)
FIRST, SECOND = "0100000001", "0100000002-2"
NOW = datetime(2026, 4, 10, 9, tzinfo=UTC)


def debt(amount: int, due_on: str = "2026-04-15", period: str = "2026-03") -> dict[str, Any]:
    return {"period": period, "due_on": due_on, "amount": amount}


class Owners:
    """Who is asked at delivery: readers of accounts, open debts, the person's address."""

    settings = Settings()

    def __init__(self, read: tuple[str, ...], debts: Mapping[str, list[dict[str, Any]]]) -> None:
        self.read, self.debts = read, debts
        self.erased = False
        self.asked: list[str] = []

    def call(self, service: str, method: str, **asked: Any) -> dict[str, Any]:
        self.asked.append(f"{service}.{method}")
        assert len(asked.get("accounts", ())) <= 1_000, "the owners take no more at once"
        match f"{service}.{method}":
            case "accounts.readers":
                readers = {one: [str(ANNA)] for one in asked["accounts"] if one in self.read}
                return {"readers": readers}
            case "ledger.open_debts":
                return {"accounts": {k: v for k, v in self.debts.items() if k in asked["accounts"]}}
            case "identity.contacts" if self.erased:
                return {"contacts": {}}
            case "identity.contacts":
                anna = {"email": "anna@example.org", "language": "en"}
                return {"contacts": {str(ANNA): anna}}
        raise Unavailable("service_unavailable", method)


def claimed(kind: LetterKind, **refs: Any) -> ClaimedLetter:
    return ClaimedLetter(
        letter_id=uuid4(),
        kind=kind.value,
        person_id=ANNA,
        refs={"mailing_id": str(uuid4()), **refs},
        lane=Lane.BULK,
        sealed=None,
        sealed_until=None,
        generation=0,
        not_after=None,
        claim=uuid4(),
        correlation_id="run",
        attempts=0,
        queued_at=NOW,
    )


def drawn(owners: Owners, kind: LetterKind, **refs: Any) -> Draft | None:
    letter = claimed(kind, **refs)
    return RECIPES[kind](Asking(owners, [letter]), letter)  # type: ignore[arg-type]


def facts(owners: Owners, kind: LetterKind, **refs: Any) -> Mapping[str, Any]:
    draft = drawn(owners, kind, **refs)
    assert draft is not None
    assert (draft.to, draft.language) == ("anna@example.org", "en")
    return draft.facts


def test_a_bill_has_what_is_still_to_be_paid_of_its_month() -> None:
    debts = {FIRST: [debt(90_00), debt(5_00, "2026-03-10", "2026-02")]}
    said = facts(
        Owners((FIRST, SECOND), debts),
        LetterKind.BILL_READY,
        period="2026-03",
        accounts=[FIRST, SECOND],
    )
    assert said == {
        "period": "2026-03",
        "bills": [
            {"number": FIRST, "total": 90_00, "due_on": "2026-04-15"},
            {"number": "0100000002", "total": 0, "due_on": None},
        ],
        "total": 90_00,
    }


def test_a_reminder_has_what_is_owed_of_its_day_and_no_account_that_is_paid() -> None:
    debts = {FIRST: [debt(90_00), debt(5_00, "2026-05-15", "2026-04")], SECOND: []}
    owners = Owners((FIRST, SECOND), debts)
    said = facts(owners, LetterKind.DUE_SOON, due_on="2026-04-15", accounts=[FIRST, SECOND])
    assert said == {
        "accounts": [{"number": FIRST, "amount": 90_00, "due_on": "2026-04-15"}],
        "total": 90_00,
        "due_on": "2026-04-15",
    }


def test_a_warning_says_since_when_and_from_when() -> None:
    said = facts(
        Owners((FIRST,), {FIRST: [debt(90_00)]}),
        LetterKind.OVERDUE,
        penalties_from="2026-05-16",
        due_on={FIRST: "2026-04-15"},
    )
    assert said == {
        "accounts": [{"number": FIRST, "amount": 90_00, "since": "2026-04-16"}],
        "total": 90_00,
        "penalties_from": "2026-05-16",
    }


REQUESTS: list[tuple[LetterKind, dict[str, Any]]] = [
    (LetterKind.BILL_READY, {"period": "2026-03", "accounts": [FIRST]}),
    (LetterKind.DUE_SOON, {"due_on": "2026-04-15", "accounts": [FIRST]}),
    (LetterKind.OVERDUE, {"penalties_from": "2026-05-16", "due_on": {FIRST: "2026-04-15"}}),
]


@pytest.mark.parametrize(("kind", "refs"), REQUESTS)
def test_whoever_lost_access_since_gets_no_letter(kind: LetterKind, refs: dict[str, Any]) -> None:
    assert drawn(Owners((), {FIRST: [debt(90_00)]}), kind, **refs) is None


@pytest.mark.parametrize(("kind", "refs"), REQUESTS)
def test_whoever_was_erased_since_gets_no_letter(kind: LetterKind, refs: dict[str, Any]) -> None:
    owners = Owners((FIRST,), {FIRST: [debt(90_00)]})
    owners.erased = True
    assert drawn(owners, kind, **refs) is None


@pytest.mark.parametrize(("kind", "refs"), REQUESTS[1:])
def test_whoever_has_paid_since_is_not_reminded(kind: LetterKind, refs: dict[str, Any]) -> None:
    assert drawn(Owners((FIRST,), {}), kind, **refs) is None


def test_the_letters_of_a_claim_ask_of_accounts_and_debts_once() -> None:
    owners = Owners((FIRST, SECOND), {FIRST: [debt(90_00)], SECOND: [debt(80_00)]})
    letters = [
        claimed(LetterKind.BILL_READY, period="2026-03", accounts=[FIRST]),
        claimed(LetterKind.DUE_SOON, due_on="2026-04-15", accounts=[SECOND]),
        claimed(LetterKind.OVERDUE, penalties_from="2026-05-16", due_on={FIRST: "2026-04-15"}),
    ]
    asking = Asking(owners, letters)  # type: ignore[arg-type]
    drafts = [RECIPES[LetterKind(letter.kind)](asking, letter) for letter in letters]
    assert [draft.facts["total"] for draft in drafts if draft] == [90_00, 80_00, 90_00]
    assert owners.asked.count("accounts.readers") == owners.asked.count("ledger.open_debts") == 1


def test_a_person_with_very_many_accounts_gets_one_letter_about_all_of_them() -> None:
    accounts = [f"{number:010d}" for number in range(2_001)]
    owners = Owners(tuple(accounts), {account: [debt(1_00)] for account in accounts})
    draft = drawn(owners, LetterKind.DUE_SOON, due_on="2026-04-15", accounts=accounts)
    assert draft is not None
    assert len(draft.facts["accounts"]) == 2_001
    assert draft.facts["total"] == 2_001_00
    assert owners.asked.count("accounts.readers") == owners.asked.count("ledger.open_debts") == 3
