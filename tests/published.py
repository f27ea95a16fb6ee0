"""The contract that a publication has to match."""

from __future__ import annotations

from shared.bus import Publication
from shared.contracts import contracts_of


def check_publication(owner: str, publication: Publication) -> None:
    """Raise unless the data of a publication matches the contract of its type and version."""
    [contract] = [
        contract
        for contract in contracts_of(owner)
        if (contract.type, contract.version) == (publication.type, publication.version)
    ]
    contract.check(publication.data)
