"""Every limit of identity: lifetimes, and rates of attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from shared.letters import LETTER_LIFE
from shared.retention import load_retention

_KEPT = load_retention()

CODE_LIFE = timedelta(minutes=15)
CODE_ATTEMPTS = 5
ATTEMPTS_OF_REGISTRATION = 15
"""Wrong codes of a registration in total, over all letters; then it is started again."""
TEMPORARY_PASSWORD_LIFE = timedelta(hours=24)

REGISTRATION_LIFE = _KEPT.unconfirmed_registrations
"""After this an unconfirmed registration is abandoned and its e-mail address erased."""
RESET_LINK_LIFE = timedelta(hours=1)
PASSWORD_RESET_LIFE = LETTER_LIFE + RESET_LINK_LIFE
"""After this a recovery is forgotten, whether or not its letter was delivered."""
EMAIL_CHANGE_LIFE = LETTER_LIFE
"""How long both mailboxes have to confirm."""
EMAIL_LINK_LIFE = timedelta(days=1)
"""How long they have at least from the delivery of their letter."""
EMAIL_CHANGE_DELAY = timedelta(days=3)
"""How long the old mailbox can refuse a change that it does not have to confirm."""
EMAIL_CHANGE_LIFE_WITH_DELAY = timedelta(days=14)

SESSION_LIFE = _KEPT.sessions
SESSION_IDLE_LIFE = _KEPT.idle_sessions
TEMPORARY_SESSION_LIFE = timedelta(hours=1)
"""A session of a temporary password serves only to choose a password."""
SESSIONS_PER_PERSON = 20
DEVICE_LIFE = _KEPT.devices
"""How long a device stays known after its person last signed in on it; its cookie lives as long."""
DEVICES_PER_PERSON = 50
NETWORK_LIFE = _KEPT.networks
"""How long a network stays known after its person last signed in from it."""
SIGN_IN_LINK_LIFE = timedelta(minutes=30)
SEEN_RESOLUTION = timedelta(minutes=1)
"""The precision of "last seen": one write per minute and session, not one per request."""

SUPPORT_CODES_OF_PERSON = 50
"""Of each person the newest support codes: whoever makes errors at will fills no table."""
SUPPORT_CODE_LIFE = _KEPT.support_codes


class Limit(NamedTuple):
    """At most ``most`` attempts of one subject within a window that its first attempt opens."""

    scope: str
    most: int
    window: timedelta

    def exceeded(self, wait_seconds: int) -> dict[str, Any]:
        """Return the parameters of ``too_many_attempts``: the limit, and the seconds to wait."""
        return {
            "policy": self.scope,
            "limit": self.most,
            "window_seconds": int(self.window.total_seconds()),
            "retry_after_seconds": wait_seconds,
        }


class Delay(NamedTuple):
    """``free`` attempts of one subject at once, then a pause that doubles with each one more.

    A day without an attempt forgets them.
    """

    scope: str
    free: int = 5
    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=15)
    forgotten_after: timedelta = timedelta(days=1)

    def after(self, taken: int) -> timedelta:
        """Return the pause after the attempt of this number."""
        if taken < self.free:
            return timedelta(0)
        doubled: timedelta = self.first * 2 ** min(taken - self.free, 30)
        return min(doubled, self.longest)

    def exceeded(self, wait_seconds: int) -> dict[str, Any]:
        """Return the parameters of ``too_many_attempts``."""
        return {
            "policy": self.scope,
            "limit": self.free,
            "window_seconds": int(self.longest.total_seconds()),
            "retry_after_seconds": wait_seconds,
        }


REGISTRATION_LETTERS = Limit("registration_letters", 5, timedelta(minutes=15))
"""Per network and e-mail address, resent letters included: strangers spend none of them."""
LETTERS_OF_ADDRESS = Limit("letters_of_address", 20, timedelta(days=1))
"""Per e-mail address, from wherever. Beyond it nobody is refused; the codes have twelve digits."""
WRONG_CODES_OF_NETWORK = Limit("wrong_codes_of_network", 300, timedelta(hours=1))
WRONG_CODES = Limit("wrong_codes", 3_000, timedelta(hours=1))
"""Wrong codes in total, and per network address. Beyond them a code of six digits is not tried, and
the next letter has one of twelve: whoever reads the letter gets in, and nobody guesses it. An
address is guarded by its letters (a hundred guesses a day); these are high, because a provider may
put a whole city behind one address."""
RESET_LETTERS = Limit("reset_letters", 5, timedelta(minutes=30))
"""Per e-mail address, in half the life of a link: whoever gets no letter has a link that is valid
for as long again."""
EMAIL_CHANGES = Limit("email_changes", 5, timedelta(days=1))
"""Per person: each one writes to two mailboxes."""
WRONG_LINKS = Limit("wrong_links", 30, timedelta(minutes=10))
"""Wrong links per network address. A right one is never counted."""
LETTERS_OF_NETWORK = Limit("letters_of_network", 600, timedelta(minutes=10))
"""Per network address; high, because a provider may put a whole city behind one address."""
SIGN_IN_OF_DEVICE = Delay("sign_in_of_device")
"""Wrong passwords of a person on a device that is known to be his: nobody else can spend these."""
SIGN_IN_OF_PAIR = Delay("sign_in_of_pair")
"""Wrong passwords of an address from a network, on devices that are not known."""
SIGN_IN_OF_NETWORK = Limit("sign_in_of_network", 100, timedelta(minutes=15))
"""Wrong passwords from a network, whose are tried. Beyond it strangers there sign in by letter."""
VERIFICATIONS_OF_NETWORK = Limit("verifications_of_network", 1, timedelta(seconds=2))
"""Passwords verified for strangers of a network that is beyond its limit: each costs CPU."""
SIGN_IN_OF_EMAIL = Limit("sign_in_of_email", 100, timedelta(days=1))
"""Wrong passwords of an address from all places that are not known. Beyond it a right password from
such a place only sends a letter: a hundred guesses a day, from however many networks."""
SIGN_IN_LETTERS = Limit("sign_in_letters", 5, timedelta(minutes=15))
"""Per person, in half the life of a link: whoever has the password and no known place must not
flood the mailbox, and whoever gets no letter has a link that is valid for as long again."""
SUBSCRIBER_TOKENS = Limit("subscriber_tokens", 20, timedelta(minutes=5))
"""Wrong tokens of subscribers per network address: what asks again and again with an old one waits.
A right one is never counted, so that no neighbour locks a subscriber out."""
CURRENT_PASSWORDS = Limit("current_passwords", 10, timedelta(minutes=15))
"""Wrong ones per session, wherever the current password is asked for again: whoever finds an open
cabinet must not be able to guess its password, nor spend the attempts of its owner elsewhere."""
CURRENT_PASSWORDS_OF_DAY = Limit("current_passwords_of_day", 20, timedelta(days=1))
"""The same in a day; the next one ends the session."""

SESSION_CODES = Limit("session_codes", 5, timedelta(minutes=15))
"""Wrong codes of the second step per session, where it is asked for again. Counted by session like
the current password: nobody spends the attempts of the owner elsewhere."""
SESSION_CODES_OF_DAY = Limit("session_codes_of_day", 10, timedelta(days=1))
"""The same in a day; the next one ends the session."""

REAUTHENTICATION_LIFE = timedelta(minutes=10)
"""How long the second step, taken in a session, allows changes of access."""
CHALLENGE_LIFE = timedelta(minutes=10)
"""How long an authenticator, a code or a new factor is waited for."""
CHALLENGE_ATTEMPTS = 5
PASSKEYS_PER_PERSON = 10
FRESH_FACTOR = timedelta(days=7)
"""A recovery removes what was added within this: whoever had come in may have added it."""
SECOND_FACTOR_CODES = Limit("second_factor_codes", 10, timedelta(days=1))
"""Wrong codes by whoever has the right password: on each known device of the person, and in all
other places together. Whoever guesses gets a letter sent to the owner; with a new password the
count begins anew, within the limit below."""
SECOND_FACTOR_CODES_OF_PERSON = Limit("second_factor_codes_of_person", 40, timedelta(days=7))
"""Wrong codes of a person over all passwords, in places that are not known: who has the mailbox,
and so a new password at will, gains twelve in a hundred thousand a week. Then passkeys serve, known
devices, and staff."""
GUESSING_LETTERS = Limit("guessing_letters", 1, timedelta(days=1))
"""Letters per person about guessed codes."""
