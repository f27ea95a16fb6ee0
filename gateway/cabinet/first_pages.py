"""The pages that come before others: what a person has to do first, and where."""

from __future__ import annotations

ACCEPTANCE = "/acceptance"
"""The page that asks for new versions of the rules and the consent."""
CONFIRMATION = "/settings/confirm"
"""The page that asks for the second step again."""
FACTOR_SETUP = "/settings/security/required"
"""The page that leads through setting up a second factor, where the operator requires one."""
PASSWORD = "/password"  # noqa: S105 - an address

REAUTHENTICATION = "reauthentication_required"
"""The code of a change that needs the second step again."""

FIRST = {
    "password_change_required": PASSWORD,
    "acceptance_required": ACCEPTANCE,
    "second_factor_setup_required": FACTOR_SETUP,
    REAUTHENTICATION: CONFIRMATION,
}
"""The page that comes first, by the code of what is due."""
WITHOUT_FORM = frozenset({PASSWORD, FACTOR_SETUP})
"""Those of them with which no form waits."""
