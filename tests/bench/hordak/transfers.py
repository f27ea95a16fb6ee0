"""Two-leg transactions by django-hordak, run with the interpreter of its own environment.

Each line of standard input is a number of transactions per thread; the reply is a line with the
seconds that they took. HORDAK_DATABASE_URL names an empty database. This script imports nothing
of Saldo.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time

import django
from django.conf import settings

THREADS = 4
ACCOUNTS = 200


def main() -> None:
    """Create the tables and accounts, then serve requests until standard input ends."""
    import dj_database_url

    settings.configure(
        SECRET_KEY="of no account: nothing is served here",
        DATABASES={"default": dj_database_url.parse(os.environ["HORDAK_DATABASE_URL"])},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "mptt",
            "hordak",
        ],
        USE_TZ=True,
        DEFAULT_CURRENCY="RUB",
        HORDAK_CURRENCIES=["RUB"],
        HORDAK_INTERNAL_CURRENCY="RUB",
    )
    django.setup()
    from django.core.management import call_command
    from hordak.models import Account

    call_command("migrate", verbosity=0)
    for index in range(ACCOUNTS):
        Account.objects.create(name=f"account {index}", type="AS", currencies=["RUB"])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(f"{_post(int(line))}\n")
        sys.stdout.flush()


def _post(each: int) -> float:
    """Post a number of transactions per thread; connecting is not timed."""
    from django.db import connection
    from hordak.models import Account, Transaction
    from moneyed import Money

    accounts = list(Account.objects.all())
    before = Transaction.objects.count()
    all_are_ready = threading.Barrier(THREADS + 1)
    one = Money("0.01", "RUB")

    def poster() -> None:
        connection.ensure_connection()
        all_are_ready.wait()
        for _ in range(each):
            payer, payee = random.sample(accounts, 2)
            # hordak's own shortcut for a two-leg transaction, in a database transaction.
            payer.transfer_to(payee, one)
        connection.close()

    threads = [threading.Thread(target=poster) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    all_are_ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    done = Transaction.objects.count() - before
    if done != THREADS * each:
        raise RuntimeError(f"{done} transactions were posted, not {THREADS * each}")
    return took


if __name__ == "__main__":
    main()
