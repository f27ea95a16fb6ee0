"""The tables of second factors as dictionaries; they behave like the SQL."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from services.identity.challenges import Challenge
from services.identity.passkeys import Passkey
from services.identity.recovery_codes import CodeDigests
from services.identity.second_factors import SecondFactors
from services.identity.totp_secrets import TotpSecret


class FakePasskeys:
    def __init__(self) -> None:
        self.rows: dict[UUID, Passkey] = {}

    def add(self, passkey: Passkey) -> bool:
        if self.of_credential(passkey.credential_id) is not None:
            return False
        self.rows[passkey.passkey_id] = passkey
        return True

    def of_person(self, person_id: UUID) -> list[Passkey]:
        return [row for row in self.rows.values() if row.person_id == person_id]

    def has(self, person_id: UUID) -> bool:
        return bool(self.of_person(person_id))

    def owners(self, person_ids: Collection[UUID]) -> set[UUID]:
        return set(filter(self.has, person_ids))

    def of_credential(self, credential_id: bytes) -> Passkey | None:
        found = [row for row in self.rows.values() if row.credential_id == credential_id]
        return found[0] if found else None

    def used(self, passkey_id: UUID, sign_count: int, now: datetime) -> None:
        self.rows[passkey_id] = msgspec.structs.replace(
            self.rows[passkey_id], sign_count=sign_count, last_used_at=now, needs_password=False
        )

    def need_password(self, person_id: UUID) -> None:
        for row in self.of_person(person_id):
            self.rows[row.passkey_id] = msgspec.structs.replace(row, needs_password=True)

    def remove(self, person_id: UUID, passkey_id: UUID) -> bool:
        row = self.rows.get(passkey_id)
        if row is None or row.person_id != person_id:
            return False
        del self.rows[passkey_id]
        return True

    def remove_all(self, person_id: UUID) -> None:
        for row in self.of_person(person_id):
            del self.rows[row.passkey_id]


class FakeTotpSecrets:
    def __init__(self) -> None:
        self.rows: dict[UUID, TotpSecret] = {}

    def add(self, person_id: UUID, sealed: str, last_step: int, now: datetime) -> bool:
        if person_id in self.rows:
            return False
        self.rows[person_id] = TotpSecret(
            sealed=sealed, last_step=last_step, added_at=now, last_used_at=None
        )
        return True

    def of_person(self, person_id: UUID) -> TotpSecret | None:
        return self.rows.get(person_id)

    def has(self, person_id: UUID) -> bool:
        return person_id in self.rows

    def owners(self, person_ids: Collection[UUID]) -> set[UUID]:
        return set(filter(self.has, person_ids))

    def used(self, person_id: UUID, step: int, now: datetime) -> None:
        self.rows[person_id] = msgspec.structs.replace(
            self.rows[person_id], last_step=step, last_used_at=now
        )

    def remove(self, person_id: UUID) -> bool:
        return self.rows.pop(person_id, None) is not None


class FakeRecoveryCodes:
    def __init__(self) -> None:
        self.rows: dict[tuple[UUID, bytes], datetime] = {}
        self.recipes: dict[UUID, str | None] = {}

    def replace(self, person_id: UUID, issued: CodeDigests, now: datetime) -> None:
        self.remove(person_id)
        self.rows |= {(person_id, digest): now for digest in issued.digests}
        self.recipes[person_id] = issued.recipe

    def recipe_of(self, person_id: UUID) -> str | None:
        return self.recipes.get(person_id) if self.has(person_id) else None

    def spend(self, person_id: UUID, digest: bytes) -> bool:
        return self.rows.pop((person_id, digest), None) is not None

    def left(self, person_id: UUID) -> tuple[int, datetime | None]:
        issued = [at for (owner, _), at in self.rows.items() if owner == person_id]
        return len(issued), max(issued, default=None)

    def has(self, person_id: UUID) -> bool:
        return any(owner == person_id for owner, _ in self.rows)

    def remove(self, person_id: UUID) -> None:
        for owner, digest in list(self.rows):
            if owner == person_id:
                del self.rows[owner, digest]


class FakeChallenges:
    def __init__(self) -> None:
        self.rows: dict[UUID, Challenge] = {}
        self.spent: dict[bytes, datetime] = {}

    def open(self, challenge: Challenge) -> None:
        assert challenge.challenge_id not in self.rows
        self.rows[challenge.challenge_id] = challenge

    def pending(self, challenge_id: UUID, purpose: str, now: datetime) -> Challenge | None:
        row = self.rows.get(challenge_id)
        fits = row is not None and row.purpose == purpose and row.expires_at > now
        return row if fits else None

    def miss(self, challenge_id: UUID) -> None:
        row = self.rows[challenge_id]
        assert row.attempts_left > 0, "the table refuses a negative number"
        self.rows[challenge_id] = msgspec.structs.replace(row, attempts_left=row.attempts_left - 1)

    def close(self, challenge_id: UUID) -> None:
        self.rows.pop(challenge_id, None)

    def close_all(self, person_id: UUID) -> None:
        for row in list(self.rows.values()):
            if row.person_id == person_id:
                del self.rows[row.challenge_id]

    def spend(self, nonce: bytes, expires_at: datetime) -> bool:
        if nonce in self.spent:
            return False
        self.spent[nonce] = expires_at
        return True

    def sweep(self, now: datetime) -> int:
        expired = [key for key, row in self.rows.items() if row.expires_at <= now]
        spent = [nonce for nonce, expires_at in self.spent.items() if expires_at <= now]
        for key in expired:
            del self.rows[key]
        for nonce in spent:
            del self.spent[nonce]
        return len(expired) + len(spent)


class FakeSecondFactors(SecondFactors):
    def __init__(self) -> None:
        self.passkeys = FakePasskeys()  # type: ignore[assignment]
        self.totp = FakeTotpSecrets()  # type: ignore[assignment]
        self.recovery_codes = FakeRecoveryCodes()  # type: ignore[assignment]
        self.challenges = FakeChallenges()  # type: ignore[assignment]
