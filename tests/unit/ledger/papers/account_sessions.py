"""What the papers need of a session: the stream of one account, a day, the names of services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from eventful_account import NUMBER, Stream

TODAY = date(2026, 12, 31)


class AccountSession(Stream):
    """The session of a ledger with one account."""

    today = TODAY

    def __init__(self, events: Sequence[Any], row: dict[str, Any] | None = None) -> None:
        super().__init__(list(events))
        self.read = self
        self._row = row

    def balance(self, number: str) -> dict[str, Any] | None:
        assert number == NUMBER
        return self._row

    def service_names(self, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
        return {number: {"heating": "Отопление"} for number in numbers}
