"""The mail server is away for a whole walk; back again, every letter arrives once and works.

Persons stand at every stage when it goes: one has just registered, one waits for his password, one
has lost his own, one changes her address, one pays, asks and links an account of somebody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import requests
from psycopg.rows import dict_row

from deploy.demo.acquirer_page import DECLINED, PAYS, Payer
from deploy.demo.checks import expect_refusal, other_code
from deploy.demo.client import CabinetClient, PaymentLine
from deploy.demo.company import demo_accounts
from deploy.demo.journey import DEPARTMENT_MAILBOX, wait_until_completed, wait_until_decided
from deploy.demo.letters import (
    ABOUT_CODE,
    ABOUT_PASSWORD,
    Mailbox,
    code_in,
    password_in,
    token_in,
)
from deploy.demo.loading import saldo
from tests.conftest import Database
from tests.demo_installation import demo_installation
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

HELD, OWN = "0100000017", "0100000018"
PROOFS = {account.number: account.proof for account in demo_accounts()}
QUESTION, ANSWER = "Почему в октябре начислено больше?", "Стало холоднее."

WAITING = "SELECT count(*) AS letters FROM notifications.outbox"
UNTOUCHED = (
    "SELECT count(*) AS letters FROM notifications.outbox"
    " WHERE sealed IS NULL AND attempts = 0 AND claimed_by IS NULL"
)
LETTERS = "SELECT letter_id::text, kind, state, reason FROM notifications.letters"
SENT = (
    "SELECT convert_from(state, 'UTF8')::jsonb ->> 'message_id' AS message_id"
    " FROM notifications.events WHERE topic LIKE 'notifications.letter_sent%'"
)


@dataclass(frozen=True)
class Town:
    """An installation, its mailbox, and its mail server, which a test takes away."""

    environment: dict[str, str]
    mailbox: Mailbox

    def mail_server(self, **faults: Any) -> None:
        url = f"{self.environment['SALDO_MAILBOX_URL']}/admin/faults"
        requests.put(url, json=faults, timeout=15).raise_for_status()

    def rows(self, query: str) -> list[dict[str, Any]]:
        url = self.environment["SALDO_DATABASE_URL"]
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()

    def count(self, query: str) -> int:
        return int(self.rows(query)[0]["letters"])

    def arrived(self) -> list[str]:
        """Return the Message-ID of each letter in the Maildir."""
        folder = Path(self.environment["SALDO_MAIL_DIR"]) / "new"
        messages = [message_from_bytes(path.read_bytes()) for path in folder.iterdir()]
        return [str(message["Message-ID"]) for message in messages]


class Resident:
    """A person with an address and a password of his own."""

    def __init__(self, town: Town, name: str) -> None:
        self.email = f"{name}-{uuid4().hex[:8]}@example.org"
        self.password = f"own {uuid4()}"
        self.client = CabinetClient(town.environment["SALDO_URL"], patience=20)
        self._mailbox = town.mailbox
        self.registration_id = ""

    def register(self) -> None:
        self.registration_id = self.client.start_registration(self.email)

    def confirm(self) -> None:
        code = code_in(self._mailbox.wait(self.email, ABOUT_CODE))
        self.client.confirm_registration(self.registration_id, code)

    def move_in(self) -> None:
        """Sign in with the temporary password, which must be changed (S9)."""
        temporary = password_in(self._mailbox.wait(self.email, ABOUT_PASSWORD))
        assert self.client.sign_in(self.email, temporary)["must_change_password"]
        self.client.change_password(temporary, self.password)

    def pay(self, amount: int, card: str) -> str:
        started = self.client.start_payment([PaymentLine(OWN, amount)], str(uuid4()))
        payer = Payer(patience=20)
        payer.pay(started["redirect_url"], card)
        payment_id: str = started["payment_id"]
        return payment_id


@pytest.fixture(scope="module")
def town(
    module_database: Database, module_bus: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("mail-outage") / "saldo"
    with demo_installation(module_database.settings, folder) as running:
        environment = dict(running.environment)
        yield Town(environment, Mailbox(Path(environment["SALDO_MAIL_DIR"])))


@pytest.fixture(autouse=True)
def mail_server_is_back(town: Town) -> Iterator[None]:
    yield
    town.mail_server(down=False, bounce=False, only_to="")


@pytest.fixture
def residents(town: Town) -> dict[str, Resident]:
    names = ("starting", "confirming", "forgetful", "moving", "holder", "payer")
    found = {name: Resident(town, name) for name in names}
    for name in names[1:]:
        found[name].register()
    for name in names[2:]:
        found[name].confirm()
    for name in names[2:]:
        found[name].move_in()
    found["holder"].client.link(HELD, PROOFS[HELD])
    found["payer"].client.link(OWN, PROOFS[OWN])
    # The code of the one who confirms must be read before the outage: he types it during it.
    town.mailbox.wait(found["confirming"].email, ABOUT_CODE)
    eventually(lambda: town.count(WAITING) == 0, "all that went before is sent")
    return found


def test_letters_of_an_outage_arrive_once_and_their_codes_work(
    town: Town, residents: dict[str, Resident]
) -> None:
    before = len(town.arrived())
    town.mail_server(down=True)
    address = _live_on(residents)
    queued = 13
    eventually(lambda: town.count(WAITING) == queued, "each letter waits")
    assert town.count(UNTOUCHED) == queued, "nothing is drawn while nobody could take it"
    assert len(town.arrived()) == before

    town.mail_server(down=False)
    eventually(lambda: town.count(WAITING) == 0, "every letter is sent", 60)
    assert len(town.arrived()) == before + queued - 1, "of two codes the newest alone"
    _use_what_arrived(town, residents, address)

    eventually(lambda: town.count(WAITING) == 0, "what followed is sent", 60)
    arrived = Counter(town.arrived())
    assert arrived == Counter(row["message_id"] for row in town.rows(SENT))
    assert set(arrived.values()) == {1}, "each once"
    unsent = [row for row in town.rows(LETTERS) if row["state"] != "sent"]
    assert [(row["kind"], row["reason"]) for row in unsent] == [("registration_code", "stale")]


def _live_on(residents: dict[str, Resident]) -> str:
    """Go on without letters; return the new address of the one who moves."""
    starting, confirming = residents["starting"], residents["confirming"]
    starting.register()
    starting.client.resend_code(starting.registration_id)
    expect_refusal(
        "wrong_code",
        lambda: starting.client.confirm_registration(starting.registration_id, "000000"),
    )
    confirming.confirm()

    forgetful = residents["forgetful"]
    stranger = CabinetClient(forgetful.client.url)
    stranger.call("POST", "/password-resets", {"email": forgetful.email}, key=str(uuid4()))

    moving = residents["moving"]
    address = f"moved-{uuid4().hex[:8]}@example.org"
    change = {"email": address, "current_password": moving.password}
    moving.client.call("POST", "/me/email-change", change)

    payer = residents["payer"]
    payer.client.link(HELD, PROOFS[HELD])  # the holder is told
    completed = payer.pay(10_00, PAYS)
    wait_until_completed(payer.client, completed)
    declined = wait_until_decided(payer.client, payer.pay(20_00, DECLINED))
    assert declined["state"] == "failed"
    asked = payer.client.ask("charges", QUESTION, OWN)
    saldo("helpdesk", "show", str(asked["number"]))
    saldo("helpdesk", "answer", str(asked["number"]), "--text", ANSWER)
    changed = f"own {uuid4()}"
    payer.client.change_password(payer.password, changed)
    payer.password = changed
    return address


def _use_what_arrived(town: Town, residents: dict[str, Resident], address: str) -> None:
    starting = residents["starting"]
    code = code_in(town.mailbox.wait(starting.email, ABOUT_CODE))
    expect_refusal(
        "wrong_code",
        lambda: starting.client.confirm_registration(starting.registration_id, other_code(code)),
    )
    starting.confirm()
    starting.move_in()
    residents["confirming"].move_in()

    forgetful = residents["forgetful"]
    letter = town.mailbox.wait(forgetful.email, "восстановления пароля")
    new = f"own {uuid4()}"
    body = {"token": token_in(letter, "/recover/"), "new_password": new}
    forgetful.client.call("POST", "/password-resets/confirm", body, key=str(uuid4()))
    forgetful.client.sign_in(forgetful.email, new)

    moving = residents["moving"]
    for side, mailbox in (("new", address), ("old", moving.email)):
        letter = town.mailbox.wait(mailbox, "Подтвердите")
        body = {"token": token_in(letter, f"/email/{side}/")}
        moving.client.call("POST", "/email-changes/confirm", body, key=str(uuid4()))
    moving.client.sign_in(address, moving.password)

    assert town.mailbox.wait(residents["holder"].email, "добавлен в другой", HELD)
    payer = residents["payer"].email
    for about in ("Квитанция", "не прошёл", "принят", "Ответ на Ваш вопрос", "Пароль"):
        assert town.mailbox.wait(payer, about)
    for letter in [*town.mailbox.letters_to(payer), *town.mailbox.letters_to(DEPARTMENT_MAILBOX)]:
        assert QUESTION not in letter.text
        assert ANSWER not in letter.text


def test_letter_that_came_back_is_shown_and_sent_again(town: Town) -> None:
    resident = Resident(town, "full")
    resident.register()
    resident.confirm()
    resident.move_in()
    eventually(lambda: town.count(WAITING) == 0, "all that went before is sent")
    assert resident.client.call("GET", "/me/letters")["bounced_since"] is None

    town.mail_server(bounce=True, only_to=resident.email)
    resident.client.ask("charges", QUESTION)

    def bounced() -> list[str]:
        letters = resident.client.call("GET", "/me/letters")["letters"]
        return [one["kind"] for one in letters if one["state"] == "bounced"]

    kind = "question_accepted"
    eventually(lambda: kind in bounced(), "the report is read", 60)
    assert resident.client.call("GET", "/me/letters")["bounced_since"] is not None

    town.mail_server(bounce=False, only_to="")
    [letter_id] = [
        row["letter_id"]
        for row in town.rows(LETTERS)
        if (row["kind"], row["state"]) == (kind, "bounced")
    ]
    saldo("notifications", "resend", letter_id, "--reason", "the mailbox is there again")
    assert town.mailbox.wait(resident.email, "Ваш вопрос", seconds=60)
    eventually(lambda: kind not in bounced(), "it is sent")
