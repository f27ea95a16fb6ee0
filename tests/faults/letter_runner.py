"""``python -m tests.faults.letter_runner CODES``: deliver letters until killed, as a worker does.

Its owners are made up: everybody has an address of example.org, and each code that is drawn is
appended to the file CODES. Leases and retries are short, for a test that waits for them.
"""

from __future__ import annotations

import os
import secrets
import sys
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any
from unittest.mock import patch

from services.discovery import open_store
from services.notifications import application, tasks
from shared.config import load_settings

LEASE = timedelta(seconds=2)
RENEWED_EVERY_S = 0.3
RETRY_DELAY = timedelta(seconds=0.2)


class Worker:
    """`Services` of a worker process."""

    def __init__(self, codes: Path) -> None:
        self.settings = load_settings()
        self.store = open_store("notifications", self.settings)
        self.stop, self.appended = Event(), Event()
        self._codes = codes

    def call(self, service: str, method: str, *, deadline: float = 5.0, **asked: Any) -> Any:
        if method == "contacts":
            return {"contacts": {one: contact_of(one) for one in asked["person_ids"]}}
        if method == "secret_needed":
            return {"needed": True}
        registration_id = asked["registration_id"]
        code = f"{secrets.randbelow(10**12):012d}"
        with self._codes.open("a", encoding="ascii") as drawn:
            drawn.write(f"{registration_id} {code}\n")
        return {"kind": "code", "code": code, "valid_minutes": 15, **contact_of(registration_id)}


def contact_of(id_: str) -> dict[str, str]:
    """Return the contact of a person, or of whoever registers."""
    return {"email": f"{id_}@example.org", "language": "ru"}


def main() -> None:
    """Run the tasks of a worker process until it is killed."""
    worker: Any = Worker(Path(sys.argv[1]))
    with (
        patch.multiple(application, LEASE=LEASE, RETRY_DELAYS=(RETRY_DELAY,)),
        patch.object(tasks, "RENEWED_EVERY", RENEWED_EVERY_S),
    ):
        running = [
            Thread(target=task.run, args=(worker,), name=task.name)
            for task in tasks.tasks(worker.settings)
        ]
        for thread in running:
            thread.start()
        sys.stdout.write(f"{os.getpid()}\n")
        sys.stdout.flush()
        for thread in running:
            thread.join()


if __name__ == "__main__":
    main()
