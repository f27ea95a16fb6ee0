"""Banks' files from the terminal to the ledger, on real databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.ledger.application import OpenAccount, open_account
from services.ledger.publishing import publish as publish_ledger
from services.ledger.reactions import REACTIONS as OF_LEDGER
from services.payments.cli import app
from services.payments.publishing import publish as publish_payments
from services.payments.reactions import REACTIONS as OF_PAYMENTS
from services.payments.registers import importing
from services.payments.registers.reports import register_differences, register_payments
from services.payments.registers.settings import day_range
from services.payments.registers.taking import take_bank_payments
from shared.bus.history import page_after
from shared.bus.reactions import Delivery, Reactions
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.staff_terminal import ServicesHere, grant, services_here, staff_amqp_url

pytestmark = pytest.mark.nodes

CLERK = "ivanova"
KNOWN = ("0100000001", "0100000002")
YESTERDAY = date.today() - timedelta(days=1)  # noqa: DTZ011 - a day of the register, in any zone
DAY = YESTERDAY.strftime("%d/%m/%Y")


class BankDesk:
    """Payments and a ledger with two accounts; the bus is carried by hand."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.stores = {name: database.store(name) for name in ("payments", "ledger")}
        for number in KNOWN:
            account = OpenAccount(number=number, payer_kind="household")
            self.ledger.execute(open_account, account)
        for permission in ("read", "resolve"):
            grant(database.settings, "payments", CLERK, permission, None)

    @property
    def payments(self) -> PostgresStore:
        return self.stores["payments"]

    @property
    def ledger(self) -> PostgresStore:
        return self.stores["ledger"]

    def write(self, *lines: str, name: str = "bank.txt") -> Path:
        path = self.folder / name
        path.write_bytes("\r\n".join(lines).encode("cp1251"))
        return path

    def run(self, *words: object, by: str = CLERK) -> Any:
        settings = self.database.settings
        environment = {
            "SALDO_AMQP_URL": staff_amqp_url(by),
            "SALDO_SECRET": settings.secret.hex(),
            "SALDO_STAFF_DATABASE_URL": settings.staff_database_url,
            "SALDO_ROLE_PREFIX": settings.database_role_of("payments").removesuffix("payments"),
        }
        with services_here(self.stores):
            return CliRunner().invoke(app, [str(word) for word in words], env=environment)

    def run_json(self, *words: object, code: int = 0, by: str = CLERK) -> Any:
        result = self.run(*words, "--json", by=by)
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout.splitlines()[-1])

    def load(self, path: Path, *words: object, code: int = 0) -> Any:
        return self.run_json("import", path, "--wait", 0, "--reason", "register", *words, code=code)

    def work(self) -> None:
        """Do what the workers of both services do, until nothing is left."""
        calls: Any = ServicesHere(self.stores, "amqp://payments:secret@127.0.0.1:1/")
        calls.store = self.payments
        while take_bank_payments(calls):
            pass
        _apply(self.payments, publish_payments, self.ledger, "payments", OF_LEDGER)
        _apply(self.ledger, publish_ledger, self.payments, "ledger", OF_PAYMENTS)

    def rows(self) -> list[Any]:
        return self.payments.query(lambda session: register_payments(session, YESTERDAY))

    def states(self) -> dict[str, str]:
        return {row.document: row.state for row in self.rows()}

    def advance(self, number: str) -> int:
        row = self.ledger.query(lambda session: session.read.balance(number))
        return int(row["advance"])


def _apply(source: Any, publish: Any, target: Any, name: str, reactions: Any) -> None:
    calls: Any = None
    reacting = Reactions(calls, target, name, reactions[name])
    page = page_after(source, publish, 0, 0, limit=10_000)
    reacting.apply([Delivery(each.headers, each.body) for each in page.envelopes])


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[BankDesk]:
    return BankDesk(database, tmp_path)


def row(document: str, account: str = KNOWN[0], amount: str = "4500,00", fee: str = "45,00") -> str:
    return f"{DAY};{amount};{fee};{account};{document}"


def test_a_register_is_posted_once_on_the_banks_day(desk: BankDesk) -> None:
    path = desk.write(row("1"), row("2", KNOWN[1], "10,50", "0,10"), "=2;4510,50;45,10")
    summary = desk.load(path, "--rows", 2, "--total", "4510,50")
    assert (summary["matched"], summary["refused"]) == (2, 0)
    for _ in range(2):
        desk.work()
        assert desk.states() == {"1": "posted", "2": "posted"}
        assert (desk.advance(KNOWN[0]), desk.advance(KNOWN[1])) == (450_000, 1_050)
        assert desk.load(path)["state"] == "imported_before"
    assert [row.fee for row in desk.rows()] == [4_500, 10]
    with desk.database.owner("ledger") as owner:
        query = "SELECT convert_from(state, 'utf8') FROM events WHERE topic LIKE '%payment_posted%'"
        events = [json.loads(state) for (state,) in owner.execute(query).fetchall()]
    assert {event["effective_on"] for event in events} == {YESTERDAY.isoformat()}
    assert [event["taken"] for event in events] == [
        {"place": "bank", "document": "1"},
        {"place": "bank", "document": "2"},
    ]


def test_an_unknown_account_waits_until_staff_assign_it(desk: BankDesk) -> None:
    desk.load(desk.write(row("1", "0900000009"), row("2", "кв. 4")))
    desk.work()
    assert desk.states() == {"1": "suspended", "2": "suspended"}
    listed = desk.run_json("suspense")["payments"]
    assert [(one["document"], one["reason"]) for one in listed] == [
        ("1", "unknown_account"),
        ("2", "no_account"),
    ]
    payment_id = listed[0]["payment_id"]
    refused = desk.run("assign", payment_id, "--account", "0900000009", "--reason", "x")
    assert refused.exit_code == 2
    assert "There is no account 0900000009" in refused.stderr
    words = ("assign", payment_id, "--account", KNOWN[1], "--reason", "receipt")
    assert desk.run_json(*words, "--dry-run")["changed"]
    assert desk.states()["1"] == "suspended"
    assert desk.run_json(*words)["state"] == "accepted"
    assert not desk.run_json(*words)["changed"]
    desk.work()
    assert desk.states() == {"1": "posted", "2": "suspended"}
    assert desk.advance(KNOWN[1]) == 450_000
    other = listed[1]["payment_id"]
    assert desk.run_json("return", other, "--reason", "asked")["state"] == "returned"
    desk.work()
    assert desk.run_json("suspense")["payments"] == []


def test_who_may_not_resolve_may_not_assign(desk: BankDesk) -> None:
    desk.load(desk.write(row("1", "x")))
    payment_id = desk.rows()[0].payment_id
    grant(desk.database.settings, "payments", "stranger", "read", None)
    for words in (("assign", payment_id, "--account", KNOWN[0]), ("return", payment_id)):
        assert desk.run(*words, "--reason", "x", by="stranger").exit_code == 2
    assert desk.states() == {"1": "suspended"}


def test_a_statement_and_its_register_are_posted_once(desk: BankDesk) -> None:
    ours = "40702810300000001001"
    head = ["1CClientBankExchange", "ВерсияФормата=1.03", f"РасчСчет={ours}"]

    def order(number: str, amount: str, purpose: str) -> list[str]:
        keys = {"Номер": number, "Дата": YESTERDAY.strftime("%d.%m.%Y"), "Сумма": amount}
        keys |= {"ПлательщикСчет": "40817810000000000001", "ПолучательСчет": ours}
        keys |= {"НазначениеПлатежа": purpose}
        lines = [f"{key}={value}" for key, value in keys.items()]
        return ["СекцияДокумент=Платежное поручение", *lines, "КонецДокумента"]

    statement = desk.write(
        *head,
        *order("7", "4455.00", "Перечисление по реестру"),
        *order("8", "100.00", "ЖКУ, л/с 0100000002"),
        "КонецФайла",
        name="statement.txt",
    )
    assert desk.load(statement)["received"] == 2
    desk.work()
    assert desk.states() == {"7": "suspended", "8": "posted"}
    desk.load(desk.write(row("1")))
    desk.work()
    assert desk.states() == {"1": "posted", "7": "covered", "8": "posted"}
    assert (desk.advance(KNOWN[0]), desk.advance(KNOWN[1])) == (450_000, 10_000)
    assert desk.load(statement)["state"] == "imported_before"
    [newest, oldest] = desk.run_json("registers")["registers"]
    assert (newest["total"], newest["fee"], newest["states"]) == (450_000, 4_500, {"posted": 1})
    assert oldest["states"] == {"covered": 1, "posted": 1}


def test_a_document_with_another_sum_is_refused_and_found_by_its_day(desk: BankDesk) -> None:
    desk.load(desk.write(row("1")))
    summary = desk.load(desk.write(row("1", amount="4500,01"), name="b.txt"), code=1)
    assert (summary["differing"], summary["received"]) == (1, 0)
    desk.work()
    assert desk.advance(KNOWN[0]) == 450_000
    [found] = desk.payments.query(lambda session: register_differences(session, YESTERDAY))
    assert (found.amount, found.given, found.file, found.document) == (
        450_000,
        450_001,
        "b.txt",
        "1",
    )


def test_an_import_that_is_killed_between_chunks_is_repeated(
    desk: BankDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 10)
    path = desk.write(*(row(str(number), amount="1,00", fee="0") for number in range(35)))
    receive, calls = importing.receive_payments, []

    def dying(session: Any, command: Any) -> Any:
        calls.append(command)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return receive(session, command)

    monkeypatch.setattr(importing, "receive_payments", dying)
    assert desk.run("import", path, "--reason", "x").exit_code != 0
    desk.work()
    assert desk.advance(KNOWN[0]) == 20_00
    assert desk.run_json("registers")["registers"][0]["imported_at"] is None
    monkeypatch.setattr(importing, "receive_payments", receive)
    summary = desk.load(path)
    assert (summary["state"], summary["received"], summary["repeated"]) == ("imported", 15, 20)
    desk.work()
    assert desk.advance(KNOWN[0]) == 35_00


def test_a_file_that_two_import_at_once_is_taken_once(desk: BankDesk) -> None:
    path = desk.write(*(row(str(number), amount="1,00", fee="0") for number in range(1_200)))
    with ThreadPoolExecutor(2) as pool:
        summaries = list(pool.map(lambda _: import_here(desk, path), range(2)))
    assert sum(summary.received for summary in summaries) == 1_200
    desk.work()
    assert desk.advance(KNOWN[0]) == 1_200_00


def import_here(desk: BankDesk, path: Path) -> importing.Summary:
    request = importing.ImportRequest(
        path=path,
        by="staff:x",
        reason="x",
        days=day_range({}, desk.payments.clock.today()),
        quarantine=path.with_suffix(".quarantine"),
    )
    return importing.import_file(desk.payments, request, str, lambda *_: nullcontext(int))


def test_a_document_that_a_clerk_has_entered_waits_for_him(desk: BankDesk) -> None:
    grant(desk.database.settings, "ledger", CLERK, "post-payment", None)
    clerk = ServicesHere(desk.stores, staff_amqp_url(CLERK))
    entered = {"account": KNOWN[0], "amount": 450_000, "place": "bank", "document": "1"}
    entered |= {"paid_on": YESTERDAY.isoformat(), "reason": "his receipt"}
    clerk.call("ledger", "take_payment", **entered)
    desk.load(desk.write(row("1"), row("2")))
    desk.work()
    assert desk.states() == {"1": "suspended", "2": "posted"}
    [waiting] = desk.run_json("suspense")["payments"]
    assert waiting["reason"] == "entered_already"
    assert desk.advance(KNOWN[0]) == 2 * 450_000


def test_a_posting_that_staff_moved_stays_posted(desk: BankDesk) -> None:
    desk.load(desk.write(row("1")))
    desk.work()
    payment_id = desk.rows()[0].payment_id
    grant(desk.database.settings, "ledger", CLERK, "reverse", None)
    clerk = ServicesHere(desk.stores, staff_amqp_url(CLERK))
    moved = {"payment_id": str(payment_id), "account": KNOWN[0], "to_account": KNOWN[1]}
    clerk.call("ledger", "move_payment", **moved, reason="wrong account")
    for _ in range(2):
        desk.work()
        [row_] = desk.rows()
        assert (row_.state, row_.account) == ("posted", KNOWN[1])
    assert (desk.advance(KNOWN[0]), desk.advance(KNOWN[1])) == (0, 450_000)


def test_a_reversed_posting_goes_to_another_account(desk: BankDesk) -> None:
    desk.load(desk.write(row("1")))
    desk.work()
    payment_id = desk.rows()[0].payment_id
    grant(desk.database.settings, "ledger", CLERK, "reverse", None)
    clerk = ServicesHere(desk.stores, staff_amqp_url(CLERK))
    clerk.call("ledger", "reverse", payment_id=str(payment_id), reason="wrong account")
    desk.work()
    [waiting] = desk.run_json("suspense")["payments"]
    assert (waiting["payment_id"], waiting["reason"]) == (str(payment_id), "reversed")
    back = desk.run("assign", payment_id, "--account", KNOWN[0], "--reason", "x")
    assert "was reversed" in back.stderr
    desk.run_json("assign", payment_id, "--account", KNOWN[1], "--reason", "by the receipt")
    desk.work()
    assert desk.states() == {"1": "posted"}
    assert (desk.advance(KNOWN[0]), desk.advance(KNOWN[1])) == (0, 450_000)
