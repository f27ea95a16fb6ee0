"""Every page of the cabinet, and an address at which the tests visit it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_urlsafe
from uuid import uuid4

from deploy.demo.acquirer_page import DECLINED, Payer
from deploy.demo.client import CabinetClient, PaymentLine
from deploy.demo.journey import wait_until_completed
from deploy.demo.person import Journey
from tests.browser.bank import Bank
from tests.browser.instruction import answer_as_staff
from tests.browser.site import Site
from tests.sample_files import PDF_BYTES
from tests.waiting import eventually

ADDRESSES: Mapping[str, str] = {
    "/": "/?next=/pay",
    "/log-in/passkey": "/log-in/passkey",
    "/log-in/second/<uuid:challenge_id>": "/log-in/second/{registration}",
    "/register": "/register",
    "/register/<uuid:registration_id>": "/register/{registration}",
    "/register/<uuid:registration_id>/email": "/register/{registration}/email",
    "/register/<uuid:registration_id>/done": "/register/{registration}/done",
    "/log-in/<token:token>": "/log-in/{token}",
    "/recover": "/recover",
    "/settings/letters": "/settings/letters",
    "/letters/unsubscribe/<token:link>": "/letters/unsubscribe/{token}",
    "/settings/email": "/settings/email",
    "/settings/email/without-old": "/settings/email/without-old",
    "/email/<any(new,old):side>/<token:token>": "/email/old/{token}",
    "/email/done": "/email/done",
    "/recover/sent": "/recover/sent",
    "/recover/<token:token>": "/recover/{token}",
    "/documents/<any(rules,consent,instruction):kind>": "/documents/instruction",
    "/acceptance": "/acceptance",
    "/look": "/look",
    "/glossary": "/glossary",
    "/accessibility": "/accessibility",
    "/status": "/status",
    "/trust": "/trust",
    "/verify": "/verify",
    "/problems": "/problems",
    "/problems/<code>": "/problems/wrong_code",
    "/api/docs": "/api/docs",
    "/api/docs/<operation>": "/api/docs/bill",
    "/api/start": "/api/start",
    "/api/events": "/api/events",
    "/api/events/<owner>": "/api/events/ledger",
    "/password": "/password",
    "/accounts": "/accounts",
    "/accounts/link": "/accounts/link",
    "/accounts/<number>": "/accounts/{account}",
    "/accounts/<number>/unlink": "/accounts/{account}/unlink",
    "/accounts/<number>/access": "/accounts/{account}/access",
    "/invitations/<token:token>": "/invitations/{invitation}",
    "/accounts/<number>/penalty": "/accounts/{account}/penalty?on=31.12.2026",
    "/accounts/<number>/bills/<period>": "/accounts/{account}/bills/2026-10",
    "/accounts/<number>/statement": "/accounts/{account}/statement?from=01.05.2026",
    "/accounts/<number>/certificate": "/accounts/{account}/certificate",
    "/charges": "/charges?account={account}&open=all",
    "/charges/<number>/<period>": "/charges/{account}/2026-10",
    "/pay": "/pay",
    "/pay/check": "/pay/check?order={order}",
    "/payments": "/payments?open=all",
    "/payments/<uuid:payment_id>": "/payments/{open}",
    "/payments/<uuid:payment_id>/fiscal": "/payments/{paid}/fiscal",
    "/payments/<uuid:payment_id>/go": "/payments/{paid}/go",
    "/payments/<uuid:payment_id>/receipt": "/payments/{paid}/receipt",
    "/questions": "/questions",
    "/questions/new": "/questions/new",
    "/questions/<uuid:question_id>": "/questions/{question}",
    "/settings": "/settings",
    "/settings/confirm": "/settings/confirm",
    "/settings/data": "/settings/data",
    "/settings/sessions": "/settings/sessions",
    "/settings/security": "/settings/security",
    "/settings/security/required": "/settings/security/required",
    "/settings/security/passkeys": "/settings/security/passkeys",
    "/settings/security/passkeys/new/<uuid:challenge_id>": (
        "/settings/security/passkeys/new/{registration}"
    ),
    "/settings/security/passkeys/<uuid:passkey_id>/remove": (
        "/settings/security/passkeys/{registration}/remove"
    ),
    "/settings/security/totp": "/settings/security/totp",
    "/settings/security/totp/<uuid:challenge_id>": "/settings/security/totp/{registration}",
    "/settings/security/totp/off": "/settings/security/totp/off",
    "/settings/security/recovery-codes": "/settings/security/recovery-codes",
}
"""By the path of the page; a test fails while a page is missing here.

/settings/confirm and /settings/security/required send the resident on: test_second_factor.py and
test_registration.py examine them.
"""

OTHERS = (
    "/charges",
    "/accounts/{account}?on=15.06.2026",
    "/accounts/{account}/certificate?on=01.01.2025",
    "/payments?account={account}&year=2026",
    "/payments?year=2022",
    "/payments?state=returned",
    "/payments/{returned}",
    "/payments/{returned}/receipt",
    "/questions/new?line={account}.2026-10.heating",
    "/payments/{paid}",
    "/payments/{declined}",
    "/payments/{open}/receipt",
    "/payments/{open}/fiscal",
    "/documents/rules",
    "/documents/consent",
    "/api/docs/start_payment",
    "/nowhere",
)
"""More addresses of the same pages, where they look otherwise; and the page of the lost."""

WITHOUT_LOG_IN = frozenset({"/", "/register", "/recover"})
"""Pages that are looked at before the log-in; the first one sends on whoever is signed in."""


@dataclass(frozen=True)
class Resident:
    """A person of the cabinet with something on every page."""

    journey: Journey
    facts: Mapping[str, str]

    def at(self, address: str) -> str:
        """Return an address with the numbers and ids of this person."""
        return address.format_map(self.facts)


def new_resident(site: Site, first: str, second: str) -> Resident:
    """Register a person with two accounts, four payments, and a question with its answer."""
    journey = site.new_person(first, second)
    client = journey.client
    file = client.send_file(PDF_BYTES)["attachment_id"]
    asked = client.ask("charges", "Почему больше?", first, [file])
    answer_as_staff(site, str(asked["number"]))
    # Else the tabs would count the answer until one of the tests opens it.
    read = {"messages": len(client.question(asked["question_id"])["messages"])}
    client.call("PUT", f"/questions/{asked['question_id']}/read", read)
    paid = start(client, first)
    Payer().pay(paid["redirect_url"])
    wait_until_completed(client, paid["payment_id"])
    returned = start(client, first)
    Payer().pay(returned["redirect_url"])
    wait_until_completed(client, returned["payment_id"])
    Bank(site).refund(returned["payment_id"], 3_00)
    eventually(
        lambda: client.payment(returned["payment_id"], refresh=True)["refunded"] == 3_00,
        "a refund at the bank",
    )
    declined = start(client, first)
    Payer().pay(declined["redirect_url"], DECLINED)
    client.payment(declined["payment_id"], refresh=True)
    facts = {
        "account": first,
        "second": second,
        "registration": str(uuid4()),
        "token": token_urlsafe(32),
        "invitation": invite(journey, first),
        "question": str(asked["question_id"]),
        "file": str(file),
        "paid": str(paid["payment_id"]),
        "returned": str(returned["payment_id"]),
        "declined": str(declined["payment_id"]),
        "open": str(start(client, second)["payment_id"]),
    }
    return Resident(journey, facts)


def invite(journey: Journey, number: str, role: str = "viewer") -> str:
    """Invite somebody to an account; return the token of the letter's link."""
    guest = f"guest-{uuid4().hex[:12]}@example.org"
    journey.client.invite(number, guest, role)
    letter = journey.mailbox.wait(guest, "Вас приглашают к лицевому счёту")
    found = re.search(r"/invitations/(\S+)", letter.text)
    assert found
    return found[1]


def start(client: CabinetClient, number: str) -> dict[str, str]:
    """Start a payment of ten roubles."""
    return client.start_payment([PaymentLine(number, 10_00)], str(uuid4()))
