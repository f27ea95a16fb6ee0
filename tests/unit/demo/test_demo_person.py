"""What the ready demo person pays, and the file that says how to log in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.client import PaymentLine
from deploy.demo.company import DEMO_PERSON_ACCOUNTS
from deploy.demo.demo_person import Card, intended_payments, write_card

OWING, SETTLED, AHEAD = DEMO_PERSON_ACCOUNTS


class Client:
    """Answers with bills of 10 roubles a month, the newest first, and with what is due."""

    def __init__(self, *due: PaymentLine) -> None:
        self._due = due

    def due(self) -> list[PaymentLine]:
        return list(self._due)

    def charges(self, _number: str) -> list[dict[str, Any]]:
        return [{"total": 10_00} for _ in range(12)]


def test_demo_person_leaves_three_bills_and_a_part_of_the_penalties_open() -> None:
    due = [PaymentLine(OWING, 130_00, 4_03), PaymentLine(SETTLED, 130_00, 1), PaymentLine(AHEAD, 5)]
    intended = intended_payments(Client(*due))  # type: ignore[arg-type]
    assert intended.completed == [
        [PaymentLine(AHEAD, 10_05)],
        [PaymentLine(OWING, 100_00, 3_03), PaymentLine(SETTLED, 130_00, 1)],
    ]
    assert intended.declined == [PaymentLine(OWING, 30_00, 1_00)], "what stays owed"


def test_demo_person_pays_nothing_twice() -> None:
    due = [PaymentLine(OWING, 30_00), PaymentLine(SETTLED, 0), PaymentLine(AHEAD, 0)]
    intended = intended_payments(Client(*due))  # type: ignore[arg-type]
    assert intended.completed == [[PaymentLine(AHEAD, 10_00)]]
    assert intended.declined == [PaymentLine(OWING, 30_00)]


@pytest.mark.parametrize("existing", [True, False])
def test_only_its_owner_reads_how_to_log_in(tmp_path: Path, existing: bool) -> None:
    file = tmp_path / "demo.json"
    if existing:
        file.write_text("{}", encoding="utf-8")
        file.chmod(0o644)
    write_card(Card("vera@demo.invalid", "a password", DEMO_PERSON_ACCOUNTS), file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "email": "vera@demo.invalid",
        "password": "a password",
        "accounts": list(DEMO_PERSON_ACCOUNTS),
    }
