"""A closed month takes no entry of staff any more; payments are still posted."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.importing.posting import Posting
from services.ledger.limits import CORRECTING
from services.ledger.replay.audit import audit
from services.ledger.tables.closed_periods import close_period
from shared import context
from shared.errors import Conflict
from shared.tablefiles import TableFile
from tests.conftest import Database
from tests.integration.ledger.import_harness import events_of_accounts
from tests.simulation.installation import CLERK, QuickTerminal
from tests.staff_terminal import grant, revoke

pytestmark = pytest.mark.nodes

AUTHOR = ("--reason", "reported")
BILLS = "account;period;due_on;effective_on;service;name;charged\n"
OPENINGS = "account;service;amount;payer_kind;effective_on\n"
ADJUSTMENTS = "account;adjustment_id;period;service;amount;reason;effective_on\n"


class ClosingHarness:
    """Two accounts; the first has a bill of February and of March."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder
        self.database = database
        self.store = database.store("ledger")
        self.terminal = QuickTerminal(database.settings, self.store)
        for permission in (*CORRECTING, "close"):
            grant(database.settings, "ledger", CLERK, permission, None)
        self.imports(OPENINGS, "01;heating;5,00;household;2026-01-01", "02;lift;5,00;household;")
        self.imports(BILLS, bill("01", 2), bill("01", 3))

    def imports(self, header: str, *rows: str, missed: bool = False) -> dict[str, Any]:
        path = self.folder / f"{uuid4()}.csv"
        path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
        options = ("--missed",) if missed else ()
        code, out, err = self.terminal.run("import", str(path), *AUTHOR, "--json", *options)
        assert out, err
        counts: dict[str, Any] = json.loads(out)["counts"]
        assert code == (0 if not counts["refused_rows"] else 1 if counts["entries"] else 2)
        return counts

    def closes(self, period: str) -> tuple[int, str, str]:
        return self.terminal.run("close", period, *AUTHOR)

    def events(self) -> int:
        return events_of_accounts(self.database)


@pytest.fixture
def harness(database: Database, tmp_path: Path) -> ClosingHarness:
    return ClosingHarness(database, tmp_path)


def bill(number: str, month: int, day: int = 28) -> str:
    return f"{number};2026-{month:02};2026-{month + 1:02}-15;2026-{month:02}-{day};heating;H;100,00"


def test_an_entry_of_a_closed_month_is_refused(harness: ClosingHarness) -> None:
    assert harness.closes("2026-03")[:2] == (0, "closed through 2026-03-31\n")
    before = harness.events()
    late = bill("02", 4).replace("2026-04-28", "2026-03-31")
    for header, row in (
        (BILLS, bill("02", 3)),
        (BILLS, bill("02", 1)),
        (BILLS, late),
        (BILLS, bill("02", 3).replace("2026-03-28", "2026-04-28")),
        (OPENINGS, "03;heating;5,00;household;2026-03-31"),
        (ADJUSTMENTS, "01;A;2026-03;heating;-1,00;why;2026-03-31"),
    ):
        assert harness.imports(header, row)["refusals"] == {"period_closed": 1}, row
    for words in (
        ("adjust", "01", "--period", "2026-02", "--service=heating=-1,00", "--on", "2026-02-28"),
        ("write-off", "01", "--amount=0,01", "--on", "2026-03-01"),
        ("accrue", "--on", "2026-03-31"),
    ):
        code, out, err = harness.terminal.run(*words, *AUTHOR)
        assert (code, out) == (2, "")
        assert "closed through 2026-03" in err
        assert "adjustment that names the month it corrects" in err
    assert harness.events() == before


def test_a_closed_month_is_corrected_in_the_open_one(harness: ClosingHarness) -> None:
    assert harness.closes("2026-03")[0] == 0
    row = "01;A;2026-03;heating;-30,00;why;2026-04-01"
    assert harness.imports(ADJUSTMENTS, row)["entries"] == 1
    balance = harness.terminal.run_json("balance", "01", "--as-of", "2026-03-31")
    assert balance["principal"] == 205_00, "what was reported stays"
    assert harness.terminal.run_json("balance", "01")["principal"] == 175_00
    assert harness.imports(BILLS, bill("02", 4))["entries"] == 1
    words = ("--service=heating=-1,00", "--on", "2026-04-02", *AUTHOR)
    assert (
        harness.terminal.run_json("adjust", "01", "--period", "2026-02", *words)["state"] == "done"
    )


def test_a_bill_missed_in_a_closed_month_is_posted_in_the_open_one(
    harness: ClosingHarness,
) -> None:
    assert harness.closes("2026-03")[0] == 0
    adjusted = ("adjust", "01", "--period", "2026-01", "--service=heating=1,00", *AUTHOR)
    code, _, err = harness.terminal.run(*adjusted)
    assert (code, "imported with --missed" in " ".join(err.split())) == (2, True)
    late = bill("01", 1)
    assert harness.imports(BILLS, late)["refusals"] == {"period_closed": 1}
    [refused] = [path.read_text() for path in harness.folder.glob("*.quarantine.csv")]
    assert "imported with --missed" in refused
    assert harness.imports(BILLS, late, missed=True)["refusals"] == {"invalid_day": 1}
    due_later = late.replace("2026-02-15", str(harness.store.clock.today() + timedelta(10)))
    assert harness.imports(BILLS, due_later, missed=True)["entries"] == 1
    balance = harness.terminal.run_json("balance", "01", "--as-of", "2026-03-31")
    assert balance["principal"] == 205_00, "what was reported stays"
    assert harness.terminal.run_json("balance", "01")["principal"] == 305_00
    again = harness.imports(BILLS, due_later.replace("01-28", "01-27"), missed=True)
    assert again["refusals"] == {"posted_already": 1}
    assert harness.terminal.run_json(*adjusted)["state"] == "done"
    code, _, err = harness.terminal.run(
        "import", str(_registry(harness.folder)), *AUTHOR, "--missed"
    )
    assert (code, "Only bills are missed" in err) == (2, True)
    assert audit(harness.store).differences == []


def _registry(folder: Path) -> Path:
    path = folder / "registry.csv"
    path.write_text("account;payer_kind\n09;household\n", encoding="utf-8")
    return path


def test_a_payment_is_posted_in_a_closed_month(harness: ClosingHarness) -> None:
    assert harness.closes("2026-03")[0] == 0
    paid = (PaidLine(account="01", amount=105_00, penalty=0),)
    command = PostPayment(payment_id=uuid4(), paid_on=date(2026, 3, 20), lines=paid)
    with context.bind(command_id=uuid4()):
        harness.store.execute(post_payment, command)
    assert harness.terminal.run_json("balance", "01")["principal"] == 100_00


def test_a_month_that_is_open_closed_or_malformed_cannot_be_closed(harness: ClosingHarness) -> None:
    assert harness.closes("2026-02")[0] == 0
    for period, fault in {
        "2026-13": "is not a month",
        "march": "is not a month",
        "9999-12": "is not a month",
        "2190-01": "is not over yet",
        "2026-02": "is closed already",
        "2026-01": "is closed already",
    }.items():
        code, out, err = harness.closes(period)
        assert (code, out) == (2, "")
        assert fault in err


def test_a_dry_run_closes_nothing_and_a_closing_is_final(harness: ClosingHarness) -> None:
    code, out, _ = harness.terminal.run("close", "2026-03", *AUTHOR, "--dry-run")
    assert (code, out) == (0, "would be closed through 2026-03-31\n")
    assert harness.terminal.run_json("close", "2026-02", *AUTHOR)["closed_through"] == "2026-02-28"
    assert harness.imports(BILLS, bill("02", 3))["entries"] == 1
    with harness.database.owner("ledger") as owner:
        owner.execute("DELETE FROM closings")
    assert harness.imports(BILLS, bill("02", 2))["refusals"] == {"period_closed": 1}
    assert "is closed already" in harness.closes("2026-02")[2]
    [found] = audit(harness.store).differences
    assert (found.what, found.replayed, found.found) == ("closings 2026-02", "a row", "no row")
    assert harness.terminal.run("replay", "--all")[0] == 0
    assert audit(harness.store).differences == []


def test_one_of_two_closings_at_once_is_refused(harness: ClosingHarness) -> None:
    done = list[str]()

    def close(period: str) -> None:
        with suppress(Conflict):
            close_period(harness.store, period, "staff:petrov", "reported")
            done.append(period)

    threads = [Thread(target=close, args=(period,)) for period in 2 * ("2026-02", "2026-03")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) in (["2026-02", "2026-03"], ["2026-03"])
    assert audit(harness.store).differences == []


def test_only_who_is_granted_it_closes_a_month(harness: ClosingHarness) -> None:
    revoke(harness.database.settings, "ledger", CLERK, "close")
    for words in (AUTHOR, (*AUTHOR, "--dry-run")):
        with capture_logs() as logged:
            code, out, err = harness.terminal.run("close", "2026-03", *words)
        assert (code, out) == (2, "")
        assert "staff may" in err
        assert [entry["event"] for entry in logged] == ["rpc_caller_refused"]
    assert harness.imports(BILLS, bill("02", 3))["entries"] == 1, "it is still open"


def test_a_month_closed_between_decision_and_write_is_closed(
    harness: ClosingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide: Callable[..., Any] = Posting.decide
    decided: list[Any] = []

    def count(self: Any, cursor: Any, entries: Any) -> Any:
        decided.append(entries)
        return decide(self, cursor, entries)

    def is_overtaken(_: TableFile[Any]) -> None:
        close_period(harness.store, "2026-03", "staff:petrov", "reported")

    monkeypatch.setattr(Posting, "decide", count)
    monkeypatch.setattr(TableFile, "check_unchanged", is_overtaken)  # between the two
    before = harness.events()
    assert harness.imports(BILLS, bill("02", 3))["refusals"] == {"period_closed": 1}
    assert (len(decided), harness.events()) == (2, before)
