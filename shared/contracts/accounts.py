"""Events of accounts: contracts by number, and links by person; no name, no address."""

from __future__ import annotations

from enum import StrEnum

from marshmallow import Schema, fields, validate

from shared.contracts.base import AccountNumber, Contract, Day, PersonId, PlainId

ABOUT = "Personal accounts (contracts with the utility) and who has linked them."


class PayerKind(StrEnum):
    """Who pays for an account; it decides the penalty rules (ЖК РФ ст. 155 ч. 14, 14.1).

    Capital repair is a kind of its own, whoever pays it. The one list: accounts and the ledger
    import it. A kind may be added within a version.
    """

    HOUSEHOLD = "household"
    ORGANISATION = "organisation"
    MANAGING_COMPANY = "managing_company"
    CAPITAL_REPAIR = "capital_repair"


#: The details of a contract, by their names in the registry.
DETAILS = (
    "payer_kind",
    "holder",
    "address",
    "residents",
    "total_area",
    "living_area",
    "heated_area",
    "els",
)


class ContractRegistered(Schema):
    number = AccountNumber(required=True, metadata={"description": "The personal account."})
    payer_kind = fields.String(
        required=True,
        validate=validate.OneOf([kind.value for kind in PayerKind]),
        metadata={"description": "Who pays, which decides the penalty rules.", "grows": True},
    )


class ContractAmended(Schema):
    number = AccountNumber(required=True, metadata={"description": "The personal account."})
    payer_kind = fields.String(
        required=True,
        validate=validate.OneOf([kind.value for kind in PayerKind]),
        metadata={"description": "Who pays from now on.", "grows": True},
    )
    changed = fields.List(
        fields.String(validate=validate.OneOf(DETAILS)),
        required=True,
        validate=validate.Length(min=1),
        metadata={"description": "The details that differ from before; not their values."},
    )
    effective_on = Day(
        metadata={
            "description": (
                "The day from which the amendment holds. Messages of before this field existed "
                "lack it: it is the day on which they were recorded."
            )
        },
    )


class AccountLinked(Schema):
    number = AccountNumber(required=True, metadata={"description": "The personal account."})
    person_id = PersonId(
        required=True, metadata={"description": "The person who linked the account."}
    )
    other_person_ids = fields.List(
        PlainId(),
        required=True,
        metadata={
            "description": "The persons who had linked it before; they are notified.",
            "person": True,
        },
    )


class AccountUnlinked(Schema):
    number = AccountNumber(required=True, metadata={"description": "The personal account."})
    person_id = PersonId(
        required=True, metadata={"description": "The person who unlinked the account."}
    )


CONTRACTS = [
    Contract(
        "contract_registered",
        version=1,
        schema=ContractRegistered,
        summary="A contract entered the registry: its account may be charged and linked.",
    ),
    Contract(
        "contract_amended",
        version=1,
        schema=ContractAmended,
        summary="Details of a contract changed in the registry.",
    ),
    Contract(
        "account_linked",
        version=1,
        schema=AccountLinked,
        summary="A person linked an account to the cabinet.",
    ),
    Contract(
        "account_unlinked",
        version=1,
        schema=AccountUnlinked,
        summary="A person unlinked an account from the cabinet.",
    ),
]
