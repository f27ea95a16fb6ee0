"""The mailbox as web pages: a list of letters, and each letter as text. All input is escaped.

For scripts: ``/letters?to=<address>`` has the letters to an address as plain text, newest first;
``/admin/faults`` shows the faults in force (GET), changes some (PUT) or clears all (DELETE).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from deploy.doubles.fault_switch import InvalidFaultError
from deploy.doubles.mailcatcher.faults import FaultSwitch
from deploy.doubles.mailcatcher.letters import Letters, text_of

_PAGE = """<!doctype html>
<html lang="ru"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem;
        padding: 0 1rem; color: #1b1f24 }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #d0d7de }}
pre {{ white-space: pre-wrap; font: inherit; border-top: 1px solid #d0d7de; padding-top: 1rem }}
</style>
<h1>{title}</h1>
{body}
</html>
"""
_ROW = '<tr><td>{time}<td>{recipients}<td><a href="/letters/{key}">{subject}</a></tr>'
_LETTER = (
    '<p><a href="/">← Все письма · All letters</a> · <a href="/letters/{key}/raw">источник</a></p>'
    "<table>{headers}</table><pre>{text}</pre>"
)
_HEADERS = ("From", "To", "Date", "Message-ID")
_LETTER_PATH = re.compile(r"/letters/(?P<key>[\w.=,:+-]+?)(?P<raw>/raw)?", re.ASCII)
_FAULTS_PATH = "/admin/faults"
_LARGEST_BODY = 64 * 1024
_HERE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


class MailboxServer(ThreadingHTTPServer):
    """Serves the mailbox at one address; `on_faults` is called when faults have changed."""

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        letters: Letters,
        faults: FaultSwitch,
        on_faults: Callable[[], None],
    ) -> None:
        self.letters = letters
        self.faults = faults
        self.on_faults = on_faults
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: MailboxServer
    server_version = "Saldo-mailbox"
    timeout = 30

    def do_GET(self) -> None:
        if not self._is_local():
            return
        path, _, query = self.path.partition("?")
        match = _LETTER_PATH.fullmatch(path)
        if path == "/":
            self._answer(HTTPStatus.OK, "text/html", self._list())
        elif path == _FAULTS_PATH:
            self._answer_json(HTTPStatus.OK, asdict(self.server.faults.now))
        elif path == "/letters":
            self._letters_to(parse_qs(query).get("to", [""])[0])
        elif match is None:
            self._missing()
        elif match["raw"]:
            self._source(match["key"])
        else:
            self._letter(match["key"])

    def do_PUT(self) -> None:
        if not self._is_local() or not self._is_about_faults():
            return
        try:
            changed = self.server.faults.change(json.loads(self._body()))
        except (InvalidFaultError, ValueError) as invalid:
            self._answer_json(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(invalid)})
            return
        self.server.on_faults()
        self._answer_json(HTTPStatus.OK, changed)

    def do_DELETE(self) -> None:
        if not self._is_local() or not self._is_about_faults():
            return
        cleared = self.server.faults.clear()
        self.server.on_faults()
        self._answer_json(HTTPStatus.OK, cleared)

    def _is_local(self) -> bool:
        """Return whether a request is meant for this machine, else refuse it."""
        # The letters hold passwords of the demo: no web page may read them by DNS rebinding.
        local = _HERE.fullmatch(self.headers.get("Host", "")) is not None
        if not local:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", "Open it as http://127.0.0.1.\n")
        return local

    def _is_about_faults(self) -> bool:
        found = self.path == _FAULTS_PATH
        if not found:
            self._missing()
        return found

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST_BODY:
            raise InvalidFaultError(f"Send a body of up to {_LARGEST_BODY} bytes, with its length.")
        return self.rfile.read(int(length))

    def _list(self) -> str:
        rows = [
            _ROW.format(
                time=heading.received_at.astimezone().strftime("%d.%m.%Y %H:%M:%S"),
                recipients=escape(heading.recipients),
                key=escape(heading.key),
                subject=escape(heading.subject or "(без темы)"),
            )
            for heading in self.server.letters.headings()
        ]
        table = "<table><tr><th>Получено<th>Кому<th>Тема</tr>" + "".join(rows) + "</table>"
        empty = "<p>Писем пока нет. No letters yet.</p>"
        return _PAGE.format(title="Почтовый ящик · Mailbox", body=table if rows else empty)

    def _letters_to(self, address: str) -> None:
        texts = self.server.letters.texts_to(address)
        self._answer(HTTPStatus.OK, "text/plain", "\n".join(texts))

    def _letter(self, key: str) -> None:
        message = self.server.letters.letter(key)
        if message is None:
            self._missing()
            return
        headers = "".join(
            f"<tr><th>{name}<td>{escape(str(message.get(name, '')))}</tr>" for name in _HEADERS
        )
        body = _LETTER.format(key=escape(key), headers=headers, text=escape(text_of(message)))
        title = escape(str(message.get("Subject", "")) or "(без темы)")
        self._answer(HTTPStatus.OK, "text/html", _PAGE.format(title=title, body=body))

    def _source(self, key: str) -> None:
        raw = self.server.letters.raw(key)
        if raw is None:
            self._missing()
            return
        self._answer(HTTPStatus.OK, "text/plain", raw.decode("utf-8", errors="replace"))

    def _missing(self) -> None:
        self._answer(HTTPStatus.NOT_FOUND, "text/plain", "There is no such letter. See /.\n")

    def _answer_json(self, status: HTTPStatus, value: Any) -> None:
        self._answer(status, "application/json", json.dumps(value) + "\n")

    def _answer(self, status: HTTPStatus, media_type: str, text: str) -> None:
        body = text.encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Type", f"{media_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class
        """Log nothing: the requests are of no interest."""
