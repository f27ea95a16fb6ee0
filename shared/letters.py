"""What the owners of secrets and those who send them in letters have to agree on."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

LETTER_LIFE: Final = timedelta(days=5)
"""How long a letter is tried, and so how long what it asks for is kept."""


class SecretOf(StrEnum):
    """What the secret of a letter is for."""

    REGISTRATION = "registration"
    TEMPORARY_PASSWORD = "temporary-password"  # noqa: S105 - no secret
    RESET = "reset"
    SIGN_IN_LINK = "sign-in-link"
    EMAIL_NEW = "email-new"
    EMAIL_OLD = "email-old"
