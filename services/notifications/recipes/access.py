"""Letters about getting in: codes, passwords and links, new devices, the end of a cabinet."""

from __future__ import annotations

from typing import Any

from services.notifications.application import ClaimedLetter
from services.notifications.envelope import Attachment
from services.notifications.instruction import instruction_pdf
from services.notifications.recipes.frame import Asking, Draft, language_of, recipe, to_person
from shared.contracts.notifications import LetterKind
from shared.devices import device_name


@recipe(LetterKind.REGISTRATION_CODE)
def registration_code(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the verification code; to a registered address, that it has a cabinet."""
    issued = asking.ask(
        "identity", "issue_registration_code", registration_id=letter.refs["registration_id"]
    )
    if issued is None:
        return None
    to, language = issued["email"], language_of(issued)
    if issued["kind"] == "already_registered":
        return Draft(to=to, language=language, facts={}, kind=LetterKind.ALREADY_REGISTERED)
    until = asking.until(minutes=issued["valid_minutes"])
    facts = {
        "code": issued["code"],
        "valid_minutes": issued["valid_minutes"],
    }
    return Draft(to=to, language=language, facts=facts, secret_until=until)


@recipe(LetterKind.TEMPORARY_PASSWORD)
def temporary_password(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the temporary password, with the instruction."""
    instruction = asking.ask("identity", "document", kind="instruction", version=None)
    issued = asking.ask("identity", "issue_temporary_password", person_id=str(letter.person_id))
    if issued is None or instruction is None:
        return None
    until = asking.until(hours=issued["valid_hours"])
    facts = {
        "password": issued["password"],
        "valid_hours": issued["valid_hours"],
    }
    return Draft(
        to=issued["email"],
        language=language_of(issued),
        facts=facts,
        attachments=(
            Attachment(
                filename="Инструкция.pdf",
                media_type="application/pdf",
                data=instruction_pdf(instruction),
            ),
        ),
        secret_until=until,
    )


@recipe(LetterKind.PASSWORD_RESET_LINK)
def password_reset_link(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the link of a recovery."""
    return _link(
        asking, asking.ask("identity", "issue_reset_link", reset_id=letter.refs["reset_id"])
    )


@recipe(LetterKind.SIGN_IN_LINK)
def sign_in_link(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the link that signs in, which strangers' guesses do not shut."""
    return _link(
        asking, asking.ask("identity", "issue_sign_in_link", link_id=letter.refs["link_id"])
    )


@recipe(LetterKind.PASSWORD_CHANGED)
def password_changed(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the warning that the password was changed."""
    return to_person(asking, letter, {"changed_at": letter.refs["at"]})


@recipe(LetterKind.NEW_DEVICE)
def new_device(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the news of a log-in on a device that was not known."""
    found = asking.ask(
        "identity",
        "new_device",
        person_id=str(letter.person_id),
        session_id=letter.refs["session_id"],
    )
    if found is None:
        return None
    facts = {"device": device_name(found["device"]), "signed_in_at": letter.refs["at"]}
    return to_person(asking, letter, facts)


@recipe(LetterKind.PERSON_ERASED)
def person_erased(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the last letter to a person, whose address is forgotten from then on."""
    kept = asking.ask("identity", "farewell", person_id=letter.refs["erased_id"])
    if kept is None:
        return None
    facts = {"erased_at": letter.refs["at"]}
    return Draft(to=kept["email"], language=language_of(kept), facts=facts)


def _link(asking: Asking, issued: dict[str, Any] | None) -> Draft | None:
    if issued is None:
        return None
    until = asking.until(minutes=issued["valid_minutes"])
    facts = {
        "token": issued["token"],
        "valid_minutes": issued["valid_minutes"],
    }
    return Draft(to=issued["email"], language=language_of(issued), facts=facts, secret_until=until)
