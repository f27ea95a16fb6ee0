"""A flat is sold within a year: neither holder sees months, name or money of the other."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.demo import reconciliation
from deploy.demo.acquirer_page import Payer
from deploy.demo.client import CabinetClient, PaymentLine, Problem
from deploy.demo.company import ACCOUNTS_FILE
from deploy.demo.letters import ABOUT_CODE, ABOUT_PASSWORD, Mailbox, code_in, password_in
from deploy.demo.loading import saldo
from deploy.embedded.installation import Installation
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

NUMBER = "0100000001"
NEW_HOLDER, NEW_CODE = "Новосёлова Нина Выдумкина", "TWND-K3RA"
LAST_DAY, SINCE = "2026-06-14", "2026-06-15"
SECRET = "давление в стояке"


class Holder:
    """A person with a cabinet of his own."""

    def __init__(self, installation: Installation, name: str) -> None:
        environment = installation.environment
        self.email = f"{name}-{uuid4().hex[:8]}@example.org"
        self.client = CabinetClient(environment["SALDO_URL"], patience=20)
        mailbox = Mailbox(Path(environment["SALDO_MAIL_DIR"]))
        registration_id = self.client.start_registration(self.email)
        code = code_in(mailbox.wait(self.email, ABOUT_CODE))
        self.client.confirm_registration(registration_id, code)
        temporary = password_in(mailbox.wait(self.email, ABOUT_PASSWORD))
        self.client.sign_in(self.email, temporary)
        self.client.change_password(temporary, f"{uuid4()}")

    def pays(self, amount: int) -> str:
        """Pay a sum of the account by card; return the payment's id when it is completed."""
        started = self.client.start_payment([PaymentLine(NUMBER, amount)], str(uuid4()))
        payer = Payer(patience=20)
        payer.come_back(payer.pay(started["redirect_url"]))
        payment_id: str = started["payment_id"]
        eventually(
            lambda: self.client.payment(payment_id)["state"] == "completed", "the payment is posted"
        )
        return payment_id

    def months(self) -> list[str]:
        found = self.client.call("GET", f"/accounts/{NUMBER}/charges", limit=24)["months"]
        return sorted(month["period"] for month in found)

    def owes(self) -> int:
        found = self.client.balance(NUMBER)
        return int(found["principal"] - found["advance"])

    def sees(self) -> str:
        """Return all that the API shows to this person of the account, as text."""
        calls = (
            "/accounts", f"/accounts/{NUMBER}", f"/accounts/{NUMBER}/balance",
            f"/accounts/{NUMBER}/charges", f"/accounts/{NUMBER}/statement",
            f"/accounts/{NUMBER}/penalty", "/charges", "/payments", "/payments/due", "/questions",
            "/statement?from=2025-01-01",
        )  # fmt: skip
        return json.dumps([self.client.call("GET", path) for path in calls], ensure_ascii=False)

    def refused(self, attempt: Callable[[], Any]) -> str:
        with pytest.raises(Problem) as problem:
            attempt()
        return problem.value.code


def import_new_holder(folder: Path) -> None:
    """Give the number to another holder in the registry, with a control code of his own."""
    with ACCOUNTS_FILE.open(encoding="utf-8", newline="") as file:
        row = next(one for one in csv.DictReader(file, delimiter=";") if one["number"] == NUMBER)
    changed = {
        **{name: row[name] for name in ("number", "address", "payer_kind", "residents")},
        "holder": NEW_HOLDER,
        "effective_on": SINCE,
        "control_code": NEW_CODE,
        "period": "2026-10",
        "bill_total": row["bill_total"],
    }
    path = folder / "sold.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, changed, delimiter=";")
        writer.writeheader()
        writer.writerow(changed)
    saldo("accounts", "import", str(path), "--reason", "the flat was sold")


def test_each_holder_sees_his_own_time_alone(installation: Installation, tmp_path: Path) -> None:
    former = Holder(installation, "former")
    [proof] = [row["proof"] for row in _registry() if row["number"] == NUMBER]
    former.client.link(NUMBER, proof)
    name = former.client.accounts()[0]["holder"]
    billed = former.months()
    assert {"2026-05", "2026-06", "2026-10"} < set(billed)
    owed_before = former.owes()
    first_payment = former.pays(100_00)
    former.client.ask("charges", SECRET, NUMBER)

    import_new_holder(tmp_path)
    new = Holder(installation, "new")
    new.client.link(NUMBER, NEW_CODE)
    eventually(lambda: "2026-10" in _months_if_any(new), "the months are moved")
    _check_months_and_sums(former, new, billed, owed_before - 100_00)
    _check_that_neither_sees_the_other(former, new, name, first_payment)

    assert former.refused(lambda: former.pays(1_00)) == "account_closed"
    second_payment = new.pays(200_00)
    assert former.refused(lambda: former.client.payment(second_payment)) == "payment_not_found"
    assert former.refused(lambda: former.client.receipt(second_payment)) == "payment_not_found"
    assert [one["payment_id"] for one in new.client.history()] == [second_payment]
    assert second_payment not in former.sees()

    environment = installation.environment
    snapshot = reconciliation.take_snapshot(
        environment["SALDO_DATABASE_URL"], reconciliation.acquirer_urls(environment)
    )
    assert reconciliation.compare(snapshot) == []
    assert reconciliation.parked_messages(environment["SALDO_DATABASE_URL"]) == []
    assert reconciliation.audit() == []


def _check_months_and_sums(former: Holder, new: Holder, billed: list[str], owed: int) -> None:
    assert former.months() == [period for period in billed if period < "2026-06"]
    assert new.months() == [period for period in billed if period >= "2026-06"]
    assert former.owes() + new.owes() == owed
    for holder in (former, new):
        movements = holder.client.statement(NUMBER)
        assert movements[-1]["balance"] == sum(one["amount"] + one["penalty"] for one in movements)


def _check_that_neither_sees_the_other(
    former: Holder, new: Holder, name: str, payment_id: str
) -> None:
    [closed], [opened] = former.client.accounts(), new.client.accounts()
    assert (closed["state"], closed["until"], closed["holder"]) == ("closed", LAST_DAY, name)
    assert (opened["state"], opened["since"], opened["holder"]) == ("open", SINCE, NEW_HOLDER)
    assert NEW_HOLDER not in former.sees()
    seen = new.sees()
    assert not [text for text in (name, payment_id, SECRET, f"{NUMBER}-2") if text in seen]
    assert (
        former.refused(lambda: former.client.call("GET", f"/accounts/{NUMBER}/bills/2026-10"))
        == "bill_not_issued"
    )
    assert (
        new.refused(lambda: new.client.call("GET", f"/accounts/{NUMBER}/bills/2026-05"))
        == "bill_not_issued"
    )
    assert new.refused(lambda: new.client.payment(payment_id)) == "payment_not_found"


def _months_if_any(holder: Holder) -> list[str]:
    try:
        return holder.months()
    except Problem:
        return []


def _registry() -> list[dict[str, str]]:
    with ACCOUNTS_FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))
