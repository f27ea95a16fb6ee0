"""Persons in every role, and what belongs to one of them, behind the real gateway.

The gateway's application, the services and their databases are real; a call goes from one to the
other within this process, and each service checks its caller as behind the broker.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from hashlib import sha256
from importlib import import_module
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import msgspec
from nameko.containers import ServiceContainer
from typer.testing import CliRunner
from werkzeug.test import Client, TestResponse

from gateway.cabinet import cookies
from gateway.cabinet.forms import CSRF
from gateway.cabinet.sealing import Sealer
from gateway.service import Gateway
from gateway.web import CLIENT_KEY, CLOCKS_KEY, SETTINGS_KEY, GatewayServer
from services import terminal
from services.accounts import cli as accounts_cli
from services.accounts import publishing
from services.identity.fingerprints import Fingerprints, new_token, token_digest
from services.identity.passwords import Passwords
from services.ledger.domain.events import ChargeLine
from services.ledger.reactions import REACTIONS
from services.notifications import unsubscribe
from services.payments.application import StartPayment, start_payment
from services.payments.events import Line
from shared import context
from shared.account_key import key_of
from shared.bus import Message
from shared.bus.principals import principal_of
from shared.contracts.notifications import LetterKind
from shared.distant_clock import ServiceClocks
from shared.errors import ServiceError, from_wire
from shared.eventstore.postgres import PostgresStore
from shared.rpc.callers import believed
from shared.rpc.every_service import hosted
from shared.rpc.server import Method
from tests.conftest import Database
from tests.ledger_commands import PostCharges, post_charges
from tests.sample_files import PDF_BYTES
from tests.staff_terminal import grant

NUMBER = "0100000001"
SHARED, FORMER = key_of(NUMBER, 2), key_of(NUMBER, 1)
PERIOD = "2026-10"
VISITOR = "visitor-of-the-matrix"
IP = "203.0.113.7"
PASSWORD = "длинная фраза 17"
ROLES = (
    "anonymous", "temporary", "unaccepted", "stranger", "viewer", "payer", "owner", "former",
    "subscriber",
)  # fmt: skip
_LINKED = {"former": "owner", "owner": "owner", "payer": "payer", "viewer": "viewer"}
_FAST = Passwords(time_cost=1, memory_cost=8)
_STAFF = "staff.matrix"
_HEADER = (
    "number;holder;address;residents;total_area;living_area;heated_area;payer_kind;els;"
    "bill_total;control_code;period;effective_on"
)
_ROW = (
    "{number};{holder};г. Примерск, ул. Образцовая, д. 4, кв. {flat};1;54,2;38,6;54,2;household;;"
    "100,00;{code};2026-10;{day}"
)


class Services:
    """Serves calls as the server processes do, without a broker; the gateway's RPC client."""

    def __init__(self, database: Database, user: str, stores: dict[str, PostgresStore]) -> None:
        self._database = database
        self._user = user
        self._stores = stores

    def call(
        self,
        service: str,
        method: str,
        *,
        deadline: float = 5.0,
        command_id: UUID | None = None,
        **arguments: Any,
    ) -> Any:
        """Call a method as this user, in the name of whoever acts."""
        try:
            return _sent(self._serve(service, method, _sent(arguments), command_id))
        except ServiceError as error:
            raise from_wire(_sent(error.as_wire())) from error

    def of(self, user: str) -> Services:
        """Return the services as another user calls them."""
        return Services(self._database, user, self._stores)

    def store(self, service: str) -> PostgresStore:
        """Return the store of a service."""
        if service not in self._stores:
            self._stores[service] = self._database.store(service)
        return self._stores[service]

    def _serve(
        self, service: str, method: str, arguments: Mapping[str, Any], command_id: UUID | None
    ) -> Any:
        serving: Any = hosted(_class_of(service))()
        serving.store, serving.settings = self.store(service), self._database.settings
        serving.services, serving.passwords = self.of(service), _FAST
        serving.server_context = SimpleNamespace(store=serving.store, publish=_publish_of(service))
        (entrypoint,) = getattr(type(serving), method).nameko_entrypoints
        assert isinstance(entrypoint, Method)
        caller = principal_of(self._user)
        entrypoint.callers.check(caller)
        assert caller is not None
        headers = context.current().as_headers()
        if command_id is not None:
            headers["command_id"] = str(command_id)
        with context.bind(**believed(caller, headers)):
            call = partial(getattr(serving, method), **entrypoint.load(dict(arguments)))
            if entrypoint.together and caller.kind != "staff":
                _assert_the_same(call, getattr(serving, entrypoint.together))
            return call()


def _assert_the_same(call: partial[Any], together: Callable[..., list[Any]]) -> None:
    """Check that a method that answers many calls at once answers each as it would alone."""
    try:
        alone = _sent(call())
    except ServiceError as error:
        alone = _sent(error.as_wire())
    for found in together([dict(call.keywords)] * 2):
        answer = found.as_wire() if isinstance(found, ServiceError) else found
        assert _sent(answer) == alone


def _class_of(service: str) -> type[Any]:
    module = import_module(f"services.{service}.service")
    found: type[Any] = next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and getattr(value, "name", None) == service
    )
    return found


def _publish_of(service: str) -> Any:
    return import_module(f"services.{service}.publishing").publish


def _sent(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


@dataclass
class World:
    """Persons, the tokens of their sessions, and the things of the owner."""

    services: Services
    client: Client
    sealer: Sealer
    keep: Any
    addresses: Iterator[str]
    tokens: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    things: dict[str, str] = field(default_factory=dict)

    def api(self, role: str, method: str, path: str, body: Any) -> TestResponse:
        """Send a request of the API as somebody in a role."""
        headers = {"Accept": "application/json"}
        if method not in ("GET", "DELETE"):
            headers["Idempotency-Key"] = str(uuid4())
        if role in self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens[role]}"
        return self._open(method, path, headers=headers, json=body)

    def page(self, role: str, method: str, path: str, form: Mapping[str, str]) -> TestResponse:
        """Open a page as somebody in a role, or send its form."""
        self.client.set_cookie(cookies.VISITOR, VISITOR, secure=True)
        self.client.set_cookie(cookies.SESSION, self.tokens.get(role, ""), secure=True)
        fields = {CSRF: self.sealer.csrf_token(VISITOR), **form} if method == "POST" else None
        headers = {"Origin": "https://localhost"} if method == "POST" else {}
        return self._open(method, path, headers=headers, data=fields)

    def open_sessions(self) -> None:
        """Open a session of every person, and a second one, a thing of the owner."""
        self.things["session_id"] = self._signed_in("owner")["session_id"]
        for role in self.passwords:
            self.tokens[role] = self._signed_in(role)["token"]

    def _signed_in(self, role: str) -> dict[str, str]:
        opened: dict[str, str] = self.services.call(
            "identity",
            "sign_in",
            email=f"{role}@example.org",
            password=self.passwords[role],
            device="Firefox",
            ip=IP,
        )
        return opened

    def _open(self, method: str, path: str, **options: Any) -> TestResponse:
        return self.client.open(
            path,
            method=method,
            base_url="https://localhost",
            environ_base={"REMOTE_ADDR": next(self.addresses)},
            **options,
        )


def make_world(database: Database, folder: Path) -> World:
    """Return a gateway before services that know persons in every role."""
    database.settings = replace(
        database.settings, uploads_dir=str(folder), uploads_free_bytes=2**20
    )
    services = Services(database, "gateway", {})
    clocks = ServiceClocks(database.settings.timezone)
    container = ServiceContainer(
        Gateway, {CLIENT_KEY: services, SETTINGS_KEY: database.settings, CLOCKS_KEY: clocks}
    )
    container.extensions.all.setup()
    server = next(ext for ext in container.subextensions if isinstance(ext, GatewayServer))
    client = Client(server.get_wsgi_app(), use_cookies=True)
    # Whoever asks often from one network waits: that is no part of this.
    addresses = (f"10.{number // 250}.{number % 250}.1" for number in count())
    world = World(
        services, client, Sealer(database.settings, clocks.of_gateways), container, addresses
    )
    for role in ("temporary", "unaccepted", "stranger", *_LINKED):
        _join(world, role)
    _be_unaccepted(database, world)
    _be_subscriber(world)
    _hold_account(database, world, folder)
    _bill(world)
    _own_things(world)
    world.open_sessions()
    return world


def _join(world: World, role: str) -> None:
    """Register a person, who chooses a password unless he stays with the temporary one."""
    gateway, notifications = world.services, world.services.of("notifications")
    email = f"{role}@example.org"
    started = gateway.call(
        "identity",
        "start_registration",
        person_type="individual",
        email=email,
        organisation=None,
        ip=IP,
    )["registration_id"]
    code = notifications.call("identity", "issue_registration_code", registration_id=started)
    gateway.call(
        "identity",
        "confirm_registration",
        registration_id=started,
        code=code["code"],
        accept_rules=True,
        consent_personal_data=True,
        ip=IP,
    )
    identity = world.services.store("identity")
    index = Fingerprints(identity).email(email)
    person_id = str(
        identity.query(lambda session: session.read.credentials.of_email(index)).person_id
    )
    issued = notifications.call("identity", "issue_temporary_password", person_id=person_id)
    arrival = {"email": email, "device": "Firefox", "ip": IP}
    session = gateway.call("identity", "sign_in", password=issued["password"], **arrival)
    world.persons[role] = person_id
    world.passwords[role] = issued["password"] if role == "temporary" else PASSWORD
    if role != "temporary":
        gateway.call(
            "identity",
            "change_password",
            person_id=person_id,
            session_id=session["session_id"],
            current_password=issued["password"],
            new_password=PASSWORD,
        )


def _be_unaccepted(database: Database, world: World) -> None:
    with database.owner("identity") as owner:
        owner.execute(
            "UPDATE persons SET rules_version = '2020-01-01' WHERE person_id = %s",
            (world.persons["unaccepted"],),
        )


def _be_subscriber(world: World) -> None:
    token = new_token()
    with world.services.store("identity").session() as session:
        session.read.subscribers.put(
            "datamart",
            token_digest(token),
            ["ledger"],
            persons=False,
            change="added",
            reason="test",
        )
    world.tokens["subscriber"] = token


def _hold_account(database: Database, world: World, folder: Path) -> None:
    """Register a contract, change its holder, and let the linked roles have access to it."""
    grant(database.settings, "accounts", "matrix", "link", None)
    _import(database, folder, holder="Прежнев Иван", code="AAAA-BBBB", day="")
    _link(world, "former")
    _import(database, folder, holder="Новикова Анна", code="CCCC-DDDD", day="2026-11-01")
    for role in ("owner", "payer", "viewer"):
        _link(world, role)
    _tell_ledger(world)


def _import(database: Database, folder: Path, **row: str) -> None:
    file = folder / "contracts.csv"
    rows = [
        _ROW.format(number=NUMBER, flat=1, **row),
        # Somebody else's contract, which nobody here has.
        _ROW.format(number="0100000002", flat=2, holder="Чужова Ольга", code="EEEE-FFFF", day=""),
    ]
    file.write_text("\n".join([_HEADER, *rows, ""]), encoding="utf-8")
    with mock.patch.object(terminal, "load_settings", return_value=database.settings):
        result = CliRunner().invoke(accounts_cli.app, ["import", str(file), "--reason", "test"])
    assert result.exit_code == 0, result.output


def _link(world: World, role: str) -> None:
    world.services.of(_STAFF).call(
        "accounts",
        "staff_link",
        person_id=world.persons[role],
        number=NUMBER,
        role=_LINKED[role],
        reason="test",
        dry_run=False,
    )


def _tell_ledger(world: World) -> None:
    """Let the ledger hear of the contracts, as the bus would tell it."""
    accounts, ledger = world.services.store("accounts"), world.services.store("ledger")
    for logged in accounts.log_after(0, 10_000):
        recorded = accounts.recorded(logged)
        said = publishing.publish(recorded)
        if said is None or said.type not in REACTIONS["accounts"]:
            continue
        message = Message(
            id=str(recorded.position),
            type=said.type,
            source="accounts",
            subject=said.subject,
            time=recorded.recorded_at,
            position=recorded.position,
            predecessor=recorded.position - 1,
            correlation_id="",
            data=dict(said.data),
        )
        react, nothing = REACTIONS["accounts"][said.type], SimpleNamespace()
        with ledger.session() as session:
            react(session, message, nothing)  # type: ignore[arg-type]


def _bill(world: World) -> None:
    """Post a bill to each holder, and seal the log."""
    line = ChargeLine("heating", "Отопление", payable=100_00, charged=100_00)
    for key in (FORMER, SHARED):
        bill = PostCharges(
            number=key,
            period=PERIOD,
            due_on=date(2026, 11, 15),
            effective_on=date(2026, 10, 31),
            lines=(line,),
        )
        world.services.store("ledger").execute(post_charges, bill)


def _own_things(world: World) -> None:
    """Let the owner have a payment, a question and a second session."""
    owner, services = world.persons["owner"], world.services
    payment_id = uuid4()
    started = StartPayment(
        payment_id=payment_id,
        person_id=UUID(owner),
        lines=(Line(SHARED, 100, 0),),
        acquirer="main",
    )
    services.store("payments").execute(start_payment, started)
    registering = {"person_type": "individual", "organisation": None, "ip": IP}
    started_id = services.call(
        "identity", "start_registration", email="begun@example.org", **registering
    )["registration_id"]
    asked = services.call(
        "helpdesk", "ask", person_id=owner, topic="charges", account=None, text="Почему выросла?",
        attachments=[attached := _file(world, owner)],
    )  # fmt: skip
    world.things |= {
        "number": NUMBER,
        "period": PERIOD,
        "payment_id": str(payment_id),
        "question_id": asked["question_id"],
        "attachment_id": attached,
        "registration_id": started_id,
        "link": _link_of_a_letter(world, UUID(owner)),
    }


def _file(world: World, person_id: str) -> str:
    """Send a file in the name of a person; return its id."""
    services = world.services
    id_ = services.call("helpdesk", "begin_upload", person_id=person_id, name="счёт.pdf")[
        "attachment_id"
    ]
    of_person = {"person_id": person_id, "attachment_id": id_}
    part = b64encode(PDF_BYTES).decode()
    services.call("helpdesk", "upload_part", **of_person, index=0, content=part)
    digest = sha256(PDF_BYTES).hexdigest()
    services.call("helpdesk", "finish_upload", **of_person, sha256=digest)
    return str(id_)


def _link_of_a_letter(world: World, person_id: UUID) -> str:
    """Return the token that switches reminders off."""
    key = world.services.store("notifications").hash_key(unsubscribe.KEY_PURPOSE)
    return unsubscribe.token_of(key, person_id, LetterKind.DUE_SOON)
