"""Events of accounts: contracts and tenures by number, links by person; no name, no address."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from shared.contracts.base import AccountNumber, Contract, Day, PersonId, PlainId
from shared.payer_kinds import PayerKind

ABOUT = "Personal accounts (contracts with the utility) and who has linked them."


#: The details of a contract that are published as changed, by their names in the registry.
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


class TenureOrdinal(fields.Integer):
    """Which holder of a number it is: 1 is the first."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(min=1, max=9_999), **kwargs)


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
    tenure = TenureOrdinal(
        metadata={"description": "Which holder of the account it is about; absent: the first one."},
    )


class TenureOpened(Schema):
    number = AccountNumber(required=True, metadata={"description": "The personal account."})
    tenure = TenureOrdinal(
        required=True,
        metadata={"description": "Which holder of the account it is: 2 is the second one."},
    )
    since = Day(required=True, metadata={"description": "The first day of the holder."})
    payer_kind = fields.String(
        required=True,
        validate=validate.OneOf([kind.value for kind in PayerKind]),
        metadata={"description": "Who pays, which decides the penalty rules.", "grows": True},
    )


class TenureClosed(Schema):
    number = AccountNumber(required=True, metadata={"description": "The personal account."})
    tenure = TenureOrdinal(
        required=True,
        metadata={"description": "Which holder of the account it was: 1 is the first one."},
    )
    until = Day(
        required=True,
        metadata={
            "description": (
                "The last day of the holder; the day before the first one, where there was none."
            )
        },
    )


#: What a person may do with an account.
ROLES = ("owner", "payer", "viewer")


def _tenure_of_access() -> TenureOrdinal:
    return TenureOrdinal(
        metadata={"description": "Whose time with the account it is; absent: the first holder's."}
    )


def _role(description: str, *roles: str, **options: Any) -> fields.String:
    return fields.String(
        validate=validate.OneOf(roles),
        metadata={"description": description, "grows": True},
        **options,
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
    tenure = _tenure_of_access()
    role = _role(
        "An owner reads, pays and shares the account, a payer reads and pays, a viewer reads; "
        "absent: an owner.",
        *ROLES,
    )
    invited_by = PersonId(
        metadata={"description": "The owner who gave the access; absent: it was proven."}
    )


class AccountUnlinked(Schema):
    number = AccountNumber(required=True, metadata={"description": "The personal account."})
    person_id = PersonId(
        required=True, metadata={"description": "The person whose cabinet it left."}
    )
    tenure = _tenure_of_access()
    ended_by = fields.String(
        validate=validate.OneOf(["person", "owner", "staff"]),
        metadata={
            "description": (
                "Who ended the access: the person, an owner of the account, or staff; absent: the "
                "person."
            ),
            "grows": True,
        },
    )


class InvitationSent(Schema):
    invitation_id = PlainId(required=True, metadata={"description": "The invitation."})
    number = AccountNumber(required=True, metadata={"description": "The personal account."})
    tenure = _tenure_of_access()
    role = _role("What it gives: payer or viewer.", *ROLES[1:], required=True)
    invited_by = PersonId(required=True, metadata={"description": "The owner who invites."})


class ProofsGuessed(Schema):
    number = AccountNumber(required=True, metadata={"description": "The personal account."})
    tenure = _tenure_of_access()
    attempts = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=1, max=1_000_000),
        metadata={"description": "How many wrong proofs there were within a day."},
    )
    owner_ids = fields.List(
        PlainId(),
        required=True,
        validate=validate.Length(min=1),
        metadata={"description": "Its owners, who are notified.", "person": True},
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
        "tenure_opened",
        version=1,
        schema=TenureOpened,
        summary=(
            "Another holder took over an account: it starts with nothing owed. The first holder's "
            "time begins with contract_registered."
        ),
    ),
    Contract(
        "tenure_closed",
        version=1,
        schema=TenureClosed,
        summary="A holder's time with an account ended: it is final, and nothing is paid any more.",
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
        summary="An account left a person's cabinet.",
    ),
    Contract(
        "invitation_sent",
        version=1,
        schema=InvitationSent,
        summary="An owner invited somebody to an account by letter.",
    ),
    Contract(
        "proofs_guessed",
        version=1,
        schema=ProofsGuessed,
        summary="An account had many wrong proofs of ownership within a day.",
    ),
]
