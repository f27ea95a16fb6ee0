"""The installation under test, and the browsers of the persons who visit it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser

from deploy.demo.client import CabinetClient
from deploy.demo.company import DemoAccount, demo_accounts
from deploy.demo.journey import register, set_up_cabinet
from deploy.demo.letters import Mailbox
from deploy.demo.person import Journey
from deploy.demo.report import Report
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT, REPOSITORY
from services.staff_administration import StaffAdministration
from services.staff_environment import signed_in
from shared.bus.principals import Principal
from shared.config import Settings
from tests.browser.visitor import Visitor
from tests.staff_logins import PASSWORD, staff_name


class Site:
    """The addresses of an installation, its letters, and its staff commands."""

    def __init__(self, environment: Mapping[str, str], settings: Settings) -> None:
        self.settings = settings
        self.environment = dict(environment)
        self.url = environment["SALDO_URL"]
        self.acquirer_url = environment["SALDO_ACQUIRER_URL"]
        self.mailbox = Mailbox(Path(environment["SALDO_MAIL_DIR"]))
        self.accounts = demo_accounts()

    def account(self, number: str) -> DemoAccount:
        """Return an account of the demo company."""
        return next(account for account in self.accounts if account.number == number)

    def client(self) -> CabinetClient:
        """Return a client of the API: for what a test only needs to be there."""
        return CabinetClient(self.url)

    def new_person(self, *numbers: str) -> Journey:
        """Register a person by the API and link accounts; the password is her own already."""
        journey = Journey(self.client(), Report(), self.mailbox, [])
        register(journey)
        set_up_cabinet(journey)
        for number in numbers:
            journey.client.link(number, self.account(number).proof)
        return journey

    def new_contract(self, number: str) -> str:
        """Import a contract that no other test links, and return its control code."""
        code = "NEWC-CODE"
        columns = "number;address;holder;payer_kind;residents;control_code"
        address = f"г. Дальний, ул. Новая, д. 1, кв. {number[-2:]}"
        row = f"{number};{address};Новосёлов Н. Н.;household;1;{code}"
        with TemporaryDirectory() as folder:
            path = Path(folder, "contracts.csv")
            path.write_text(f"{columns}\n{row}\n", "utf-8")
            self.saldo("accounts", "import", str(path), "--reason", "a new house")
        return code

    @contextmanager
    def published(self, kind: str, text: str) -> Iterator[str]:
        """Publish a version of a document, and withdraw it again; yields the version."""
        version = "2026-11-29"
        path = Path(self.environment["SALDO_DOCUMENTS"]) / f"{kind}-{version}.md"
        path.write_text(text, "utf-8")
        try:
            yield version
        finally:
            path.unlink()

    @contextmanager
    def approver(self) -> Iterator[str]:
        """Let a second person approve what staff propose; yields the URL of her terminal."""
        name, administration = staff_name("approver"), StaffAdministration(self.settings)
        administration.add(name, ["approver"], PASSWORD, "tests")
        try:
            user = Principal("staff", name).user
            yield signed_in(self.settings.amqp_url, user, PASSWORD)
        finally:
            administration.remove(name, "tests")

    def saldo(self, *arguments: str, amqp_url: str = "") -> str:
        """Run a staff command and return its output; `amqp_url`: the terminal of somebody else."""
        terminal = {"SALDO_STAFF_AMQP_URL": amqp_url} if amqp_url else {}
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            cwd=REPOSITORY,
            env=PLAIN_ENVIRONMENT | self.environment | terminal,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class Visitors:
    """The browsers of one test."""

    def __init__(self, chromium: Browser, site: Site, screenshots: Path) -> None:
        self._chromium = chromium
        self._site = site
        self._screenshots = screenshots
        self._opened: list[Visitor] = []

    def open(
        self, name: str, *, kind: type[Visitor] = Visitor, url: str = "", **how: Any
    ) -> Visitor:
        """Open a browser of its own, without cookies; `how` are the options of Visitor.

        `url`: another address of the site.
        """
        folder = self._screenshots / name
        origins = (url or self._site.url, self._site.acquirer_url)
        visitor = kind(self._chromium, origins, folder, **how)
        self._opened.append(visitor)
        return visitor

    def close(self) -> None:
        """Close all browsers."""
        for visitor in self._opened:
            visitor.context.close()

    def findings(self) -> list[str]:
        """Return what the visitors noticed."""
        return [finding for visitor in self._opened for finding in visitor.findings]
