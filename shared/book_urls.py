"""Where the database of each book of the ledger is, as settings name it."""

from __future__ import annotations

from collections.abc import Mapping

from shared.books import SEALER, sealer_of


class BookUrls:
    """The settings of databases, by the book that is asked for."""

    database_url: str
    staff_database_url: str
    database_urls: Mapping[str, str]
    login_urls: Mapping[str, str]
    staff_login_urls: Mapping[str, str]

    def owner_url_of(self, service: str) -> str:
        """Return the URL under which the owner reaches a service's database; "" for none."""
        return self.login_urls.get(service) or self.database_url

    def staff_url_of(self, service: str) -> str:
        """Return the URL under which staff reach a service's database; "" for nobody."""
        given = self.staff_login_urls.get(service) or self.login_urls.get(service)
        return given or self.staff_database_url

    def sealer_url_of(self, log: str) -> str:
        """Return the URL under which the sealer reaches the log of a book; "" for none."""
        return self.database_urls.get(sealer_of(log)) or self.database_urls.get(SEALER, "")
