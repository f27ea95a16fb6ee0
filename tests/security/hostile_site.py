"""One real installation for all hostile actors: a victim, an attacker, and an honest load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from deploy.demo import reconciliation
from deploy.demo.acquirer_page import Payer
from deploy.demo.client import CabinetClient, PaymentLine
from deploy.demo.company import demo_accounts
from deploy.demo.journey import register, set_up_cabinet, wait_until_completed
from deploy.demo.letters import Mailbox
from deploy.demo.loop import Place, Record, run_loop
from deploy.demo.person import Journey, Person
from deploy.demo.report import Report
from deploy.embedded.installation import Installation
from shared.config import Settings
from tests.demo_installation import demo_installation
from tests.faults.checker.check import check
from tests.waiting import eventually

OWN = {"victim": "0100000017", "attacker": "0100000018"}
LOAD_SECONDS = 3600.0  # at most: the tests end it
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
    b"\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xdc\xccY\xe7"
    b"\x00\x00\x00\x00IEND\xaeB`\x82"
)


class Resident:
    """A person with an account, a completed payment, a question, a file, and a session."""

    def __init__(self, url: str, mailbox: Mailbox, number: str) -> None:
        journey = Journey(CabinetClient(url, patience=30), Report(), mailbox, [])
        register(journey)
        set_up_cabinet(journey)
        self.person: Person = journey.person
        self.client, self.number = journey.client, number
        proofs = {account.number: account.proof for account in demo_accounts()}
        self.client.link(number, proofs[number])
        self.key = str(uuid4())
        paid = self.client.start_payment([PaymentLine(number, 10_00)], self.key)
        Payer().pay(paid["redirect_url"])
        self.payment_id = str(paid["payment_id"])
        wait_until_completed(self.client, paid["payment_id"])
        self.question_id = str(self.client.ask("charges", "Почему больше?", number)["question_id"])
        self.attachment_id = str(self.client.send_file(PNG)["attachment_id"])

    @property
    def token(self) -> str:
        return str(self.client.token)


@dataclass
class Site:
    """What an actor attacks, and what is looked at afterwards."""

    installation: Installation
    settings: Settings
    victim: Resident
    attacker: Resident
    record: Record
    load: threading.Thread
    mailbox: Mailbox
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return self.installation.environment["SALDO_URL"]

    def send(self, method: str, path: str, token: str | None = None, **how: Any) -> Any:
        """Send a request as it is; nothing is followed, repeated or judged."""
        headers = dict(how.pop("headers", {}))
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token}")
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method,
                self.url + path,
                headers=headers,
                timeout=60,
                allow_redirects=False,
                **how,
            )

    def logs(self) -> str:
        """Return what all processes have logged."""
        root = self.installation.state.root / "log"
        return "".join(path.read_text("utf-8", "replace") for path in sorted(root.glob("*")))

    def honest_payments(self) -> int:
        return sum(belief.state == "completed" for belief in self.record.beliefs)

    def goes_on(self) -> None:
        """Wait until one more honest payment is completed: nobody was held up for long."""
        before = self.honest_payments()
        eventually(
            lambda: self.honest_payments() > before or not self.load.is_alive(),
            "an honest person pays beside it",
            90.0,
        )
        assert self.load.is_alive(), "the honest load has ended"


@contextmanager
def attacked_site(settings: Settings, folder: Path) -> Iterator[Site]:
    """Run an installation with a victim, an attacker, and an honest person who pays in a loop."""
    with demo_installation(settings, folder) as running:
        environment = running.environment
        url, mail = environment["SALDO_URL"], Path(environment["SALDO_MAIL_DIR"])
        candidates = [each for each in demo_accounts() if each.number not in OWN.values()]
        stopped = threading.Event()
        with (folder / "beliefs.jsonl").open("w", encoding="utf-8") as file:
            record = Record(file)
            load = threading.Thread(
                target=run_loop,
                args=(Place(url, mail, candidates), record, LOAD_SECONDS, 1, stopped),
            )
            people = {who: Resident(url, Mailbox(mail), number) for who, number in OWN.items()}
            load.start()
            try:
                yield Site(
                    running,
                    settings,
                    **people,
                    record=record,
                    load=load,
                    mailbox=Mailbox(mail),
                    stopped=stopped,
                )
            finally:
                stopped.set()
                load.join(timeout=120)


def differences(site: Site) -> list[str]:
    """Return what does not agree once the honest load has ended: nothing, whoever attacked."""
    site.stopped.set()
    site.load.join(timeout=120)
    environment = site.installation.environment
    urls = reconciliation.acquirer_urls(environment)

    def look() -> reconciliation.Snapshot:
        return reconciliation.take_snapshot(environment["SALDO_DATABASE_URL"], urls)

    def judge(snapshot: reconciliation.Snapshot) -> list[str]:
        # Books, postings, balances with the audit, the seal, and letters. What the attacker has
        # left open at the bank may stay so for a while.
        found = check(environment, None, only=("I1", "I3", "I4", "I5", "I7"))
        return [*reconciliation.compare(snapshot), *map(str, found)]

    # The last payment may be on its way still, and its fiscal receipt.
    snapshot, found = reconciliation.wait_for_agreement(look, 60.0, judge)
    return [
        *found,
        *reconciliation.compare_beliefs(site.record.beliefs, snapshot),
        *reconciliation.parked_messages(environment["SALDO_DATABASE_URL"]),
    ]
