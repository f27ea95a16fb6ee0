"""Error pages: what happened, what to do, where; and a support code that the log knows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from werkzeug.wrappers import Response

from gateway import support_codes
from gateway.cabinet.visit import Visit
from gateway.problems import Refusal, refusal_of
from shared import context, formats
from shared.errors import InternalError, ServiceError
from shared.logs import get_logger

log = get_logger("gateway.cabinet")


def failure_page(visit: Visit, error: Exception, page: str) -> Response:
    """Return the page of whatever a page raised; a defect leaves its trace in the log.

    ``page`` is the path as the metrics write it: in that of the visit there may be a token.
    """
    if isinstance(error, Refusal):
        return error_page(visit, error)
    if isinstance(error, InternalError):
        log.exception("service_failed", service_error=error.params.get("error_id"))
        return error_page(visit, Refusal(500, "internal_error"))
    if isinstance(error, ServiceError):
        return error_page(visit, refusal_of(error))
    log.error("page_failed", path=page, exc_info=error)
    return error_page(visit, Refusal(500, "internal_error"))


def error_page(visit: Visit, refusal: Refusal) -> Response:
    """Return the page of a refusal, with its status and headers."""
    status = 404 if refusal.code == "account_not_linked" else refusal.status
    support_code = context.current().correlation_id
    log.info("refused", code=refusal.code, status=status, support_code=support_code)
    if visit.person is not None:
        support_codes.note(visit.service.services, visit.person.person_id, status, support_code)
    response = visit.render(
        "error.html",
        status=status,
        title=_title(visit, status),
        text=_text(visit, refusal),
        support_code=support_code,
        again_at=_again_at(visit, refusal),
        code=refusal.code,
    )
    for name, value in refusal.headers.items():
        if name != "WWW-Authenticate":
            response.headers[name] = value
    return response


def _text(visit: Visit, refusal: Refusal) -> str:
    if refusal.code in ("path_not_found", "account_not_linked"):
        return visit.text("Проверьте адрес или начните с начала: здесь ничего нет.")
    if refusal.code == "body_too_large":
        return visit.text(
            "Слишком длинный текст. Вернитесь назад, сократите его и отправьте ещё раз."
        )
    if refusal.code == "invalid_request":
        return visit.text(
            "Адрес страницы написан с ошибкой. Начните с меню: всё остальное работает."
        )
    return visit.message(refusal.code, refusal.kind, **refusal.params)


def _title(visit: Visit, status: int) -> str:
    titles: dict[int, str] = {
        403: visit.text("Эта страница устарела"),
        404: visit.text("Такой страницы нет"),
        429: visit.text("Слишком много попыток"),
        503: visit.text("Сейчас не отвечает"),
    }
    return titles.get(status) or (
        visit.text("У нас что-то сломалось") if status >= 500 else visit.text("Не получилось")
    )


def _again_at(visit: Visit, refusal: Refusal) -> str:
    """Return the time of day from which a retry makes sense; "" where none is known."""
    seconds: Any = refusal.headers.get("Retry-After", "")
    if not str(seconds).isdecimal() or int(seconds) < 30:
        return ""
    return formats.clock(
        visit.clocks.of_gateways.now() + timedelta(seconds=int(seconds) + 59),
        visit.settings.timezone,
    )
