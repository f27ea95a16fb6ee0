"""The further books of the ledger in an installation: their settings, and who gets them.

``SALDO_LEDGER_BOOKS=north make up`` makes a book beside the first one, in the same database. With
``SALDO_LOGIN_URL_LEDGER_NORTH`` it is in another, which its owner has there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deploy.embedded.state import StateDir
from shared.books import SPLIT, book_of, books_of, sealer_of

SignedIn = Callable[[str, str], str]
"""Returns a URL with another user, and the password of that one."""
_VERIFIERS = ("SEAL_OLD_KEYS", "SEAL_VERIFIER", "SEAL_VERIFIER_FILE")
_LOGINS = ("SALDO_LOGIN_URL", "SALDO_STAFF_LOGIN_URL")


def books_in(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return the logs of the further books."""
    return books_of(settings.get("SALDO_LEDGER_BOOKS", ""))


def database_settings(
    settings: Mapping[str, str], role: SignedIn, staff: SignedIn
) -> dict[str, str]:
    """Return where each book has its database, and who signs in there.

    ``role`` signs in a role of the services, ``staff`` the operator.
    """
    found = {}
    for log in books_in(settings):
        elsewhere = settings.get(f"SALDO_LOGIN_URL_{log.upper()}")
        owner = elsewhere or settings["SALDO_DATABASE_URL"]
        keys = settings["SALDO_KEYS_DATABASE_URL"]
        found[f"SALDO_DATABASE_URL_{log.upper()}"] = role(owner, f"saldo_{log}")
        found[f"SALDO_KEYS_DATABASE_URL_{log.upper()}"] = role(keys, f"saldo_{log}")
        found[f"SALDO_DATABASE_URL_{sealer_of(log).upper()}"] = role(owner, "saldo_sealer")
        if elsewhere:
            found[f"SALDO_STAFF_LOGIN_URL_{log.upper()}"] = staff(elsewhere, "staff.operator")
    return found


def broker_settings(settings: Mapping[str, str], user: SignedIn) -> dict[str, str]:
    """Return with what each book signs in to the broker."""
    return {
        f"SALDO_AMQP_URL_{log.upper()}": user(settings["SALDO_AMQP_URL"], log)
        for log in books_in(settings)
    }


def seal_settings(state: StateDir, settings: Mapping[str, str]) -> dict[str, str]:
    """Return where the verifiers and the witness of each book are, for everybody."""
    found = {}
    for log in books_in(settings):
        found[f"SALDO_{log.upper()}_SEAL_VERIFIER_FILE"] = str(state.seal / f"verifiers.{log}")
        found[f"SALDO_{log.upper()}_WITNESS_DIR"] = str(state.root / f"witness.{book_of(log)}")
        found[f"SALDO_{log.upper()}_WITNESS_SECONDS"] = "15"
    return found


def sealer_settings(state: StateDir, settings: Mapping[str, str]) -> dict[str, str]:
    """Return where the private keys of the seals are, for the sealers alone."""
    return {
        f"SALDO_{log.upper()}_SEAL_KEY": str(state.seal / f"key.{log}")
        for log in books_in(settings)
    }


def make_seals(state: StateDir, settings: Mapping[str, str]) -> None:
    """Make the keys of the seals, and the folders of the witnesses, that are not there yet."""
    for log in books_in(settings):
        (state.root / f"witness.{book_of(log)}").mkdir(mode=0o700, exist_ok=True)
        key, verifiers = state.seal / f"key.{log}", state.seal / f"verifiers.{log}"
        if key.exists():
            continue
        # With it comes the whole ledger, which supervisor and watchdog would hold.
        from services.ledger.seal import rotation
        from services.ledger.seal.keys import NAME, environ_of

        name = environ_of(log, {NAME: settings.get(NAME, "")})[NAME]
        rotation.create(key, verifiers, name)


def seal_process(log: str) -> str:
    """Return the name of the process that seals a book."""
    return f"seal_{book_of(log)}"


def is_seal_process(name: str) -> bool:
    """Return whether this is the process that seals some further book."""
    return name.startswith(seal_process(SPLIT))


def variables_of(process: str, settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables of the books that a process gets."""
    names = list[str]()
    for log in books_in(settings):
        own = log.upper()
        databases = [f"SALDO_DATABASE_URL_{own}", f"SALDO_KEYS_DATABASE_URL_{own}"]
        verifiers = [f"SALDO_{own}_{name}" for name in _VERIFIERS]
        logins = [f"{name}_{own}" for name in _LOGINS]
        names += {
            "migrate": [*databases, f"SALDO_DATABASE_URL_{sealer_of(log).upper()}", logins[0]],
            "broker": [f"SALDO_AMQP_URL_{own}"],
            "staff": [databases[0], *logins, *verifiers],
            "subscribers": [databases[0]],
            "serve": [*databases, f"SALDO_AMQP_URL_{own}", *verifiers],
            "work": [*databases, f"SALDO_AMQP_URL_{own}", *verifiers],
            seal_process(log): _of_sealer(log, verifiers),
        }.get(process, [])
    return tuple(names)


def _of_sealer(log: str, verifiers: list[str]) -> list[str]:
    own = log.upper()
    return [
        "SALDO_LEDGER_SEAL_NAME",
        f"SALDO_DATABASE_URL_{sealer_of(log).upper()}",
        *verifiers,
        *(
            f"SALDO_{own}_{name}"
            for name in (
                "SEAL_KEY",
                "SEAL_NAME",
                "WITNESS_DIR",
                "WITNESS_MAIL",
                "WITNESS_MAIL_SECONDS",
                "WITNESS_SECONDS",
            )
        ),
    ]
