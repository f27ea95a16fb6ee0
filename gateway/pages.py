"""The gateway's two pages, which show no data and run no script."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from werkzeug.wrappers import Response

_STYLE = (
    "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:12vh auto;padding:0 1.2rem;"
    "color:#1c2430;background:#f7f8fa}h1{font-size:1.7rem}a{color:#0b5cad}"
    "@media(prefers-color-scheme:dark){body{color:#e6e9ee;background:#14181f}a{color:#7db8ff}}"
)
_POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + b64encode(sha256(_STYLE.encode()).digest()).decode()
    + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_PAGE = """<!doctype html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
_LANDING = """<p>Saldo — личный кабинет плательщика коммунальных услуг: лицевые счета, начисления,
пени, платежи и вопросы в отделы управляющей организации.</p>
<p>Здесь работает программный интерфейс кабинета. Его описание (OpenAPI 3.1):
<a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p>
<p>Документы: <a href="/api/v1/documents/rules">правила предоставления доступа</a>,
<a href="/api/v1/documents/consent">согласие на обработку персональных данных</a>,
<a href="/api/v1/documents/instruction">инструкция</a>.</p>"""
_PAYMENT_RETURN = """<p>Мы уточняем у банка, прошла ли оплата. Обычно это занимает несколько секунд,
иногда — до нескольких минут.</p>
<p>Платить ещё раз не нужно. Вернитесь в личный кабинет: результат появится в разделе
«Платежи-История платежей», а квитанция придёт на Вашу электронную почту.</p>
<p><a href="/">Вернуться в личный кабинет</a></p>"""


def landing_page() -> Response:
    """Return the landing page, which links to the description of the API."""
    return _page("Saldo — личный кабинет", _LANDING)


def payment_return_page() -> Response:
    """Return the page after the acquirer's. It claims nothing: coming back proves no payment."""
    return _page("Платёж подтверждается", _PAYMENT_RETURN)


def _page(title: str, body: str) -> Response:
    response = Response(
        _PAGE.format(title=title, style=_STYLE, body=body), content_type="text/html; charset=utf-8"
    )
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Language"] = "ru"
    return response
