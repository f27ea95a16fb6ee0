"""A process that posts a payment and can be stopped while it holds the turn to append.

``python -m tests.faults.stopping_appender`` reads JSON from its standard input: the URLs of the
database by service, the account, the id of the command and of the payment. It prints "holding" when
it holds the append lock and waits for another line; in the end it prints the result as JSON.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any
from uuid import UUID

from services.discovery import open_store
from services.ledger.application import PaidLine, PostPayment, post_payment
from shared import context
from shared.config import Settings


def main() -> None:
    given = json.loads(sys.stdin.readline())
    urls = given["urls"]
    settings = Settings(secret=bytes(range(32)), database_urls=urls, keys_database_urls=urls)
    attempts = 0

    def post(session: Any, command: PostPayment) -> Any:
        nonlocal attempts
        attempts += 1
        result = post_payment(session, command)
        session.flush()
        if attempts == 1:
            print("holding", flush=True)  # noqa: T201 - for the test
            sys.stdin.readline()
        return result

    line = PaidLine(account=given["account"], amount=100, penalty=0)
    command = PostPayment(
        payment_id=UUID(given["payment_id"]), paid_on=date(2026, 11, 1), lines=(line,)
    )
    store = open_store("ledger", settings)
    with context.bind(command_id=UUID(given["command_id"])):
        result = store.execute(post, command)
    store.close()
    print(json.dumps({"result": result, "attempts": attempts}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
