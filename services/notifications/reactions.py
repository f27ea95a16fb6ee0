"""Reactions to other services' events: one function per event, which writes its letters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from services.notifications import account_letters, letters
from services.notifications.address_letters import email_change_requested, email_changed
from services.notifications.application import erase_letters
from services.notifications.envelope import Attachment
from services.notifications.factor_reactions import (
    recovery_code_used,
    second_factor_changed,
    second_factor_guessed,
)
from services.notifications.writing import Writer
from shared.bus import Message, Services
from shared.contracts.notifications import LetterKind
from shared.contracts.payments import Failure, RefundCause
from shared.devices import device_name
from shared.eventstore import Session
from shared.logs import get_logger

log = get_logger(__name__)

#: Why a payment failed, for the payer, in Russian and English, by the reason in the event.
FAILURES: Final[Mapping[str, tuple[str, str]]] = {
    Failure.DECLINED: ("банк отклонил карту", "the bank declined the card"),
    Failure.EXPIRED: ("время на оплату истекло", "the time to pay ran out"),
    Failure.REFUSED: ("банк не принял заказ", "the bank did not take the order"),
    Failure.NOT_REGISTERED: ("банк не ответил вовремя", "the bank did not answer in time"),
    Failure.FORM_LOST: ("страница оплаты не открылась", "the payment page did not open"),
    Failure.GIVEN_BACK: ("банк вернул деньги на карту", "the bank gave the money back"),
    Failure.ACCOUNT_CLOSED: (
        "лицевой счёт закрыт, платить по нему не нужно",
        "the account is closed and needs no payment",
    ),
}
_PICTURE: Final = re.compile(r"^ *!\[[^\]]*\]\([^)]*\)\n+", re.MULTILINE)
FAILURE_UNKNOWN = ("банк не подтвердил оплату", "the bank did not confirm the payment")


def registration_code_requested(session: Session, message: Message, services: Services) -> None:
    """Send the verification code, or tell a registered address that it has a cabinet."""
    writer = Writer(session, message, services)
    letter_id, registration_id = writer.letter_id("code"), writer.event["registration_id"]
    if writer.is_queued(letter_id):
        return
    issued = writer.ask("identity", "issue_registration_code", registration_id=registration_id)
    if issued is None:
        return
    if issued["kind"] == "already_registered":
        writer.queue(letter_id, LetterKind.ALREADY_REGISTERED, issued["email"], {})
        return
    writer.queue(
        letter_id,
        LetterKind.REGISTRATION_CODE,
        issued["email"],
        {"code": issued["code"], "valid_minutes": issued["valid_minutes"]},
        secret=(f"registration:{registration_id}", timedelta(minutes=issued["valid_minutes"])),
    )


def temporary_password_due(session: Session, message: Message, services: Services) -> None:
    """Send the instruction and the temporary password."""
    writer = Writer(session, message, services)
    letter_id, person_id = writer.letter_id("password"), writer.event["person_id"]
    if writer.is_queued(letter_id):
        return
    instruction = services.call("identity", "document", kind="instruction", version=None)
    issued = writer.ask("identity", "issue_temporary_password", person_id=person_id)
    if issued is None:
        return
    writer.queue(
        letter_id,
        LetterKind.TEMPORARY_PASSWORD,
        issued["email"],
        {"password": issued["password"], "valid_hours": issued["valid_hours"]},
        person_id=UUID(person_id),
        secret=(f"temporary-password:{person_id}", timedelta(hours=issued["valid_hours"])),
        attachments=(
            Attachment(filename="Инструкция.txt", text=_without_pictures(instruction["text"])),
        ),
    )


def _without_pictures(text: str) -> str:
    """Return a document for a letter: its pictures are on the site alone."""
    return _PICTURE.sub("", text)


def _queue_link(
    writer: Writer, letter_id: UUID, kind: LetterKind, issued: dict[str, Any] | None, topic: str
) -> None:
    """Queue a letter with a link that was issued for it; None: it has become pointless."""
    if issued is None:
        return
    validity = timedelta(minutes=issued["valid_minutes"])
    facts = {"token": issued["token"], "valid_minutes": issued["valid_minutes"]}
    writer.queue(letter_id, kind, issued["email"], facts, secret=(topic, validity))


def password_reset_requested(session: Session, message: Message, services: Services) -> None:
    """Send the link of a recovery."""
    writer = Writer(session, message, services)
    letter_id, reset_id = writer.letter_id("link"), writer.event["reset_id"]
    if writer.is_queued(letter_id):
        return
    issued = writer.ask("identity", "issue_reset_link", reset_id=reset_id)
    _queue_link(writer, letter_id, LetterKind.PASSWORD_RESET_LINK, issued, f"reset:{reset_id}")


def password_changed(session: Session, message: Message, services: Services) -> None:
    """Warn the person of the change."""
    writer = Writer(session, message, services)
    facts = {"changed_at": writer.local_time()}
    writer.notify(writer.event["person_id"], LetterKind.PASSWORD_CHANGED, facts)


def sign_in_link_requested(session: Session, message: Message, services: Services) -> None:
    """Send the link that signs in, which strangers' guesses do not shut."""
    writer = Writer(session, message, services)
    letter_id, link_id = writer.letter_id("link"), writer.event["link_id"]
    if writer.is_queued(letter_id):
        return
    issued = writer.ask("identity", "issue_sign_in_link", link_id=link_id)
    _queue_link(writer, letter_id, LetterKind.SIGN_IN_LINK, issued, f"sign-in-link:{link_id}")


def new_device_signed_in(session: Session, message: Message, services: Services) -> None:
    """Tell the person of a log-in on a device that was not known."""
    writer = Writer(session, message, services)
    person_id = writer.event["person_id"]
    known = {"person_id": person_id, "session_id": writer.event["session_id"]}
    found = writer.ask("identity", "new_device", **known)
    if found is not None:
        facts = {"device": device_name(found["device"]), "signed_in_at": writer.local_time()}
        writer.notify(person_id, LetterKind.NEW_DEVICE, facts)


def person_erased(session: Session, message: Message, services: Services) -> None:
    """Delete the letters that wait for a person, and send the last one."""
    writer = Writer(session, message, services)
    erase_letters(session, UUID(writer.event["person_id"]))
    letter_id = writer.letter_id("farewell")
    if writer.is_queued(letter_id):
        return
    kept = writer.ask("identity", "farewell", person_id=writer.event["person_id"])
    if kept is not None:
        facts = {"erased_at": writer.local_time()}
        writer.queue(letter_id, LetterKind.PERSON_ERASED, kept["email"], facts)


def payment_completed(session: Session, message: Message, services: Services) -> None:
    """Send the receipt; every line is in the ledger by then."""
    writer = Writer(session, message, services)
    payment = _payment(writer)
    if payment is None:
        return
    facts = {
        "payment_id": writer.event["payment_id"],
        "lines": payment["lines"],
        "total": payment["total"],
        "paid_at": writer.local_time(payment["captured_at"]),
        "masked_card": payment["masked_card"],
    }
    writer.notify(writer.event["person_id"], LetterKind.PAYMENT_RECEIPT, facts)


def payment_failed(session: Session, message: Message, services: Services) -> None:
    """Inform the payer of the failure, its reason, and what to do next.

    Whoever has started another payment instead knows of it.
    """
    writer = Writer(session, message, services)
    if writer.event["reason"] == Failure.REPLACED:
        return
    payment = _payment(writer)
    if payment is None:
        return
    failure_ru, failure_en = FAILURES.get(writer.event["reason"], FAILURE_UNKNOWN)
    facts = {
        "payment_id": writer.event["payment_id"],
        "lines": payment["lines"],
        "total": payment["total"],
        "failure_ru": failure_ru,
        "failure_en": failure_en,
    }
    writer.notify(writer.event["person_id"], LetterKind.PAYMENT_FAILED, facts)


def payment_refunded(session: Session, message: Message, services: Services) -> None:
    """Tell the payer what went back to the card, and from which accounts."""
    writer = Writer(session, message, services)
    payment = _payment(writer)
    if payment is None:
        return
    event = writer.event
    facts = {
        "payment_id": event["payment_id"],
        "lines": event["lines"],
        "total": event["total"],
        "paid": payment["total"],
        "whole": event["whole"],
        "by_bank": event["reason"] == RefundCause.BANK,
        "refunded_on": letters.local_day(event["refunded_on"]),
    }
    writer.notify(
        event["person_id"], LetterKind.PAYMENT_REFUNDED, facts, once_for=event["refund_id"]
    )


def payment_mismatched(session: Session, message: Message, services: Services) -> None:
    """Tell the payer that the bank reports another sum, what we do, and not to pay again."""
    writer = Writer(session, message, services)
    event = writer.event
    facts = {
        "payment_id": event["payment_id"],
        "case": event["payment_id"][:8],
        "ordered": event["ordered"],
        "charged": event["charged"],
        "returns": writer.settings.payments_mismatch == "return",
    }
    writer.notify(
        event["person_id"], LetterKind.PAYMENT_MISMATCHED, facts, once_for=event["payment_id"]
    )


def question_asked(session: Session, message: Message, services: Services) -> None:
    """Acknowledge the question to the person, and send it to the department."""
    writer = Writer(session, message, services)
    question = _question(writer)
    if question is None:
        return
    writer.notify(question["person_id"], LetterKind.QUESTION_ACCEPTED, _headline(question))
    _notify_department(writer, question)


def question_routed(session: Session, message: Message, services: Services) -> None:
    """Send the question to its new department."""
    writer = Writer(session, message, services)
    question = _question(writer)
    if question is not None:
        _notify_department(writer, question)


def question_answered(session: Session, message: Message, services: Services) -> None:
    """Tell the person that there is an answer."""
    writer = Writer(session, message, services)
    question = _question(writer)
    if question is None:
        return
    writer.notify(question["person_id"], LetterKind.QUESTION_ANSWERED, _headline(question))


def _payment(writer: Writer) -> dict[str, Any] | None:
    event = writer.event
    return writer.ask(
        "payments",
        "payment",
        person_id=event["person_id"],
        payment_id=event["payment_id"],
        refresh=False,
    )


def _question(writer: Writer) -> dict[str, Any] | None:
    return writer.ask("helpdesk", "letter_of", question_id=writer.event["question_id"])


def _notify_department(writer: Writer, question: dict[str, Any]) -> None:
    mailbox = question["department_email"]
    if mailbox is None:
        log.error("department_without_mailbox", question_id=writer.event["question_id"])
        return
    facts = {"account": question["account"], **_headline(question)}
    writer.queue(writer.letter_id("department"), LetterKind.QUESTION_TO_DEPARTMENT, mailbox, facts)


def _headline(question: dict[str, Any]) -> dict[str, Any]:
    return {
        "number": question["number"],
        "topic_title": question["topic_title"],
        "department_title": question["department_title"],
    }


Reaction = Callable[[Session, Message, Services], None]

BATCH: Final = 1
"""Each reaction calls another service, during which a batch would keep the log locked."""

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
        "account_linked": account_letters.account_linked,
        "account_unlinked": account_letters.account_unlinked,
        "invitation_sent": account_letters.invitation_sent,
        "proofs_guessed": account_letters.proofs_guessed,
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
    },
}
