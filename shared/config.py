"""Settings: everything that differs between installations, read once from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from shared.access_settings import AccessSettings, access_of
from shared.acquirer_settings import AcquirerSettings, acquirers_of
from shared.book_urls import BookUrls
from shared.books import SEALER as OF_SEALER
from shared.books import SPLIT, books_of, sealer_of, service_of
from shared.fiscal_settings import FiscalSettings, fiscal_of
from shared.keys import MASTER, GivenKeys, Key, KeyFile, KeyRing
from shared.mailbox_url import mailbox_of
from shared.money import Kopecks, parse_roubles
from shared.scanner_url import scanner_of
from shared.secret_files import with_secret_files
from shared.secret_settings import key_ring, master_secret

SERVICES = ("identity", "accounts", "ledger", "payments", "notifications", "helpdesk")
"""All services. A new one is its folder, its contracts module, and its name here."""

SEALER = OF_SEALER
GATEWAY = "gateway"
"""The name of the gateway among those that sign in to the broker."""

CLASSIC, QUORUM = "classic", "quorum"
"""Types of queues."""

REQUEST_SECONDS = 15.0
"""How long a client may take for the head of a request, and again for its body."""

PAGE_READ_SECONDS = 2.0

UPLOAD_SECONDS = 600.0
"""15 MB at 250 kbit/s, as a village has it, take eight minutes."""

_SECONDS = {
    "gateway_head_seconds": REQUEST_SECONDS,
    "gateway_body_seconds": REQUEST_SECONDS,
    "gateway_upload_seconds": UPLOAD_SECONDS,
    "page_read_seconds": PAGE_READ_SECONDS,
}
"""Settings that are limits of time, each with its default."""

ACQUIRER_URL = "http://127.0.0.1:18090"
"""Where the first acquirer answers without a setting: the simulated one."""
# The gateway's keys were derived for the cabinet before it had a secret of its own.
_DERIVED_FOR = {GATEWAY: "cabinet"}

MIN_BYTES = 2**20
_AGE = re.compile(r"[1-9][0-9]{0,8}[YMDhms]")
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_ACCRUALS = re.compile(r"monthly(:([1-9]|1[0-9]|2[0-8]))?|daily|off")


def user_of(amqp_url: str) -> str:
    """Return the user of an AMQP URL; RabbitMQ's own default where it names none."""
    return unquote(urlsplit(amqp_url).username or "guest")


T = TypeVar("T")


class ConfigurationError(Exception):
    """The environment lacks a setting, or holds one that cannot be used."""


@dataclass(frozen=True)
class Settings(BookUrls):
    """The settings of an installation. Secrets are kept out of the repr."""

    amqp_url: str = field(default="", repr=False)
    books: tuple[str, ...] = ()
    """The logs of the ledger's further books (`shared.books`)."""
    secret: bytes = field(default=b"", repr=False)
    """The master secret, for a principal without a key ring, and for what it has sealed."""
    key_rings: Mapping[str, KeyFile | GivenKeys] = field(default_factory=dict, repr=False)
    amqp_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    amqp_admin_url: str = field(default="", repr=False)
    """The management API of the broker, with its administrator."""
    staff_amqp_url: str = field(default="", repr=False)
    staff_database_url: str = field(default="", repr=False)
    database_url: str = field(default="", repr=False)
    database_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    login_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where whoever signs in here, the owner or staff, reaches a book in another database."""
    staff_login_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    keys_database_url: str = field(default="", repr=False)
    """The database of data keys, apart from the data that they open; as its owner."""
    keys_database_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    staff_keys_database_url: str = field(default="", repr=False)
    role_prefix: str = "saldo_"
    """What the names of the services' roles in the database begin with, as a terminal sees it."""
    url: str = "http://127.0.0.1:18080"
    """Where persons reach the cabinet, without a slash at its end."""
    gateway_listen: str = "127.0.0.1:18080"
    smtp_url: str = field(default="smtp://127.0.0.1:18025", repr=False)
    mail_from: str = "Saldo <no-reply@saldo.invalid>"
    mail_bounces: str = ""
    """The mailbox for bounces, which gets `<name>+<letter>@<host>`; without one, `mail_from`."""
    mail_connections: int = 4
    """How many letters a worker delivers at the same time."""
    bounces_url: str = field(default="", repr=False)
    """The mailbox with the reports of letters that were not delivered; empty: none is read."""
    acquirers: tuple[AcquirerSettings, ...] = (AcquirerSettings("main", "rbs", ACQUIRER_URL),)
    """The acquirers, the one for new orders first."""
    payments_largest: Kopecks = 300_000_00
    """The largest payment of the cabinet."""
    payments_open_orders: int = 3
    """How many payments of one person may be open, each over accounts of its own."""
    payments_mismatch: str = "return"
    """What becomes of a charge of another sum than ordered: `return` it, or leave it to `staff`."""
    payments_reconcile_at: time = time(5)
    """From when, by the operator's clock, the worker reconciles the day before."""
    remind_days: int = 5
    """How many days before a due day whoever still owes is reminded; 0: never."""
    overdue_days: int = 3
    """How many days before penalties begin whoever is late is warned; 0: never."""
    remind_at: time = time(9)
    """From when, by the operator's clock, reminders of a day are sent."""
    fiscal: FiscalSettings | None = None
    """The registrar of fiscal receipts; None: the operator has them made elsewhere."""
    monitoring_listen: str = "127.0.0.1:0"
    """Where the process answers `/metrics` and `/readyz`; port 0: any, which the log names."""
    gateway_head_seconds: float = REQUEST_SECONDS
    """Time limit for a request line with its headers, and so for an idle connection."""
    gateway_body_seconds: float = REQUEST_SECONDS
    """Time limit for the body of a request."""
    page_read_seconds: float = PAGE_READ_SECONDS
    """How long a page waits for each read of our services."""
    access: AccessSettings = field(default_factory=AccessSettings)
    payees: str = ""
    """The file with the bank details that bills are paid to; without one, the demo's."""
    documents: str = ""
    """The folder with the operator's versions of the rules, the consent, the instruction."""
    uploads_dir: str = ""
    """The folder of the files that persons and staff send; without one none are taken."""
    uploads_free_bytes: int = 2**30
    """How much room must be left in it: with less no file is taken."""
    uploads_scanner: str = ""
    """The clamd that is asked about each of them; without one none is."""
    gateway_upload_seconds: float = UPLOAD_SECONDS
    """Time limit for a body with files."""
    timezone: str = "Europe/Moscow"
    log_level: str = "INFO"
    otlp_endpoint: str = ""
    """The collector of traces, as http://127.0.0.1:4318; without one none are recorded."""
    ledger_accruals: str = "monthly"
    """When the worker accrues penalties; see `services.ledger.penalties.schedule`."""
    rpc_queues: str = CLASSIC
    """Of which type the queues of RPCs are; ``quorum`` outlives a node of a cluster."""
    stream_max_age: str = "90D"
    """How long a stream keeps events, as RabbitMQ writes it; the log has them for ever."""
    stream_max_bytes: int = 10 * 2**30
    """How large the stream of one service grows."""
    subscriber_queue_bytes: int = 2**30
    """How large a subscriber's queue grows; then its oldest messages are dropped."""

    def database_url_of(self, service: str) -> str:
        """Return the URL under which a service's runtime role reaches its schema."""
        try:
            return self.database_urls[service]
        except KeyError:
            raise ConfigurationError(
                f"set SALDO_DATABASE_URL_{service.upper()} to the PostgreSQL URL of the "
                f"runtime role of {service}; `make up` writes it to .saldo/env"
            ) from None

    def keys_database_url_of(self, service: str) -> str:
        """Return the URL under which a service's runtime role reaches its data keys."""
        try:
            return self.keys_database_urls[service]
        except KeyError:
            name = f"SALDO_KEYS_DATABASE_URL_{service.upper()}"
            hint = f"the database of keys, with the runtime role of {service}: see shared/KEYS.md"
            raise ConfigurationError(f"set {name} to the PostgreSQL URL of {hint}") from None

    def database_role_of(self, service: str) -> str:
        """Return a service's runtime role; the group roles beside it begin with its name."""
        user = urlsplit(self.database_urls.get(service, "")).username
        return unquote(user) if user else f"{self.role_prefix}{service}"

    def amqp_url_of(self, principal: str) -> str:
        """Return the URL under which a service or the gateway signs in to the broker.

        Raises ConfigurationError without one, and for the URL of another user: whoever reads its
        messages would take it for somebody else.
        """
        variable = f"SALDO_AMQP_URL_{principal.upper()}"
        url = self.amqp_urls.get(principal) or self.amqp_url
        if not url:
            raise ConfigurationError(
                f"set {variable} to the amqp:// URL of RabbitMQ, with the user {principal}"
            )
        if (user := user_of(url)) != principal:
            raise ConfigurationError(
                f"{principal} cannot sign in to RabbitMQ as {user}: set {variable} to a URL with "
                f"the user {principal}"
            )
        return url

    def keys_of(self, owner: str, purpose: str) -> KeyRing:
        """Return the keys of a service or of the gateway for one purpose; books share a ring.

        Using them raises ConfigurationError where the process has no secret of this owner.
        """
        owner = service_of(owner)
        sources = [self.key_rings[owner]] if owner in self.key_rings else []
        if self.secret:
            sources.append(GivenKeys([Key(MASTER, self.secret)]))
        info = f"saldo/{_DERIVED_FOR.get(owner, owner)}/{purpose}"
        return KeyRing(info, sources, lambda: _no_secret(owner))


def _no_secret(owner: str) -> ConfigurationError:
    variable = f"SALDO_SECRET_{owner.upper()}"
    return ConfigurationError(
        f"set {variable}_FILE to a file with the keys of {owner}, or {variable} to id:hex[,id:hex]"
    )


def _plain(env: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that are taken as they are written."""
    return {
        name: env[f"SALDO_{name.upper()}"]
        for name in (
            "database_url", "url", "gateway_listen", "monitoring_listen", "smtp_url", "mail_from",
            "mail_bounces", "bounces_url", "payees", "documents", "timezone", "log_level",
            "otlp_endpoint", "stream_max_age", "amqp_url", "amqp_admin_url", "role_prefix",
            "ledger_accruals", "keys_database_url", "uploads_dir", "uploads_scanner", "rpc_queues",
        )
        if env.get(f"SALDO_{name.upper()}")
    }  # fmt: skip


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from ``SALDO_*`` variables.

    Raises ConfigurationError with the name of a variable that cannot be used. One that is missing
    is an error where it is needed.
    """
    env = _given(with_secret_files, os.environ if environ is None else environ)
    plain = _plain(env)
    plain["url"] = plain.get("url", Settings.url).rstrip("/")
    for name, parse in (("bounces_url", mailbox_of), ("uploads_scanner", scanner_of)):
        if name in plain:
            _given(parse, plain[name])
    if not _AGE.fullmatch(plain.get("stream_max_age", Settings.stream_max_age)):
        raise ConfigurationError("SALDO_STREAM_MAX_AGE is a number and one of Y M D h m s, as 90D")
    if plain.get("rpc_queues", CLASSIC) not in (CLASSIC, QUORUM):
        raise ConfigurationError(f"SALDO_RPC_QUEUES is {CLASSIC} or {QUORUM}")
    accruals_setting(plain.get("ledger_accruals", Settings.ledger_accruals))
    books = _given(books_of, env.get("SALDO_LEDGER_BOOKS", ""))
    plain |= {name: _seconds(env, name, default) for name, default in _SECONDS.items()}
    return Settings(
        books=books,
        secret=_given(master_secret, env),
        key_rings={
            owner: ring
            for owner in (*SERVICES, GATEWAY)
            if (ring := _given(key_ring, env, f"SALDO_SECRET_{owner.upper()}"))
        },
        staff_amqp_url=env.get("SALDO_STAFF_AMQP_URL") or env.get("SALDO_AMQP_URL", ""),
        staff_database_url=(
            env.get("SALDO_STAFF_DATABASE_URL") or env.get("SALDO_DATABASE_URL", "")
        ),
        **_urls(env, books),
        staff_keys_database_url=(
            env.get("SALDO_STAFF_KEYS_DATABASE_URL") or env.get("SALDO_KEYS_DATABASE_URL", "")
        ),
        uploads_free_bytes=_bytes(env, "SALDO_UPLOADS_FREE_BYTES", Settings.uploads_free_bytes),
        acquirers=_given(acquirers_of, env, ACQUIRER_URL),
        payments_largest=_sum(env, "SALDO_PAYMENTS_LARGEST", Settings.payments_largest),
        payments_open_orders=_count(
            env, "SALDO_PAYMENTS_OPEN_ORDERS", Settings.payments_open_orders, most=10
        ),
        mail_connections=_count(env, "SALDO_MAIL_CONNECTIONS", Settings.mail_connections, most=32),
        access=_given(access_of, env),
        fiscal=_given(fiscal_of, env, plain["url"]),
        payments_mismatch=_choice(env, "SALDO_PAYMENTS_MISMATCH", ("return", "staff")),
        payments_reconcile_at=_time_of_day(
            env, "SALDO_PAYMENTS_RECONCILE_AT", Settings.payments_reconcile_at
        ),
        remind_days=days_setting(env, "SALDO_REMIND_DAYS", Settings.remind_days, most=30),
        overdue_days=days_setting(env, "SALDO_OVERDUE_DAYS", Settings.overdue_days, most=30),
        remind_at=_time_of_day(env, "SALDO_REMIND_AT", Settings.remind_at),
        stream_max_bytes=_bytes(env, "SALDO_STREAM_MAX_BYTES", Settings.stream_max_bytes),
        subscriber_queue_bytes=_bytes(
            env, "SALDO_SUBSCRIBER_QUEUE_BYTES", Settings.subscriber_queue_bytes
        ),
        **plain,
    )


def _urls(env: Mapping[str, str], books: Iterable[str]) -> dict[str, Any]:
    """Return where each service, and each book, reaches the nodes."""
    logs, sealers = (*SERVICES, *books), (SEALER, *map(sealer_of, books))
    return {
        "amqp_urls": _each(env, "SALDO_AMQP_URL", (*logs, GATEWAY)),
        "database_urls": _each(env, "SALDO_DATABASE_URL", (*logs, *sealers)),
        "login_urls": (logins := _each(env, "SALDO_LOGIN_URL", (SPLIT, *books))),
        "staff_login_urls": logins | _each(env, "SALDO_STAFF_LOGIN_URL", (SPLIT, *books)),
        "keys_database_urls": _each(env, "SALDO_KEYS_DATABASE_URL", logs),
    }


def accruals_setting(text: str) -> str:
    """Return the setting of the schedule of accruals; raises ConfigurationError for another."""
    if not _ACCRUALS.fullmatch(text):
        raise ConfigurationError(
            "SALDO_LEDGER_ACCRUALS is monthly, monthly:DAY with a day from 1 to 28, daily or off"
        )
    return text


def days_setting(
    env: Mapping[str, str], name: str, default: int, *, fewest: int = 0, most: int | None = None
) -> int:
    """Return a setting that is a number of days; raises ConfigurationError for what is none."""
    text = env.get(name) or str(default)
    is_number = text.isascii() and text.isdecimal()
    if not is_number or int(text) < fewest or (most is not None and int(text) > most):
        bounds = f"from {fewest}" if most is None else f"from {fewest} to {most}"
        raise ConfigurationError(f"set {name} to a number of days {bounds}, not {text!r}")
    return int(text)


def _each(env: Mapping[str, str], name: str, principals: Iterable[str]) -> dict[str, str]:
    """Return a setting that each principal has of its own, as far as it is set."""
    named = {principal: env.get(f"{name}_{principal.upper()}", "") for principal in principals}
    return {principal: value for principal, value in named.items() if value}


def _seconds(env: Mapping[str, str], setting: str, default: float) -> float:
    name = f"SALDO_{setting.upper()}"
    try:
        seconds = float(env.get(name) or default)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ConfigurationError(f"{name} must be a number of seconds, up to 3600")
    return seconds


def _given(read: Callable[..., T], *arguments: Any) -> T:
    try:
        return read(*arguments)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _sum(env: Mapping[str, str], name: str, default: Kopecks) -> Kopecks:
    text = env.get(name)
    try:
        amount = parse_roubles(text) if text else default
    except ValueError:
        amount = 0
    if amount > 0:
        return amount
    raise ConfigurationError(f"{name} is a sum in roubles, as 300000")


def _count(env: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    text = env.get(name) or str(default)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= most:
        raise ConfigurationError(f"{name} is a number from 1 to {most}")
    return int(text)


def _choice(env: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = env.get(name) or choices[0]
    if text not in choices:
        raise ConfigurationError(f"{name} is one of: {', '.join(choices)}")
    return text


def _time_of_day(env: Mapping[str, str], name: str, default: time) -> time:
    text = env.get(name) or default.isoformat("minutes")
    if not _TIME_OF_DAY.fullmatch(text):
        raise ConfigurationError(f"{name} is a time of day, as 05:00")
    return time.fromisoformat(text)


def _bytes(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdecimal() or int(text) < MIN_BYTES:
        raise ConfigurationError(f"{name} is a number of bytes, at least {MIN_BYTES}")
    return int(text)
