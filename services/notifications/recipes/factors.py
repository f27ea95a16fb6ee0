"""Letters about second factors: each warns the owner."""

from __future__ import annotations

from typing import Final

from services.notifications.application import ClaimedLetter
from services.notifications.recipes.frame import Asking, Draft, recipe, to_person
from shared.contracts.notifications import LetterKind

FEW_RECOVERY_CODES: Final = 3


@recipe(LetterKind.SECOND_FACTOR_CHANGED)
def second_factor_changed(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the warning that a second factor was changed."""
    facts = {"changed_at": letter.refs["at"], "change": letter.refs["change"]}
    return to_person(asking, letter, facts)


@recipe(LetterKind.RECOVERY_CODE_USED)
def recovery_code_used(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the news of a used code, with the advice to get new ones in time."""
    left = letter.refs["left"]
    facts = {"used_at": letter.refs["at"], "left": left, "low": left <= FEW_RECOVERY_CODES}
    return to_person(asking, letter, facts)


@recipe(LetterKind.SECOND_FACTOR_GUESSED)
def second_factor_guessed(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the warning that somebody has the password."""
    return to_person(asking, letter, {"guessed_at": letter.refs["at"]})
