"""The closed set of errors that cross the wire between services.

A service refuses by raising one of the five classes below. ``code`` is stable and machine
readable (the gateway translates it for people), the message is an English sentence for developers
and staff that says what to do next, and ``params`` are plain JSON values, never personal or secret.
Every other exception is a defect: the caller sees only an opaque id.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ServiceError(Exception):
    """A refusal with a stable code; raise one of its subclasses."""

    kind: ClassVar[str] = "internal"

    told = False
    """Whether it is an earlier refusal of the same call (see shared.eventstore.refusals)."""

    def __init__(self, code: str, message: str, **params: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.params = params

    def as_wire(self) -> dict[str, Any]:
        """Return the JSON form in which the error travels."""
        return {
            "kind": self.kind,
            "code": self.code,
            "message": self.message,
            "params": self.params,
        }


class ValidationFailed(ServiceError):  # noqa: N818 - an outcome, not an error of the program
    """The input is invalid; repeating it will not help."""

    kind = "validation"


class NotFound(ServiceError):  # noqa: N818
    """The subject does not exist, or the caller may not know that it does."""

    kind = "not_found"


class Conflict(ServiceError):  # noqa: N818
    """The input is valid, but the current state does not allow it."""

    kind = "conflict"


class Forbidden(ServiceError):  # noqa: N818
    """The caller may not do this, or not now (too many attempts)."""

    kind = "forbidden"


class Unavailable(ServiceError):  # noqa: N818
    """No reply in time: the outcome is unknown; the same command id may be sent again."""

    kind = "unavailable"


class InternalError(ServiceError):
    """A defect in the called service; its log has ``params["error_id"]``."""

    kind = "internal"


_BY_KIND: dict[str, type[ServiceError]] = {
    cls.kind: cls
    for cls in (ValidationFailed, NotFound, Conflict, Forbidden, Unavailable, InternalError)
}


def from_wire(error: dict[str, Any]) -> ServiceError:
    """Rebuild an error of the called service from its JSON form."""
    cls = _BY_KIND.get(str(error.get("kind")), InternalError)
    params = error.get("params")
    return cls(
        str(error.get("code", "internal_error")),
        str(error.get("message", "The called service failed without a message.")),
        **{str(key): value for key, value in (params or {}).items()},
    )
