"""Contract loading: registering and amending contracts, with their last bills."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec

from services.accounts.application import revealed
from services.accounts.domain import Contract, ContractDetails, contract_id
from services.accounts.proof import BillDigests
from shared.contracts.accounts import PayerKind
from shared.eventstore import Session


class ContractRow(msgspec.Struct, frozen=True, kw_only=True):
    """One checked contract of a registry; holder and address in clear.

    Without a ``bill`` the digests of the last one stay. ``effective_on`` is the day from which an
    amendment holds; None: today.
    """

    number: str
    holder: str
    address: str
    payer_kind: PayerKind
    residents: int | None = None
    total_area: str | None = None
    living_area: str | None = None
    heated_area: str | None = None
    els: str | None = None
    bill: BillDigests | None = None
    effective_on: date | None = None


class RegisterContracts(msgspec.Struct, frozen=True, kw_only=True):
    """Rows to load in one transaction; their numbers differ."""

    rows: tuple[ContractRow, ...]


class BeginImport(msgspec.Struct, frozen=True, kw_only=True):
    """``import_id`` is also the correlation id of the events that the import causes."""

    import_id: UUID
    file_name: str
    sha256: str
    actor: str
    reason: str


class FinishImport(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows the file had, and their outcomes."""

    import_id: UUID
    rows: int
    registered: int
    amended: int
    unchanged: int
    bills: int
    refused: int


OUTCOMES = ("registered", "amended", "unchanged", "bills")
"""What an import counts; ``bills`` are new bills, whatever the outcome of their rows."""


def register_contracts(session: Session, command: RegisterContracts) -> dict[str, int]:
    """Register what is new and amend what differs; a row that changes nothing leaves no event.

    Returns how many rows were registered, amended and unchanged, and how many bills were new.
    """
    known, bills = _known(session, command)
    outcome = dict.fromkeys(OUTCOMES, 0)
    for row in command.rows:
        before = known.get(row.number)
        change = _change(session, row, before)
        outcome[change] += 1
        if change != "unchanged":
            contract = session.load(Contract, contract_id(row.number))
            after = _sealed(session, row, contract.details)
            if contract.details is None:
                contract.register(row.number, after)
            else:
                contract.amend(after, row.effective_on or session.today)
    fresh = {row.number: bill for row in command.rows if (bill := _new_bill(row, bills))}
    outcome["bills"] = len(fresh)
    session.read.bills.keep(fresh, session.now)
    return outcome


def plan_contracts(session: Session, command: RegisterContracts) -> dict[str, int]:
    """Return what `register_contracts` would return, and change nothing."""
    known, bills = _known(session, command)
    outcome = dict.fromkeys(OUTCOMES, 0)
    for row in command.rows:
        outcome[_change(session, row, known.get(row.number))] += 1
        outcome["bills"] += _new_bill(row, bills) is not None
    return outcome


def begin_import(session: Session, command: BeginImport) -> None:
    """Record the beginning of an import; an interrupted one has no end."""
    session.read.imports.begin(command, session.now)


def finish_import(session: Session, command: FinishImport) -> None:
    """Record the end of an import."""
    session.read.imports.finish(command, session.now)


def _sealed(session: Session, row: ContractRow, before: ContractDetails | None) -> ContractDetails:
    """Seal a row; unchanged text keeps its sealed form, so that it compares as equal."""
    subject = contract_id(row.number)

    def seal(field: str, text: str, kept: str | None) -> str:
        if kept is not None and session.vault.reveal(subject, kept, field) == text:
            return kept
        return session.vault.seal(subject, text, field)

    return ContractDetails(
        payer_kind=row.payer_kind,
        holder=seal("holder", row.holder, before.holder if before else None),
        address=seal("address", row.address, before.address if before else None),
        residents=row.residents,
        total_area=row.total_area,
        living_area=row.living_area,
        heated_area=row.heated_area,
        els=row.els,
    )


def _known(
    session: Session, command: RegisterContracts
) -> tuple[dict[str, ContractDetails], dict[str, BillDigests]]:
    numbers = [row.number for row in command.rows]
    return session.read.contracts(numbers), session.read.bills.of(numbers)


def _change(session: Session, row: ContractRow, before: ContractDetails | None) -> str:
    if before is None:
        return "registered"
    address, holder = revealed(session, row.number, before)
    same = (address, holder) == (row.address, row.holder) and all(
        getattr(row, name) == getattr(before, name)
        for name in ContractDetails.__struct_fields__
        if name not in ("address", "holder")
    )
    return "unchanged" if same else "amended"


def _new_bill(row: ContractRow, bills: dict[str, BillDigests]) -> BillDigests | None:
    return row.bill if row.bill != bills.get(row.number) else None
