"""A hostile client: it speaks plain HTTP, and sends what no browser would."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import requests

from deploy.demo.person import Person

SECONDS = 30


class PlainClient:
    """A person without a browser, signed in where one is named.

    The cookies are those that the site has set.
    """

    def __init__(self, url: str, person: Person | None = None, language: str = "ru") -> None:
        self.url = url
        self.cookies: dict[str, str] = {}
        self._language = language
        if person is not None:
            self._log_in(person)

    def _log_in(self, person: Person) -> None:
        fields = self.form("/", "/login")
        fields |= {"email": person.email, "password": person.own_password}
        assert self.post("/login", fields).headers["Location"] == "/accounts"

    def get(self, path: str) -> requests.Response:
        """Open an address."""
        return self._send("GET", path)

    def post(
        self, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a form as from a page of the site, unless the headers say otherwise."""
        return self._send("POST", path, data=body, headers={"Origin": self.url, **(headers or {})})

    def form(self, path: str, action: str) -> dict[str, str]:
        """Return the fields of a form on a page, as they would be sent."""
        return self.forms(path)[action]

    def forms(self, path: str) -> dict[str, dict[str, str]]:
        """Return the fields of all forms on a page, by their actions."""
        return read_forms(self.get(path).text)

    def _send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> requests.Response:
        # A session for each request: clients are used by several threads.
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(
                method,
                self.url + path,
                cookies=self.cookies,
                headers={"Accept-Language": self._language, **(headers or {})},
                allow_redirects=False,
                timeout=SECONDS,
                **options,
            )
        for cookie in response.cookies:
            self.cookies[cookie.name] = cookie.value or ""
        return response


def read_forms(html: str) -> dict[str, dict[str, str]]:
    """Return the fields of all forms of a page, by their actions."""
    reader = _FormsReader()
    reader.feed(html)
    return reader.forms


def heading_of(response: requests.Response) -> str:
    """Return the heading of a page."""
    return response.text.partition("<h1>")[2].partition("</h1>")[0]


class _FormsReader(HTMLParser):
    """Collects the inputs of each form by the form's action."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self._open: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = self.forms.setdefault(values.get("action", ""), {})
        elif values.get("type") in {"radio", "checkbox"} and "checked" not in values:
            return
        elif tag == "input" and self._open is not None and "name" in values:
            self._open[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
