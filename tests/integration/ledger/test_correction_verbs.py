"""``saldo ledger``: adjustments, reversals and write-offs, alone and by two people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.ledger.small_company import CLERK, NUMBERS, SmallCompany, net

pytestmark = pytest.mark.nodes


def adjusts(company: SmallCompany, sum_: str, *more: str, by: str = CLERK) -> Any:
    words = ["adjust", NUMBERS[5], "--period", "2026-02", "--service", f"heating={sum_}"]
    return company.run(*words, "--reason", "act 7", *more, "--json", by=by)


def test_a_repeated_adjustment_has_no_effect(company: SmallCompany) -> None:
    before = company.run_json("balance", NUMBERS[5])
    for _ in range(2):
        answer = json.loads(adjusts(company, "150,00").stdout)
        assert (answer["state"], answer["amount"]) == ("done", 150_00)
    assert net(company.run_json("balance", NUMBERS[5])) == net(before) + 150_00
    more = adjusts(company, "150,00", "--command-id", "once more")
    assert json.loads(more.stdout)["state"] == "done"
    assert net(company.run_json("balance", NUMBERS[5])) == net(before) + 300_00
    last = company.run_json("replay", NUMBERS[5])[-1]
    assert (last["actor"], last["event"]["reason"]) == ("staff:ivanova", "act 7")
    assert company.run("audit").exit_code == 0


def test_a_command_id_of_another_command_is_refused(company: SmallCompany) -> None:
    assert adjusts(company, "1,00", "--command-id", "a").exit_code == 0
    other = adjusts(company, "2,00", "--command-id", "a")
    assert other.exit_code == 2
    assert "another command" in other.stderr


def test_a_correction_above_the_limit_needs_a_second_person(company: SmallCompany) -> None:
    before = company.run_json("balance", NUMBERS[5])
    company.may(CLERK, "adjust", 100_00)
    proposed = json.loads(adjusts(company, "100,01").stdout)
    assert proposed["state"] == "proposed"
    assert company.run_json("balance", NUMBERS[5]) == before
    _, row = company.run_json("proposals")
    assert row["proposal_id"] == proposed["correction_id"]
    assert (row["proposed_by"], row["reason"], row["amount"]) == ("staff:ivanova", "act 7", 10_001)

    listed = company.run("proposals").stdout.replace("\N{NO-BREAK SPACE}", " ")
    assert all(text in listed for text in (row["proposal_id"], "2026-02", "heating 100,01"))

    company.may(CLERK, "approve")
    same = company.run("approve", row["proposal_id"], "--actor", "petrov")
    assert same.exit_code == 2
    assert "--actor is not read: you act as staff:ivanova" in same.stderr
    assert "Somebody else" in same.stderr
    dry = company.run_json("approve", row["proposal_id"], "--dry-run", by="petrov")
    assert net(dry["accounts"][0]) == net(dry["before"][0]) + 10_001
    assert company.run_json("balance", NUMBERS[5]) == before
    for _ in range(2):
        done = company.run_json("approve", row["proposal_id"], by="petrov")
        assert done["state"] == "approved"
    assert net(company.run_json("balance", NUMBERS[5])) == net(before) + 10_001
    assert len(company.run_json("proposals")) == 1
    _, row = company.run_json("proposals", "--all")
    assert (row["state"], row["decided_by"]) == ("approved", "staff:petrov")
    again = json.loads(adjusts(company, "100,01").stdout)
    assert (again["state"], again["proposal"]) == ("proposed", "approved")
    assert company.run("audit").exit_code == 0


def test_a_proposal_shows_what_it_would_change(company: SmallCompany) -> None:
    company.may(CLERK, "adjust", 0)
    proposed = json.loads(adjusts(company, "-1,50").stdout)["correction_id"]
    shown = company.run_json("proposal", proposed, by="petrov")
    preview = shown["preview"]
    [line] = preview["lines"]
    assert (line["period"], line["service"], line["difference"]) == ("2026-02", "heating", -150)
    assert line["after"] - line["before"] == -150
    dry = company.run_json("approve", proposed, "--dry-run", by="petrov")
    for part in ("before", "accounts", "difference", "lines"):
        assert preview[part] == dry[part]
    [difference] = preview["difference"]
    assert net(difference) == net(preview["accounts"][0]) - net(preview["before"][0]) < 0
    done = company.run_json("approve", proposed, by="petrov")
    assert done["accounts"] == preview["accounts"]
    assert company.run_json("proposal", proposed)["preview"] is None
    table = company.run("proposal", proposed).stdout
    assert "staff:petrov" in table


@pytest.mark.parametrize("number", [NUMBERS[0], NUMBERS[3], NUMBERS[5]])
def test_what_a_dry_run_shows_is_what_is_done(company: SmallCompany, number: str) -> None:
    payment = next(str(id_) for id_, (paid, *_) in company.payments.items() if paid == number)
    commands = [
        ("adjust", number, "--period", "2026-02", "--service", "heating=-1000,00"),
        ("reverse", payment),
        ("adjust", number, "--period", "2026-03", "--service", "heating=77,00"),
    ]
    if company.run_json("balance", number)["penalty"]:
        commands.append(("write-off", number, "--amount", "0,01"))
    for command in commands:
        shown = company.run_json(*command, "--reason", "act 7", "--dry-run")
        if shown["would_be"] == "unchanged":
            continue
        now = company.run_json("balance", number)
        names = ("number", "principal", "penalty", "penalty_due", "advance")
        assert shown["before"] == [{name: now[name] for name in names}]
        assert company.run_json(*command, "--reason", "act 7")["accounts"] == shown["accounts"]


def test_a_proposal_that_would_be_refused_today_says_so(company: SmallCompany) -> None:
    company.may(CLERK, "write-off", 0)
    number = next(
        row["number"] for row in company.rows("balances") if row["penalty"] and row["advance"] == 0
    )
    owed = company.run_json("balance", number)["penalty_due"]
    roubles = f"{owed // 100},{owed % 100:02}"
    words = ("write-off", number, "--amount", roubles, "--reason", "act 7")
    proposed = company.run_json(*words)["correction_id"]
    company.may("zimina", "write-off")
    company.run_json(*words, "--command-id", "act 8", by="zimina")
    refused = company.run_json("proposal", proposed)["preview"]["refused"]
    assert refused["code"] == "penalty_not_owed"
    assert "Today it would be refused" in company.run("proposal", proposed).stdout


def test_the_second_person_may_repeat_the_whole_correction(company: SmallCompany) -> None:
    company.may(CLERK, "adjust", 0)
    proposed = json.loads(adjusts(company, "1,00").stdout)
    assert proposed["state"] == "proposed", "0 means always"
    approving = ("--approve", proposed["correction_id"])
    other = adjusts(company, "2,00", *approving, by="petrov")
    assert other.exit_code == 2
    assert "another correction" in other.stderr
    alone = adjusts(company, "1,00", *approving)
    assert "staff may" in alone.stderr, "he may not approve"
    done = adjusts(company, "1,00", *approving, by="petrov")
    assert json.loads(done.stdout)["state"] == "approved"


def test_a_proposal_can_be_rejected(company: SmallCompany) -> None:
    company.may(CLERK, "adjust", 0)
    proposed = json.loads(adjusts(company, "1,00").stdout)
    words = ["reject", proposed["correction_id"], "--reason", "typo"]
    assert company.run_json(*words, by="petrov")["state"] == "rejected"
    late = company.run("approve", proposed["correction_id"], by="orlova")
    assert late.exit_code == 2
    assert "rejected already" in late.stderr
    assert company.run("audit").exit_code == 0


def test_a_payment_is_reversed_and_a_penalty_waived(company: SmallCompany) -> None:
    balances = {number: company.run_json("balance", number) for number in NUMBERS}
    payment_id, (number, amount, penalty) = next(
        (payment_id, paid)
        for payment_id, paid in company.payments.items()
        if balances[paid[0]]["penalty_due"] and paid[0] not in NUMBERS[:3]
    )
    before = balances[number]
    words = ["reverse", str(payment_id), "--reason", "chargeback"]
    assert company.run_json(*words, "--dry-run")["would_be"] == "done"
    assert company.run_json("balance", number) == before
    assert company.run_json(*words)["amount"] == amount + penalty
    after = company.run_json("balance", number)
    changed = after["penalty"] - before["penalty"]
    assert after["principal"] - before["principal"] + changed == amount + penalty
    assert after["penalty_due"] > 0
    waive = ["write-off", number, "--amount", "0,01", "--reason", "act"]
    assert company.run_json(*waive)["state"] == "done"
    assert company.run_json("balance", number)["penalty_due"] == after["penalty_due"] - 1
    assert company.run("audit").exit_code == 0


def test_a_payment_is_moved_to_the_account_that_it_was_meant_for(company: SmallCompany) -> None:
    payment_id, (number, amount, penalty) = next(iter(company.payments.items()))
    other = next(one for one in NUMBERS if one != number)
    before = [company.run_json("balance", one) for one in (number, other)]
    words = ["move-payment", str(payment_id), "--from", number, "--to", other]
    look = company.run_json(*words, "--reason", "a wrong account", "--dry-run")
    assert (look["would_be"], look["amount"]) == ("done", amount + penalty)
    assert [row["number"] for row in look["before"]] == [number, other]
    assert [company.run_json("balance", one) for one in (number, other)] == before
    assert company.run_json(*words, "--reason", "a wrong account")["state"] == "done"
    after = [company.run_json("balance", one) for one in (number, other)]
    for old, new, difference in zip(before, after, look["difference"], strict=True):
        for sum_ in ("principal", "penalty", "advance"):
            assert new[sum_] - old[sum_] == difference[sum_]
    assert net(after[0]) - net(before[0]) >= amount + penalty
    assert net(after[1]) - net(before[1]) <= -amount - penalty
    again = company.run_json(*words, "--reason", "a wrong account")
    assert (again["state"], again["repeated"]) == ("done", True)
    assert company.run_json(*words, "--reason", "once more")["state"] == "unchanged"
    found = company.run("find-payment", str(payment_id)).stdout
    assert "Moved to" in found
    assert "Moved from" in found
    assert f"Payment moved to another account, {other}" in company.run("statement", number).stdout
    in_russian = company.run("statement", other, "--lang", "ru").stdout
    assert "Оплата перенесена с другого счёта" in in_russian
    assert company.run("audit").exit_code == 0


def test_a_move_above_the_limit_takes_two_people(company: SmallCompany) -> None:
    company.may(CLERK, "reverse", 0)
    payment_id, (number, *_) = next(iter(company.payments.items()))
    other = next(one for one in NUMBERS if one != number)
    words = ["move-payment", str(payment_id), "--from", number, "--to", other, "--reason", "typo"]
    proposed = company.run_json(*words)
    assert proposed["state"] == "proposed"
    shown = company.run("proposal", proposed["correction_id"]).stdout
    assert "move of a payment" in shown
    assert other in shown
    done = company.run_json(*words, "--approve", proposed["correction_id"], by="petrov")
    assert done["state"] == "approved"
    assert company.run("audit").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["adjust", NUMBERS[5], "--period", "2026-09", "--service", "heating=-1,00"],
        ["adjust", "999", "--period", "2026-02", "--service", "heating=-1,00"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heatng=-1,00"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating=0"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating=1,005"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating=999999999999999"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "lift=1", "--service", "lift=2"],
        ["write-off", NUMBERS[5], "--amount", "-5,00"],
        ["write-off", NUMBERS[5], "--amount", "100000000000"],
        ["reverse", "11111111-2222-4333-8444-555555555555"],
        ["reverse", "not-an-id"],
        ["move-payment", "11111111-2222-4333-8444-555555555555", "--from", "1", "--to", "2"],
        ["move-payment", "not-an-id", "--from", NUMBERS[5], "--to", NUMBERS[6]],
    ],
)
def test_a_bad_correction_changes_nothing(shared_company: SmallCompany, words: list[str]) -> None:
    before = shared_company.store.recorder.max_notification_id()
    for dry in ([], ["--dry-run"]):
        result = shared_company.run(*words, "--reason", "r", *dry)
        assert result.exit_code == 2, result.output
        assert result.stderr.strip()
        assert "Traceback" not in result.stderr
    assert shared_company.store.recorder.max_notification_id() == before


@pytest.mark.parametrize("reason", ["  ", "r" * 501, "a\x07b"])
def test_a_correction_has_a_reason(shared_company: SmallCompany, reason: str) -> None:
    words = ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating=1"]
    result = shared_company.run(*words, "--reason", reason)
    assert result.exit_code == 2
    assert "--reason: " in result.stderr
    assert ("say why" in result.stderr) == reason.isprintable()


def test_a_limit_of_the_terminal_is_refused(shared_company: SmallCompany) -> None:
    words = ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating=1"]
    error = shared_company.refused(*words, "--reason", "r", SALDO_LEDGER_APPROVAL_OVER="100,00")
    assert "limits are the ledger's" in error
    assert "saldo staff may" in error


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "set SALDO_AMQP_URL"),
        ("amqp://saldo:x@127.0.0.1:1/", "none of the staff"),
        ("amqp://ledger:x@127.0.0.1:1/", "none of the staff"),
        ("amqp://gateway:x@127.0.0.1:1/", "none of the staff"),
        ("amqp://subscriber.datamart:x@127.0.0.1:1/", "none of the staff"),
        ("amqp://staff.Ivanova:x@127.0.0.1:1/", "none of the staff"),
        ("amqp://staff.nobody:x@127.0.0.1:1/", "staff may"),
    ],
)
def test_who_is_none_of_the_staff_corrects_nothing(
    shared_company: SmallCompany, url: str, fault: str
) -> None:
    words = ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating=1"]
    error = shared_company.refused(*words, "--reason", "r", SALDO_AMQP_URL=url)
    assert fault in error
