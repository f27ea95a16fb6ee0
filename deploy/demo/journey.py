"""The main journey: a person registers, links an account, pays it, and everything agrees.

`run_journey` drives it over HTTP as one person with a new e-mail address, checks every answer, and
reads the code and the temporary password out of the real letters.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from deploy.demo.checks import (
    check_month,
    check_receipt,
    expect_refusal,
    net_balance,
    other_code,
    retry_until_consistent,
)
from deploy.demo.client import CabinetClient, PaymentLine, Problem
from deploy.demo.company import DemoAccount
from deploy.demo.letters import ABOUT_CODE, ABOUT_PASSWORD, Mailbox, code_in, password_in
from deploy.demo.person import QUESTION, Journey
from deploy.demo.report import CheckError, Report, check
from shared.money import format_roubles

ADVANCE = 100_00
"""Kopecks to pay in advance on an account that owes nothing."""
COMPLETE_SECONDS = 30.0
DEPARTMENT_MAILBOX = "billing@teploset-demo.invalid"
"""The department for questions about charges (services/helpdesk/departments.yaml)."""
MOST_LINKED = 3
"""The most accounts that a journey links while it looks for one with a debt."""


def run_journey(
    client: CabinetClient, report: Report, mailbox: Mailbox, candidates: Iterable[DemoAccount]
) -> Journey:
    """Run the whole journey and return it. Raises JourneyError at the first step that fails.

    `candidates` are accounts to pay, those in debt first: the first one that can be linked and
    has a debt is paid in full; if none has, the last one gets an advance.
    """
    journey = Journey(client, report, mailbox, list(candidates))
    register(journey)
    set_up_cabinet(journey)
    link_an_account(journey)
    line = see_what_is_owed(journey)
    pay(journey, line)
    see_that_all_agree(journey)
    ask_a_question(journey)
    return journey


def register(journey: Journey) -> None:
    """S1-S8: from an e-mail address to a temporary password in a letter."""
    client, person, report = journey.client, journey.person, journey.report
    with report.step("Register") as step:
        registration_id = client.start_registration(person.email)
        step.outcome = f"{person.email}, the code is on its way"
    with report.step("Check code by e-mail") as step:
        letter = journey.mailbox.wait(person.email, ABOUT_CODE)
        person.code = code_in(letter)
        step.outcome = f"«{letter.subject}»"
    with report.step("A wrong code is refused") as step:
        wrong = other_code(person.code)
        step.outcome = expect_refusal(
            "wrong_code", lambda: client.confirm_registration(registration_id, wrong)
        )
    with report.step("Without the tick it is refused") as step:
        step.outcome = expect_refusal(
            "rules_not_accepted",
            lambda: client.confirm_registration(registration_id, person.code, rules=False),
        )
    with report.step("Confirm with the right code") as step:
        client.confirm_registration(registration_id, person.code)
        letter = journey.mailbox.wait(person.email, ABOUT_PASSWORD)
        person.temporary_password = password_in(letter)
        step.outcome = f"«{letter.subject}»"


def set_up_cabinet(journey: Journey) -> None:
    """S9, S24: the temporary password allows only its own change; name and telephone."""
    client, person, report = journey.client, journey.person, journey.report
    with report.step("Sign in with the temporary password") as step:
        session = client.sign_in(person.email, person.temporary_password)
        person.token = session["token"]
        check(session["must_change_password"], "the temporary password to demand its change")
        step.outcome = "it must be changed"
    with report.step("Everything else is refused before that") as step:
        attempts = (client.profile, client.accounts, client.due, client.history, client.topics)
        for attempt in attempts:
            expect_refusal("password_change_required", attempt)
        step.outcome = f"{len(attempts)} of {len(attempts)} refused"
    with report.step("Change the password") as step:
        client.change_password(person.temporary_password, person.own_password)
        person.token = client.token or ""
        check(client.accounts() == [], "a new cabinet without accounts")
        step.outcome = "the cabinet is open"
    with report.step("Enter name and telephone") as step:
        profile = client.update_profile(full_name=person.full_name, phone=person.phone)
        check(profile == client.profile(), "the profile to answer as it was saved")
        check(profile["full_name"] == person.full_name, "the name to be saved")
        step.outcome = profile["full_name"]


def link_an_account(journey: Journey) -> None:
    """S11-S13: look up (masked), link with a fact of the last bill, until one has a debt."""
    client, report = journey.client, journey.report
    for account in journey.candidates:
        with report.step(f"Look up account {account.number}") as step:
            preview = client.look_up(f"  {account.number} ")
            masked = account.holder not in str(preview) and account.address not in str(preview)
            check(masked, "a preview that shows neither the holder's name nor the whole address")
            step.outcome = f"{preview['address']} · {preview['holder']}"
        with report.step("Link it with the control code of its last bill") as step:
            if try_to_link(client, account):
                step.outcome, journey.account = "linked", account
            else:
                step.outcome = "tried too often today; on to the next one"
            owing = any(line.total for line in client.due())
            linked = len(client.accounts())
        if owing or linked == MOST_LINKED:
            return
    with report.step("Have an account to pay"):
        check(journey.account is not None, "an account that can be linked; is the demo loaded?")


def see_what_is_owed(journey: Journey) -> PaymentLine:
    """S19-S20: the months with their lines; the page that is prefilled with the debt."""
    client, number = journey.client, journey.number
    with journey.report.step("See the charges") as step:
        months = client.charges(number)
        check(bool(months), "bills; is the demo company loaded?")
        for month in months:
            check_month(month)
        last = months[0]
        if journey.account is not None:
            check(last["total"] == journey.account.bill_total, "the total of the last bill")
        step.outcome = f"months: {len(months)}; {last['period']}: {format_roubles(last['total'])}"
    with journey.report.step("See what is due") as step:
        line = retry_until_consistent(lambda: _due_that_matches_the_balance(client, number))
        step.outcome = f"{format_roubles(line.amount)}, penalty {format_roubles(line.penalty)}"
        if not line.total:
            line = PaymentLine(number, ADVANCE)
            step.outcome += f"; so an advance: {format_roubles(line.total)}"
    return line


def pay(journey: Journey, line: PaymentLine) -> None:
    """S20-S21: one order, the card on the acquirer's page, until the payment is completed."""
    client, report = journey.client, journey.report
    with report.step("Start the payment, twice under one key") as step:
        before, key = client.statement(line.account), str(uuid4())
        started = client.start_payment([line], key)
        check(client.start_payment([line], key) == started, "the same answer to the same request")
        check(started["total"] == line.total, "an order over the amount requested")
        journey.payment_id = started["payment_id"]
        step.outcome = f"{format_roubles(started['total'])}, {started['state']}"
    with report.step("Enter the card on the acquirer's page") as step:
        back = journey.payer.pay(started["redirect_url"])
        check(journey.payer.come_back(back) == 200, "a page to come back to")
        step.outcome = f"charged, and back at {back.partition('?')[0]}"
    with report.step("The payment is completed") as step:
        payment = wait_until_completed(client, journey.payment_id)
        check(payment["total"] == line.total, "a payment over the amount requested")
        check("**" in (payment["masked_card"] or ""), "a masked card")
        step.outcome = f"{payment['state']}, card {payment['masked_card']}"
    with report.step("Statement and balance follow") as step:
        after = retry_until_consistent(lambda: _statement_with(client, line, before))
        left = next(one for one in client.due() if one.account == line.account)
        check(not left.total, "nothing due once what was due is paid")
        balances = (format_roubles(statement[-1]["balance"]) for statement in (before, after))
        step.outcome = " → ".join(balances)
    journey.paid = line


def see_that_all_agree(journey: Journey) -> None:
    """S23: history, ledger entries and receipt agree."""
    client, line = journey.client, journey.paid
    if line is None:
        raise CheckError("a payment")
    with journey.report.step("History and entries of the ledger agree") as step:
        newest = client.history()[0]
        check(newest["payment_id"] == journey.payment_id, "the payment first in the history")
        expected = [(line.account, line.amount, line.penalty)]
        for lines in (newest["lines"], client.receipt(journey.payment_id)["postings"]):
            found = [(one["account"], one["amount"], one["penalty"]) for one in lines]
            check(found == expected, f"the lines {expected}, not {found}")
        step.outcome = format_roubles(newest["total"])
    with journey.report.step("Receipt by e-mail") as step:
        letter = journey.mailbox.wait(journey.person.email, "Квитанция")
        check_receipt(letter, journey.payment_id, line)
        step.outcome = f"«{letter.subject}»"


def ask_a_question(journey: Journey) -> None:
    """S25: a question reaches the competent department."""
    client, mailbox = journey.client, journey.mailbox
    with journey.report.step("Ask a question") as step:
        asked = client.ask("charges", QUESTION, journey.number)
        kept = client.question(asked["question_id"])
        check(kept["messages"][0]["text"] == QUESTION, "the question as it was asked")
        its_number = f"вопроса: {asked['number']}\n"
        mailbox.wait(journey.person.email, "принят", its_number)
        delivered = mailbox.wait(DEPARTMENT_MAILBOX, "ждёт ответа", its_number)
        check(QUESTION not in delivered.text, "a department's letter that quotes nothing")
        step.outcome = f"no. {asked['number']}, to «{asked['department_title']}»"


def wait_until_completed(
    client: CabinetClient, payment_id: str, seconds: float = COMPLETE_SECONDS
) -> dict[str, Any]:
    """Poll a payment until it is completed; raise CheckError when it fails or takes too long."""
    payment = wait_until_decided(client, payment_id, seconds)
    check(payment["state"] == "completed", f"a payment, but {payment['failure']}")
    return payment


def wait_until_decided(
    client: CabinetClient, payment_id: str, seconds: float = COMPLETE_SECONDS
) -> dict[str, Any]:
    """Poll a payment until its state is final; raise CheckError when that takes too long."""
    ends = time.monotonic() + seconds
    while True:
        payment = client.payment(payment_id, refresh=True)
        if payment["state"] in {"completed", "failed", "expired"}:
            return payment
        check(time.monotonic() < ends, f"an outcome within {seconds:g} s, not {payment['state']}")
        time.sleep(0.05)


def _due_that_matches_the_balance(client: CabinetClient, number: str) -> PaymentLine:
    line = next((line for line in client.due() if line.account == number), None)
    if line is None:
        raise CheckError(f"account {number} on the page of amounts due")
    balance = client.balance(number)
    owed = max(balance["principal"] - balance["advance"], 0)
    check((line.amount, line.penalty) == (owed, balance["penalty"]), "the amounts of the balance")
    return line


def _statement_with(
    client: CabinetClient, line: PaymentLine, before: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    after = client.statement(line.account)
    news = after[len(before) :]
    posted = [(-one["amount"], -one["penalty"]) for one in news if one["kind"] == "payment"]
    check((line.amount, line.penalty) in posted, "the payment among the movements")
    change = sum(one["amount"] + one["penalty"] for one in news)
    check(after[-1]["balance"] == before[-1]["balance"] + change, "movements that add up")
    check(after[-1]["balance"] == net_balance(client.balance(line.account)), "the same balance")
    return after


def try_to_link(client: CabinetClient, account: DemoAccount) -> bool:
    """Link an account; return False when there were too many attempts today."""
    try:
        client.link(account.number, account.proof)
    except Problem as refusal:
        if refusal.code == "too_many_attempts":
            return False
        raise
    shown = {one["number"]: one["holder"] for one in client.accounts()}
    check(shown.get(account.number) == account.holder, "the holder's name, once it is proven")
    return True
