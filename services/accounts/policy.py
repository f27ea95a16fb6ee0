"""The operator's policy on linking: data, read from YAML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from shared.config import ConfigurationError

PATH_VARIABLE = "SALDO_ACCOUNTS_POLICY"
"""The environment variable that names a file to use instead of the one shipped."""

_SHIPPED = Path(__file__).with_name("policy.yaml")

_Positive = Annotated[int, msgspec.Meta(ge=1)]

Proof = Literal["control_code", "total_and_period", "number"]
"""What may prove ownership; ``number``: the number of the account alone."""


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


class Allowance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The attempts of a person, of a network and of everybody.

    Where a network or everybody together has had more than its own, each person has ``always``
    left: what strangers did stops nobody who knows the right answer.
    """

    per_person: Limit
    per_network: Limit
    in_total: Limit
    always: _Positive

    @property
    def longest(self) -> timedelta:
        """Return the longest of its windows."""
        return max(self.per_person.window, self.per_network.window, self.in_total.window)


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of attempts; ``letter_to_owners`` is when these learn of wrong proofs."""

    lookups: Allowance
    proofs: Allowance
    invitations_per_person: Limit
    letter_to_owners: Limit

    @property
    def longest(self) -> timedelta:
        """Return the window after which any counter may be deleted."""
        return max(
            self.lookups.longest,
            self.proofs.longest,
            self.invitations_per_person.window,
            self.letter_to_owners.window,
        )


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The accepted proofs of ownership, and the limits."""

    proof: Proof | list[Proof]
    limits: Limits

    @property
    def accepted(self) -> tuple[Proof, ...]:
        """Return the proofs accepted, each of which is enough."""
        return (self.proof,) if isinstance(self.proof, str) else tuple(self.proof)


def load_policy(environ: Mapping[str, str] | None = None) -> Policy:
    """Read the operator's file, or the shipped one.

    Raises ConfigurationError that names the file and the field at fault.
    """
    env = os.environ if environ is None else environ
    path = Path(env.get(PATH_VARIABLE) or _SHIPPED)
    try:
        policy = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), Policy)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"the linking policy {path} cannot be used: {error}") from error
    if not policy.accepted:
        raise ConfigurationError(
            f"the linking policy {path} cannot be used: proof is an empty list"
        )
    return policy
