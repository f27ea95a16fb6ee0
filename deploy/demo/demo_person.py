"""The ready demo person: a cabinet with something on each of its pages.

`make_demo_person` makes it as a person does, over HTTP and by e-mail; the answered question is
answered by the staff command.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec

from deploy.demo.acquirer_page import DECLINED, PAYS
from deploy.demo.client import CabinetClient, PaymentLine
from deploy.demo.company import DEMO_PERSON_ACCOUNTS, DemoAccount
from deploy.demo.journey import register, set_up_cabinet, try_to_link, wait_until_decided
from deploy.demo.letters import Mailbox
from deploy.demo.loading import saldo
from deploy.demo.person import Journey, Person, new_address
from deploy.demo.report import Report, check
from deploy.embedded.plan import write_atomically
from shared.money import format_roubles

PHONE = "+79990003344"
OPEN_MONTHS = 3
"""The latest bills of the first account, left as its debt with a part of its penalties."""
PENALTY_LEFT = 4
"""The part of the penalties left on the first account: one fourth."""

ANSWERED_QUESTION = "Почему в августе горячей воды начислено меньше, чем в июле?"
ANSWER = (
    "В августе горячую воду отключали на 10 суток. За эти дни плата снята: в начислениях за август "
    "это строка «Перерасчёт: отключение на 10 суток»."
)
OPEN_QUESTION = "Можно ли заплатить долг и пени двумя частями?"


class Card(msgspec.Struct, frozen=True):
    """How to log in as the demo person, and the accounts that the cabinet shows."""

    email: str
    password: str
    accounts: Sequence[str]


@dataclass(frozen=True)
class Intended:
    """What the demo person pays, a list of lines per payment: the last one is declined."""

    completed: Sequence[Sequence[PaymentLine]]
    declined: Sequence[PaymentLine]


def make_demo_person(
    client: CabinetClient, report: Report, mailbox: Mailbox, accounts: Sequence[DemoAccount]
) -> Card:
    """Make the demo person with a new e-mail address; return how to log in.

    Raises JourneyError at the first step that fails, LoadingError when staff cannot answer.
    """
    own = {account.number: account for account in accounts}
    chosen = [own[number] for number in DEMO_PERSON_ACCOUNTS]
    person = Person(
        email=new_address("vera", 2),
        own_password=f"saldo-{secrets.token_hex(4)}",
        full_name=chosen[0].holder,
        phone=PHONE,
    )
    # The journey shows each step of a registration; here they are one.
    quiet = Journey(client, Report(), mailbox, chosen, person)
    with report.step("Register the demo person") as step:
        register(quiet)
        set_up_cabinet(quiet)
        step.outcome = f"{person.email}, {person.full_name}"
    with report.step("Link the accounts") as step:
        for account in chosen:
            check(try_to_link(client, account), f"account {account.number} to be linked")
        step.outcome = ", ".join(DEMO_PERSON_ACCOUNTS)
    intended = intended_payments(client)
    for lines in intended.completed:
        _pay(quiet, report, "A payment that is completed", lines, PAYS)
    _pay(quiet, report, "A payment that is declined", intended.declined, DECLINED)
    _ask(quiet, report)
    return Card(person.email, person.own_password, DEMO_PERSON_ACCOUNTS)


def intended_payments(client: CabinetClient) -> Intended:
    """Return the payments after which one account owes, one owes nothing, one has an advance."""
    due = {line.account: line for line in client.due()}
    owing, settled, ahead = (due[number] for number in DEMO_PERSON_ACCOUNTS)
    latest = sum(month["total"] for month in client.charges(owing.account)[:OPEN_MONTHS])
    left = PaymentLine(owing.account, min(latest, owing.amount), owing.penalty // PENALTY_LEFT)
    older = PaymentLine(owing.account, owing.amount - left.amount, owing.penalty - left.penalty)
    next_bill = client.charges(ahead.account)[0]["total"]
    advance = PaymentLine(ahead.account, ahead.amount + next_bill, ahead.penalty)
    flats = [line for line in (older, settled) if line.total]
    return Intended([lines for lines in ([advance], flats) if lines], [left])


def write_card(card: Card, file: Path) -> None:
    """Write how to log in, for its owner alone to read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, msgspec.json.format(msgspec.json.encode(card)) + b"\n")


def _pay(
    journey: Journey, report: Report, title: str, lines: Sequence[PaymentLine], card: str
) -> None:
    client, expected = journey.client, "failed" if card == DECLINED else "completed"
    with report.step(title) as step:
        started = client.start_payment(lines, str(uuid4()))
        journey.payer.come_back(journey.payer.pay(started["redirect_url"], card))
        payment = wait_until_decided(client, started["payment_id"])
        check(payment["state"] == expected, f"a payment {expected}, not {payment['state']}")
        step.outcome = f"{format_roubles(payment['total'])}, {payment['state']}"


def _ask(journey: Journey, report: Report) -> None:
    client, email, number = journey.client, journey.person.email, DEMO_PERSON_ACCOUNTS[0]
    with report.step("A question that staff answer") as step:
        asked = client.ask("charges", ANSWERED_QUESTION, number)
        saldo("helpdesk", "show", str(asked["number"]))
        saldo("helpdesk", "answer", str(asked["number"]), "--text", ANSWER)
        letter = journey.mailbox.wait(email, "Ответ на Ваш вопрос")
        step.outcome = f"no. {asked['number']}, «{letter.subject}»"
    with report.step("A question that is open") as step:
        asked = client.ask("payment", OPEN_QUESTION, number)
        step.outcome = f"no. {asked['number']}, to «{asked['department_title']}»"
