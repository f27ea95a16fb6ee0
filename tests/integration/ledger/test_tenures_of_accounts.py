"""A number with a second holder: what files bring, what staff name, and what the log decides."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from psycopg.rows import dict_row
from typer.testing import CliRunner

from services.ledger.application import PaidLine, PostPayment
from services.ledger.cli import app
from services.ledger.domain.events import TakenElsewhere
from services.ledger.group_commit import ledger_group_commit
from services.ledger.replay.audit import audit
from services.ledger.replay.rebuild import rebuild
from services.ledger.taken_payments import (
    TakePayment,
    post_payment_taken_elsewhere,
    take_payment,
)
from services.ledger.tenures import CloseTenure, OpenTenure, close_tenure, open_tenure
from shared import context
from shared.errors import ValidationFailed
from shared.staff import grant
from tests.conftest import Database
from tests.integration.ledger.import_harness import ImportHarness, line

pytestmark = pytest.mark.nodes

NUMBER, SECOND = "0100000001", "0100000001-2"
CLOSED = "0100000002"
SINCE = date(2026, 4, 10)


@pytest.fixture
def harness(database: Database, tmp_path: Path) -> ImportHarness:
    """A ledger whose first number changes its holder on 10 April, and whose second one is closed.

    March and April had been charged before that was known.
    """
    made = ImportHarness(database, tmp_path)
    made.opens(NUMBER, CLOSED)
    made.imports(
        made.file(
            "spring.csv",
            line(NUMBER, period="2026-03"),
            line(NUMBER, period="2026-04"),
            line(CLOSED, period="2026-03"),
        )
    )
    opened = OpenTenure(number=NUMBER, tenure=2, since=SINCE, payer_kind="household")
    closed = CloseTenure(number=CLOSED, tenure=1, until=date(2026, 4, 20))
    for handler, command in ((open_tenure, opened), (close_tenure, closed)):
        with context.bind(command_id=uuid4(), actor="service:accounts"):
            made.store.transact(handler, command)
    return made


def figures(harness: ImportHarness, *keys: str) -> list[tuple[int, list[str]]]:
    rows = [harness.balance(key) for key in keys]
    return [(row["principal"] - row["advance"], row["charged_periods"]) for row in rows]


def says(harness: ImportHarness, *words: str) -> Any:
    result = CliRunner().invoke(app, [*words, "--json"], env=harness.environment)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def all_agree(harness: ImportHarness) -> None:
    assert audit(harness.store, workers=1).differences == []
    found = rebuild(harness.store, workers=1, compare_only=True)
    assert found.differences == []


def test_month_that_was_charged_before_is_of_the_holder_of_its_last_day(
    harness: ImportHarness,
) -> None:
    former, new = figures(harness, NUMBER, SECOND)
    assert former == (100_00, ["2026-03..2026-04"])
    assert new == (100_00, ["2026-04"])
    all_agree(harness)


def test_bills_of_a_file_go_to_the_holder_of_each_month(harness: ImportHarness) -> None:
    file = harness.file(
        "more.csv",
        line(NUMBER, period="2026-02", charged="7,00"),
        line(NUMBER, period="2026-05", charged="50,00"),
        line(CLOSED, period="2026-04", charged="30,00"),
        line(CLOSED, period="2026-05", charged="31,00"),
    )
    summary = harness.imports(file, code=1)
    assert summary["counts"]["refusals"] == {"account_closed": 1}
    assert f"{CLOSED} is closed since 2026-04-20" in Path(f"{file}.quarantine.csv").read_text()
    sums = [principal for principal, _ in figures(harness, NUMBER, SECOND, CLOSED)]
    assert sums == [107_00, 150_00, 130_00]
    all_agree(harness)


def test_bill_that_is_posted_is_found_on_the_account_of_its_holder(harness: ImportHarness) -> None:
    file = harness.file(
        "again.csv",
        line(NUMBER, period="2026-04", charged="100,00"),
        line(NUMBER, period="2026-03", charged="999,00"),
    )
    summary = harness.imports(file, code=2)
    # The bill of April was posted to the new holder on another day than the file has.
    assert summary["counts"]["refusals"] == {"posted_otherwise": 2}


def test_registry_and_opening_of_a_closed_account_are_refused(harness: ImportHarness) -> None:
    registry = harness.file(
        "kinds.csv",
        f"{CLOSED};organisation\n",
        f"{NUMBER};organisation\n",
        header="account;payer_kind\n",
    )
    summary = harness.imports(registry, code=1)
    assert summary["counts"]["refusals"] == {"account_closed": 1}
    assert harness.balance(NUMBER)["payer_kind"] == "household"
    assert harness.balance(SECOND)["payer_kind"] == "organisation"
    opening = harness.file(
        "opening.csv", f"{CLOSED};heating;1,00\n", header="account;service;amount\n"
    )
    assert harness.imports(opening, code=2)["counts"]["refusals"] == {"account_closed": 1}


def test_adjustment_of_a_file_corrects_the_month_of_its_holder(harness: ImportHarness) -> None:
    header = "account;adjustment_id;period;service;amount;reason\n"
    file = harness.file(
        "adjustments.csv",
        f"{NUMBER};act-1;2026-03;heating;-1,00;akt\n",
        f"{NUMBER};act-2;2026-04;heating;-2,00;akt\n",
        header=header,
    )
    harness.imports(file)
    assert [sums for sums, _ in figures(harness, NUMBER, SECOND)] == [99_00, 98_00]
    all_agree(harness)


def test_staff_read_the_account_of_now_by_its_number_and_others_by_their_tenure(
    harness: ImportHarness,
) -> None:
    assert says(harness, "balance", NUMBER)["number"] == SECOND
    assert says(harness, "balance", f"{NUMBER}-1")["number"] == NUMBER
    kinds = [step["kind"] for step in says(harness, "statement", f"{NUMBER}-1")["movements"]]
    assert kinds.count("closed") == 1


def test_row_of_a_tenure_that_was_changed_is_named_and_put_right(
    harness: ImportHarness, database: Database
) -> None:
    ways = {
        "until (tenures)": "UPDATE tenures SET until = NULL WHERE number = %s AND tenure = 1",
        "tenures": "DELETE FROM tenures WHERE number = %s AND tenure = 2",
    }
    for what, change in ways.items():
        with database.owner("ledger") as owner:
            owner.execute(change, (NUMBER,))
        assert [one.what for one in audit(harness.store, workers=1).differences] == [what]
        assert rebuild(harness.store, workers=1).wrong["tenures"] == 1
        all_agree(harness)


def test_tenure_without_events_is_an_orphan(harness: ImportHarness, database: Database) -> None:
    with database.owner("ledger") as owner:
        owner.execute(
            "INSERT INTO tenures VALUES (gen_random_uuid(), '77', 2, '2026-01-01', NULL, 1)"
        )
    assert [one.account for one in audit(harness.store, workers=1).differences] == ["77"]
    rebuild(harness.store, workers=1)
    all_agree(harness)


def test_what_the_former_holder_pays_at_the_desk_is_his(harness: ImportHarness) -> None:
    group_commit = ledger_group_commit(harness.store)
    allowed(harness, "post-payment")
    for name, paid in ((f"{NUMBER}-1", NUMBER), (NUMBER, SECOND), (SECOND, SECOND)):
        before = dict(zip((NUMBER, SECOND), figures(harness, NUMBER, SECOND), strict=True))
        asked = TakePayment(
            line=PaidLine(account=name, amount=10_00, penalty=0),
            taken=TakenElsewhere(place="cash_desk", document=f"{name} {uuid4()}"),
        )
        with context.bind(actor=CASHIER):
            taken = take_payment(harness.store, group_commit, asked, dry_run=False)
        assert taken["account"] == paid
        after = dict(zip((NUMBER, SECOND), figures(harness, NUMBER, SECOND), strict=True))
        less = {key: before[key][0] - after[key][0] for key in (NUMBER, SECOND)}
        assert less == {NUMBER: 0, SECOND: 0} | {paid: 10_00}


def test_two_names_of_one_account_are_no_two_lines(harness: ImportHarness) -> None:
    allowed(harness, "post-payment")
    lines = tuple(PaidLine(account=name, amount=10_00, penalty=0) for name in (NUMBER, SECOND))
    command = PostPayment(payment_id=uuid4(), paid_on=SINCE, lines=lines)
    with context.bind(actor=CASHIER), pytest.raises(ValidationFailed) as refused:
        post_payment_taken_elsewhere(harness.store, ledger_group_commit(harness.store), command)
    assert refused.value.code == "duplicate_account"


CASHIER = "staff:ivanova"


def allowed(harness: ImportHarness, permission: str) -> None:
    with harness.database.owner("ledger") as owner:
        grant(owner.cursor(row_factory=dict_row), "ivanova", permission, "a test")
