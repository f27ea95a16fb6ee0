"""The events that Saldo publishes, by owner.

Each owner's contracts stand in a module of its own, `shared/contracts/<owner>.py`, as a list
`CONTRACTS`. `asyncapi.yaml` is generated from them: `python -m shared.contracts`.
"""

from __future__ import annotations

import importlib
from typing import Final

from shared.contracts.base import Contract

#: The services that own events, in the order of the house.
OWNERS: Final = ("identity", "accounts", "ledger", "payments", "notifications", "helpdesk")


def all_contracts() -> dict[str, list[Contract]]:
    """Every contract by owner, each owner's in the order of its module.

    Raises `ModuleNotFoundError` when an owner has no module and `ValueError` when one declares
    the same type and version twice.
    """
    return {owner: contracts_of(owner) for owner in OWNERS}


def contracts_of(owner: str) -> list[Contract]:
    """The contracts of one owner; `ValueError` for one that is not in `OWNERS`."""
    if owner not in OWNERS:
        raise ValueError(f"{owner!r} owns no events; the owners are {', '.join(OWNERS)}.")
    contracts: list[Contract] = importlib.import_module(f"{__name__}.{owner}").CONTRACTS
    names = [contract.name for contract in contracts]
    if len(set(names)) != len(names):
        raise ValueError(f"{owner} declares a contract twice: {sorted(names)}.")
    return list(contracts)


def find_contract(owner: str, event_type: str, version: int | None = None) -> Contract:
    """The contract of an event; without a version the newest. `LookupError` when there is none."""
    candidates = [
        contract
        for contract in contracts_of(owner)
        if contract.type == event_type and version in (None, contract.version)
    ]
    if not candidates:
        raise LookupError(f"{owner} publishes no {event_type!r} (version {version or 'any'}).")
    return max(candidates, key=lambda contract: contract.version)
