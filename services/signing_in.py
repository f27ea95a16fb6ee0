"""Signing in to the database: who acts at this terminal, and with whose rights a verb works.

Somebody signs in as himself and takes the rights of a service: all of them for a verb that writes,
those of a reader for one that reads. Who acts is the login, and the database writes it itself.
Where only the service's own URL is set, its verbs can read: it writes in nobody's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.config import ConfigurationError, Settings
from shared.staff import LOGIN_PREFIX

# A verb that calls a service has its rights there, and starts without the database.
if TYPE_CHECKING:
    from shared.database import Login

PROBE_SECONDS = 10

_HOW = (
    "set SALDO_DATABASE_URL to the URL of your own login, as an administrator gave it to you by "
    "`saldo staff add`"
)


def actor_of(settings: Settings) -> str:
    """Return who acts, as events record it: ``staff:<name>``.

    Raises ConfigurationError where nobody has signed in.
    """
    return f"staff:{_user_of(_staff_url(settings)).removeprefix(LOGIN_PREFIX)}"


def login_for(settings: Settings, service: str, *, writes: bool) -> Login:
    """Return how a verb reaches the database of a service.

    A verb that writes takes the rights of the service for its rehearsal, too: that compares what a
    reader does not see. Raises ConfigurationError when nobody has signed in.
    """
    from shared.database import Login
    from shared.eventstore.privileges import reader_of, writer_of

    own = settings.database_urls.get(service)
    if own and not writes and not settings.staff_url_of(service):
        return Login(own, read_only=True)
    url, role = _staff_url(settings, service), settings.database_role_of(service)
    if writes:
        return Login(url, writer_of(role))
    # Another login that signs in here is the owner's, who may read everything.
    taken = reader_of(role) if _user_of(url).startswith(LOGIN_PREFIX) else ""
    return Login(url, taken, read_only=True)


def login_of_security_log(settings: Settings, service: str) -> Login:
    """Return how the security log of a service is read; raises ConfigurationError for nobody."""
    from shared.database import Login
    from shared.eventstore.privileges import security_reader_of

    own = settings.database_urls.get(service)
    if own and not settings.staff_url_of(service):
        return Login(own, read_only=True)
    url, role = _staff_url(settings, service), settings.database_role_of(service)
    staff = _user_of(url).startswith(LOGIN_PREFIX)
    return Login(url, security_reader_of(role, service) if staff else "", read_only=True)


def keys_login_for(settings: Settings, login: Login) -> Login | None:
    """Return how a verb with a login reaches the data keys; None: as the service itself."""
    url = settings.staff_keys_database_url
    return login._replace(url=url) if url and login.role else None


def check_login(login: Login, service: str) -> None:
    """Raise ConfigurationError for a login that may not take its role; psycopg.Error for none."""
    if not login.role:
        return
    import psycopg

    from shared.database import connection_info

    info = connection_info(login.url, service, statement_timeout_ms=PROBE_SECONDS * 1000)
    with psycopg.connect(info) as connection:
        row = connection.execute(
            "SELECT pg_has_role(session_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s",
            (login.role,),
        ).fetchone()
    if row is None:
        raise ConfigurationError(
            f"this database has no role {login.role}: call `python -m services migrate`, or set "
            "SALDO_ROLE_PREFIX to what the roles of this installation begin with"
        )
    if not row[0]:
        what = "read" if login.read_only else "write"
        raise ConfigurationError(
            f"{_user_of(login.url)} may not {what} the database of {service}: an administrator "
            "gives somebody a role by `saldo staff add`"
        )


def _staff_url(settings: Settings, service: str = "") -> str:
    """Return where whoever has signed in reaches a service; without one, most of them."""
    url = settings.staff_url_of(service)
    if not url:
        raise ConfigurationError(f"nobody has signed in to the database: {_HOW}")
    return url


def _user_of(url: str) -> str:
    """Return the user of a URL, or libpq's default where it names none."""
    import psycopg
    from psycopg import pq
    from psycopg.conninfo import conninfo_to_dict

    try:
        named = conninfo_to_dict(url).get("user")
    except psycopg.ProgrammingError:
        # Its text quotes the URL, which holds a password.
        raise ConfigurationError(
            "the database URL of your login cannot be read: write it like "
            "postgresql://staff.name:password@host:5432/name"
        ) from None
    if named:
        return str(named)
    [default] = [option.val for option in pq.Conninfo.get_defaults() if option.keyword == b"user"]
    return (default or b"").decode()
