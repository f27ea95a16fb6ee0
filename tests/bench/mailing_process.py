"""Mails the bills of an import that a ledger in memory has posted: ``mailing_process LETTERS``.

Each bill is of another account, and each account of another person. Prints the seconds and the peak
memory in KiB. The database is that of the settings.
"""

from __future__ import annotations

import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.discovery import open_store
from services.notifications.mailings.job import carry_on_mailings
from shared import context
from shared.config import load_settings


class Services:
    """What the job gets of its worker: the real store, and owners that answer at once."""

    def __init__(self, letters: int) -> None:
        self.settings = load_settings()
        self.store = open_store("notifications", self.settings)
        self._letters = letters
        self._due_on = (datetime.now(UTC) + timedelta(days=10)).date().isoformat()

    def call(self, service: str, method: str, *, deadline: float = 5.0, **asked: Any) -> Any:
        match method:
            case "billing_runs" if asked["after"] == 0:
                run = {"file_digest": "b" * 64, "finished_at": datetime.now(UTC).isoformat()}
                positions = {"first_position": 1, "last_position": self._letters}
                return {"runs": [run | positions], "next": self._letters + 1}
            case "billing_runs":
                return {"runs": [], "next": asked["after"]}
            case "billed":
                last = min(asked["after"] + asked["limit"], asked["through"])
                bills = [self._bill(place) for place in range(asked["after"] + 1, last + 1)]
                return {"bills": bills, "next": last if last < asked["through"] else None}
            case "readers":
                return {"readers": {one: [str(UUID(int=int(one)))] for one in asked["accounts"]}}
            case _:
                return {"debts": [], "next": None}

    def _bill(self, place: int) -> dict[str, Any]:
        return {"account": f"{place:010}", "period": "2026-03", "total": 1, "due_on": self._due_on}


def main(letters: int) -> None:
    """Mail so many bills."""
    services = Services(letters)
    began = time.perf_counter()
    with context.bind(actor="service:notifications"):
        while carry_on_mailings(services):
            pass
    took = time.perf_counter() - began
    sys.stdout.write(f"{took} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\n")
    services.store.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
