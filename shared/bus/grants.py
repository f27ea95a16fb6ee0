"""Grants of subscribers: which published events another system may see.

A grant names a service (``ledger``: all of its types, later ones too) or one type of it
(``payments.payment_completed``). Identifiers of persons are left out of every event unless the
subscriber may see persons, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.books import service_of
from shared.config import SERVICES
from shared.contracts import contracts_of
from shared.contracts.base import person_fields


class GrantError(ValueError):
    """A grant that names nothing that is published."""


@dataclass(frozen=True)
class Grants:
    """What a subscriber may see: the types by service (None: all of them), and whether persons."""

    types: Mapping[str, frozenset[str] | None]
    persons: bool = False

    @classmethod
    def parse(cls, texts: Iterable[str], *, persons: bool = False) -> Grants:
        """Read grants as they are written by a person; raises GrantError."""
        chosen = list(texts)
        for text in chosen:
            service, dot, type_ = text.partition(".")
            if service not in SERVICES:
                raise GrantError(f"{text}: the services are {', '.join(SERVICES)}")
            if dot and type_ not in types_of(service):
                raise GrantError(f"{text}: {service} publishes {', '.join(types_of(service))}")
        return cls.stored(chosen, persons=persons)

    @classmethod
    def stored(cls, texts: Iterable[str], *, persons: bool) -> Grants:
        """Read grants as they are stored; one of something that is not published grants nothing."""
        found: dict[str, frozenset[str] | None] = {}
        for text in texts:
            service, dot, type_ = text.partition(".")
            before = found.get(service, frozenset())
            found[service] = before | {type_} if dot and before is not None else None
        return cls(found, persons)

    def texts(self) -> list[str]:
        """Return the grants as they are written and stored, in order."""
        return sorted(
            text
            for service, types in self.types.items()
            for text in ([service] if types is None else [f"{service}.{type_}" for type_ in types])
        )

    def visible(self, service: str) -> frozenset[str]:
        """Return the types of a service, or of a book, that are granted."""
        published = frozenset(types_of(service))
        types = self.types.get(service_of(service), frozenset())
        return published if types is None else types & published

    def whole(self, service: str) -> bool:
        """Return whether a subscriber may see all that a service publishes, as in its stream."""
        all_types = self.visible(service) == frozenset(types_of(service))
        return all_types and (self.persons or not types_with_persons(service))


def types_of(service: str) -> tuple[str, ...]:
    """Return the types that a service publishes."""
    return tuple(dict.fromkeys(contract.type for contract in contracts_of(service)))


def types_with_persons(service: str) -> frozenset[str]:
    """Return the types of a service whose events identify a person."""
    return frozenset(
        contract.type for contract in contracts_of(service) if person_fields(contract.schema)
    )
