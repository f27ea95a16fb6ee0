"""The cabinets that the fuzzer uses, and a request of each operation that succeeds in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from deploy.demo.client import CabinetClient
from deploy.demo.company import DEMO_PERSON_ACCOUNTS, demo_accounts
from deploy.demo.demo_person import make_demo_person
from deploy.demo.journey import register, set_up_cabinet
from deploy.demo.letters import ABOUT_CODE, Mailbox, code_in, token_in
from deploy.demo.loading import saldo
from deploy.demo.person import Journey, Person, new_address
from deploy.demo.report import Report
from deploy.doubles.acquirer.signature import checksum
from services.identity.fingerprints import new_token, token_digest
from services.notifications import unsubscribe
from services.subscriber_administration import SubscriberAdministration, new_credentials
from shared.bus.grants import Grants
from shared.config import load_settings
from shared.contracts.notifications import LetterKind
from shared.eventstore.hash_keys import HashKeys
from tests.fuzzing.second_factors import SecondFactors

FREE_ACCOUNT, KEPT_ACCOUNT, LEFT_ACCOUNT = "0100000001", "0100000002", "0100000003"

Request = Mapping[str, Mapping[str, Any]]
"""The values of ``path``, ``query`` and ``body``."""


@dataclass(frozen=True)
class Plan:
    """Sessions and requests by operation id, and what paths may name."""

    tokens: Mapping[str, str | None]
    requests: Mapping[str, Request]
    secrets: Mapping[str, str]
    """Secrets of authenticator apps, by the challenges that wait for a code."""
    paths: Mapping[str, Sequence[str]]


def _subscriber() -> str:
    """Make a subscriber who may see the ledger; return its token."""
    credentials = new_credentials()
    administration = SubscriberAdministration(load_settings())
    administration.add("fuzzing", Grants.parse(["ledger"]), credentials, "made to be fuzzed")
    return credentials.token


PDF = b"%PDF-1.7\n%%EOF\n"
"""A file that is taken, of characters that JSON can hold."""


class Cabinets:
    """Persons who register over HTTP.

    The owner is the ready demo person, whose cabinet has something of everything. What would spoil
    it is done by others: one unlinks accounts and ends sessions, one ends all but his own, one
    changes the password, one has lost it, one only signs in.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._url = environment["SALDO_URL"]
        self._database_url = environment["SALDO_DATABASE_URL"]
        self._callback_secret = environment["SALDO_ACQUIRER_SECRET"]
        self._mailbox = Mailbox(Path(environment["SALDO_MAIL_DIR"]))
        self._accounts = {account.number: account for account in demo_accounts()}
        self._owner = CabinetClient(self._url)

    def plan(self) -> Plan:
        """Make the cabinets."""
        make_demo_person(self._owner, Report(), self._mailbox, demo_accounts())
        saldo(
            "ledger",
            "checkpoint",
        )
        leaver, ender, changer, loser, guest = (self._person() for _ in range(5))
        for number in (KEPT_ACCOUNT, LEFT_ACCOUNT):
            leaver.client.link(number, self._accounts[number].proof)
        factors = SecondFactors(self._url, self._person)
        subscriber = _subscriber()
        return Plan(
            tokens={
                **factors.tokens,
                "owner": self._owner.token,
                "unlink_account": leaver.client.token,
                "end_session": leaver.client.token,
                "end_other_sessions": ender.client.token,
                "change_password": changer.client.token,
                "events": subscriber,
                "epochs": subscriber,
            },
            secrets=factors.secrets,
            requests={
                **factors.requests,
                **self._reads(),
                **self._commands(),
                **self._registration(),
                **self._leaving(leaver.person),
                **_new_passwords(changer.person, guest.person),
                **self._recovery(loser.person),
                "sign_in_by_link": {"body": {"token": self._link_of(guest.client)}},
                **self._unsubscribing(leaver.client),
            },
            paths={
                "number": list(DEMO_PERSON_ACCOUNTS),
                "period": [month["period"] for month in self._owner.charges(self._number)],
                "payment_id": [one["payment_id"] for one in self._owner.history()],
                "question_id": [self._question_id, self._file["question_id"]],
                "attachment_id": [self._file["attachment_id"]],
            },
        )

    def _person(self) -> Journey:
        journey = Journey(CabinetClient(self._url), Report(), self._mailbox, [])
        register(journey)
        set_up_cabinet(journey)
        return journey

    @property
    def _number(self) -> str:
        return DEMO_PERSON_ACCOUNTS[0]

    @cached_property
    def _paid(self) -> str:
        paid = next(one for one in self._owner.history() if one["state"] == "completed")
        return str(paid["payment_id"])

    @cached_property
    def _question_id(self) -> str:
        return str(self._owner.call("GET", "/questions")["questions"][0]["question_id"])

    @cached_property
    def _file(self) -> dict[str, str]:
        sent = self._owner.send_file(PDF)["attachment_id"]
        asked = self._owner.ask("charges", "Вот файл", None, [sent])
        return {"question_id": str(asked["question_id"]), "attachment_id": str(sent)}

    def _reads(self) -> dict[str, Request]:
        account = {"path": {"number": self._number}}
        month = {"path": {**account["path"], "period": "2026-10"}}
        payment = {"path": {"payment_id": self._paid}}
        return {
            "balance": account,
            "penalty": account,
            "months": account,
            "statement": account,
            "statements": {"query": {"account": self._number}},
            "bill": month,
            "bill_file": month,
            "payment": payment,
            "receipt": payment,
            "question": {"path": {"question_id": self._question_id}},
            "attachment": {"path": self._file},
            "events": {"query": {"service": "ledger", "types": "payment_posted", "wait": 0}},
            "epochs": {"query": {"service": "ledger"}},
        }

    def _commands(self) -> dict[str, Request]:
        free, question = self._accounts[FREE_ACCOUNT], {"question_id": self._question_id}
        line = {"account": self._number, "amount": 10000, "penalty": 0}
        asked = {"topic": "charges", "account": self._number, "text": "Почему?"}
        callback = self._callback()
        return {
            "look_up_account": {"body": {"number": self._number}},
            "link_account": {"body": {"number": free.number, "proof": free.proof}},
            "start_payment": {"body": {"lines": [line]}},
            "ask_question": {"body": asked},
            "send_attachment": {"body": PDF.decode()},
            "read_question": {"path": question, "body": {"messages": 2}},
            "add_message": {"path": question, "body": {"text": "Спасибо, а за ноябрь?"}},
            "verify_proof": {"body": self._owner.receipt(self._paid)["proofs"][0]["proof"]},
            "acquirer_callback_by_form": {"body": callback},
            "acquirer_callback_by_query": {"query": {"parameters": callback}},
            "named_acquirer_callback_by_form": {"path": {"name": "main"}, "body": callback},
            "named_acquirer_callback_by_query": {
                "path": {"name": "main"},
                "query": {"parameters": callback},
            },
        }

    def _callback(self) -> dict[str, str]:
        """Return the callback of the payment, signed as the bank does it."""
        parameters = {"orderNumber": self._paid.replace("-", ""), "operation": "deposited"}
        return {**parameters, "checksum": checksum(parameters, self._callback_secret)}

    def _registration(self) -> dict[str, Request]:
        client, address = CabinetClient(self._url), new_address("newcomer")
        waiting = {"registration_id": client.start_registration(new_address("waiting"))}
        ready = {"registration_id": client.start_registration(address)}
        code = code_in(self._mailbox.wait(address, ABOUT_CODE))
        consents = {"accept_rules": True, "consent_personal_data": True}
        return {
            "resend_code": {"path": waiting},
            "correct_email": {"path": waiting, "body": {"email": new_address("corrected")}},
            "confirm_registration": {"path": ready, "body": {"code": code, **consents}},
        }

    def _leaving(self, leaver: Person) -> dict[str, Request]:
        another = CabinetClient(self._url).sign_in(leaver.email, leaver.own_password)
        return {
            "unlink_account": {"path": {"number": LEFT_ACCOUNT}},
            "end_session": {"path": {"session_id": another["session_id"]}},
        }

    def _link_of(self, guest: CabinetClient) -> str:
        """Return the token of a link: none is sent before a hundred wrong passwords."""
        token = new_token()
        with psycopg.connect(self._database_url) as database:
            database.execute(
                "INSERT INTO identity.sign_in_links (link_id, person_id, token_digest, expires_at)"
                " VALUES (%s, %s, %s, now() + interval '1 day')",
                (uuid4(), guest.profile()["person_id"], token_digest(token)),
            )
        return token

    def _unsubscribing(self, reader: CabinetClient) -> dict[str, Request]:
        """Return the link that a letter to somebody would have."""
        schema = {"options": "-c search_path=notifications", "row_factory": dict_row}
        with psycopg.connect(self._database_url, **schema) as database:
            keys = HashKeys(load_settings(), "notifications")
            key = keys.fetch(database.cursor(), unsubscribe.KEY_PURPOSE)
        person_id = UUID(reader.profile()["person_id"])
        token = unsubscribe.token_of(key, person_id, LetterKind.DUE_SOON)
        return {
            "subscription": {"path": {"link": token}},
            "unsubscribe": {"body": {"token": token}},
        }

    def _recovery(self, loser: Person) -> dict[str, Request]:
        client = CabinetClient(self._url)
        client.call("POST", "/password-resets", {"email": loser.email})
        letter = self._mailbox.wait(loser.email, "Ссылка для восстановления пароля")
        token = token_in(letter, "/recover/")
        body = {"token": token, "new_password": "found and long enough"}
        return {"confirm_password_reset": {"body": body}}


def _new_passwords(changer: Person, guest: Person) -> dict[str, Request]:
    passwords = {
        "current_password": changer.own_password,
        "new_password": "fresh and long enough",
    }
    return {
        "change_password": {"body": passwords},
        "sign_in": {"body": {"email": guest.email, "password": guest.own_password}},
    }
