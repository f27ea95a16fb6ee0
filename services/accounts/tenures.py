"""Tenures: the time for which one holder has a number, and what proves a claim to it."""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Literal

import msgspec

from services.accounts.domain import Contract, ContractDetails, contract_id
from services.accounts.proof import ProofDigests

TenureState = Literal["open", "closed"]


class Tenure(msgspec.Struct, frozen=True, kw_only=True):
    """One tenure as the read model returns it; a number's first one is 1.

    ``since`` None: from the beginning, which only the first one can be. ``until`` is the last day;
    it is the day before ``since`` where the holder had no day. ``version`` is that of the
    contract's stream.
    """

    number: str
    tenure: int
    since: date | None
    until: date | None
    details: ContractDetails
    version: int

    @property
    def state(self) -> TenureState:
        return "open" if self.until is None else "closed"

    def contract(self) -> Contract:
        """Return the contract as its events left it; the tenure is the newest of its number."""
        contract = Contract(contract_id(self.number))
        contract.number, contract.tenure = self.number, self.tenure
        contract.since, contract.until = self.since, self.until
        contract.details, contract.version = self.details, self.version
        return contract


class KeptProof(msgspec.Struct, frozen=True, kw_only=True):
    """The facts that prove a claim to a tenure; the code is sealed for its owner's bill."""

    number: str
    tenure: int
    digests: ProofDigests
    sealed_code: str | None = None


def is_same_holder(one: str, other: str) -> bool:
    """Whether two texts name one holder: case, ё, spaces and punctuation aside."""
    return one == other or _significant(one) == _significant(other)


def _significant(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    return "".join(character for character in folded if character.isalnum())
