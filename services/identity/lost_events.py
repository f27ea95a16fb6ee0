"""Events that a restore or a failover took from identity's log.

What has ended lives again in a log that was put back: a session, a spent code, an old password, an
erased person. So it is ended at once, by what the bus still has; what was chosen and is lost
(a password, a second factor) the person chooses again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from services.identity.domain import Person
from services.identity.erasure import ErasePerson, erase_person
from services.identity.recovery import start_recovery
from shared.bus import Services
from shared.bus.readable_losses import UNKNOWN
from shared.contracts.identity import FactorChange
from shared.errors import NotFound
from shared.eventstore import Session
from shared.eventstore.lost_events import Advice, Fate, Judged, LostEvent
from shared.logs import get_logger

log = get_logger(__name__)

_REASON: Final = "erased before the log was restored"
_PROTECTED: Final = frozenset({"password_changed", "person_erased", "recovery_code_used"})
_NOBODY_NEEDS: Final = frozenset(
    {
        "email_change_requested",
        "new_device_signed_in",
        "password_reset_requested",
        "registration_code_requested",
        "second_factor_guessed",
        "sign_in_link_requested",
    }
)
_TAKEN_AWAY: Final = frozenset(
    {FactorChange.PASSKEY_REMOVED, FactorChange.TOTP_DISABLED, FactorChange.RESET_BY_STAFF}
)
_SPENT: Final = (
    "DELETE FROM sessions",
    "DELETE FROM challenges",
    "UPDATE codes SET digest = NULL",
    "UPDATE password_resets SET token_digest = NULL",
    "UPDATE sign_in_links SET token_digest = NULL",
    "UPDATE email_changes SET new_digest = NULL, old_digest = NULL",
)
"""Whatever opens a cabinet once: which of it was used or ended, the log does not know any more."""
_UNPUBLISHED: Final = (
    Advice(
        "Persons begin again what they had begun: a registration, another e-mail address. An "
        "address that somebody had refused may change: saldo identity log PERSON"
    ),
)


def judge(session: Session, lost: Sequence[LostEvent]) -> list[Judged]:
    """Return what is to become of lost events: what is dangerous is done already."""
    return [_judged(event) for event in lost]


def _judged(event: LostEvent) -> Judged:
    if event.type in _PROTECTED:
        return Judged(event=event, fate=Fate.BROUGHT_BACK)
    if event.type in _NOBODY_NEEDS:
        # Whoever waits for the letter asks for it again.
        return Judged(event=event, fate=Fate.NOTHING)
    advice = _ADVICE.get(event.type, UNKNOWN)
    return Judged(event=event, fate=Fate.STAFF, advice=advice.about(event.data))


def bring_back(services: Services, lost: Sequence[LostEvent]) -> Iterator[Judged]:
    """Yield what has become of each event: `protect` has done what is to be done."""
    yield from map(_judged, lost)


def protect(services: Services, lost: Sequence[LostEvent], *, whole: bool) -> None:
    """End at once what must not live again: sessions and spent secrets, of everybody.

    Who was erased is erased again. Whose password was changed has none until he has chosen another
    by the letter that he gets; so has who had lost a second factor.
    """
    if whole and not lost:
        return
    services.store.transact(_end_what_was_spent, None)
    for event in lost:
        if event.type == "person_erased":
            services.store.transact(_erase_again, UUID(event.data["person_id"]))
        elif event.type == "recovery_code_used":
            services.store.transact(_spend_recovery_codes, UUID(event.data["person_id"]))
    for person_id in dict.fromkeys(filter(None, map(_unsafe, lost))):
        services.store.transact(_take_password, person_id)
    log.warning("secrets_ended_after_restore", events=len(lost))


def _unsafe(event: LostEvent) -> UUID | None:
    """Return whose password opens what it should not."""
    taken = event.type == "second_factor_changed" and event.data["change"] in _TAKEN_AWAY
    return UUID(event.data["person_id"]) if taken or event.type == "password_changed" else None


def _end_what_was_spent(session: Session, _: None) -> None:
    for statement in _SPENT:
        session.cursor.execute(statement)


def _erase_again(session: Session, person_id: UUID) -> None:
    try:
        erase_person(session, ErasePerson(person_id=person_id, reason=_REASON))
    except NotFound:
        log.info("erased_person_is_not_known", person_id=str(person_id))


def _spend_recovery_codes(session: Session, person_id: UUID) -> None:
    session.cursor.execute("DELETE FROM recovery_codes WHERE person_id = %s", (person_id,))


def _take_password(session: Session, person_id: UUID) -> None:
    person = session.load(Person, person_id)
    if not person.version or person.erased:
        return
    session.read.credentials.forget_password(person_id)
    try:
        start_recovery(session, person_id)
    except NotFound:
        log.info("person_has_no_credential", person_id=str(person_id))


_ADVICE: Final[Mapping[str, Advice]] = {
    "person_registered": Advice(
        "The registration of person {person_id} is lost: the person registers again, and links the "
        "accounts again."
    ),
    "temporary_password_requested": Advice(
        "The letter with the first password is due again: "
        "saldo identity resend {person_id} --reason WHY"
    ),
    "email_changed": Advice(
        "The change {change_id} of an e-mail address is lost, and the old one holds: the person "
        "changes it again; where the old mailbox is gone, saldo identity restore-access."
    ),
    "profile_changed": Advice("Person {person_id} enters the full name and the phone again."),
    "second_factor_changed": Advice(
        "The second factor of person {person_id} was changed ({change}): the person looks at it in "
        "the settings."
    ),
}


def unpublished() -> Sequence[Advice]:
    """Return what staff do about lost events that were never published."""
    return _UNPUBLISHED
