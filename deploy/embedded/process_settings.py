"""Which settings each process gets: none has a credential that it does not need."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from deploy.embedded.books import variables_of
from deploy.embedded.environment import MONITORED
from shared.acquirer_settings import FOR_PAGES, acquirer_variables
from shared.config import GATEWAY, SERVICES


def _secrets_of(*owners: str) -> tuple[str, ...]:
    """Return the variables with the keys of these principals; the first is for all."""
    own = (f"SALDO_SECRET_{owner.upper()}" for owner in owners)
    return ("SALDO_SECRET", *(name for ring in own for name in (ring, f"{ring}_FILE")))


_EVERY = ("SALDO_LOG_LEVEL", "SALDO_SECRETS_DIR", "SALDO_TIMEZONE")
_BOOKS = "SALDO_LEDGER_BOOKS"
_LOGIN = "SALDO_LOGIN_URL_LEDGER"
"""Where the first book is, if it is in a database of its own."""
_TRACED = (*_EVERY, "SALDO_OTLP_ENDPOINT")
_DATABASES = tuple(f"SALDO_DATABASE_URL_{service.upper()}" for service in SERVICES)
_KEYS_DATABASES = tuple(f"SALDO_KEYS_DATABASE_URL_{service.upper()}" for service in SERVICES)
_BROKER = tuple(f"SALDO_AMQP_URL_{service.upper()}" for service in SERVICES)
_BROKER_GATEWAY = f"SALDO_AMQP_URL_{GATEWAY.upper()}"
_VERIFIERS = (
    "SALDO_LEDGER_SEAL_OLD_KEYS",
    "SALDO_LEDGER_SEAL_VERIFIER",
    "SALDO_LEDGER_SEAL_VERIFIER_FILE",
)
_ACQUIRERS = ("SALDO_ACQUIRER", "SALDO_ACQUIRERS")
_ACQUIRER = (
    "SALDO_ACQUIRER_URL",
    "SALDO_ACQUIRER_USER",
    "SALDO_ACQUIRER_PASSWORD",
    "SALDO_ACQUIRER_SECRET",
)
_KASSA = (
    "SALDO_ACQUIRER_KASSA_URL",
    "SALDO_ACQUIRER_KASSA_USER",
    "SALDO_ACQUIRER_KASSA_PASSWORD",
)
_FISCAL = (
    "SALDO_FISCAL",
    "SALDO_FISCAL_EMAIL",
    "SALDO_FISCAL_GROUP",
    "SALDO_FISCAL_INN",
    "SALDO_FISCAL_METHOD",
    "SALDO_FISCAL_PLACE",
    "SALDO_FISCAL_SELLER",
    "SALDO_FISCAL_TAXATION",
    "SALDO_FISCAL_URL",
    "SALDO_FISCAL_USER",
    "SALDO_FISCAL_VAT",
)
_WITNESSES = (
    "SALDO_LEDGER_WITNESS_DIR",
    "SALDO_LEDGER_WITNESS_MAIL",
    "SALDO_LEDGER_WITNESS_MAIL_SECONDS",
    "SALDO_LEDGER_WITNESS_SECONDS",
)
_SERVICES = (
    *_TRACED,
    *_DATABASES,
    *_KEYS_DATABASES,
    *_BROKER,
    *_ACQUIRERS,
    *acquirer_variables({}),
    *_FISCAL,
    *_secrets_of(*SERVICES),
    "SALDO_URL",
    "SALDO_ACCOUNTS_POLICY",
    "SALDO_RETENTION",
    "SALDO_HELPDESK_DEPARTMENTS",
    "SALDO_LEDGER_ACCRUALS",
    _BOOKS,
    "SALDO_LEDGER_CHECKPOINT_DAYS",
    "SALDO_LEDGER_COMMANDS_DAYS",
    "SALDO_LEDGER_DAYS_AHEAD",
    "SALDO_LEDGER_DAYS_BACK",
    "SALDO_LEDGER_PENALTY_RULES",
    "SALDO_PAYMENTS_LARGEST",
    "SALDO_PAYMENTS_MISMATCH",
    "SALDO_PAYMENTS_OPEN_ORDERS",
    "SALDO_PAYMENTS_RECONCILE_AT",
    "SALDO_UPLOADS_DIR",
    "SALDO_UPLOADS_FREE_BYTES",
    "SALDO_WORKING_DAYS",
    *_VERIFIERS,
)

_SEALERS = (*_EVERY, _BOOKS, "SALDO_MAIL_FROM", "SALDO_SMTP_URL")
"""What the sealers of further books get besides their own."""

SETTINGS: Mapping[str, tuple[str, ...]] = {
    "migrate": (
        *_EVERY,
        _BOOKS,
        _LOGIN,
        "SALDO_DATABASE_URL",
        "SALDO_DATABASE_URL_SEALER",
        "SALDO_KEYS_DATABASE_URL",
        *_DATABASES,
        *_KEYS_DATABASES,
    ),
    "broker": (
        *_EVERY,
        _BOOKS,
        "SALDO_AMQP_ADMIN_URL",
        *_BROKER,
        _BROKER_GATEWAY,
        "SALDO_SUBSCRIBER_QUEUE_BYTES",
    ),
    "staff": (
        *_EVERY,
        _BOOKS,
        _LOGIN,
        "SALDO_STAFF_LOGIN_URL_LEDGER",
        *_DATABASES,
        "SALDO_AMQP_ADMIN_URL",
        "SALDO_AMQP_URL",
        "SALDO_DATABASE_URL",
        "SALDO_KEYS_DATABASE_URL",
        *_VERIFIERS,
        *_secrets_of("accounts", "ledger", "payments"),
        "SALDO_LEDGER_ACCRUALS",
        "SALDO_PAYEES",
        "SALDO_PAYMENTS_FIRST_DAY",
        "SALDO_PAYMENTS_REGISTER_LAYOUT",
        "SALDO_PAYMENTS_SETTLEMENT_ACCOUNTS",
        "SALDO_ROLE_PREFIX",
        "SALDO_STATE_DIR",
        "SALDO_URL",
    ),
    "subscribers": (
        *_EVERY,
        _BOOKS,
        *_DATABASES,
        "SALDO_AMQP_ADMIN_URL",
        "SALDO_AMQP_URL",
        "SALDO_DATABASE_URL",
        "SALDO_STATE_DIR",
        "SALDO_URL",
    ),
    "serve": (
        *_SERVICES,
        "SALDO_BREACHED_PASSWORDS",
        "SALDO_DOCUMENTS",
        "SALDO_RPC_QUEUES",
        "SALDO_SECOND_FACTOR",
        "SALDO_UPLOADS_SCANNER",
    ),
    "work": (
        *_SERVICES,
        "SALDO_BOUNCES_URL",
        "SALDO_FISCAL_PASSWORD",
        "SALDO_MAIL_BOUNCES",
        "SALDO_MAIL_CONNECTIONS",
        "SALDO_MAIL_FROM",
        "SALDO_OVERDUE_DAYS",
        "SALDO_REMIND_AT",
        "SALDO_REMIND_DAYS",
        "SALDO_SMTP_URL",
        "SALDO_STREAM_MAX_AGE",
        "SALDO_STREAM_MAX_BYTES",
    ),
    "gateway": (
        *_TRACED,
        _BOOKS,
        _BROKER_GATEWAY,
        *_ACQUIRERS,
        *acquirer_variables({}, FOR_PAGES),
        "SALDO_GATEWAY_BODY_SECONDS",
        "SALDO_GATEWAY_HEAD_SECONDS",
        "SALDO_GATEWAY_LISTEN",
        "SALDO_GATEWAY_UPLOAD_SECONDS",
        "SALDO_MAIL_FROM",
        "SALDO_PAGE_READ_SECONDS",
        "SALDO_PAYEES",
        *_secrets_of(GATEWAY),
        "SALDO_TRUSTED_PROXY",
        "SALDO_URL",
    ),
    "seal": (
        *_EVERY,
        *_VERIFIERS,
        *_WITNESSES,
        "SALDO_DATABASE_URL_SEALER",
        "SALDO_LEDGER_SEAL_KEY",
        "SALDO_LEDGER_SEAL_NAME",
        "SALDO_MAIL_FROM",
        "SALDO_SMTP_URL",
    ),
    "acquirer": (
        *_EVERY,
        *_ACQUIRER,
        "SALDO_ACQUIRER_SIGNATURE",
        "SALDO_STATE_DIR",
        "SALDO_URL",
    ),
    "yookassa": (*_EVERY, *_KASSA, "SALDO_STATE_DIR", "SALDO_URL"),
    "ofd": (*_EVERY, *_FISCAL, "SALDO_FISCAL_PASSWORD", "SALDO_STATE_DIR"),
    "mailcatcher": ("SALDO_BOUNCES_DIR", "SALDO_MAILBOX_URL", "SALDO_MAIL_DIR", "SALDO_SMTP_URL"),
}
"""The `SALDO_*` variables of each process, as far as they are set.

Those of a second acquirer are named after it: see `_of_acquirers`.
"""


def settings_of(process: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of one process, with the address on which it answers its supervisor."""
    names = (
        *SETTINGS.get(process, _SEALERS),
        *_of_acquirers(process, settings),
        *variables_of(process, settings),
    )
    own = {name: settings[name] for name in names if name in settings}
    if process in MONITORED:
        url = settings[f"SALDO_MONITORING_URL_{process.upper()}"]
        own["SALDO_MONITORING_LISTEN"] = urlsplit(url).netloc
    return own


def _of_acquirers(process: str, settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables of every acquirer that a process needs; the credentials only to pay."""
    if process in {"serve", "work"}:
        return acquirer_variables(settings)
    return acquirer_variables(settings, FOR_PAGES) if process == "gateway" else ()
