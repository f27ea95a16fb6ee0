"""Whether a letter that was drawn before is still needed: its owner is asked, nothing is voided."""

from __future__ import annotations

from services.notifications.application import ClaimedLetter
from services.notifications.recipes.frame import Asking
from services.notifications.requests import secret_of
from shared.contracts.notifications import LetterKind


def is_still_needed(asking: Asking, letter: ClaimedLetter) -> bool:
    """Return whether to send what is kept of a letter once more. Raises Unavailable.

    The first copy may have arrived, and its secret been used since.
    """
    kind = LetterKind(letter.kind)
    secret = secret_of(kind, letter.refs, letter.person_id)
    if secret is None:
        return True
    topic, about = secret
    if kind is LetterKind.INVITATION:
        # Its token is derived from its id: issuing it again is the same one.
        return asking.ask("accounts", "issue_invitation", invitation_id=about) is not None
    answer = asking.ask("identity", "secret_needed", secret=topic, about=about)
    return answer is not None and bool(answer["needed"])
