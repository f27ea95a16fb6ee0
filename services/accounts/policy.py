"""The operator's policy on linking: data, read from YAML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from services.accounts.domain import ProvenBy
from shared.config import ConfigurationError

PATH_VARIABLE = "SALDO_ACCOUNTS_POLICY"
"""The environment variable that names a file to use instead of the one shipped."""

_SHIPPED = Path(__file__).with_name("policy.yaml")

_Positive = Annotated[int, msgspec.Meta(ge=1)]


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The largest number of attempts within a window of minutes."""

    attempts: _Positive
    minutes: _Positive

    @property
    def window(self) -> timedelta:
        return timedelta(minutes=self.minutes)

    def after(self, policy: str, made: int, closes_in: int) -> dict[str, Any]:
        """Return the state of the limit after an attempt; ``closes_in`` are seconds."""
        return {
            "policy": policy,
            "limit": self.attempts,
            "window_seconds": int(self.window.total_seconds()),
            "remaining": max(0, self.attempts - made),
            "retry_after_seconds": closes_in,
        }


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lookups_per_person: Limit
    links_per_person: Limit
    links_per_account: Limit

    @property
    def longest(self) -> timedelta:
        """Return the window after which any counter may be deleted."""
        return max(
            self.lookups_per_person.window,
            self.links_per_person.window,
            self.links_per_account.window,
        )


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The accepted proof of ownership, and the limits of attempts."""

    proof: ProvenBy
    limits: Limits


def load_policy(environ: Mapping[str, str] | None = None) -> Policy:
    """Read the operator's file, or the shipped one.

    Raises ConfigurationError that names the file and the field at fault.
    """
    env = os.environ if environ is None else environ
    path = Path(env.get(PATH_VARIABLE) or _SHIPPED)
    try:
        return msgspec.convert(yaml.safe_load(path.read_text("utf-8")), Policy)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"the linking policy {path} cannot be used: {error}") from error
