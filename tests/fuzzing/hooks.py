"""What schemathesis loads: sessions, examples that exist in this installation, and the tally."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import schemathesis
from pyotp import TOTP
from schemathesis import AuthContext, Case, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData

from tests.fuzzing.explained import is_explained

KEY = "Idempotency-Key"
MOST_WAIT = 20
"""Seconds that a subscriber may wait for events."""
MOST_OF_TARGET = 7000
"""Bytes of a query: with its path it fits into the 8 KiB of a request line."""

PLAN = json.loads(Path(os.environ["FUZZING_PLAN"]).read_text(encoding="utf-8"))
"""``tokens``, ``requests`` and ``secrets`` of tests.fuzzing.cabinets, and the ``database_url``."""

_USABLE_KEY = re.compile("[!-~]{1,150}")
_numbers = itertools.count()
_statuses: defaultdict[str, Counter[int]] = defaultdict(Counter)
_database = psycopg.connect(PLAN["database_url"], autocommit=True)


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Put requests that succeed in the place of the description's examples."""
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            request = PLAN["requests"].get(operation["operationId"], {})
            for parameter in operation.get("parameters", ()):
                value = request.get(parameter["in"], {}).get(parameter["name"])
                if value is not None:
                    parameter.pop("examples", None)
                    parameter["example"] = value
            if "body" in request:
                for media in operation["requestBody"]["content"].values():
                    media.pop("examples", None)
                    media["example"] = request["body"]


@schemathesis.hook
def filter_case(context: HookContext, case: Case) -> bool:
    """Leave out targets that are refused (414) before there is an operation."""
    query = case.query if isinstance(case.query, Mapping) else {}
    return len(urlencode(query, doseq=True)) < MOST_OF_TARGET


OF_WHO_SIGNED_IN = frozenset({"session", "end_session"})
"""Operations on a session, of the person alone who has opened it."""


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Forget the attempts so far, and make each usable key a new one.

    A refusal for too many attempts, or for a key that had another body, would hide what else there
    is to find.
    """
    query = case.query if isinstance(case.query, dict) else {}
    if str(query.get("wait", "")).isdecimal() and int(query["wait"]) <= MOST_WAIT:
        query["wait"] = 0  # for events that nobody makes meanwhile
    _database.execute("DELETE FROM identity.attempts")
    _database.execute("DELETE FROM accounts.attempts")
    _database.execute(
        "UPDATE identity.challenges SET attempts_left = 5,"
        " expires_at = clock_timestamp() + interval '10 minutes'"
    )
    body = case.body if isinstance(case.body, dict) else {}
    secret = PLAN["secrets"].get(str(body.get("challenge_id")))
    if secret is not None:
        body["code"] = TOTP(secret).now()
    key = case.headers.get(KEY)
    if isinstance(key, str) and _USABLE_KEY.fullmatch(key):
        case.headers[KEY] = f"{next(_numbers)}-{key}"


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    """Count the statuses of each operation; go on with the token that a new password gives."""
    operation = case.operation.definition.raw["operationId"]
    _statuses[operation][response.status_code] += 1
    if operation == "change_password" and response.status_code == 200:
        PLAN["tokens"][operation] = response.json()["token"]


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Accept that a well-formed request is refused for what no description can tell.

    A session that was just opened is another person's than the one whose token the plan gives.
    """
    if isinstance(failure, EnsureResourceAvailability):
        return case.operation.definition.raw["operationId"] not in OF_WHO_SIGNED_IN
    if not isinstance(failure, RejectedPositiveData):
        return True
    return not is_explained(response.json()["code"], case.body)


def _write_tally() -> None:
    Path(os.environ["FUZZING_TALLY"]).write_text(json.dumps(_statuses), encoding="utf-8")


atexit.register(_write_tally)


if PLAN["tokens"]:

    @schemathesis.auth(refresh_interval=None)
    class Session:
        """The session of the person whose cabinet an operation may spoil, or the owner's."""

        def get(self, case: Case, context: AuthContext) -> str:
            tokens: dict[str, str] = PLAN["tokens"]
            return tokens.get(context.operation.definition.raw["operationId"], tokens["owner"])

        def set(self, case: Case, data: str, context: AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {data}"
