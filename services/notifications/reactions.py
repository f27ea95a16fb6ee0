"""Reactions to other services' events: each queues letters, and asks nobody for anything."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from services.notifications.application import erase_letters
from services.notifications.choosing import erase_choices
from services.notifications.queueing import Queue
from shared.bus import Message, Services
from shared.contracts.notifications import LetterKind
from shared.contracts.payments import Failure, RefundCause
from shared.eventstore import Session

Reaction = Callable[[Session, Message, Services], None]


def registration_code_requested(session: Session, message: Message, services: Services) -> None:
    """Queue the verification code."""
    registration_id = message.data["registration_id"]
    queue = Queue(session, message)
    queue.add(LetterKind.REGISTRATION_CODE, "code", registration_id=registration_id)


def temporary_password_due(session: Session, message: Message, services: Services) -> None:
    """Queue the instruction and the temporary password."""
    queue = Queue(session, message)
    queue.add(LetterKind.TEMPORARY_PASSWORD, "password", person_id=message.data["person_id"])


def password_reset_requested(session: Session, message: Message, services: Services) -> None:
    """Queue the link of a recovery."""
    queue = Queue(session, message)
    queue.add(LetterKind.PASSWORD_RESET_LINK, "link", reset_id=message.data["reset_id"])


def sign_in_link_requested(session: Session, message: Message, services: Services) -> None:
    """Queue the link that signs in."""
    queue = Queue(session, message)
    queue.add(LetterKind.SIGN_IN_LINK, "link", link_id=message.data["link_id"])


def password_changed(session: Session, message: Message, services: Services) -> None:
    """Queue the warning about a new password."""
    Queue(session, message).notify(message.data["person_id"], LetterKind.PASSWORD_CHANGED)


def second_factor_changed(session: Session, message: Message, services: Services) -> None:
    """Queue the warning about another second factor."""
    Queue(session, message).notify(
        message.data["person_id"],
        LetterKind.SECOND_FACTOR_CHANGED,
        change=message.data["change"],
    )


def recovery_code_used(session: Session, message: Message, services: Services) -> None:
    """Queue the letter about a recovery code that was used."""
    Queue(session, message).notify(
        message.data["person_id"], LetterKind.RECOVERY_CODE_USED, left=message.data["left"]
    )


def second_factor_guessed(session: Session, message: Message, services: Services) -> None:
    """Queue the warning that somebody has the password."""
    Queue(session, message).notify(message.data["person_id"], LetterKind.SECOND_FACTOR_GUESSED)


def new_device_signed_in(session: Session, message: Message, services: Services) -> None:
    """Queue the letter about a log-in on a device that was not known."""
    Queue(session, message).notify(
        message.data["person_id"], LetterKind.NEW_DEVICE, session_id=message.data["session_id"]
    )


def email_change_requested(session: Session, message: Message, services: Services) -> None:
    """Queue a letter to each mailbox."""
    queue, change_id = Queue(session, message), message.data["change_id"]
    queue.add(LetterKind.EMAIL_TO_CONFIRM, "new", change_id=change_id)
    queue.add(LetterKind.EMAIL_TO_LEAVE, "old", change_id=change_id)


def email_changed(session: Session, message: Message, services: Services) -> None:
    """Queue a letter to each mailbox."""
    queue, change_id = Queue(session, message), message.data["change_id"]
    for side in ("new", "old"):
        queue.add(LetterKind.EMAIL_CHANGED, f"{side}_email", change_id=change_id, side=side)


def person_erased(session: Session, message: Message, services: Services) -> None:
    """Give up the letters that wait for a person, forget his choices, and queue the last one."""
    person_id = message.data["person_id"]
    erase_letters(session, UUID(person_id))
    erase_choices(session, UUID(person_id))
    Queue(session, message).add(LetterKind.PERSON_ERASED, "farewell", erased_id=person_id)


def account_linked(session: Session, message: Message, services: Services) -> None:
    """Queue a letter to each person who had linked the account before."""
    queue, event = Queue(session, message), message.data
    for holder in event["other_person_ids"]:
        if event.get("invited_by"):
            queue.notify(
                holder,
                LetterKind.INVITATION_ACCEPTED,
                number=event["number"],
                role=event.get("role"),
            )
        else:
            queue.notify(holder, LetterKind.ACCOUNT_LINKED_BY_ANOTHER, number=event["number"])


def account_unlinked(session: Session, message: Message, services: Services) -> None:
    """Queue a letter to a person whose access somebody else has ended."""
    event = message.data
    ended_by = event.get("ended_by", "person")
    if ended_by != "person":
        Queue(session, message).notify(
            event["person_id"],
            LetterKind.ACCESS_WITHDRAWN,
            number=event["number"],
            by_staff=ended_by == "staff",
        )


def invitation_sent(session: Session, message: Message, services: Services) -> None:
    """Queue the link of an invitation."""
    Queue(session, message).add(
        LetterKind.INVITATION,
        "invitation",
        invitation_id=message.data["invitation_id"],
        inviter_id=message.data.get("invited_by"),
    )


def proofs_guessed(session: Session, message: Message, services: Services) -> None:
    """Queue a warning to each owner of an account that somebody tries to prove."""
    queue, event = Queue(session, message), message.data
    for owner in event["owner_ids"]:
        queue.notify(
            owner,
            LetterKind.PROOFS_GUESSED,
            number=event["number"],
            attempts=event["attempts"],
        )


def payment_completed(session: Session, message: Message, services: Services) -> None:
    """Queue the receipt."""
    Queue(session, message).notify(
        message.data["person_id"],
        LetterKind.PAYMENT_RECEIPT,
        once_for=message.data["payment_id"],
        payment_id=message.data["payment_id"],
    )


def payment_failed(session: Session, message: Message, services: Services) -> None:
    """Queue the letter about a failure; whoever has started another payment instead knows of it."""
    event = message.data
    if event["reason"] != Failure.REPLACED:
        Queue(session, message).notify(
            event["person_id"],
            LetterKind.PAYMENT_FAILED,
            once_for=event["payment_id"],
            payment_id=event["payment_id"],
            failure=event["reason"],
        )


def payment_refunded(session: Session, message: Message, services: Services) -> None:
    """Queue one letter for each refund."""
    event = message.data
    Queue(session, message).notify(
        event["person_id"],
        LetterKind.PAYMENT_REFUNDED,
        once_for=event["refund_id"],
        payment_id=event["payment_id"],
        lines=event["lines"],
        total=event["total"],
        whole=event["whole"],
        by_bank=event["reason"] == RefundCause.BANK,
        refunded_on=event["refunded_on"],
    )


def payment_mismatched(session: Session, message: Message, services: Services) -> None:
    """Queue one letter for each payment that the bank reports with another sum."""
    event = message.data
    Queue(session, message).notify(
        event["person_id"],
        LetterKind.PAYMENT_MISMATCHED,
        once_for=event["payment_id"],
        payment_id=event["payment_id"],
        ordered=event["ordered"],
        charged=event["charged"],
    )


def question_asked(session: Session, message: Message, services: Services) -> None:
    """Queue the acknowledgement to the person, and the letter to the department."""
    queue, question_id = Queue(session, message), message.data["question_id"]
    queue.add(LetterKind.QUESTION_ACCEPTED, "accepted", question_id=question_id)
    queue.add(LetterKind.QUESTION_TO_DEPARTMENT, "department", question_id=question_id)


def question_routed(session: Session, message: Message, services: Services) -> None:
    """Queue the letter to the new department."""
    queue = Queue(session, message)
    queue.add(
        LetterKind.QUESTION_TO_DEPARTMENT, "department", question_id=message.data["question_id"]
    )


def question_answered(session: Session, message: Message, services: Services) -> None:
    """Queue the letter that there is an answer."""
    queue = Queue(session, message)
    queue.add(LetterKind.QUESTION_ANSWERED, "answered", question_id=message.data["question_id"])


def dispute_decided(session: Session, message: Message, services: Services) -> None:
    """Queue the letter about what became of a disputed line."""
    Queue(session, message).add(
        LetterKind.DISPUTE_DECIDED,
        "decided",
        question_id=message.data["question_id"],
        approved=message.data["decision"] == "approved",
    )


def question_closed(session: Session, message: Message, services: Services) -> None:
    """Queue the letter that staff have closed the question."""
    queue = Queue(session, message)
    queue.add(LetterKind.QUESTION_CLOSED, "closed", question_id=message.data["question_id"])


REACTIONS: dict[str, dict[str, Reaction]] = {
    "identity": {
        "registration_code_requested": registration_code_requested,
        "person_registered": temporary_password_due,
        "temporary_password_requested": temporary_password_due,
        "password_reset_requested": password_reset_requested,
        "password_changed": password_changed,
        "second_factor_changed": second_factor_changed,
        "recovery_code_used": recovery_code_used,
        "second_factor_guessed": second_factor_guessed,
        "email_change_requested": email_change_requested,
        "email_changed": email_changed,
        "sign_in_link_requested": sign_in_link_requested,
        "new_device_signed_in": new_device_signed_in,
        "person_erased": person_erased,
    },
    "accounts": {
        "account_linked": account_linked,
        "account_unlinked": account_unlinked,
        "invitation_sent": invitation_sent,
        "proofs_guessed": proofs_guessed,
    },
    "payments": {
        "payment_completed": payment_completed,
        "payment_failed": payment_failed,
        "payment_refunded": payment_refunded,
        "payment_mismatched": payment_mismatched,
    },
    "helpdesk": {
        "question_asked": question_asked,
        "question_routed": question_routed,
        "question_answered": question_answered,
        "question_closed": question_closed,
        "dispute_decided": dispute_decided,
    },
}
