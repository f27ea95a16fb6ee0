"""Contract loading: what a registry does with contracts, their holders and their proofs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeAlias
from uuid import UUID

import msgspec

from services.accounts.domain import Contract, ContractDetails, contract_id, tenure_id
from services.accounts.proof import ProofDigests, ProofSeal
from services.accounts.tenures import KeptProof, Tenure, TenureState, is_same_holder
from shared.errors import Conflict
from shared.eventstore import Session
from shared.money import Kopecks
from shared.payer_kinds import PayerKind


class ContractRow(msgspec.Struct, frozen=True, gc=False):
    """One checked row of a registry; holder, address and control code in clear.

    The fields have the order of the columns of a file.

    ``since`` is the first day of a tenure that the row opens, else ``effective_on``, else today;
    the latter is also the day from which an amendment holds. ``is_correction`` is true where
    another name of the holder corrects the former one. Without ``state``, a contract whose
    holder is the same stays open or closed.
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
    services: tuple[str, ...] = ()
    payee: str | None = None
    state: TenureState | None = None
    since: date | None = None
    closed_on: date | None = None
    effective_on: date | None = None
    is_correction: bool = False
    bill_total: Kopecks = 0
    period: str | None = None
    control_code: str | None = None

    @property
    def has_days(self) -> bool:
        """Whether the row names any day."""
        return not (self.since is self.closed_on is self.effective_on is None)


class LoadContracts(msgspec.Struct, frozen=True, kw_only=True):
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
    opened: int
    closed: int
    amended: int
    unchanged: int
    bills: int
    refused: int


OUTCOMES = ("registered", "opened", "closed", "amended", "unchanged", "bills")
"""What an import counts: ``opened`` are later tenures, ``bills`` are new bills, whatever the
outcome of their rows."""

Seal: TypeAlias = Callable[[int, str, str], str]
"""(tenure, text, field) -> the sealed text."""


@dataclass
class Loaded:
    """The outcomes of some rows, and why others were refused, by their place."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    refused: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Known:
    """A row beside the newest tenure of its number; address and holder in clear."""

    row: ContractRow
    tenure: Tenure | None
    address: str | None
    holder: str | None

    @property
    def has_holder(self) -> bool:
        """Whether the tenure's holder is the row's; nobody can tell of one that was erased."""
        return self.holder is not None and is_same_holder(self.holder, self.row.holder)

    @property
    def opens(self) -> bool:
        """Whether the row opens a tenure; one whose holder was erased is followed by another."""
        row, tenure = self.row, self.tenure
        if tenure is None:
            return True
        if row.state == "closed":
            return False
        if self.holder is None:
            return True
        reopens = row.state == "open" and tenure.state == "closed"
        return reopens or not (self.has_holder or row.is_correction)

    @property
    def ordinal(self) -> int:
        """The tenure of the row."""
        return (0 if self.tenure is None else self.tenure.tenure) + self.opens

    @property
    def subject(self) -> UUID:
        """Return the id under which the data of the row's tenure is sealed."""
        return tenure_id(self.row.number, self.ordinal)


class ContractLoading:
    """Loads rows of a registry; ``seal`` turns the facts of their bills into digests."""

    def __init__(self, seal: ProofSeal) -> None:
        self._seal = seal

    def load_rows(self, session: Session, command: LoadContracts) -> Loaded:
        """Register what is new, open, close and amend what differs; the rest leaves no event."""
        session.read.imports.be_patient()
        known = _known(session, command.rows)
        session.vault.new_keys([one.subject for one in known if one.opens])
        loaded, proofs = Loaded(), _ProofChanges(session, known, self._seal)
        els = _TakenNumbers(session, command.rows)
        for place, one in enumerate(known):
            contract = _contract(one)
            session.adopt(contract)

            def seal(tenure: int, text: str, field: str, number: str = one.row.number) -> str:
                return session.vault.seal(tenure_id(number, tenure), text, field)

            if _take(loaded, place, one, contract, els, session.today, seal):
                proofs.take(one.row, contract, seal)
        loaded.counts["bills"] = len(proofs.fresh)
        session.read.proofs.keep(proofs.fresh, proofs.replaced, session.now)
        return loaded

    def plan(self, session: Session, command: LoadContracts) -> Loaded:
        """Return what `load_rows` would return, and change nothing."""
        known = _known(session, command.rows)
        loaded, proofs = Loaded(), _ProofChanges(session, known, self._seal)
        els = _TakenNumbers(session, command.rows)
        for place, one in enumerate(known):
            contract = _contract(one)
            if _take(loaded, place, one, contract, els, session.today, _unsealed):
                proofs.take(one.row, contract, _unsealed)
        loaded.counts["bills"] = len(proofs.fresh)
        return loaded

    def count_opened(self, session: Session, command: LoadContracts) -> Loaded:
        """Count the rows that open a later tenure, refused ones too; change nothing."""
        known = _known(session, command.rows, with_address=False)
        loaded = Loaded()
        loaded.counts["opened"] = sum(one.tenure is not None and one.opens for one in known)
        return loaded


def begin_import(session: Session, command: BeginImport) -> None:
    """Record the beginning of an import; an interrupted one has no end."""
    session.read.imports.begin(command, session.now)


def finish_import(session: Session, command: FinishImport) -> None:
    """Record the end of an import."""
    session.read.imports.finish(command, session.now)


def _known(
    session: Session, rows: Sequence[ContractRow], *, with_address: bool = True
) -> list[_Known]:
    tenures: Mapping[str, Tenure] = session.read.tenures.current([row.number for row in rows])
    vault = session.vault
    vault.fetch_keys([tenure_id(one.number, one.tenure) for one in tenures.values()])
    known = []
    for row in rows:
        tenure = tenures.get(row.number)
        address = holder = None
        if tenure is not None:
            subject = tenure_id(tenure.number, tenure.tenure)
            if with_address:
                address = vault.reveal(subject, tenure.details.address, "address")
            holder = vault.reveal(subject, tenure.details.holder, "holder")
        known.append(_Known(row, tenure, address, holder))
    return known


def _contract(known: _Known) -> Contract:
    if known.tenure is not None:
        return known.tenure.contract()
    return Contract(contract_id(known.row.number))


def _take(
    loaded: Loaded,
    place: int,
    known: _Known,
    contract: Contract,
    els: _TakenNumbers,
    today: date,
    seal: Seal,
) -> bool:
    """Let the contract decide on a row, and note the outcome; return False for a refusal."""
    if els.refuses(known.row):
        loaded.refused[place] = "els: another open account has it; close or correct that one first"
        return False
    try:
        loaded.counts[_decide(known, contract, today, seal)] += 1
    except Conflict as refusal:
        loaded.refused[place] = refusal.message
        return False
    els.note(known.row, contract)
    return True


def _decide(known: _Known, contract: Contract, today: date, seal: Seal) -> str:
    """Return the outcome of a row; raises Conflict, with nothing changed."""
    row, on = known.row, known.row.effective_on or today
    closes = row.state == "closed"
    if known.tenure is None:
        contract.register(row.number, _details(known, contract, seal), row.since)
        if closes:
            contract.close(row.closed_on or today)
        return "registered"
    if known.opens:
        details = _details(known, contract, seal)
        contract.open_next_tenure(details, row.since or row.effective_on or _next(contract, today))
        return "opened"
    # It validates the day before anything is changed.
    closed = closes and contract.close(row.closed_on or today)
    amended = False
    if known.has_holder or row.is_correction:
        amended = contract.amend(_details(known, contract, seal), on)
    return "closed" if closed else "amended" if amended else "unchanged"


def _next(contract: Contract, today: date) -> date:
    """Return today, or the day after a tenure that ends today."""
    until = contract.until
    return today if until is None or until < today else until + timedelta(days=1)


def _details(known: _Known, contract: Contract, seal: Seal) -> ContractDetails:
    """Seal a row; unchanged text keeps its sealed form, so that it compares as equal."""
    row, before = known.row, None if known.opens else contract.details
    tenure = contract.tenure + known.opens
    holder, address = known.holder, known.address
    return ContractDetails(
        payer_kind=row.payer_kind,
        holder=before.holder
        if before is not None and holder == row.holder
        else seal(tenure, row.holder, "holder"),
        address=before.address
        if before is not None and address == row.address
        else seal(tenure, row.address, "address"),
        residents=row.residents,
        total_area=row.total_area,
        living_area=row.living_area,
        heated_area=row.heated_area,
        els=row.els,
        services=row.services,
        payee=row.payee,
    )


def _unsealed(tenure: int, text: str, field: str) -> str:
    return text


class _TakenNumbers:
    """The ЕЛС that open accounts have: each has at most one account."""

    def __init__(self, session: Session, rows: Sequence[ContractRow]) -> None:
        wanted = [row.els for row in rows if row.els is not None]
        found = session.read.tenures.numbers_of_els(wanted) if wanted else {}
        self._numbers: dict[str, set[str]] = {els: set(own) for els, own in found.items()}
        self._els = {number: els for els, numbers in found.items() for number in numbers}

    def refuses(self, row: ContractRow) -> bool:
        """Whether another open account has the ЕЛС of a row that does not close its own."""
        if row.els is None or row.state == "closed":
            return False
        return bool(self._numbers.get(row.els, set()) - {row.number})

    def note(self, row: ContractRow, contract: Contract) -> None:
        """Take a decision into account, for the next rows."""
        if before := self._els.get(row.number):
            self._numbers[before].discard(row.number)
        if row.els is not None and contract.is_open:
            self._numbers.setdefault(row.els, set()).add(row.number)


class _ProofChanges:
    """The proofs that rows bring, and the ones that they take away."""

    def __init__(self, session: Session, known: Sequence[_Known], seal: ProofSeal) -> None:
        kept: Mapping[str, Mapping[int, ProofDigests]]
        kept = session.read.proofs.kept([one.row.number for one in known])
        spent: Mapping[str, Set[tuple[int, str]]] = {}
        # Most numbers have had one holder: nothing spent can harm them.
        if later := [one.row.number for one in known if one.ordinal > 1]:
            spent = session.read.proofs.spent(later)
        self._kept, self._spent = kept, spent
        self._seal = seal
        self.fresh: list[KeptProof] = []
        self.replaced: list[tuple[str, int]] = []

    def take(self, row: ContractRow, contract: Contract, seal: Seal) -> None:
        """Replace the proof of an open tenure by its row's; a row without a bill leaves none."""
        if not contract.is_open:
            return
        tenure, kept = contract.tenure, self._kept.get(row.number, {})
        digests = self._seal.of_bill(
            row.number, control_code=row.control_code, total=row.bill_total, period=row.period
        )
        digests = _without(digests, self._of_others(row.number, tenure))
        if digests == kept.get(tenure, _NONE):
            return
        if tenure in kept:
            self.replaced.append((row.number, tenure))
        if digests == _NONE:
            return
        code = row.control_code if digests.control_code else None
        self.fresh.append(
            KeptProof(
                number=row.number,
                tenure=tenure,
                digests=digests,
                sealed_code=seal(tenure, code, "control_code") if code else None,
            )
        )

    def _of_others(self, number: str, tenure: int) -> set[str]:
        """Return every digest that proved, at any time, another tenure of the number."""
        others = {digest for of, digest in self._spent.get(number, ()) if of != tenure}
        for of, digests in self._kept.get(number, {}).items():
            if of != tenure:
                others |= {digests.control_code or "", digests.total_and_period or ""}
        return others


_NONE = ProofDigests()


def _without(digests: ProofDigests, known: Set[str]) -> ProofDigests:
    """Leave out what a former holder knows: no bill of his proves anything of a later tenure."""
    code, total = digests.control_code, digests.total_and_period
    return ProofDigests(
        control_code=None if code in known else code,
        total_and_period=None if total in known else total,
    )
