"""What subscribers without a grant for persons do not get: the identifiers of persons.

The fields are marked in the contracts. An event that has one loses these fields, its subject where
that is a person, and the correlation id, which joins what one person did across services and which
the client of the API may choose.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from shared.bus.messages import (
    CORRELATION_HEADER,
    SCHEMA_HEADER,
    SUBJECT_HEADER,
    Envelope,
)
from shared.contracts import contracts_of
from shared.contracts.base import person_fields, schema_name


def without_persons(service: str, envelope: Envelope) -> Envelope:
    """Return an event without identifiers of persons; the same object where it has none."""
    fields = _fields_of(service).get(envelope.headers[SCHEMA_HEADER])
    if not fields:
        return envelope
    data: dict[str, Any] = msgspec.json.decode(envelope.body)
    left_out = {CORRELATION_HEADER}
    named = [data.get(name) for name in fields]
    persons = {id_ for value in named for id_ in (value if isinstance(value, list) else [value])}
    if envelope.headers.get(SUBJECT_HEADER) in persons:
        left_out.add(SUBJECT_HEADER)
    return msgspec.structs.replace(
        envelope,
        headers={name: value for name, value in envelope.headers.items() if name not in left_out},
        body=msgspec.json.encode({name: data[name] for name in data if name not in fields}),
    )


@cache
def _fields_of(service: str) -> Mapping[str, frozenset[str]]:
    """Return the fields that identify a person, by the name of the contract as in the header."""
    return {
        schema_name(service, contract.type, contract.version): fields
        for contract in contracts_of(service)
        if (fields := person_fields(contract.schema))
    }
