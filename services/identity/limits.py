"""How often, how long: every bound of identity in one place."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

CODE_LIFE = timedelta(minutes=15)
CODE_ATTEMPTS = 5
TEMPORARY_PASSWORD_LIFE = timedelta(hours=24)

REGISTRATION_LIFE = timedelta(days=3)
"""After this an unconfirmed registration is abandoned, and its e-mail address forgotten."""
PASSWORD_RESET_LIFE = timedelta(days=1)

SESSION_LIFE = timedelta(days=30)
SESSION_IDLE_LIFE = timedelta(days=7)
TEMPORARY_SESSION_LIFE = timedelta(hours=1)
"""A session opened with the temporary password serves to choose one's own, and no more."""
SESSIONS_PER_PERSON = 20
SEEN_RESOLUTION = timedelta(minutes=1)
"""How exact "last seen" is: one write per minute and session, not one per request."""


class Limit(NamedTuple):
    """At most ``most`` attempts of one subject within a window that its first attempt opens."""

    scope: str
    most: int
    window: timedelta


REGISTRATION_LETTERS = Limit("registration_letters", 5, timedelta(minutes=15))
"""Per e-mail address, resent letters included: nobody's mailbox is flooded, and with five
attempts per code a code is guessed once in some forty thousand windows."""
RESET_LETTERS = Limit("reset_letters", 5, timedelta(minutes=15))
LETTERS_OF_NETWORK = Limit("letters_of_network", 600, timedelta(minutes=10))
"""Per network address; wide, because a whole town may stand behind one address of its provider."""
SIGN_IN_OF_EMAIL = Limit("sign_in_of_email", 10, timedelta(minutes=15))
SIGN_IN_OF_NETWORK = Limit("sign_in_of_network", 100, timedelta(minutes=15))
PASSWORD_CHANGES = Limit("password_changes", 10, timedelta(minutes=15))
"""Per person: who finds a cabinet open may not guess its password."""
