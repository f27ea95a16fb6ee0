"""One installation and one Chromium for all tests of this folder that a worker runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from deploy.demo.demo_person import Card, make_demo_person
from deploy.demo.report import Report
from deploy.embedded.install import find_browser
from shared.config import Settings
from tests.browser.site import Site, Visitors
from tests.conftest import fresh_database, sweep_bus
from tests.demo_installation import demo_installation

SETTINGS = {
    # One bank: where an order goes to another one, this one does not know what was charged.
    "SALDO_ACQUIRERS": "main=rbs",
    # Organisations meet the page that has them set a second factor up.
    "SALDO_SECOND_FACTOR": "organisation",
}
SCREENSHOTS = Path(__file__).resolve().parents[2] / ".saldo" / "screenshots"


@pytest.fixture(scope="package")
def site(
    base_settings: Settings,
    template: tuple[Settings, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Run a complete installation; it starts once on each worker."""
    sweep_bus(base_settings.amqp_url)
    folder = tmp_path_factory.mktemp("browser") / "saldo"
    with (
        fresh_database(base_settings, template) as database,
        demo_installation(database.settings, folder, **SETTINGS) as installation,
    ):
        yield Site(installation.environment, database.settings)


@pytest.fixture(scope="package")
def demo_person(site: Site) -> Card:
    """The ready demo person; there is one, because a second would find the bills paid already."""
    return make_demo_person(site.client(), Report(), site.mailbox, site.accounts)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; playwright downloads nothing."""
    program = find_browser()
    if program is None:
        pytest.fail("there is no Chromium: make browser installs it")
    with sync_playwright() as playwright:
        # Root has no sandbox; the pages are our own.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visitors(chromium: Browser, site: Site) -> Iterator[Visitors]:
    """Open browsers of persons; at the end nothing that they noticed may be left."""
    opened = Visitors(chromium, site, SCREENSHOTS)
    yield opened
    opened.close()
    assert not opened.findings(), "\n".join(opened.findings())
