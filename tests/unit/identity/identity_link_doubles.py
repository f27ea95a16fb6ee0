"""The tables of links in letters as dictionaries; they behave like the SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.identity.email_changes import EmailChangeRow


class FakePasswordResets:
    def __init__(self) -> None:
        self.rows: dict[UUID, dict[str, Any]] = {}

    def open(self, reset_id: UUID, person_id: UUID | None, now: datetime) -> None:
        self.rows[reset_id] = {"person_id": person_id, "requested_at": now, "token": None}

    def issue(self, reset_id: UUID, token_digest: bytes, expires_at: datetime) -> bool:
        if reset_id not in self.rows:
            return False
        self.rows[reset_id] |= {"token": token_digest, "expires_at": expires_at}
        return True

    def is_open(self, reset_id: UUID) -> bool:
        return reset_id in self.rows

    def _of(self, token_digest: bytes) -> UUID | None:
        found = [key for key, row in self.rows.items() if row["token"] == token_digest]
        return found[0] if found else None

    def person_of(self, token_digest: bytes, now: datetime) -> UUID | None:
        reset_id = self._of(token_digest)
        if reset_id is None or self.rows[reset_id]["expires_at"] <= now:
            return None
        person_id: UUID | None = self.rows[reset_id]["person_id"]
        return person_id

    def use(self, token_digest: bytes) -> UUID | None:
        reset_id = self._of(token_digest)
        if reset_id is not None:
            del self.rows[reset_id]
        return reset_id

    def drop_of(self, person_id: UUID) -> None:
        self.rows = {key: row for key, row in self.rows.items() if row["person_id"] != person_id}

    def sweep(self, before: datetime) -> int:
        kept = {key: row for key, row in self.rows.items() if row["requested_at"] >= before}
        swept, self.rows = len(self.rows) - len(kept), kept
        return swept


class FakeEmailChanges:
    def __init__(self) -> None:
        self.rows: dict[UUID, EmailChangeRow] = {}

    def open(self, row: EmailChangeRow) -> None:
        assert self.of_person(row.person_id) is None
        self.rows[row.change_id] = row

    def issue(
        self, change_id: UUID, side: str, token_digest: bytes, *, until: datetime, due: datetime
    ) -> EmailChangeRow | None:
        row = self.rows.get(change_id)
        if row is None or getattr(row, f"{side}_confirmed_at"):
            return None
        first = side == "old" and row.old_digest is None
        return self._change(
            change_id,
            expires_at=max(row.expires_at, until),
            due_at=max(row.due_at, due) if row.due_at and first else row.due_at,
            **{f"{side}_digest": token_digest},
        )

    def waits_for(self, change_id: UUID, side: str) -> bool:
        row = self.rows.get(change_id)
        return row is not None and not getattr(row, f"{side}_confirmed_at")

    def _change(self, change_id: UUID, **changes: object) -> EmailChangeRow | None:
        if change_id in self.rows:
            self.rows[change_id] = msgspec.structs.replace(self.rows[change_id], **changes)
        return self.rows.get(change_id)

    def of_person(self, person_id: UUID) -> EmailChangeRow | None:
        found = [row for row in self.rows.values() if row.person_id == person_id]
        return found[0] if found else None

    def of_token(self, token_digest: bytes, now: datetime) -> EmailChangeRow | None:
        for row in self.rows.values():
            if token_digest in (row.new_digest, row.old_digest) and row.expires_at > now:
                return row
        return None

    def set_confirmed(self, change_id: UUID, side: str, now: datetime) -> None:
        self._change(change_id, **{f"{side}_confirmed_at": now, f"{side}_digest": None})

    def drop(self, change_id: UUID) -> None:
        self.rows.pop(change_id, None)

    def due(self, now: datetime, most: int) -> list[UUID]:
        return [
            row.person_id
            for row in self.rows.values()
            if row.new_confirmed_at and row.old_digest
            if row.due_at and row.due_at <= now < row.expires_at
        ][:most]

    def expired(self, now: datetime, most: int) -> list[UUID]:
        return [row.person_id for row in self.rows.values() if row.expires_at <= now][:most]
