"""Authentication: identity checks the bearer token of a session on every request."""

from __future__ import annotations

from werkzeug.wrappers import Request

from gateway.operations import SERVICE_TIMEOUT, Access, Person, ServiceCalls
from gateway.problems import CHALLENGE, Refusal
from shared.errors import Forbidden, NotFound, ValidationFailed

MAX_TOKEN_LENGTH = 200


def person_of(request: Request, services: ServiceCalls, access: Access) -> Person | None:
    """Return the person whose session the token names; None where no person is asked for.

    Raises Refusal: 401 ``not_signed_in`` without a live session, 403 as `due_first` says.
    """
    if access is Access.PUBLIC or access is Access.SUBSCRIBER:
        return None
    person = person_of_token(bearer_token(request, "not_signed_in"), services)
    if due := due_first(person, access):
        raise due
    return person


def due_first(person: Person, access: Access) -> Refusal | None:
    """Return why a person cannot use yet what has this access; None where he can.

    ``password_change_required`` while the password is temporary (S9), ``acceptance_required`` while
    a new version of the rules or the consent is not accepted, ``second_factor_setup_required``
    where the operator requires a second factor and there is none.
    """
    if access is Access.PUBLIC:
        return None
    if person.must_change_password and access is not Access.ANY_PASSWORD:
        return Refusal(403, "password_change_required")
    if person.must_accept and access in {Access.SIGNED_IN, Access.WITHOUT_FACTOR}:
        return Refusal(403, "acceptance_required", documents=person.must_accept)
    if person.must_add_factor and access is Access.SIGNED_IN:
        return Refusal(403, "second_factor_setup_required")
    return None


def bearer_token(request: Request, refused_as: str) -> str:
    """Return the token of the header Authorization; raises Refusal 401 with the code given."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN_LENGTH:
        raise Refusal(401, refused_as, headers=CHALLENGE)
    return token


def person_of_token(token: str, services: ServiceCalls) -> Person:
    """Return the person of a session. Raises Refusal 401 ``not_signed_in`` when it is not alive."""
    if not 0 < len(token) <= MAX_TOKEN_LENGTH:
        raise Refusal(401, "not_signed_in", headers=CHALLENGE)
    try:
        found = services.call("identity", "authenticate", deadline=SERVICE_TIMEOUT, token=token)
    except (Forbidden, NotFound, ValidationFailed) as error:
        raise Refusal(401, "not_signed_in", headers=CHALLENGE) from error
    return Person(
        person_id=str(found["person_id"]),
        session_id=str(found["session_id"]),
        must_change_password=bool(found["must_change_password"]),
        must_accept=found["must_accept"],
        must_add_factor=bool(found.get("must_add_factor")),
    )
