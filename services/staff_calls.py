"""What staff CLIs ask of a service: by RPC, under the broker's user of the terminal.

The service knows who calls by that user alone, and looks up what he may do. So a verb that writes
needs no key, no database, and no flag that says who acts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from services.chosen_book import chosen_book
from services.language import text
from services.terminal import warn_of_actor
from shared.config import ConfigurationError, Settings, load_settings, user_of
from shared.errors import Unavailable, ValidationFailed

# A verb that reads the database starts without the bus.
if TYPE_CHECKING:
    from shared.bus.principals import Principal
    from shared.rpc.client import RpcClient

DEADLINE_S = 15.0


class StaffCalls:
    """The RPCs of one service, called by one of the staff."""

    def __init__(self, client: RpcClient, service: str) -> None:
        self._client = client
        self._service = service

    def ask(self, method: str, *, deadline: float = DEADLINE_S, **arguments: Any) -> Any:
        """Call a method that only reads."""
        return self._call(method, deadline, arguments, text("Try again in a moment."))

    def command(self, method: str, *, deadline: float = DEADLINE_S, **arguments: Any) -> Any:
        """Call a method that writes; its service does what is repeated once."""
        return self._call(
            method,
            deadline,
            arguments,
            text("Whether it was done is unknown: run the same command again, it is done once."),
        )

    def _call(self, method: str, deadline: float, arguments: dict[str, Any], advice: str) -> Any:
        try:
            return self._client.call(self._service, method, deadline=deadline, **arguments)
        except Unavailable as error:
            silent = text("The service {service} did not answer.", service=self._service)
            raise Unavailable(error.code, f"{silent} {advice}") from error
        except ValidationFailed as error:
            raise ValidationFailed(error.code, _with_fields(error), **error.params) from error


@contextmanager
def calls_to(service: str, actor: str | None = None) -> Iterator[StaffCalls]:
    """Sign in to the broker and yield the RPCs of a service.

    ``actor`` is the option of that name, which nobody reads any more. Raises ConfigurationError
    where the terminal's user is none of the staff, or unknown to the broker.
    """
    settings = load_settings()
    principal = signed_in_as(settings)
    warn_of_actor(actor, principal.actor)
    url = settings.staff_amqp_url
    check_access(url)
    with closing(new_client(url)) as client:
        yield StaffCalls(client, service)


def new_client(url: str) -> RpcClient:
    """Return a client of the RPCs, which finds the books of the ledger unless one was named."""
    from shared.rpc.book_methods import routed
    from shared.rpc.client import RpcClient

    books = () if chosen_book() else load_settings().books
    client: RpcClient = routed(RpcClient(url, name="saldo"), books)
    return client


def reads_database(service: str) -> bool:
    """Return whether this terminal has a login that reads a service's database."""
    settings = load_settings()
    return bool(settings.staff_database_url or settings.database_urls.get(service))


def signed_in_as(settings: Settings) -> Principal:
    """Return who this terminal is at the broker; raises ConfigurationError."""
    from shared.bus.principals import principal_of

    if not settings.staff_amqp_url:
        raise _no_url()
    user = user_of(settings.staff_amqp_url)
    principal = principal_of(user)
    if principal is None or principal.kind != "staff":
        raise ConfigurationError(
            text(
                "SALDO_AMQP_URL has the user {user}, who is none of the staff: an administrator "
                "makes you one by `saldo staff add`",
                user=user,
            )
        )
    return principal


def _with_fields(error: ValidationFailed) -> str:
    fields = error.params.get("fields")
    if not isinstance(fields, dict):
        return error.message
    return "; ".join(f"{name}: {_sentence(faults)}" for name, faults in fields.items())


def _sentence(faults: Any) -> str:
    """Return the faults of a field, which stand in lists, by places in a list."""
    if isinstance(faults, dict):
        return " ".join(map(_sentence, faults.values()))
    return " ".join(map(_sentence, faults)) if isinstance(faults, list) else str(faults)


def _no_url() -> ConfigurationError:
    return ConfigurationError(
        text(
            "set SALDO_AMQP_URL to your own URL of the broker, which an administrator makes by "
            "`saldo staff add`: the service knows you by it"
        )
    )


def check_access(url: str) -> None:
    """Raise ConfigurationError for a URL that the broker does not admit, Unavailable for no broker.

    A client that listens would try again for ever; here nobody waits for a password to change.
    """
    if not url:
        raise _no_url()
    import amqp
    from kombu.exceptions import OperationalError

    from shared.bus.topology import connect

    try:
        with connect(url, name="saldo", heartbeat=0) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0.1)
    except amqp.AccessRefused:
        raise ConfigurationError(
            text(
                "the broker does not admit {user}: an administrator has removed the user, or given "
                "it another password",
                user=user_of(url),
            )
        ) from None
    except (OSError, OperationalError, amqp.AMQPError) as error:
        raise Unavailable(
            "bus_unavailable",
            text("The message bus does not respond; nothing was done. Try again."),
        ) from error
