"""The tables of bank registers in memory, and files as banks write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec

from services.payments.domain import EVENTS
from services.payments.registers.bank_payment import (
    BankPaymentAccepted,
    BankPaymentCovered,
    BankPaymentPosted,
    BankPaymentReceived,
    BankPaymentReturned,
    BankPaymentReversed,
    BankPaymentSuspended,
    RegisterImported,
    RegisterReceived,
)
from services.payments.registers.fields import DayRange
from services.payments.registers.files import Opening, examine, open_file
from services.payments.registers.importing import ImportRequest, Summary, import_file
from services.payments.registers.rows import Found, Payment, Refused, seal_by
from services.payments.registers.tables import TRANSFER_DAYS, Known
from services.payments.registers.taking import take_bank_payments
from shared.errors import Unavailable
from shared.eventstore import Aggregate, MemoryStore, Recorded
from shared.tablefiles import ControlTotals, quarantine_path
from tests.fixed_clock import FixedClock

NOON = datetime(2026, 11, 28, 9, tzinfo=UTC)
DAYS = DayRange(date(2024, 1, 1), date(2026, 11, 28))
OURS = "40702810300000001001"
STATES = {
    BankPaymentSuspended: "suspended",
    BankPaymentAccepted: "accepted",
    BankPaymentPosted: "posted",
    BankPaymentReversed: "suspended",
    BankPaymentReturned: "returned",
    BankPaymentCovered: "covered",
}


class FakeRegisterTables:
    """The tables `bank_registers` and `bank_payments` as dictionaries."""

    def __init__(self) -> None:
        self.files: dict[UUID, dict[str, Any]] = {}
        self.payments: dict[UUID, dict[str, Any]] = {}

    def project(self, recorded: Sequence[Recorded]) -> None:
        for entry in recorded:
            id_, event = entry.originator_id, entry.event
            if isinstance(event, RegisterReceived):
                self.files[id_] = msgspec.structs.asdict(event) | {"imported_at": None}
            elif isinstance(event, RegisterImported):
                self.files[id_] |= msgspec.structs.asdict(event)
                self.files[id_]["imported_at"] = entry.recorded_at
            elif isinstance(event, BankPaymentReceived):
                fields = msgspec.structs.asdict(event)
                self.payments[id_] = fields | {
                    "payment_id": id_,
                    "named": event.account,
                    "state": "received",
                    "reason": None,
                    "covered_by": None,
                }
            elif type(event) in STATES:
                row = self.payments[id_]
                row["state"] = STATES[type(event)]
                row["account"] = getattr(event, "account", row["account"])
                row["reason"] = getattr(event, "reason", None)
                row["covered_by"] = getattr(event, "register_id", None)

    def wait_for_writers(self) -> None:
        """Have nobody to wait for."""

    def known(self, ids: Sequence[UUID]) -> Mapping[UUID, Known]:
        found = {id_: self.payments[id_] for id_ in ids if id_ in self.payments}
        return {id_: Known(row["amount"], row["named"]) for id_, row in found.items()}

    def payment(self, payment_id: UUID) -> dict[str, Any] | None:
        return self.payments.get(payment_id)

    def register(self, register_id: UUID) -> dict[str, Any] | None:
        return self.files.get(register_id)

    def states(self, register_id: UUID) -> dict[str, int]:
        rows = [row for row in self.payments.values() if row["register_id"] == register_id]
        return dict(Counter(row["state"] for row in rows))

    def to_take(self, limit: int) -> list[dict[str, Any]]:
        return [row for row in self.payments.values() if row["state"] == "received"][:limit]

    def transfers(self) -> dict[UUID, UUID]:
        found = {}
        covered = {row["covered_by"] for row in self.payments.values()}
        for row in self.payments.values():
            if row["state"] == "suspended" and row["reason"] == "register_transfer":
                fitting = [id_ for id_, file in self.files.items() if _fits(row, file)]
                if len(fitting) == 1 and fitting[0] not in covered:
                    found[row["payment_id"]] = fitting[0]
                    covered.add(fitting[0])
        return found


def _fits(payment: dict[str, Any], file: dict[str, Any]) -> bool:
    days = payment["paid_on"] - (file["last_day"] or date.max)
    sums = {file["total"], file["total"] - file["fee"]}
    is_near = timedelta(0) <= days <= timedelta(TRANSFER_DAYS)
    return file["kind"] == "register" and is_near and payment["amount"] in sums


class RegistersReadModel:
    def __init__(self) -> None:
        self.registers = FakeRegisterTables()

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        self.registers.project(recorded)


class BankHarness:
    """Payments in memory, into which banks' files are imported, beside a ledger's RPC."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FixedClock(NOON)
        self.tables = RegistersReadModel()
        self.store = MemoryStore(EVENTS, self.tables, self.clock)
        self.accounts = {"0100000001", "0100000002"}
        self.entered: set[tuple[str, str]] = set()
        self.silent = False

    def write(self, text: str | bytes, name: str = "bank.txt", encoding: str = "cp1251") -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    def load(
        self, path: Path, *, dry_run: bool = False, totals: Any = None, **opening: Any
    ) -> Summary:
        request = ImportRequest(
            path=path,
            by="staff:tester",
            reason="a test",
            days=DAYS,
            opening=Opening(**opening),
            totals=totals or ControlTotals(),
            dry_run=dry_run,
            quarantine=quarantine_path(path),
        )
        return import_file(self.store, request, seal, bar)

    def take(self) -> int:
        services: Any = SimpleNamespace(store=self.store, call=self._call)
        return take_bank_payments(services)

    def _call(self, service: str, method: str, **arguments: Any) -> Any:
        if self.silent:
            raise Unavailable("no_answer", "The ledger is silent.")
        if method == "entered_documents":
            documents = [(one["account"], one["document"]) for one in arguments["documents"]]
            return {"entered": [documents.index(one) for one in self.entered if one in documents]}
        assert (service, method) == ("ledger", "known_accounts")
        return {"known": [one for one in arguments["numbers"] if one in self.accounts]}

    def payments(self) -> list[dict[str, Any]]:
        return list(self.tables.registers.payments.values())

    def states(self) -> list[str]:
        return [row["state"] for row in self.payments()]

    def events(self, name: str) -> list[Any]:
        return [one.event for one in self.store.log if type(one.event).__name__ == name]


def seal(payer: str) -> str:
    return seal_by(b"k" * 32, payer)


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Any]:
    yield lambda done: None


def rows_of(path: Path, **opening: Any) -> list[Found]:
    return list(open_file(examine(path), Opening(**opening), seal).rows(DAYS))


def payments_of(path: Path, **opening: Any) -> list[Payment]:
    return [row for row in rows_of(path, **opening) if isinstance(row, Payment)]


def refused_of(path: Path, **opening: Any) -> list[Refused]:
    return [row for row in rows_of(path, **opening) if isinstance(row, Refused)]


def statement(*documents: dict[str, str], received: str = "") -> str:
    """Return a statement of 1C of our settlement account."""
    head = ["1CClientBankExchange", "ВерсияФормата=1.03", "Кодировка=Windows", f"РасчСчет={OURS}"]
    head += ["СекцияРасчСчет", f"РасчСчет={OURS}"]
    head += [f"ВсегоПоступило={received}"] if received else []
    head += ["КонецРасчСчет"]
    for document in documents:
        head += ["СекцияДокумент=Платежное поручение"]
        head += [f"{key}={value}" for key, value in document.items()]
        head += ["КонецДокумента"]
    return "\r\n".join([*head, "КонецФайла", ""])


def document(number: str = "12", **changes: str) -> dict[str, str]:
    """Return an incoming payment order of a household."""
    return {
        "Номер": number,
        "Дата": "20.11.2026",
        "Сумма": "4500.00",
        "ПлательщикСчет": "40817810000000000001",
        "Плательщик": "ФЁДОРОВА АЛЁНА ПЕТРОВНА",
        "ПлательщикБИК": "044525225",
        "ПолучательСчет": OURS,
        "ПолучательБИК": "049999777",
        "ДатаПоступило": "21.11.2026",
        "НазначениеПлатежа": "Оплата ЖКУ л/с 0100000001 за октябрь",
    } | changes
