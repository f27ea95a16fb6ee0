"""Reactions and recipes: what each event queues, once or repeated, and what is drawn of it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pypdfium2
import pytest
from letter_doubles import START, Harness, contacts, message_of

from services.notifications import application, reactions
from services.notifications.application import ClaimedLetter, ClaimLetters, LostClaimError
from services.notifications.domain import LetterFailed
from services.notifications.drawing import draw
from services.notifications.envelope import Content
from services.notifications.recipes import RECIPES, Asking
from services.notifications.requests import DRAWN_ONCE, SECRETS, Lane
from shared.contracts.notifications import LetterKind
from shared.contracts.payments import Failure
from shared.errors import Conflict, NotFound, Unavailable
from shared.letters import SecretOf

PERSON = "0b6e1f66-94a4-4b4e-a9ff-8a3c0e6c4a2d"
OTHER = "5d0c5f0a-6a43-4c0e-8d2b-2f8f5e3f0c11"
THING = "7f1c5c58-3d7e-4f2a-9b61-0d8f0e6f5a21"
PAYMENT = {
    "payment_id": THING,
    "state": "completed",
    "total": 450000,
    "lines": [{"account": "0012345678", "amount": 450000, "penalty": 0, "posted": True}],
    "created_at": "2026-03-31T17:58:00+00:00",
    "captured_at": "2026-03-31T17:59:00+00:00",
    "masked_card": "411111**1111",
    "failure": None,
}
QUESTION = {
    "person_id": PERSON,
    "number": 17,
    "department_email": "billing@utility.example",
    "department_title": "Отдел расчётов",
    "department_title_en": "Billing",
    "topic_title": "Начисления",
    "topic_title_en": "Charges",
    "state": "open",
    "due_on": "2026-04-14",
    "account": "0012345678",
    "dispute": {"account": "0100000001", "period": "2026-10", "service": "heating"},
}
AT = "31\u00a0марта 2026 года"
"""The day of each event, as a letter writes it."""
ANSWERS: dict[str, Any] = {
    "identity.secret_needed": {"needed": True},
    "identity.language_of_address": {"language": None},
    "identity.issue_registration_code": {
        "kind": "code",
        "email": "new@example.org",
        "code": "493027",
        "valid_minutes": 15,
    },
    "identity.issue_temporary_password": {
        "email": "new@example.org",
        "password": "Xy7-kLm9-Qw2",
        "valid_hours": 24,
    },
    "identity.document": {
        "kind": "instruction",
        "version": "1",
        "title": "Инструкция",
        "media_type": "text/markdown",
        "text": "1. Выберите тип\n",
    },
    "identity.issue_reset_link": {
        "email": "old@example.org",
        "token": "q0Zb3m1V7x",
        "valid_minutes": 60,
    },
    "identity.issue_sign_in_link": {
        "email": "old@example.org",
        "token": "q3Vb9LrX0w2m",
        "valid_minutes": 30,
    },
    "identity.new_device": {
        "device": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    },
    "identity.issue_email_link": lambda change_id, side: {
        "person_id": PERSON,
        "email": f"{side}@example.org",
        "token": f"{side}T0ken",
        "way": "both",
        "taken": False,
        "due_at": None,
        "expires_at": (START + timedelta(days=1)).isoformat(),
    },
    "identity.changed_email": {
        "person_id": PERSON,
        "old_email": "old@example.org",
        "new_email": "new@example.org",
    },
    "identity.farewell": {"email": "gone@example.org"},
    "identity.contacts": contacts,
    "accounts.issue_invitation": {
        "email": "guest@example.org",
        "token": "QUJDREVGR0hJSktM",
        "number": "0012345678",
        "address": "г. Примерск",
        "role": "viewer",
        "expires_at": "2026-04-07T18:00:00+00:00",
        "valid_days": 7,
    },
    "payments.payment": PAYMENT,
    "helpdesk.letter_of": QUESTION,
}
#: event -> its data, and (kind, address, part of the text) of each letter.
LETTERS: dict[tuple[str, str], tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    ("identity", "registration_code_requested"): (
        {"registration_id": THING},
        [("registration_code", "new@example.org", "493027")],
    ),
    ("identity", "person_registered"): (
        {"person_id": PERSON, "person_type": "individual"},
        [("temporary_password", "new@example.org", "Xy7-kLm9-Qw2")],
    ),
    ("identity", "temporary_password_requested"): (
        {"person_id": PERSON},
        [("temporary_password", "new@example.org", "Xy7-kLm9-Qw2")],
    ),
    ("identity", "password_reset_requested"): (
        {"reset_id": THING},
        [("password_reset_link", "old@example.org", "/recover/q0Zb3m1V7x\n")],
    ),
    ("identity", "email_change_requested"): (
        {"change_id": THING},
        [
            ("email_to_confirm", "new@example.org", "/email/new/newT0ken\n"),
            ("email_to_leave", "old@example.org", "/email/old/oldT0ken\n"),
        ],
    ),
    ("identity", "email_changed"): (
        {"change_id": THING},
        [
            ("email_changed", "new@example.org", AT),
            ("email_changed", "old@example.org", AT),
        ],
    ),
    ("identity", "password_changed"): (
        {"person_id": PERSON},
        [("password_changed", "0b6e@example.org", AT)],
    ),
    ("identity", "second_factor_changed"): (
        {"person_id": PERSON, "change": "totp_enabled"},
        [("second_factor_changed", "0b6e@example.org", "Включены коды из приложения.")],
    ),
    ("identity", "recovery_code_used"): (
        {"person_id": PERSON, "left": 3},
        [("recovery_code_used", "0b6e@example.org", "Осталось кодов: 3. Получите новые")],
    ),
    ("identity", "second_factor_guessed"): (
        {"person_id": PERSON},
        [("second_factor_guessed", "0b6e@example.org", AT)],
    ),
    ("identity", "sign_in_link_requested"): (
        {"link_id": THING},
        [("sign_in_link", "old@example.org", "/log-in/q3Vb9LrX0w2m")],
    ),
    ("identity", "new_device_signed_in"): (
        {"person_id": PERSON, "session_id": THING},
        [("new_device", "0b6e@example.org", "Устройство: Firefox, Linux\n")],
    ),
    ("identity", "person_erased"): (
        {"person_id": PERSON},
        [("person_erased", "gone@example.org", AT)],
    ),
    ("accounts", "account_linked"): (
        {"number": "0012345678", "person_id": PERSON, "other_person_ids": [OTHER, THING]},
        [
            ("account_linked_by_another", "5d0c@example.org", "0012345678"),
            ("account_linked_by_another", "7f1c@example.org", "0012345678"),
        ],
    ),
    ("accounts", "account_unlinked"): (
        {"number": "0012345678", "person_id": PERSON, "ended_by": "owner"},
        [("access_withdrawn", "0b6e@example.org", AT)],
    ),
    ("accounts", "invitation_sent"): (
        {"invitation_id": THING, "number": "0012345678", "role": "viewer", "invited_by": PERSON},
        [("invitation", "guest@example.org", "/invitations/QUJDREVGR0hJSktM")],
    ),
    ("accounts", "proofs_guessed"): (
        {"number": "0012345678", "attempts": 10, "owner_ids": [PERSON]},
        [("proofs_guessed", "0b6e@example.org", "не подошли 10\u00a0раз.")],
    ),
    ("payments", "payment_completed"): (
        {"payment_id": THING, "person_id": PERSON, "lines": PAYMENT["lines"], "total": 450000},
        [("payment_receipt", "0b6e@example.org", "31\u00a0марта 2026, 20:59")],
    ),
    ("payments", "payment_failed"): (
        {"payment_id": THING, "person_id": PERSON, "reason": "declined"},
        [("payment_failed", "0b6e@example.org", "банк отклонил карту")],
    ),
    ("payments", "payment_refunded"): (
        {
            "payment_id": THING,
            "person_id": PERSON,
            "refund_id": OTHER,
            "lines": [{"account": "0012345678", "amount": 100000}],
            "total": 100000,
            "refunded_on": "2026-04-02",
            "whole": False,
            "reason": "staff",
        },
        [("payment_refunded", "0b6e@example.org", "День возврата: 2\u00a0апреля 2026")],
    ),
    ("payments", "payment_mismatched"): (
        {"payment_id": THING, "person_id": PERSON, "ordered": 450000, "charged": 4500},
        [("payment_mismatched", "0b6e@example.org", "Если банк ошибся, зачислим платёж.")],
    ),
    ("helpdesk", "question_asked"): (
        {"question_id": THING, "person_id": PERSON, "department": "billing", "topic": "charges"},
        [
            ("question_accepted", "0b6e@example.org", "Номер вопроса: 17\n"),
            ("question_to_department", "billing@utility.example", "saldo helpdesk answer 17"),
        ],
    ),
    ("helpdesk", "question_routed"): (
        {"question_id": THING, "department": "metering"},
        [("question_to_department", "billing@utility.example", "saldo helpdesk show 17")],
    ),
    ("helpdesk", "question_answered"): (
        {"question_id": THING, "person_id": PERSON},
        [("question_answered", "0b6e@example.org", f"/questions/{THING}")],
    ),
    ("helpdesk", "question_closed"): (
        {"question_id": THING},
        [("question_closed", "0b6e@example.org", f"/questions/{THING}")],
    ),
    ("helpdesk", "dispute_decided"): (
        {"question_id": THING, "person_id": PERSON, "decision": "approved"},
        [("dispute_decided", "0b6e@example.org", "/charges/0100000001/2026-10")],
    ),
}


#: Kinds that mailings and staff call for.
CALLED_FOR_OTHERWISE = {"question_closed", "bill_ready", "due_soon", "overdue"}


@pytest.fixture
def harness() -> Harness:
    return Harness(ANSWERS)


def react(harness: Harness, source: str, event_type: str, position: int = 7) -> None:
    data, _ = LETTERS[source, event_type]
    reaction = reactions.REACTIONS[source][event_type]
    harness.react(reaction, message_of(source, event_type, data, position))


def claimed(harness: Harness) -> list[ClaimedLetter]:
    """Claim every letter that is due, of each lane."""
    found = []
    while letters := harness.store.transact(
        application.claim_letters, ClaimLetters(claim=uuid4(), lowest=Lane.BULK, limit=10)
    ):
        found += letters
    return found


def drawn(harness: Harness) -> list[tuple[str, Content]]:
    """Claim and draw every letter that is due; return the kinds and contents of those to send."""
    letters = claimed(harness)
    asking = Asking(harness, letters)
    found = [draw(harness, asking, letter) for letter in letters]
    return [(str(one.content.kind), one.content) for one in found if one is not None]


def test_every_kind_of_letter_is_called_for_by_an_event() -> None:
    called_for = {kind for _, letters in LETTERS.values() for kind, _, _ in letters}
    turned_out = {"already_registered", "email_taken", "invitation_accepted"}
    assert called_for | turned_out | CALLED_FOR_OTHERWISE == {kind.value for kind in LetterKind}


def test_every_kind_that_is_queued_has_a_recipe() -> None:
    turned_out = {LetterKind.ALREADY_REGISTERED, LetterKind.EMAIL_TAKEN}
    assert set(RECIPES) | turned_out == set(LetterKind)


def test_an_address_with_a_cabinet_gets_no_link_to_another(harness: Harness) -> None:
    issue = ANSWERS["identity.issue_email_link"]
    harness.answers["identity.issue_email_link"] = lambda **asked: {
        **issue(**asked), "taken": True,
    }  # fmt: skip
    react(harness, "identity", "email_change_requested")
    kinds = sorted((kind, content.to) for kind, content in drawn(harness))
    assert kinds == [("email_taken", "new@example.org"), ("email_to_leave", "old@example.org")]


def test_every_reaction_has_a_case_here() -> None:
    wired = {
        (source, event_type)
        for source, handlers in reactions.REACTIONS.items()
        for event_type in handlers
    }
    assert wired == set(LETTERS)


@pytest.mark.parametrize(("source", "event_type"), LETTERS)
def test_an_event_queues_its_letters_once(harness: Harness, source: str, event_type: str) -> None:
    react(harness, source, event_type)
    _, expected = LETTERS[source, event_type]
    before = harness.events
    assert len(harness.queued) == len(expected)
    react(harness, source, event_type)
    assert harness.events == before
    written = sorted(drawn(harness), key=lambda one: (one[0], one[1].to))
    assert [(kind, content.to) for kind, content in written] == sorted(
        (kind, to) for kind, to, _ in expected
    )
    for (_, content), (_, _, words) in zip(written, sorted(expected), strict=True):
        assert words in content.text


@pytest.mark.parametrize(("source", "event_type"), LETTERS)
def test_queueing_asks_nobody_for_anything(harness: Harness, source: str, event_type: str) -> None:
    harness.answers = dict.fromkeys(ANSWERS, Unavailable("no_answer", "Later."))
    react(harness, source, event_type)
    assert harness.calls == []
    assert len(harness.queued) == len(LETTERS[source, event_type][1])


@pytest.mark.parametrize(("source", "event_type"), LETTERS)
def test_no_secret_and_no_address_is_stored_before_the_draw(
    harness: Harness, source: str, event_type: str
) -> None:
    react(harness, source, event_type)
    stored = repr(harness.events) + repr(harness.queued)
    for words in ("493027", "Xy7-kLm9-Qw2", "T0ken", "QUJDREVGR0hJSktM", "@", "Почему"):
        assert words not in stored


@pytest.mark.parametrize(("source", "event_type"), LETTERS)
def test_what_is_drawn_is_in_no_event_and_stored_sealed(
    harness: Harness, source: str, event_type: str
) -> None:
    react(harness, source, event_type)
    drawn(harness)
    stored = repr(harness.events) + repr(harness.queued)
    for words in ("493027", "Xy7-kLm9-Qw2", "T0ken", "QUJDREVGR0hJSktM", "@", "Почему"):
        assert words not in stored


@pytest.mark.parametrize("refusal", [NotFound("gone", "Gone."), Conflict("used", "Used.")])
@pytest.mark.parametrize(("source", "event_type"), LETTERS)
def test_a_letter_that_has_become_pointless_is_not_drawn(
    harness: Harness, source: str, event_type: str, refusal: Exception
) -> None:
    harness.answers = dict.fromkeys(ANSWERS, refusal)
    harness.answers["identity.contacts"] = {"contacts": {}}
    react(harness, source, event_type)
    assert drawn(harness) == []


@pytest.mark.parametrize(("source", "event_type"), LETTERS)
def test_a_letter_whose_owner_does_not_answer_is_not_drawn(
    harness: Harness, source: str, event_type: str
) -> None:
    harness.answers = dict.fromkeys(ANSWERS, Unavailable("no_answer", "Later."))
    react(harness, source, event_type)
    with pytest.raises(Unavailable):
        drawn(harness)


def test_registered_address_gets_a_letter_without_a_code(harness: Harness) -> None:
    harness.answers["identity.issue_registration_code"] = {
        "kind": "already_registered",
        "email": "old@example.org",
        "code": None,
        "valid_minutes": 15,
    }
    react(harness, "identity", "registration_code_requested")
    ((kind, content),) = drawn(harness)
    assert (kind, content.to) == ("already_registered", "old@example.org")


def test_only_the_newest_code_of_a_registration_is_drawn(harness: Harness) -> None:
    for position in (7, 8):
        react(harness, "identity", "registration_code_requested", position)
    older, newer = claimed(harness)
    asking = Asking(harness)
    assert draw(harness, asking, older) is None
    assert draw(harness, asking, newer) is not None
    assert len(harness.calls) == 1


def test_an_older_code_that_waits_is_void_once_a_newer_one_is_drawn(harness: Harness) -> None:
    react(harness, "identity", "registration_code_requested", 7)
    asking, (older,) = Asking(harness), claimed(harness)
    assert draw(harness, asking, older) is not None
    react(harness, "identity", "registration_code_requested", 8)
    (newer,) = claimed(harness)
    assert draw(harness, asking, newer) is not None
    assert [row.letter_id for row in harness.queued] == [newer.letter_id]
    assert harness.events[-1] == LetterFailed(kind="registration_code", reason="stale")
    with pytest.raises(LostClaimError):
        draw(harness, asking, older)


def test_a_secret_is_drawn_once_and_kept_for_half_its_life(harness: Harness) -> None:
    react(harness, "identity", "registration_code_requested")
    (letter,) = claimed(harness)
    first = draw(harness, Asking(harness), letter)
    (row,) = harness.queued
    assert row.sealed_until == START + timedelta(minutes=7, seconds=30)
    again = msgspec.structs.replace(
        letter, sealed=row.sealed, sealed_until=row.sealed_until, generation=row.generation
    )
    harness.clock.advance(timedelta(minutes=7))
    assert draw(harness, Asking(harness), again) == first
    asked = ["identity.issue_registration_code", "identity.secret_needed"]
    assert [name for name, _ in harness.calls] == asked
    harness.clock.advance(timedelta(minutes=1))
    later = draw(harness, Asking(harness), again)
    assert (first.generation, later.generation) == (1, 2)
    assert [name for name, _ in harness.calls] == [*asked, "identity.issue_registration_code"]


def test_secrets_and_the_last_letter_are_drawn_once() -> None:
    assert {*SECRETS, LetterKind.PERSON_ERASED} == DRAWN_ONCE


def test_identity_knows_whether_each_of_its_secrets_is_needed() -> None:
    topics = {topic for kind, (topic, _) in SECRETS.items() if kind is not LetterKind.INVITATION}
    assert topics == {one.value for one in SecretOf}


def test_the_instruction_goes_with_the_temporary_password_as_pdf(harness: Harness) -> None:
    react(harness, "identity", "person_registered")
    ((_, content),) = drawn(harness)
    (attachment,) = content.attachments
    assert (attachment.filename, attachment.media_type) == ("Инструкция.pdf", "application/pdf")
    (page,) = pypdfium2.PdfDocument(attachment.data)
    assert "Выберите тип" in page.get_textpage().get_text_range()
    assert harness.events[0].person_id == UUID(PERSON)


def test_the_first_holder_of_an_account_gets_no_letter(harness: Harness) -> None:
    data = {"number": "0012345678", "person_id": str(uuid4()), "other_person_ids": []}
    harness.react(reactions.account_linked, message_of("accounts", "account_linked", data))
    assert harness.queued == []


@pytest.mark.parametrize(("own", "subject"), [("en", "You are invited"), (None, "Вас приглашают")])
def test_an_invitation_has_the_language_of_the_invited_or_of_who_invites(
    harness: Harness, own: str | None, subject: str
) -> None:
    harness.answers["identity.language_of_address"] = {"language": own}
    react(harness, "accounts", "invitation_sent")
    ((_, content),) = drawn(harness)
    assert content.subject.startswith(subject)
    assert ("identity.language_of_address", {"email": "guest@example.org"}) in harness.calls


def test_whoever_had_the_account_learns_of_an_accepted_invitation(harness: Harness) -> None:
    data = {
        "number": "0012345678", "person_id": PERSON, "other_person_ids": [OTHER],
        "role": "viewer", "invited_by": OTHER,
    }  # fmt: skip
    harness.react(reactions.account_linked, message_of("accounts", "account_linked", data))
    assert [letter.kind for letter in harness.events] == ["invitation_accepted"]
    assert [kind for kind, _ in drawn(harness)] == ["invitation_accepted"]


@pytest.mark.parametrize("data", [{}, {"ended_by": "person"}])
def test_whoever_unlinks_an_account_himself_gets_no_letter(
    harness: Harness, data: dict[str, str]
) -> None:
    data = {"number": "0012345678", "person_id": PERSON, **data}
    message = message_of("accounts", "account_unlinked", data)
    harness.react(reactions.account_unlinked, message)
    assert harness.queued == []


@pytest.mark.parametrize(
    "answer",
    [{**QUESTION, "department_email": None}, NotFound("question_not_found", "No such question.")],
)
def test_question_without_mailbox_or_erased_gets_no_letter(harness: Harness, answer: Any) -> None:
    harness.answers["helpdesk.letter_of"] = answer
    react(harness, "helpdesk", "question_routed")
    assert drawn(harness) == []


def test_a_rejected_adjustment_is_not_told_as_one_that_was_made(harness: Harness) -> None:
    rejected = {"question_id": THING, "person_id": PERSON, "decision": "rejected"}
    harness.react(reactions.dispute_decided, message_of("helpdesk", "dispute_decided", rejected))
    ((_, content),) = drawn(harness)
    assert "оставили без изменений" in content.text


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("open", ["Отдел ответит в Вашем вопросе:"]),
        ("in_progress", ["Отдел ответит в Вашем вопросе:"]),
        ("reopened", ["Отдел ответит в Вашем вопросе:"]),
        ("answered", ["Наш ответ есть в Вашем вопросе:"]),
        ("closed", []),
        ("waiting", []),
    ],
)
def test_a_rejected_adjustment_promises_only_the_answer_that_there_is(
    harness: Harness, state: str, said: list[str]
) -> None:
    harness.answers["helpdesk.letter_of"] = {**QUESTION, "state": state}
    rejected = {"question_id": THING, "person_id": PERSON, "decision": "rejected"}
    harness.react(reactions.dispute_decided, message_of("helpdesk", "dispute_decided", rejected))
    ((_, content),) = drawn(harness)
    assert re.findall(r"\S+ ответ\S* .*:", content.text) == said


def test_a_dispute_that_was_erased_is_written_to_nobody(harness: Harness) -> None:
    harness.answers["helpdesk.letter_of"] = {**QUESTION, "dispute": None}
    react(harness, "helpdesk", "dispute_decided")
    assert drawn(harness) == []


def test_a_letter_about_a_question_turns_out_to_be_of_its_person(harness: Harness) -> None:
    react(harness, "helpdesk", "question_answered")
    ((_, content),) = drawn(harness)
    assert content.person_id == UUID(PERSON)


def test_the_contacts_of_a_claim_are_asked_once_for_each_person(harness: Harness) -> None:
    for position in (7, 8, 9):
        react(harness, "identity", "password_changed", position)
    assert len(drawn(harness)) == 3
    assert [name for name, _ in harness.calls] == ["identity.contacts"]


def test_whoever_started_another_payment_instead_gets_no_letter(harness: Harness) -> None:
    data = {"payment_id": THING, "person_id": PERSON, "reason": Failure.REPLACED.value}
    harness.react(reactions.payment_failed, message_of("payments", "payment_failed", data))
    assert harness.queued == []


@pytest.mark.parametrize("event_type", ["payment_refunded", "payment_mismatched"])
def test_one_letter_is_written_about_a_refund_and_a_mismatch(
    harness: Harness, event_type: str
) -> None:
    react(harness, "payments", event_type, position=7)
    react(harness, "payments", event_type, position=8)
    assert len(harness.queued) == 1


def test_each_refund_of_a_payment_has_its_letter(harness: Harness) -> None:
    data, _ = LETTERS["payments", "payment_refunded"]
    for refund_id in (OTHER, PERSON):
        message = message_of("payments", "payment_refunded", {**data, "refund_id": refund_id})
        harness.react(reactions.payment_refunded, message)
    assert len(harness.queued) == 2
