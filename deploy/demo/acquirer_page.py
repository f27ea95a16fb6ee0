"""The payer on the acquirer's pages: a browser reduced to forms and redirects."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

from deploy.demo.client import OVERLOADED, PAUSE_SECONDS, TIMEOUTS, OutageError

PAYS = "4111 1111 1111 1111"
DECLINED = "4000 0000 0000 0002"
ASKS_FOR_CODE = "4000 0000 0000 3220"
EXPIRY, CVC, CODE = "12/49", "123", "123456"
MOST_PAGES = 10


class PageError(Exception):
    """A page is not the one that a payer expects; the text says why."""


@dataclass
class Form:
    """A form of a page: its target, and its fields with their values."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)


class Payer:
    """A person with a card and a browser.

    `patience`: for how many seconds a request is retried during an outage. Submitting again is
    harmless: an order that is charged redirects back, as one does that was closed meanwhile.
    `entered` tells whether a card was entered at all.
    """

    def __init__(self, *, patience: float = 0.0) -> None:
        self.patience = patience
        self.repeats = 0
        self.entered = False
        self._http = requests.Session()
        self._http.trust_env = False

    def close(self) -> None:
        self._http.close()

    def pay(self, page_url: str, card: str = PAYS) -> str:
        """Enter a card and follow the acquirer's pages; return the URL back to the merchant.

        Raises PageError when a page has no such form or refuses the input, OutageError when there
        is no response.
        """
        answers = {"card_number": card, "expiry": EXPIRY, "cvc": CVC, "code": CODE}
        response, url = self._request("get", page_url), page_url
        for _ in range(MOST_PAGES):
            if response.status_code in {302, 303}:
                target = urljoin(url, response.headers["Location"])
                if not _same_site(target, page_url):
                    return target
                response, url = self._request("get", target), target
                continue
            if response.status_code != 200:
                raise PageError(f"{url} answered {response.status_code}")
            form = read_form(response.text)
            filled = {name: answers.get(name, value) for name, value in form.fields.items()}
            if form.method != "post" or not filled.keys() & answers.keys():
                raise PageError(f"{url} has no form in which a card or a code is entered")
            url = urljoin(url, form.action)
            self.entered = True
            response = self._request("post", url, filled)
        raise PageError(f"{page_url} leads from page to page without an end")

    def come_back(self, url: str) -> int:
        """Open the URL back to the merchant; return the status of the page where it ends.

        A payer who is not signed in there is led to the log-in first.
        """
        response = self._request("get", url)
        for _ in range(MOST_PAGES):
            if response.status_code not in {302, 303}:
                break
            target = urljoin(url, response.headers["Location"])
            if not _same_site(target, url):
                break
            response, url = self._request("get", target), target
        return response.status_code

    def _request(
        self, method: str, url: str, form: dict[str, str] | None = None
    ) -> requests.Response:
        ends = time.monotonic() + self.patience
        while True:
            try:
                response = self._http.request(
                    method, url, data=form, timeout=TIMEOUTS, allow_redirects=False
                )
            except (requests.ConnectionError, requests.Timeout) as error:
                if time.monotonic() >= ends:
                    raise OutageError(f"no answer from {url} ({type(error).__name__})") from error
            else:
                if response.status_code not in OVERLOADED or time.monotonic() >= ends:
                    return response
            self.repeats += 1
            time.sleep(PAUSE_SECONDS)


def read_form(page: str) -> Form:
    """Return the first form of a page; raise PageError when there is none."""
    reader = _FormReader()
    reader.feed(page)
    if reader.form is None:
        raise PageError("the page has no form")
    return reader.form


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and self.form is None:
            self.form = Form(values.get("action", ""), values.get("method", "get").lower())
            self._inside = True
        elif tag == "input" and self._inside and self.form and values.get("name"):
            self.form.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"


def _same_site(url: str, other: str) -> bool:
    return url.split("/")[:3] == other.split("/")[:3]
