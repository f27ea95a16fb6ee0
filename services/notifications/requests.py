"""What a letter is until it is delivered: a request, which names what it is about by ids."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.contracts.notifications import OPTIONAL, LetterKind
from shared.letters import SecretOf


class Lane(IntEnum):
    """The order of delivery: whoever waits for a secret sits in front of the screen."""

    SECRET = 0
    PERSONAL = 1
    BULK = 2


#: The letters with a secret: the topic of the secret, and the reference that completes it, or the
#: person. Of one topic only the newest secret works.
SECRETS: Final[Mapping[LetterKind, tuple[str, str]]] = {
    LetterKind.REGISTRATION_CODE: (SecretOf.REGISTRATION, "registration_id"),
    LetterKind.TEMPORARY_PASSWORD: (SecretOf.TEMPORARY_PASSWORD, "person_id"),
    LetterKind.PASSWORD_RESET_LINK: (SecretOf.RESET, "reset_id"),
    LetterKind.SIGN_IN_LINK: (SecretOf.SIGN_IN_LINK, "link_id"),
    LetterKind.EMAIL_TO_CONFIRM: (SecretOf.EMAIL_NEW, "change_id"),
    LetterKind.EMAIL_TO_LEAVE: (SecretOf.EMAIL_OLD, "change_id"),
    LetterKind.INVITATION: ("invitation", "invitation_id"),
}
#: What is mailed to everybody at once is what a person may switch off.
MAILED_IN_BULK: Final = OPTIONAL
#: The letters that are drawn once and then kept sealed: another draw would void what may have
#: arrived, or the address is gone by then.
DRAWN_ONCE: Final = frozenset({*SECRETS, LetterKind.PERSON_ERASED})

#: What a letter turned out to be when it was drawn, and what it was queued as.
QUEUED_AS: Final[Mapping[LetterKind, LetterKind]] = {
    LetterKind.ALREADY_REGISTERED: LetterKind.REGISTRATION_CODE,
    LetterKind.EMAIL_TAKEN: LetterKind.EMAIL_TO_CONFIRM,
}
#: The letters that go to another address than that of their person's cabinet.
TO_ANOTHER_ADDRESS: Final = frozenset(
    {
        LetterKind.REGISTRATION_CODE,
        LetterKind.ALREADY_REGISTERED,
        LetterKind.EMAIL_TO_CONFIRM,
        LetterKind.EMAIL_TAKEN,
        LetterKind.EMAIL_CHANGED,
        LetterKind.PERSON_ERASED,
        LetterKind.INVITATION,
        LetterKind.QUESTION_TO_DEPARTMENT,
    }
)


class LetterRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A letter to be delivered.

    `refs` is a small JSON object of ids, days, sums and account numbers: what the recipe of the
    kind asks its owners by. It holds no address, name, text or code. After `not_after` the letter
    is pointless.
    """

    letter_id: UUID
    kind: LetterKind
    person_id: UUID | None = None
    refs: Mapping[str, Any] = {}
    not_after: datetime | None = None

    @property
    def lane(self) -> Lane:
        return lane_of(self.kind)

    @property
    def secret_topic(self) -> str | None:
        """Return what its secret is for, such as `registration:<id>`; None without a secret."""
        secret = secret_of(self.kind, self.refs, self.person_id)
        return secret and ":".join(secret)


def secret_of(
    kind: LetterKind, refs: Mapping[str, Any], person_id: UUID | None
) -> tuple[str, str] | None:
    """Return what the secret of a letter is for, and the id of that; None without a secret."""
    if kind not in SECRETS:
        return None
    topic, reference = SECRETS[kind]
    return topic, str(refs.get(reference, person_id))


def lane_of(kind: LetterKind) -> Lane:
    """Return the lane of a kind of letters."""
    if kind in SECRETS:
        return Lane.SECRET
    return Lane.BULK if kind in MAILED_IN_BULK else Lane.PERSONAL
