"""The staff of an installation on one machine: one of each role but the administrator's.

``python -m deploy.embedded.staff`` adds them, and writes the settings of their terminals below
`.saldo/staff`. Whoever has his settings already is left alone, but gets back the user of the broker
that an emptied broker has lost; who was removed stays so.
"""

from __future__ import annotations

import os
from pathlib import Path

from deploy.embedded.environment import password_of
from deploy.embedded.state import StateDir
from services.staff_administration import StaffAdministration
from services.staff_environment import as_shell, terminal_environment, write_private
from services.staff_logins import login_of
from shared.bus.permissions import CALLING_ROLES
from shared.config import Settings, load_settings

STAFF = ("clerk", "approver", "cashier", "auditor", "operator")
"""Their names, which are also their roles."""

_REASON = "made with the installation"


def make_staff(state: StateDir, settings: Settings) -> list[str]:
    """Add the staff who are not there yet, or not in the broker; return their names."""
    key, administration = state.secrets()["staff"], StaffAdministration(settings)
    missing = {one.name for one in administration.members() if one.broker is False}
    added = []
    for name in STAFF:
        password = password_of(login_of(name), key)
        variables = terminal_environment(settings, os.environ, name, [name], password)
        file, text = state.staff / f"{name}.env", as_shell(variables)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            administration.add(name, [name], password, _REASON)
            write_private(file, text)
            added.append(name)
        elif name in missing and name in CALLING_ROLES:
            administration.put_user(name, [name], password)
            added.append(name)
    return added


if __name__ == "__main__":
    make_staff(StateDir(Path(os.environ["SALDO_STATE_DIR"])), load_settings())
