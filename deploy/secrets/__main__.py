"""``python -m deploy.secrets FOLDER --for compose|kubernetes --host lk.example.org``.

Makes the secrets of an installation that are not there yet: a folder for each holder, a file for
each setting, named for it, as SALDO_SECRETS_DIR reads them. What is there stays, so it can be
called again: after an upgrade, and before a certificate ends; with ``--books`` for a new book of
the ledger, or a new key of its ring. A book that is to have a server of its own is named by
``--new-server``, and by ``--own-server`` from when it has moved there. Exit code 2: a folder cannot
be written, or what everything follows from was taken away and is to be brought back first.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deploy.secrets.certificates import ends_soon, make_authority, make_certificate
from deploy.secrets.holders import (
    NEXT,
    BookServer,
    holder_of,
    sealer_holder_of,
    secrets_of,
)
from deploy.secrets.places import PLACES
from deploy.secrets.writing import SecretFolder
from services.ledger.seal import rotation
from shared.books import SPLIT, book_of, books_of, log_of
from shared.config import GATEWAY, SERVICES
from shared.key_files import create_ring

ROOT, AUTHORITY = "root", "ca"
PUBLIC, OPERATOR = "public", "operator"
SERVERS = ("rabbitmq", "postgres", "postgres-keys")


class IncompleteError(Exception):
    """What the others follow from is away: they would be changed, or lead to where nothing is."""


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    folder: Annotated[Path, typer.Argument(help="Where the secrets are kept, on one host.")],
    kind: Annotated[str, typer.Option("--for", help="compose, or kubernetes.")],
    host: Annotated[str, typer.Option(help="The cabinet's host name, as lk.example.org.")],
    books: Annotated[
        str, typer.Option(help="The ledger's further books, as SALDO_LEDGER_BOOKS has them.")
    ] = "",
    new_server: Annotated[
        str, typer.Option(help="The book that is to move to a server of its own: NAME[=HOST].")
    ] = "",
    own_server: Annotated[
        list[str] | None,
        typer.Option(help="A book that has moved to one: NAME[=HOST]; repeatable."),
    ] = None,
) -> None:
    """Make the secrets that are not there yet; what is there stays."""
    if kind not in PLACES:
        raise typer.BadParameter("compose or kubernetes", param_hint="--for")
    try:
        further = books_of(books)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--books") from None
    servers = [
        *(_server(kind, further, one, "--own-server", has_moved=True) for one in own_server or ()),
        *(
            _server(kind, further, one, "--new-server", has_moved=False)
            for one in filter(None, [new_server])
        ),
    ]
    if len({one.log for one in servers}) < len(servers):
        raise typer.BadParameter("a book is named twice", param_hint="--own-server")
    try:
        make_secrets(folder, kind, host, further, servers)
    except OSError as error:
        typer.echo(f"{error.filename}: {error.strerror}", err=True)
        raise typer.Exit(2) from None
    except IncompleteError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{folder} has every secret. Back it up apart from the databases; keep", err=True)
    typer.echo(f"{folder / OPERATOR} off this host, where nobody needs it.", err=True)


def _server(
    kind: str, books: Sequence[str], given: str, option: str, *, has_moved: bool
) -> BookServer:
    """Return the server of a book's own that an option names; raises BadParameter."""
    book, _, host = given.partition("=")
    if log_of(book) not in books:
        raise typer.BadParameter(f"--books does not name {book}", param_hint=option)
    try:
        return BookServer(log_of(book), PLACES[kind].of_book(book, host), has_moved)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def make_secrets(
    folder: Path,
    kind: str,
    host: str,
    books: Sequence[str] = (),
    servers: Sequence[BookServer] = (),
) -> None:
    """Make the secrets of a kind of installation; raises OSError and IncompleteError.

    ``books`` are the logs of the ledger's further books, ``servers`` those of their own.
    """
    kept = SecretFolder(folder)
    _check_complete(kept)
    _check_servers(kept, books, servers)
    root = kept.text(OPERATOR, ROOT, lambda: secrets.token_hex(32))
    for holder, files in secrets_of(PLACES[kind], root, books, servers).items():
        for name, content in files.items():
            kept.write(holder, name, content)
    for owner in (*SERVICES, GATEWAY):
        ring = kept.place(owner, f"SALDO_SECRET_{owner.upper()}")
        if not ring.exists():
            create_ring(ring)
    for log in books:
        _share_ring(kept, log)
    for log in (SPLIT, *books):
        book = book_of(log)
        key = kept.place(sealer_holder_of(log), "seal.key")
        verifiers = kept.place(PUBLIC, f"verifiers-{book}" if book else "verifiers")
        if not key.exists():
            # Chosen once: every checkpoint has it.
            rotation.create(key, verifiers, f"{host}/ledger/{book}" if book else f"{host}/ledger")
    if servers and all(one.has_moved for one in servers):
        for name in NEXT:
            kept.remove("administrator", name)
    kept.place("terminal", "")  # an operator's own, empty until he has been added
    if kind == "compose":
        _make_certificates(kept, host, servers)
    kept.finish()


def _share_ring(kept: SecretFolder, log: str) -> None:
    """Give a book the ring of the ledger, which is that of all its books; also one that changed."""
    name = f"SALDO_SECRET_{SPLIT.upper()}"
    kept.write(holder_of(log), name, kept.find(SPLIT, name).read_text(encoding="ascii"))


def _check_complete(kept: SecretFolder) -> None:
    """Raise IncompleteError where something was made from what is not here any more."""
    for made, source in (
        (kept.find("migrate", "SALDO_DATABASE_URL"), kept.find(OPERATOR, ROOT)),
        (kept.find(PUBLIC, "ca.pem"), kept.find(OPERATOR, "ca.key")),
    ):
        if made.exists() and not source.exists():
            raise IncompleteError(
                f"{source} is away, and {made} was made from it: bring it back from where it is "
                "kept. Nothing was changed"
            )


def _check_servers(kept: SecretFolder, books: Sequence[str], servers: Sequence[BookServer]) -> None:
    """Raise IncompleteError where a book has moved, and would be looked for where it was."""
    moved = {one.log for one in servers if one.has_moved}
    for log in books:
        login = kept.find("migrate", f"SALDO_LOGIN_URL_{log.upper()}")
        if login.exists() and log not in moved:
            raise IncompleteError(
                f"{book_of(log)} has moved to a server of its own: name it by --own-server. "
                "Nothing was changed"
            )


def _make_certificates(kept: SecretFolder, host: str, servers: Sequence[BookServer]) -> None:
    authority, private = kept.place(PUBLIC, "ca.pem"), kept.place(OPERATOR, "ca.key")
    if not authority.exists():
        certificate, key = make_authority("Saldo, servers of this installation")
        kept.write(OPERATOR, "ca.key", key)
        kept.write(PUBLIC, "ca.pem", certificate)
    named = {server: server for server in SERVERS} | {
        one.holder: one.places.database for one in servers
    }
    for holder, name in (*named.items(), ("proxy", host)):
        path = kept.place(holder, "tls.crt")
        if path.exists() and (holder == "proxy" or not ends_soon(path.read_text("ascii"))):
            continue  # that of the proxy is the operator's: the first one is a stand-in
        certificate, key = make_certificate(
            name, authority.read_text("ascii"), private.read_text("ascii")
        )
        kept.write(holder, "tls.key", key)
        kept.write(holder, "tls.crt", certificate)


if __name__ == "__main__":
    sys.exit(app())
