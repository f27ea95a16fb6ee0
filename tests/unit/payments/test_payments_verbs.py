"""What the verbs of payments ask the service, and what staff read of its answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services import staff_calls
from services.cli import app
from services.payments.commands import reconcile

PAYMENT, REFUND = "11111111-2222-4333-8444-555555555555", "66666666-2222-4333-8444-555555555555"
ONE, TWO = "0100000001", "0100000002"
AT = "2026-11-20T09:00:00+00:00"
WHY = ("--reason", "act 7")

LISTED = {
    "payment_id": PAYMENT,
    "state": "partly_refunded",
    "acquirer": "main",
    "total": 450_000,
    "charged": 450_000,
    "refunded": 100_000,
    "created_at": AT,
    "captured_at": AT,
    "paid_on": "2026-11-20",
    "masked_card": "411111**1111",
    "failure": None,
    "position": 7,
    "accounts": [ONE, TWO],
}
REFUNDED = {
    "refund_id": REFUND,
    "payment_id": PAYMENT,
    "state": "refused",
    "lines": [{"account": ONE, "amount": 100_000}],
    "total": 100_000,
    "cause": "staff",
    "reason": "act 7",
    "by": "staff:ivanova",
    "decided_by": "staff:petrova",
    "requested_at": AT,
    "returned_at": None,
    "refunded_on": None,
    "posted": [],
    "refusal": "7",
}
SHOWN = {
    **LISTED,
    "lines": [
        {
            "account": ONE,
            "amount": 300_000,
            "penalty": 1_250,
            "refunded": 100_000,
            "moved_to": TWO,
            "ledger_position": 42,
        }
    ],
    "orders": [{"order_number": "n1", "acquirer": "main", "order_id": "b1", "lost": True}],
    "poll": {"since": AT, "attempts": 2, "due_at": None, "outcome": "unknown"},
    "refunds": [REFUNDED],
    "history": [{"at": AT, "event": "payment_started", "actor": "person"}],
}
HELD = {"records": 2, "amount": 900_00, "returned": 0}
SUMMARY = {
    "sources": dict.fromkeys(("orders", "acquirer", "ledger", "register"), HELD),
    "kinds": {
        "orders": {"matched": HELD},
        "acquirer": {"matched": HELD, "missing_here": HELD},
        "ledger": {"matched": HELD},
        "register": {},
    },
    "by_staff": {"records": 1, "amount": 5_00, "returned": 0},
    "payments": {"matched": 2, "missing_here": 1, "missing_there": 0, "differing": 0},
    "earlier": {"days": 30, "orders": 17, "differences": 0},
    "differences": 1,
    "settled": 1,
}
FINDING = {
    "number": 1,
    "kind": "missing_here",
    "payment_id": PAYMENT,
    "order_numbers": ["n1"],
    "acquirer": "main",
    "earlier": False,
    "sums": {},
    "differences": [
        {
            "source": "acquirer",
            "kind": "missing_here",
            "what": ["payment"],
            "here": "awaiting_payment 0,00",
            "there": "paid 900,00 2026-11-20",
            "command": f"saldo payments resolve {PAYMENT} --poll --reason WHY",
            "polls": True,
        }
    ],
    "polled": {"state": "captured", "settled": True},
}
RUN = {
    "reconciliation_id": REFUND,
    "day": "2026-11-20",
    "state": "done",
    "requested_by": "staff:ivanova",
    "requested_at": AT,
    "finished_at": AT,
    "progress": {"orders": 3},
    "summary": SUMMARY,
    "failure": "",
    "findings": [FINDING],
    "next": None,
}

Answers = dict[str, Any]
Run = Callable[..., Result]


class Service:
    """Stands in for the RPCs of payments and the ledger: answers, and records what it is asked."""

    def __init__(self) -> None:
        self.answers: Answers = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def client(self, _: str) -> Service:
        return self

    def call(self, service: str, method: str, *, deadline: float, **arguments: Any) -> Any:
        self.asked.append((method, arguments))
        answer = self.answers[method]
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    def close(self) -> None:
        """Have nothing to close."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    made = Service()
    monkeypatch.setattr(staff_calls, "new_client", made.client)
    monkeypatch.setattr(staff_calls, "check_access", lambda url: None)
    monkeypatch.setattr(reconcile, "LOOK_EVERY", 0.0)
    return made


@pytest.fixture
def run(service: Service) -> Run:
    def run(*words: str, lang: str = "en") -> Result:
        env = {"SALDO_AMQP_URL": "amqp://staff.ivanova:secret@127.0.0.1:1/", "COLUMNS": "160"}
        return CliRunner().invoke(app, ["payments", *words, "--lang", lang], env=env)

    return run


def test_list_shows_states_accounts_and_sums(service: Service, run: Run) -> None:
    service.answers = {"list_payments": {"payments": [LISTED], "next": 7}}
    shown = run("list", "--account", ONE, "--day", "2026-11-20", "--limit", "1")
    assert shown.exit_code == 0
    for text in (PAYMENT, "refunded in part", f"{ONE}, {TWO}", "4\xa0500,00", "1\xa0000,00"):
        assert text in shown.stdout
    assert "There are more" in shown.stdout
    [(_, asked)] = service.asked
    assert (asked["account"], asked["day"], asked["limit"]) == (ONE, "2026-11-20", 1)


def test_show_has_all_of_a_payment(service: Service, run: Run) -> None:
    service.answers = {"show_payment": SHOWN}
    english, russian = run("show", PAYMENT), run("show", PAYMENT, lang="ru")
    for text in ("411111**1111", "no page of it was seen", "42", "staff:petrova", "person"):
        assert text in english.stdout
    assert "the bank is not asked any more" in english.stdout
    for text in ("банк больше не опрашивается", "банк отказал", "Перенесена на счёт"):
        assert text in russian.stdout


def test_stuck_names_the_command_and_ends_with_one(service: Service, run: Run) -> None:
    row = {
        "payment_id": PAYMENT,
        "refund_id": None,
        "what": "mismatch",
        "since": AT,
        "amount": 399_00,
        "command": f"saldo payments resolve {PAYMENT} --return --reason WHY",
    }
    service.answers = {"stuck": [{"stuck": [row]}, {"stuck": []}]}
    found = run("stuck")
    assert found.exit_code == 1
    assert row["command"] in found.stdout
    assert "another sum was charged" in found.stdout
    nothing = run("stuck")
    assert nothing.exit_code == 0
    assert nothing.stdout == "Nothing is stuck.\n"


ASKED = {
    "refund_id": REFUND,
    "payment_id": PAYMENT,
    "total": 100_000,
    "lines": [{"account": ONE, "amount": 100_000}],
    "repeated": False,
    "refund": None,
}


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ({"state": "requested"}, "The refund is being made."),
        ({"state": "proposed"}, f"approves it by: saldo payments approve-refund {REFUND}"),
        ({"state": "dry_run", "would_be": "proposed"}, "it would be proposed."),
        ({"state": "requested", "repeated": True, "refund": "made"}, "is: made; a new"),
    ],
)
def test_refund_says_what_was_done(
    service: Service, run: Run, result: dict[str, Any], sentence: str
) -> None:
    service.answers = {"refund": {**ASKED, **result}}
    shown = run("refund", PAYMENT, "--account", ONE, "--amount", "1000,00", *WHY)
    assert shown.exit_code == 0
    assert sentence in shown.stdout
    [(_, asked)] = service.asked
    assert asked["lines"] == [{"account": ONE, "amount": 100_000}]


def test_an_advance_is_asked_of_the_ledger(service: Service, run: Run) -> None:
    lying = {"account": ONE, "left": 500_00, "advance": 120_00, "moved_from": None}
    none = {"account": TWO, "left": 500_00, "advance": 0, "moved_from": None}
    service.answers = {
        "refundable": [{"accounts": [lying, none]}, {"accounts": [none]}],
        "refund": {**ASKED, "state": "requested"},
    }
    assert run("refund", PAYMENT, "--advance", *WHY).exit_code == 0
    assert service.asked[-1][1]["lines"] == [{"account": ONE, "amount": 120_00}]
    nothing = run("refund", PAYMENT, "--advance", *WHY)
    assert nothing.exit_code == 2
    assert "lies as an advance" in nothing.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("refund", PAYMENT, "--account", ONE, *WHY),
        ("refund", PAYMENT, "--advance", "--account", ONE, "--amount", "1,00", *WHY),
        ("resolve", PAYMENT, *WHY),
        ("resolve", PAYMENT, "--poll", "--return", *WHY),
        ("resolve", PAYMENT, "--credit", *WHY),
        ("resolve", PAYMENT, "--return", "--account", ONE, "--amount", "1,00", *WHY),
        ("export", "out.csv", "--from", "2026-11-02", "--to", "2026-11-01"),
        ("reconcile", "--day", "yesterday"),
    ],
)
def test_what_does_not_fit_together_asks_nothing(
    service: Service, run: Run, words: tuple[str, ...]
) -> None:
    assert run(*words).exit_code == 2
    assert service.asked == []


def test_credit_sends_sums_and_penalties(service: Service, run: Run) -> None:
    service.answers = {
        "resolve": {
            "payment_id": PAYMENT,
            "before": "mismatch",
            "state": "captured",
            "bank": "paid",
            "charged": 399_00,
            "returned": 0,
            "dry_run": False,
        }
    }
    lines = ("--account", ONE, "--amount", "390,00", "--penalty", "9,00")
    shown = run("resolve", PAYMENT, "--credit", *lines, *WHY)
    assert "another sum was charged" in shown.stdout
    [(_, asked)] = service.asked
    assert asked["how"] == "credit"
    assert asked["lines"] == [{"account": ONE, "amount": 390_00, "penalty": 9_00}]


def test_reconcile_shows_sums_differences_and_commands(service: Service, run: Run) -> None:
    running = {**RUN, "state": "running", "summary": None}
    service.answers = {
        "reconcile": {"reconciliation_id": REFUND, "state": "requested"},
        "reconciliation": [running, RUN],
    }
    shown = run("reconcile", "--day", "2026-11-20")
    assert shown.exit_code == 1
    for text in ("missing here", "in all", FINDING["differences"][0]["command"], "settled: "):  # type: ignore[index]
        assert text in shown.stdout
    assert "Entered in the ledger by staff, and compared with nothing: 1, 5,00" in shown.stdout
    russian = run("reconcile", "--day", "2026-11-20", lang="ru")
    assert "Банк опрошен сразу; улажено" in russian.stdout


def test_reconcile_ends_with_nought_when_all_agree_and_two_when_a_bank_is_silent(
    service: Service, run: Run
) -> None:
    agreed = {**RUN, "summary": {**SUMMARY, "differences": 0}, "findings": []}
    failed = {**RUN, "state": "failed", "summary": None, "findings": [], "failure": "silent"}
    service.answers = {
        "reconcile": {"reconciliation_id": REFUND, "state": "requested"},
        "reconciliation": agreed,
    }
    done = run("reconcile", "--day", "2026-11-20")
    assert (done.exit_code, "All agree." in done.stdout) == (0, True)
    service.answers["reconciliation"] = failed
    silent = run("reconcile", "--day", "2026-11-20")
    assert (silent.exit_code, "Not reconciled: silent" in silent.stderr) == (2, True)


def test_reconcile_gives_up_where_no_worker_runs(
    service: Service, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "PATIENCE", 0.0)
    service.answers = {
        "reconcile": {"reconciliation_id": REFUND, "state": "requested"},
        "reconciliation": {**RUN, "state": "requested", "progress": {}, "summary": None},
    }
    silent = run("reconcile", "--day", "2026-11-20")
    assert silent.exit_code == 2
    assert "makes no progress" in silent.stderr


def test_reconciliations_list_what_was_found(service: Service, run: Run) -> None:
    waiting = {**RUN, "state": "requested", "summary": None, "finished_at": None}
    service.answers = {"reconciliations": {"reconciliations": [waiting, RUN]}}
    shown = run("reconciliations")
    for text in ("waits for the worker", "done", "staff:ivanova", "2026-11-20"):
        assert text in shown.stdout


def test_refunds_show_who_why_and_what_the_bank_said(service: Service, run: Run) -> None:
    service.answers = {"refunds": [{"refunds": [REFUNDED]}, {"refunds": []}]}
    shown = run("refunds", "--state", "refused")
    for text in ("refused by the bank", "act 7", "staff:petrova", ONE):
        assert text in shown.stdout
    assert run("refunds").stdout == "There are no refunds.\n"


@pytest.mark.parametrize("verb", ["approve-refund", "reject-refund"])
def test_a_decision_is_said(service: Service, run: Run, verb: str) -> None:
    method, state = verb.replace("-", "_"), verb.partition("-")[0]
    done = {"approve": "approved", "reject": "rejected"}[state]
    service.answers = {method: {**ASKED, "state": done}}
    shown = run(verb, REFUND, *WHY)
    assert shown.exit_code == 0
    assert ("being made" in shown.stdout) == (done == "approved")


def test_an_export_is_written_whole_or_not_at_all(
    service: Service, run: Run, tmp_path: Path
) -> None:
    row = {
        "day": "2026-11-20",
        "kind": "charge",
        "id": PAYMENT,
        "payment_id": PAYMENT,
        "account": ONE,
        "amount": 300_000,
        "penalty": 1_250,
        "fee": None,
        "acquirer": "=cmd()",
        "order_number": "n1",
    }
    service.answers = {"money": {"rows": [row]}}
    file = tmp_path / "november.csv"
    days = ("--from", "2026-11-01", "--to", "2026-11-30")
    done = run("export", str(file), *days, "--json")
    assert json.loads(done.stdout)["totals"]["charge"]["penalty"] == 1_250
    lines = file.read_bytes().decode("utf-8-sig").split("\r\n")
    assert lines[1] == f"2026-11-20;charge;{PAYMENT};{ONE};3000,00;12,50;;'=cmd();n1"
    assert lines[2] == "total;charge;;;3000,00;12,50;0,00;;"
    again = run("export", str(file), *days)
    assert (again.exit_code, "--overwrite" in again.stderr) == (2, True)
    service.answers = {}
    with pytest.raises(KeyError):
        raise run("export", str(file), *days, "--overwrite").exception or RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["november.csv"]
