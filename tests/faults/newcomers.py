"""People who register: the shortest way through gateway, broker, database, bus and mail."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from deploy.demo.client import CabinetClient, OutageError, Problem
from deploy.doubles.mailcatcher.letters import Letters
from tests.faults.faults import House
from tests.waiting import eventually


class Newcomer:
    """Someone who registers: by gateway, broker, database, and back with a letter."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.email = f"{uuid4().hex[:12]}@example.org"

    def asks(self, patience: float = 0.0) -> str:
        """Ask for a registration; return "accepted", or why not."""
        client = CabinetClient(self._house.environment["SALDO_URL"], patience=patience)
        try:
            client.start_registration(self.email)
        except Problem as refusal:
            return f"{refusal.status} {refusal.code}"
        except OutageError:
            return "outage"
        finally:
            client.close()
        return "accepted"

    def has_letter(self) -> bool:
        """Return whether a letter has arrived."""
        return bool(self.letters())

    def letters(self) -> list[str]:
        """Return the subjects of the letters that have arrived."""
        letters = Letters(Path(self._house.environment["SALDO_MAIL_DIR"]))
        found = letters.headings(limit=1000)
        return [one.subject for one in found if self.email in one.recipients]

    def is_served(self, seconds: float) -> None:
        """Ask until accepted, and wait for the letter."""
        assert self.asks(patience=seconds) == "accepted"
        self.has_letter_within(seconds)

    def has_letter_within(self, seconds: float) -> None:
        """Wait for a letter."""
        eventually(self.has_letter, f"the letter to {self.email}", seconds)
