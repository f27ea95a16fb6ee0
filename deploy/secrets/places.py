"""Where an installation finds its servers, and where a process finds whom it trusts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

AUTHORITY = "/run/saldo-ca"
"""The folder of certificates of authorities in every container."""


@dataclass(frozen=True)
class Places:
    """Host names and authorities, as the manifests of a kind of installation have them."""

    database: str
    keys_database: str
    broker: str
    database_ca: str
    keys_database_ca: str
    recovered_database: str = ""
    """Where the restore drill finds what it has recovered; empty: it starts a server of its own."""
    recovered_keys_database: str = ""
    book_database: str = ""
    """Where a book has a server of its own; empty: whoever makes one says where."""
    book_database_ca: str = ""

    def of_book(self, book: str, host: str = "") -> Places:
        """Return where the data of a book with a server of its own are; raises ValueError."""
        database = host or self.book_database.format(book=book)
        if not database:
            raise ValueError(f"name the host of its server: {book}=db-{book}.example.org")
        authority = self.book_database_ca.format(book=book)
        return replace(self, database=database, database_ca=authority)

    def database_url(self, user: str, password: str) -> str:
        """Return the URL of the database, for a user."""
        return self._postgresql(self.database, "saldo", self.database_ca, user, password)

    def keys_url(self, user: str, password: str) -> str:
        """Return the URL of the database of keys, for a user."""
        place = self.keys_database, "saldo_keys", self.keys_database_ca
        return self._postgresql(*place, user, password)

    def amqp_url(self, user: str, password: str) -> str:
        """Return the URL of the broker, for a user."""
        return f"amqps://{user}:{password}@{self.broker}:5671/"

    def admin_url(self, user: str, password: str) -> str:
        """Return the URL of the broker's management API, for its administrator."""
        return f"https://{user}:{password}@{self.broker}:15671"

    @staticmethod
    def _postgresql(host: str, name: str, authority: str, user: str, password: str) -> str:
        trust = f"sslmode=verify-full&sslrootcert={quote(f'{AUTHORITY}/{authority}', safe='/')}"
        return f"postgresql://{user}:{password}@{host}:5432/{name}?{trust}"


COMPOSE = Places(
    database="postgres",
    keys_database="postgres-keys",
    broker="rabbitmq",
    database_ca="ca.pem",
    keys_database_ca="ca.pem",
    book_database_ca="ca.pem",
)
KUBERNETES = Places(
    database="saldo-db-rw.saldo.svc",
    keys_database="saldo-keys-rw.saldo.svc",
    broker="rabbitmq.saldo.svc",
    database_ca="database.pem",
    keys_database_ca="keys.pem",
    recovered_database="saldo-db-rw.saldo-drill.svc",
    recovered_keys_database="saldo-keys-rw.saldo-drill.svc",
    book_database="saldo-db-{book}-rw.saldo.svc",
    book_database_ca="database-{book}.pem",
)
PLACES = {"compose": COMPOSE, "kubernetes": KUBERNETES}
