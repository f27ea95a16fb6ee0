"""Events of the ledger: every movement of every account, sums in kopecks."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from shared.contracts.base import (
    AccountNumber,
    Contract,
    Day,
    FullMatch,
    Kopecks,
    Period,
    PlainId,
    Tenure,
)

ABOUT = (
    "Charges, penalties and payments as they are posted to personal accounts; months that are "
    "closed, imports, accrual runs."
)

_SERVICE_CODE = "The code of the service, of the operator's list."


def _count(description: str) -> fields.Integer:
    return fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=0),
        metadata={"description": description},
    )


class ServiceAmount(Schema):
    service = fields.String(required=True, metadata={"description": _SERVICE_CODE})
    amount = Kopecks(
        required=True,
        signed=True,
        metadata={"description": "What is owed for it, kopecks; negative: paid in advance."},
    )


class Line(Schema):
    service = fields.String(required=True, metadata={"description": _SERVICE_CODE})
    name = fields.String(required=True, metadata={"description": "Its name on the bill."})
    charged = Kopecks(
        required=True, signed=True, metadata={"description": "Volume by tariff, kopecks."}
    )
    recalculation = Kopecks(
        required=True, signed=True, metadata={"description": "«Перерасчёт», kopecks."}
    )
    concession = Kopecks(
        required=True, signed=True, metadata={"description": "«Льгота», taken off, kopecks."}
    )
    payable = Kopecks(
        required=True,
        signed=True,
        metadata={"description": "charged + recalculation - concession, kopecks."},
    )


class AllocatedPart(Schema):
    period = Period(
        required=True,
        metadata={"description": "The month that is paid; 0001-01 is the opening balance."},
    )
    service = fields.String(required=True, metadata={"description": _SERVICE_CODE})
    amount = Kopecks(required=True, metadata={"description": "The part allocated to it, kopecks."})


class BalanceChange(Schema):
    principal = Kopecks(
        required=True,
        signed=True,
        metadata={"description": "Added to what is owed for services, kopecks."},
    )
    penalty = Kopecks(
        required=True,
        signed=True,
        metadata={"description": "Added to the penalty that is owed, kopecks."},
    )
    advance = Kopecks(
        required=True, signed=True, metadata={"description": "Added to the advance, kopecks."}
    )


class _OfAccount(Schema):
    account = AccountNumber(required=True, metadata={"description": "The personal account."})
    tenure = Tenure(
        metadata={
            "description": (
                "Which holder's time the event is of, counted from 1; absent: the first. Each has "
                "a balance of its own, which starts at zero."
            )
        }
    )
    effective_on = Day(
        required=True,
        metadata={"description": "The day it takes effect; when it was recorded is its time."},
    )
    change = fields.Nested(
        BalanceChange,
        metadata={
            "description": (
                "What the event adds to the balance of the account, whatever its type: the sum "
                "of all changes is the balance. Messages of before this field existed lack it."
            )
        },
    )


class AccountOpened(_OfAccount):
    payer_kind = fields.String(
        required=True, metadata={"description": "Who pays: it decides the penalty rules."}
    )
    opening = fields.List(
        fields.Nested(ServiceAmount),
        required=True,
        metadata={"description": "What was owed when the account was taken over."},
    )


class PayerKindChanged(_OfAccount):
    payer_kind = fields.String(
        required=True,
        metadata={
            "description": (
                "Who pays: debts that take effect from the day on bear its penalty rules."
            )
        },
    )


class OpeningPosted(_OfAccount):
    opening = fields.List(
        fields.Nested(ServiceAmount),
        required=True,
        validate=validate.Length(min=1),
        metadata={"description": "What was owed when the account was taken over."},
    )
    allocated_from_advance = fields.List(
        fields.Nested(AllocatedPart),
        required=True,
        metadata={"description": "What an advance has paid of it at once."},
    )


class ChargesPosted(_OfAccount):
    period = Period(required=True, metadata={"description": "The month of the bill."})
    due_on = Day(required=True, metadata={"description": "The last day to pay without delay."})
    total = Kopecks(
        required=True, signed=True, metadata={"description": "The sum of payable, kopecks."}
    )
    lines = fields.List(
        fields.Nested(Line),
        required=True,
        validate=validate.Length(min=1),
        metadata={"description": "The bill, a line for each service."},
    )
    allocated_from_advance = fields.List(
        fields.Nested(AllocatedPart),
        required=True,
        metadata={"description": "What an advance has paid of it at once."},
    )


class PenaltyAccrued(_OfAccount):
    amount = Kopecks(required=True, metadata={"description": "The penalty, kopecks."})
    rule = fields.String(
        required=True, metadata={"description": "The rule that produced it, with its version."}
    )


class PaymentPosted(_OfAccount):
    payment_id = PlainId(required=True, metadata={"description": "The payment."})
    amount = Kopecks(
        required=True, metadata={"description": "Towards principal, as the payer named it."}
    )
    penalty = Kopecks(
        required=True, metadata={"description": "Towards penalty, as the payer named it."}
    )
    allocation = fields.List(
        fields.Nested(AllocatedPart),
        required=True,
        metadata={"description": "The debts it paid, oldest month first."},
    )
    penalty_allocated = Kopecks(
        required=True, metadata={"description": "The part of the penalty it paid, kopecks."}
    )
    advance = Kopecks(required=True, metadata={"description": "What became an advance, kopecks."})
    moved_from = AccountNumber(
        metadata={
            "description": (
                "The account that it was posted to by mistake, and is reversed on: no new money."
            )
        },
    )
    moved_from_tenure = Tenure(metadata={"description": "Its tenure; absent: the first."})


class ChargesAdjusted(_OfAccount):
    adjustment_id = PlainId(required=True, metadata={"description": "The recalculation."})
    period = Period(required=True, metadata={"description": "The month that is recalculated."})
    lines = fields.List(
        fields.Nested(ServiceAmount),
        required=True,
        validate=validate.Length(min=1),
        metadata={"description": "What changes by service; positive: more is owed."},
    )
    released = fields.List(
        fields.Nested(AllocatedPart),
        required=True,
        metadata={"description": "What is no longer owed."},
    )
    advance = Kopecks(
        required=True, metadata={"description": "Paid already and so an advance now, kopecks."}
    )
    allocated_from_advance = fields.List(
        fields.Nested(AllocatedPart),
        required=True,
        metadata={"description": "What an advance has paid of it at once."},
    )


class PenaltyCorrected(_OfAccount):
    amount = Kopecks(
        required=True, signed=True, metadata={"description": "The difference, kopecks."}
    )
    rule = fields.String(
        required=True, metadata={"description": "The rule that produced it, with its version."}
    )
    waived = Kopecks(
        required=True,
        metadata={"description": "Taken back of what was waived, not of what is owed, kopecks."},
    )
    advance = Kopecks(
        required=True, metadata={"description": "Paid already and so an advance now, kopecks."}
    )


class AdvanceSettled(_OfAccount):
    """Its ``change`` says all."""


class AccountClosed(_OfAccount):
    """Its ``effective_on`` is the last day of the holder."""


class PenaltyWrittenOff(_OfAccount):
    amount = Kopecks(required=True, metadata={"description": "What is waived, kopecks."})


class _TakenBack(_OfAccount):
    payment_id = PlainId(required=True, metadata={"description": "The payment."})
    restored = fields.List(
        fields.Nested(AllocatedPart),
        required=True,
        metadata={"description": "The debts it had paid, which are owed again."},
    )
    penalty_restored = Kopecks(
        required=True, metadata={"description": "The penalty that is owed again, kopecks."}
    )
    advance_taken = Kopecks(
        required=True, metadata={"description": "What was taken of its advance, kopecks."}
    )
    reopened = fields.List(
        fields.Nested(AllocatedPart),
        required=True,
        metadata={"description": "The debts its advance had paid since, which are owed again."},
    )


class PaymentReversed(_TakenBack):
    amount = Kopecks(
        required=True,
        metadata={"description": "Its principal part, less what had gone back, kopecks."},
    )
    penalty = Kopecks(
        required=True,
        metadata={"description": "Its penalty part, less what had gone back, kopecks."},
    )
    moved_to = AccountNumber(
        metadata={
            "description": (
                "The account that it is posted to instead: it was made to this one by mistake."
            )
        },
    )
    moved_to_tenure = Tenure(metadata={"description": "Its tenure; absent: the first."})


class PaymentRefunded(_TakenBack):
    refund_id = PlainId(required=True, metadata={"description": "The refund."})
    amount = Kopecks(
        required=True,
        metadata={"description": "What went back of the payment on this account, kopecks."},
    )


class _OfProposal(Schema):
    proposal_id = PlainId(required=True, metadata={"description": "The proposed correction."})


class CorrectionDecided(_OfProposal):
    decision = fields.String(
        required=True,
        validate=validate.OneOf(("approved", "rejected")),
        metadata={
            "description": "`approved`: a second person agreed, it is made; `rejected`: he refused."
        },
    )


class CorrectionWithdrawn(_OfProposal):
    pass


class MonthClosed(Schema):
    period = Period(
        required=True,
        metadata={"description": "The month that is closed, and all before it, permanently."},
    )


class _OfImport(Schema):
    file_digest = fields.String(
        required=True,
        validate=FullMatch("^[0-9a-f]{64}$"),
        metadata={"description": "The SHA-256 of the file's content, in hexadecimal."},
    )
    attempt = _count("Which attempt it is, from 1: the next follows one that posted nothing.")


class ImportBegun(_OfImport):
    kind = fields.String(
        required=True,
        metadata={"description": "charges, registry, opening or adjustments."},
    )
    size = _count("The size of the file, bytes.")


class ImportFinished(_OfImport):
    entries = _count("How many bills, accounts or adjustments were posted.")
    refused_rows = _count("How many rows were refused.")


class ImportRefused(_OfImport):
    refused_rows = _count("How many rows were refused: all that the file has.")


class _OfAccrual(Schema):
    run_id = PlainId(required=True, metadata={"description": "The run."})
    on = Day(required=True, metadata={"description": "The day through which it accrues."})
    rules = fields.String(
        required=True, metadata={"description": "The version of the penalty rules."}
    )


class AccrualBegun(_OfAccrual):
    pass


class AccrualFinished(_OfAccrual):
    accounts = _count("How many accounts it covered.")
    changed = _count("How many of them got an event.")
    refused = _count("How many the rules do not cover: they are left unchanged.")
    added = Kopecks(required=True, metadata={"description": "The penalty added, kopecks."})
    taken_back = Kopecks(
        required=True, metadata={"description": "The penalty taken back, kopecks."}
    )


CONTRACTS = [
    Contract("account_opened", 1, AccountOpened, "An account has been opened in the ledger."),
    Contract("account_closed", 1, AccountClosed, "The holder's time has ended."),
    Contract("payer_kind_changed", 1, PayerKindChanged, "The payer is of another kind."),
    Contract("opening_posted", 1, OpeningPosted, "The balance that was taken over is posted."),
    Contract("charges_posted", 1, ChargesPosted, "The bill of a month has been posted."),
    Contract("penalty_accrued", 1, PenaltyAccrued, "A penalty for late payment was added."),
    Contract("charges_adjusted", 1, ChargesAdjusted, "The bill of a month was recalculated."),
    Contract("penalty_corrected", 1, PenaltyCorrected, "An accrued penalty was corrected."),
    Contract("penalty_written_off", 1, PenaltyWrittenOff, "A penalty that was owed is waived."),
    Contract("payment_reversed", 1, PaymentReversed, "A payment was undone."),
    Contract("payment_refunded", 1, PaymentRefunded, "Money of a payment went back to the payer."),
    Contract("payment_posted", 1, PaymentPosted, "A payment has been posted to one account."),
    Contract("advance_settled", 1, AdvanceSettled, "An advance pays a debt that is open."),
    Contract("correction_decided", 1, CorrectionDecided, "A proposed correction is decided on."),
    Contract("correction_withdrawn", 1, CorrectionWithdrawn, "Its author takes a proposal back."),
    Contract("month_closed", 1, MonthClosed, "A month and all before it are closed."),
    Contract("import_begun", 1, ImportBegun, "A file is being imported: its events follow."),
    Contract("import_finished", 1, ImportFinished, "A file has been imported."),
    Contract("import_refused", 1, ImportRefused, "Nothing of a file could be posted."),
    Contract("accrual_begun", 1, AccrualBegun, "Penalties of all accounts are being accrued."),
    Contract("accrual_finished", 1, AccrualFinished, "Penalties of all accounts are accrued."),
]
