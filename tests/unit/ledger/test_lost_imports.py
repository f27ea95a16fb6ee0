"""What the ledger has lost of imports is named for staff, wherever the loss begins."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from services.ledger.lost_events import judge
from shared.eventstore.lost_events import LostEvent

BEGUN = {"kind": "charges", "size": 4096, "file_digest": "ab12"}
FINISHED = {"entries": 2, "refused_rows": 0, "file_digest": "ab12"}
CHARGES = {"account": "0100000001", "period": "2026-10"}
FILE = (
    "Import the file of charges again that has 4096 bytes and the SHA-256 ab12: "
    "saldo ledger import FILE"
)
OF_MONTH = "Import the file again that has the charges of 2026-10: saldo ledger import FILE"
OF_DIGEST = "Import the file again that has the SHA-256 ab12: saldo ledger import FILE"


def advice(*lost: tuple[str, dict[str, Any]]) -> list[str]:
    session: Any = SimpleNamespace(read=SimpleNamespace(postings_of_all=lambda ids: []))
    events = [
        LostEvent(
            epoch="1",
            position=position,
            version=1,
            type=type_,
            subject="s",
            occurred_at=datetime(2026, 11, 29, tzinfo=UTC),
            correlation_id="c",
            data=data,
        )
        for position, (type_, data) in enumerate(lost, start=7)
    ]
    return [str(one.advice) for one in judge(session, events) if one.advice]


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        (
            [("import_begun", BEGUN), ("charges_posted", CHARGES), ("import_finished", FINISHED)],
            [FILE, OF_MONTH],
        ),
        ([("charges_posted", CHARGES), ("import_finished", FINISHED)], [OF_MONTH, OF_DIGEST]),
        ([("charges_posted", CHARGES)], [OF_MONTH]),
    ],
)
def test_bills_whose_import_had_begun_before_the_loss_are_imported_again(
    lost: list[tuple[str, dict[str, Any]]], expected: list[str]
) -> None:
    assert advice(*lost) == expected
