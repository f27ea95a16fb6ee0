"""A browser without a network: cookies, forms of a page, and what a reader finds on it."""

from __future__ import annotations

import gzip
import re
from html.parser import HTMLParser
from typing import Any

from werkzeug.test import Client, TestResponse

from gateway.cabinet import cookies
from shared.config import Settings

SETTINGS = Settings(
    amqp_url="amqp://localhost", secret=bytes(range(32)), url="http://localhost:18080"
)
ORIGIN = "http://localhost"
TOKEN = "token-of-the-session"


class Html(HTMLParser):
    """The content of a page: its texts, and its fields by name."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.fields: dict[str, str] = {}
        self.links: list[str] = []
        self._silent = 0
        self._area = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag in ("script", "style"):
            self._silent += 1
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "textarea":
            self._area = found["name"]
            self.fields[self._area] = ""
        if tag == "input" and "name" in found:
            unticked = found.get("type") in ("radio", "checkbox") and "checked" not in found
            if not unticked:
                self.fields[found["name"]] = found.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._silent -= 1
        if tag == "textarea":
            # As a browser does.
            self.fields[self._area] = self.fields[self._area].removeprefix("\n")
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.fields[self._area] += data
        if not self._silent and data.strip():
            self.texts.append(" ".join(data.split()))


class Shown:
    """A response, read as a page."""

    def __init__(self, response: TestResponse) -> None:
        self.response = response
        self.status = response.status_code
        self.headers = response.headers
        body = response.get_data()
        if response.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.markup = body.decode()
        html = Html(self.markup)
        self.text = " ".join(html.texts).replace("\u00a0", " ")
        self.fields, self.links = html.fields, html.links

    @property
    def title(self) -> str:
        found = re.search(r"<title>(.*?)</title>", self.markup, re.DOTALL)
        return " ".join(found[1].split()) if found else ""

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


class CabinetBrowser:
    """Keeps cookies, and sends forms as a browser does: from our own origin, with their tokens."""

    def __init__(self, application: Any, keep: Any) -> None:
        self.client = Client(application)
        self._keep = keep

    def sign_in(self, token: str = TOKEN) -> None:
        """Hold a session, as after a log-in."""
        self.client.set_cookie(cookies.SESSION, token, secure=True)

    def get(self, path: str, **headers: str) -> Shown:
        return self._send("GET", path, None, headers)

    def post(
        self, path: str, fields: dict[str, str] | bytes, kind: str = "", **headers: str
    ) -> Shown:
        """Post fields as they are, or a body of a kind: no token is added."""
        typed = {"Content-Type": kind} if kind else {}
        return self._send("POST", path, fields, {"Origin": ORIGIN, **typed, **headers})

    def submit(self, shown_at: str, action: str, **typed: str) -> Shown:
        """Open a page, fill in its fields, and post them to an address."""
        fields = self.get(shown_at).fields
        return self.post(action, {**fields, **typed})

    def _send(self, method: str, path: str, fields: Any, headers: dict[str, str]) -> Shown:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.client.open(
            path,
            method=method,
            data=fields,
            headers={"Accept-Language": "ru", **given},
            base_url="https://localhost" if "https" in given else "http://localhost",
            environ_base={"REMOTE_ADDR": "127.0.0.1"},
        )
        return Shown(response)
