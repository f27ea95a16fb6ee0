"""The registrar over HTTP: the calls of the protocol, a page per receipt, the fault switches."""

from __future__ import annotations

import ipaddress
import json
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from werkzeug.exceptions import (
    Forbidden,
    HTTPException,
    InternalServerError,
    NotFound,
    Unauthorized,
)
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from deploy.doubles.ofd.drive import DRIVE, REGISTER, Drive, Receipt
from deploy.doubles.ofd.faults import FaultSwitch, InvalidFaultError
from deploy.doubles.ofd.settings import RegistrarSettings
from deploy.doubles.ofd.validation import OPERATIONS, problem_of

_API: Final = "/possystem/v5"
_LARGEST_BODY: Final = 256 * 1024

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
)


class RegistrarRequest(Request):
    max_content_length = _LARGEST_BODY


class RegistrarApp:
    """The WSGI application."""

    def __init__(
        self, drive: Drive, faults: FaultSwitch, settings: RegistrarSettings, log: Any
    ) -> None:
        self._drive = drive
        self._faults = faults
        self._settings = settings
        self._log = log
        self._zone = ZoneInfo(settings.timezone)
        self._tokens: set[str] = set()
        group = f"{_API}/<group>"
        rules = [
            (f"{_API}/getToken", self.sign_in, "POST"),
            (f"{group}/<any(sell, sell_refund):operation>", self.take, "POST"),
            (f"{group}/report/<uuid>", self.report, "GET"),
            ("/receipts/<int:document>/<int:sign>", self.page, "GET"),
            ("/admin/receipts", self.list_receipts, "GET"),
            ("/admin/faults", self.change_faults, "PUT"),
            ("/admin/faults", self.clear_faults, "DELETE"),
            ("/healthz", self.health, "GET"),
        ]
        self._routes = Map(
            [Rule(path, endpoint=endpoint, methods=[verb]) for path, endpoint, verb in rules]
        )

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = RegistrarRequest(environ)
        try:
            endpoint, arguments = self._routes.bind_to_environ(environ).match()
            response: Any = endpoint(request, **arguments)
        except HTTPException as error:
            response = error
        except Exception:  # noqa: BLE001 - the last resort: log it, respond 500
            self._log.exception("request_failed", path=request.path)
            response = InternalServerError()
        body: Iterable[bytes] = response(environ, start)
        return body

    def sign_in(self, request: Request) -> Response:
        self._meet_faults()
        given = request.get_json(force=True)
        expected = {"login": self._settings.user, "pass": self._settings.password}
        if given != expected:
            return _json({"token": "", "error": _error(12, "Wrong login or password")}, 401)
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return _json({"token": token, "error": None})

    def take(self, request: Request, group: str, operation: str) -> Response:
        refusal = self._refused(request, group)
        if refusal is not None:
            return refusal
        body = request.get_json(force=True)
        external_id, content = str(body["external_id"])[:128], body["receipt"]
        problem = problem_of(content, self._settings.inn)
        if problem is not None:
            return _json({"uuid": None, "status": "fail", "error": _error(32, problem)}, 400)
        receipt, known = self._drive.take(
            external_id, operation, content, refused=self._faults.now.refuse
        )
        self._log.info("receipt_taken", external_id=external_id, known=known)
        if self._faults.now.lose_answers:
            raise InternalServerError("The answer was lost: this fault is switched on.")
        error = _error(33, "A receipt of this external_id is known") if known else None
        return _json({"uuid": receipt.uuid, "status": "wait", "error": error})

    def report(self, request: Request, group: str, uuid: str) -> Response:
        refusal = self._refused(request, group)
        if refusal is not None:
            return refusal
        receipt = self._drive.find(uuid)
        if receipt is None:
            return _json({"uuid": None, "status": "", "error": _error(34, "Not found")}, 400)
        if self._drive.age(receipt) < self._faults.now.delay_seconds:
            return _json({"uuid": uuid, "status": "wait", "error": None})
        if receipt.refused:
            error = _error(-3804, "The cash register has refused the receipt", "driver")
            return _json({"uuid": uuid, "status": "fail", "error": error})
        return _json(
            {"uuid": uuid, "status": "done", "error": None, "payload": self._payload(receipt)}
        )

    def page(self, _request: Request, document: int, sign: int) -> Response:
        receipt = self._drive.document(document)
        if receipt is None or receipt.sign != sign or receipt.refused:
            raise NotFound
        html = _templates.get_template("receipt.html").render(
            receipt=receipt.content,
            operation=OPERATIONS[receipt.operation],
            drive=DRIVE,
            document=document,
            sign=sign,
            at=f"{self._issued_at(receipt):%d.%m.%Y %H:%M}",
        )
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        }
        return Response(html, content_type="text/html; charset=utf-8", headers=headers)

    def list_receipts(self, request: Request) -> Response:
        _only_loopback(request)
        receipts = [
            {
                "document": one.document,
                "uuid": one.uuid,
                "externalId": one.external_id,
                "operation": one.operation,
                "total": one.content["total"],
                "client": one.content["client"]["email"],
                "refused": one.refused,
            }
            for one in self._drive.all_receipts()
        ]
        return _json({"receipts": receipts})

    def change_faults(self, request: Request) -> Response:
        _only_loopback(request)
        try:
            return _json(self._faults.change(request.get_json(force=True)))
        except InvalidFaultError as error:
            return _json({"error": str(error)}, 422)

    def clear_faults(self, request: Request) -> Response:
        _only_loopback(request)
        return _json(self._faults.clear())

    def health(self, _request: Request) -> Response:
        return _json({"status": "ok"})

    def _refused(self, request: Request, group: str) -> Response | None:
        """Return the answer to a caller who is not signed in, or asks for another's group."""
        self._meet_faults()
        if group != self._settings.group:
            raise Unauthorized("This login has no such group.")
        if self._faults.now.forget_tokens:
            self._tokens.clear()
            self._faults.change({"forget_tokens": False})
        if request.headers.get("Token") not in self._tokens:
            return _json({"uuid": None, "error": _error(11, "The token has expired")}, 401)
        return None

    def _meet_faults(self) -> None:
        time.sleep(self._faults.now.answer_seconds)
        if self._faults.now.lose_calls:
            raise InternalServerError("The call was lost: this fault is switched on.")

    def _payload(self, receipt: Receipt) -> dict[str, Any]:
        return {
            "total": receipt.content["total"],
            "fn_number": DRIVE,
            "ecr_registration_number": REGISTER,
            "fiscal_document_number": receipt.document,
            "fiscal_document_attribute": receipt.sign,
            "receipt_datetime": f"{self._issued_at(receipt):%d.%m.%Y %H:%M:%S}",
            "shift_number": 1,
            "fiscal_receipt_number": receipt.document,
            "ofd_inn": self._settings.inn,
            "ofd_receipt_url": f"{self._settings.url}/receipts/{receipt.document}/{receipt.sign}",
        }

    def _issued_at(self, receipt: Receipt) -> datetime:
        return datetime.fromtimestamp(receipt.taken_at, self._zone)


def _error(code: int, text: str, kind: str = "user") -> dict[str, Any]:
    return {"error_id": secrets.token_hex(8), "code": code, "text": text, "type": kind}


def _json(answer: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(answer, ensure_ascii=False)
    return Response(body, status=status, content_type="application/json; charset=utf-8")


def _only_loopback(request: Request) -> None:
    try:
        local = ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        local = False
    if not local:
        raise Forbidden("This endpoint is open to the local machine only.")
