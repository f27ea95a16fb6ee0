"""Letters: their language, which of them come, the last ones; the links that switch some off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.concurrently import all_of
from gateway.messages.letters import letter_title
from gateway.operations import API, Access, Call, Idempotency, Operation
from gateway.schemas import letters as shapes
from gateway.schemas.base import Notice
from gateway.web import route

TAG = "Letters"
LAST_LETTERS = 20
_NOT_NEEDED = "stale"


class LetterRoutes:
    """Routes of the letters to a person."""

    @route(
        Operation(
            method="GET",
            path=f"{API}/me/letters",
            tag=TAG,
            summary="The language of the letters, which of them come, and the last ones.",
            description="Of a letter only its kind, its state and its times are told: what it said "
            "is kept nowhere.",
            result=shapes.Letters,
            refusals={404: ("person_not_found",)},
        )
    )
    def letters(self, call: Call) -> Any:
        profile, choices, sent = all_of(
            (
                lambda: call.ask("identity", "profile", person_id=call.person_id),
                lambda: call.ask("notifications", "choices", person_id=call.person_id),
                lambda: call.ask(
                    "notifications", "letters", person_id=call.person_id, limit=LAST_LETTERS
                ),
            )
        )
        return {
            "language": profile["language"],
            **choices,
            "letters": [_shown(letter, call.language) for letter in sent["letters"]],
        }

    @route(
        Operation(
            method="PUT",
            path=f"{API}/me/letters",
            tag=TAG,
            summary="Choose the language of the letters, and which of the optional ones come.",
            description="The language of messages in responses is that of `Accept-Language`, "
            "whatever is chosen here.",
            body=shapes.ChooseLetters,
            result=Notice,
            refusals={404: ("person_not_found",)},
        )
    )
    def choose_letters(self, call: Call) -> Any:
        call.command(
            "identity",
            "choose_language",
            person_id=call.person_id,
            language=call.body["language"],
        )
        call.command(
            "notifications", "choose", person_id=call.person_id, wanted=call.body["optional"]
        )
        return {"message": call.notice("letters_chosen")}

    @route(
        Operation(
            method="GET",
            path=f"{API}/letters/unsubscribe/<token:link>",
            tag=TAG,
            summary="What the link in a letter would switch off; nothing changes.",
            description="The token says whose letters and which; who the person is, it does not "
            "tell. Of an erased person no letters are wanted.",
            access=Access.PUBLIC,
            result=shapes.Subscription,
            refusals={404: ("unsubscribe_link_unknown",)},
        )
    )
    def subscription(self, call: Call) -> Any:
        found = call.ask("notifications", "subscription", token=call.path["link"])
        return {**found, "title": letter_title(found["kind"], call.language)}

    @route(
        Operation(
            method="POST",
            path=f"{API}/letters/unsubscribe",
            tag=TAG,
            summary="Switch off the letters that a link in a letter is for.",
            description="Repeating it changes nothing more. `PUT /me/letters` switches them on "
            "again. Mail programs post to the link itself (RFC 8058).",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.Unsubscribe,
            result=shapes.Unsubscribed,
            refusals={404: ("unsubscribe_link_unknown",)},
        )
    )
    def unsubscribe(self, call: Call) -> Any:
        found = call.command("notifications", "unsubscribe", token=call.body["token"])
        return {
            **found,
            "title": letter_title(found["kind"], call.language),
            "message": call.notice("unsubscribed"),
        }


def _shown(letter: Mapping[str, Any], language: str) -> dict[str, Any]:
    obsolete = letter["state"] == "failed" and letter["reason"] == _NOT_NEEDED
    return {
        **letter,
        "title": letter_title(letter["kind"], language),
        "state": "not_needed" if obsolete else letter["state"],
    }
