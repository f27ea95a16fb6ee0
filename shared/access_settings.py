"""How strictly an operator guards cabinets: breached passwords, a required second factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EVERYBODY = "everybody"
TYPES = frozenset({"individual", "organisation"})
"""The types of person, as identity has them."""


@dataclass(frozen=True)
class AccessSettings:
    """The guards that an operator adds; without a setting none."""

    breached_passwords: str = ""
    """The folder with hash ranges of breached passwords; without one only common words count."""
    second_factor: frozenset[str] = frozenset()
    """The types of person who need a second factor."""


def access_of(env: Mapping[str, str]) -> AccessSettings:
    """Return the settings; raises ValueError, with what it should be, for a type that is none."""
    text = env.get("SALDO_SECOND_FACTOR", "")
    wanted = frozenset(filter(None, (part.strip() for part in text.split(","))))
    if EVERYBODY in wanted:
        wanted = TYPES
    if not wanted <= TYPES:
        raise ValueError(
            f"SALDO_SECOND_FACTOR is {EVERYBODY}, or some of {','.join(sorted(TYPES))}"
        )
    return AccessSettings(
        breached_passwords=env.get("SALDO_BREACHED_PASSWORDS", ""), second_factor=wanted
    )
