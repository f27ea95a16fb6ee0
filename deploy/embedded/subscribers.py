"""The demo subscriber of an installation on one machine: a data mart that may see the ledger.

``python -m deploy.embedded.subscribers`` adds it, and writes the settings of its program below
`.saldo/subscribers`. What was done only half, or is gone, is made again.
"""

from __future__ import annotations

import os
from pathlib import Path

from deploy.embedded.state import StateDir
from services.staff_environment import as_shell, write_private
from services.subscriber_administration import SubscriberAdministration, new_credentials
from services.subscriber_environment import credentials_in, subscriber_environment
from shared.bus.grants import Grants
from shared.config import Settings, load_settings
from shared.errors import Conflict

SUBSCRIBERS = {"datamart": ("ledger",)}
"""Their names, and what each may see."""

_REASON = "made with the installation"


def make_subscribers(state: StateDir, settings: Settings) -> None:
    """Add the subscribers, or repair them; each keeps the credentials that its file has."""
    administration = SubscriberAdministration(settings)
    for name, granted in SUBSCRIBERS.items():
        file, grants = state.subscribers / f"{name}.env", Grants.parse(granted)
        credentials = credentials_in(file) or new_credentials()
        try:
            administration.add(name, grants, credentials, _REASON)
        except Conflict:  # its file is gone
            administration.rotate(name, credentials, _REASON)
        write_private(file, as_shell(subscriber_environment(settings, name, credentials)))


if __name__ == "__main__":
    make_subscribers(StateDir(Path(os.environ["SALDO_STATE_DIR"])), load_settings())
