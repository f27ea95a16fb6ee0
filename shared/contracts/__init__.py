"""The events that Saldo publishes, by owner.

Each service has a module, `shared/contracts/<service>.py`, with `ABOUT` (what its events are about)
and `CONTRACTS`. `asyncapi.yaml` is generated from them: `python -m shared.contracts`.
"""

from __future__ import annotations

import importlib

from shared.books import service_of
from shared.config import SERVICES
from shared.contracts.base import Contract


def all_contracts() -> dict[str, list[Contract]]:
    """Return every contract by owner, each owner's in the order of its module.

    Raises `ModuleNotFoundError` when a service has no module and `ValueError` when one declares
    the same type and version twice.
    """
    return {service: contracts_of(service) for service in SERVICES}


def contracts_of(owner: str) -> list[Contract]:
    """Return the contracts of one owner; a book publishes those of the ledger."""
    module = importlib.import_module(f"{__name__}.{service_of(owner)}")
    contracts: list[Contract] = module.CONTRACTS
    names = [contract.name for contract in contracts]
    if len(set(names)) != len(names):
        raise ValueError(f"{owner} declares a contract twice: {sorted(names)}.")
    return list(contracts)


def about(owner: str) -> str:
    """Return the sentence that describes the events of one owner."""
    sentence: str = importlib.import_module(f"{__name__}.{owner}").ABOUT
    return sentence
