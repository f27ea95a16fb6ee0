"""Pages of a gateway whose clock is wrong: what they say of the present goes by the services'.

The database of all services has the right time here; the clock of the gateway's machine is off.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cabinet_doubles import SETTINGS, CabinetBrowser
from cabinet_person import CabinetPerson, due_line, history_of, main_of, owe, payment
from gateway_doubles import PERSON, THING, Browser, FakeServices
from test_cabinet_accounts import MONTH, TOTALS, bills

from gateway.cabinet.sealing import Sealer
from shared import clock as machine
from shared.config import SERVICES
from shared.distant_clock import uptime
from shared.errors import Forbidden

GO = f"/payments/{THING}/go"
CODES_PAGE = "/settings/security/recovery-codes"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
APART = pytest.mark.parametrize("minutes", [10, -10, 300, -300])
"""By how much the clock of the gateway is ahead."""


class Gateways:
    """Gateways whose machines have clocks of their own, before the same services."""

    def __init__(self, services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
        self._services = services
        self._patch = monkeypatch
        self.now = datetime.now(UTC)
        """The time of the services."""

    def go_on(self, minutes: float) -> None:
        """Have a gateway whose clock is ahead, which the services have answered just now."""
        wrong = self.now + minutes * MINUTE
        self._patch.setattr(machine, "wall_time", lambda: wrong)
        for service in SERVICES:
            self._services.clocks.learn(service, self.now.isoformat(), uptime(), uptime())


@pytest.fixture
def gateways(services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> Gateways:
    return Gateways(services, monkeypatch)


def created(services: FakeServices, at: datetime, **changes: Any) -> None:
    found = payment("created", created_at=at.isoformat(), **changes)
    services.answers["payments", "payment"] = found
    services.answers["payments", "history"] = history_of(found)


@APART
def test_the_way_to_the_bank_waits_for_a_minute_of_the_payment(
    gateways: Gateways, person: CabinetPerson, services: FakeServices, minutes: float
) -> None:
    gateways.go_on(minutes)
    created(services, gateways.now - 5 * SECOND)
    waiting = person.get(GO)
    assert waiting.headers["Refresh"] == "2"
    assert "Открываем страницу банка…" in main_of(waiting.text)
    created(services, gateways.now - MINUTE - SECOND)
    over = person.get(GO)
    assert "Refresh" not in over.headers
    assert "Банк пока не отвечает" in main_of(over.text)


@APART
@pytest.mark.parametrize(
    ("language", "words"), [("ru", "Открываем страницу банка…"), ("en", "Opening the bank’s page…")]
)
def test_the_way_says_the_same_when_the_payer_comes_back_to_it(
    gateways: Gateways,
    browser: Browser,
    services: FakeServices,
    minutes: float,
    language: str,
    words: str,
) -> None:
    """By the browser's «back», or by another gateway, each with its clock."""
    person = CabinetPerson(browser, language=language)
    created(services, gateways.now - 5 * SECOND)
    for off_by in (0.0, minutes, -minutes):
        gateways.go_on(off_by)
        assert words in main_of(person.get(GO).text).replace("'", "’")


@APART
def test_notice_of_one_gateway_is_shown_by_another_and_ends_in_time(
    gateways: Gateways, cabinet: CabinetBrowser, services: FakeServices, own_pages: None,
    minutes: float,
) -> None:  # fmt: skip
    services.answers["identity", "sign_out"] = {}
    for age, shown in ((SECOND, True), (3 * MINUTE, False)):
        cabinet.sign_in()
        gateways.go_on(0)
        sealed = Sealer(SETTINGS, services.clocks.of_gateways).seal("notice", "Сохранено.")
        cabinet.client.set_cookie("__Host-notice", sealed, secure=True)
        gateways.now += age
        gateways.go_on(minutes)
        assert ("Сохранено." in cabinet.get("/settings").text) is shown


@APART
def test_recovery_codes_of_one_gateway_are_shown_by_another(
    gateways: Gateways, cabinet: CabinetBrowser, services: FakeServices, minutes: float
) -> None:
    services.answers["identity", "second_factors"] = {
        "passkeys": [], "totp": None, "recovery_codes": None,
    }  # fmt: skip
    services.answers["identity", "issue_recovery_codes"] = {"codes": ["one-time-code"]}
    cabinet.sign_in()
    gateways.go_on(0)
    cabinet.submit(CODES_PAGE, CODES_PAGE, current_password="p")
    gateways.now += MINUTE
    gateways.go_on(minutes)
    assert "one-time-code" in cabinet.get(CODES_PAGE).text
    gateways.now += timedelta(days=1)
    gateways.go_on(-minutes)
    assert "one-time-code" not in cabinet.get(CODES_PAGE).text


@APART
def test_form_that_waited_for_a_log_in_is_not_lost(
    gateways: Gateways, services: FakeServices, minutes: float
) -> None:
    gateways.go_on(minutes)
    sealed = Sealer(SETTINGS, services.clocks.of_gateways).seal("kept", {"person": PERSON})
    gateways.now += 50 * MINUTE
    gateways.go_on(-minutes)
    sealer = Sealer(SETTINGS, services.clocks.of_gateways)
    assert sealer.unseal("kept", sealed, seconds=3600) == {"person": PERSON}


@APART
def test_the_time_from_which_to_try_again_is_that_of_the_services(
    gateways: Gateways, person: CabinetPerson, services: FakeServices, minutes: float
) -> None:
    gateways.go_on(minutes)
    services.answers["accounts", "linked"] = Forbidden(
        "too_many_attempts", "x", policy="p", limit=1, window_seconds=900, retry_after_seconds=600
    )
    zone = ZoneInfo(SETTINGS.timezone)
    page = main_of(person.get("/accounts").text)
    expected = {
        f"{gateways.now.astimezone(zone) + 10 * MINUTE + more:%H:%M}" for more in (SECOND, MINUTE)
    }
    assert any(f"Можно повторить после {time}" in page for time in expected)


@pytest.mark.parametrize(
    ("minutes", "words"), [(10, "до 30 ноября"), (-10, "срок прошёл 30 ноября")]
)
def test_due_day_has_passed_when_the_ledger_says_so(
    gateways: Gateways, person: CabinetPerson, services: FakeServices, minutes: int, words: str
) -> None:
    """Five minutes before midnight for a clock that is ahead, and after it for one behind."""
    midnight = datetime(2026, 12, 1, tzinfo=ZoneInfo(SETTINGS.timezone)).astimezone(UTC)
    gateways.now = midnight - minutes / 2 * MINUTE
    gateways.go_on(minutes)
    owe(services, due_line())
    bills(services, {**MONTH, "due_on": "2026-11-30"})
    services.answers["payments", "history"] = history_of()
    assert words in main_of(person.get("/accounts").text)


@pytest.mark.parametrize(("minutes", "last_day"), [(10, "2026-11-30"), (-10, "2026-12-01")])
def test_statement_ends_today_by_the_ledger(
    gateways: Gateways, browser: Browser, services: FakeServices, minutes: int, last_day: str
) -> None:
    midnight = datetime(2026, 12, 1, tzinfo=ZoneInfo(SETTINGS.timezone)).astimezone(UTC)
    gateways.now = midnight - minutes / 2 * MINUTE
    gateways.go_on(minutes)
    owe(services, due_line())
    services.answers["ledger", "statements_between"] = lambda numbers, **_: {
        "accounts": [{"number": one, "movements": [], "totals": TOTALS} for one in numbers],
        "next": None,
    }
    assert browser("GET", "/api/v1/statement").json["to"] == last_day


def test_page_for_print_says_the_time_of_the_services(
    gateways: Gateways, person: CabinetPerson, services: FakeServices, own_pages: None
) -> None:
    gateways.now = datetime(2026, 11, 30, 9, 15, tzinfo=UTC)
    gateways.go_on(10)
    assert "Данные на 30 ноября 2026, 12:15" in person.get("/settings").text.replace("\u00a0", " ")
