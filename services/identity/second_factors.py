"""The second factors of persons: the tables of each kind, and what concerns all of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal
from uuid import UUID

import psycopg

from services.identity.challenges import Challenges
from services.identity.passkeys import Passkeys
from services.identity.recovery_codes import RecoveryCodes
from services.identity.totp_secrets import TotpSecrets

Method = Literal["passkey", "totp", "recovery_code"]
PASSKEY, TOTP = "passkey", "totp"
"""The fields as which the vault seals the name of a passkey, and the secret of an app."""


class SecondFactors:
    """The tables of second factors within a transaction.

    Whoever changes or tries something here has locked the person's row in ``credentials``: that
    makes the attempts and changes of one person follow each other, and no lock is taken here.
    """

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self.passkeys = Passkeys(cursor)
        self.totp = TotpSecrets(cursor)
        self.recovery_codes = RecoveryCodes(cursor)
        self.challenges = Challenges(cursor)

    def methods(self, person_id: UUID) -> list[Method]:
        """Return the ways to take the second step of signing in; none without a second factor.

        Recovery codes are no factor of their own: they stand in for one.
        """
        found: list[Method] = []
        if self.passkeys.has(person_id):
            found.append("passkey")
        if self.totp.has(person_id):
            found.append("totp")
        if found and self.recovery_codes.has(person_id):
            found.append("recovery_code")
        return found

    def owners(self, person_ids: Collection[UUID]) -> set[UUID]:
        """Return who of these persons has a second factor."""
        return self.passkeys.owners(person_ids) | self.totp.owners(person_ids)

    def forget(self, person_id: UUID) -> None:
        """Delete everything that a person has here."""
        self.passkeys.remove_all(person_id)
        self.totp.remove(person_id)
        self.recovery_codes.remove(person_id)
        self.challenges.close_all(person_id)
