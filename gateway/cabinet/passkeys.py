"""Passkeys on pages: where a browser can use them, and what its script has posted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet.forms import FormErrors
from gateway.cabinet.visit import Visit
from gateway.routes.second_step import SecondStepRoutes
from shared.relying_party import relying_party_of

REFUSED = "passkey_refused"


def elsewhere(visit: Visit) -> str:
    """Return the address of the cabinet at which passkeys work; "" where it is this one.

    They are bound to one origin, and a cabinet can often be reached by several.
    """
    party = relying_party_of(visit.settings.url)
    host = party.origin.partition("://")[2] if party else ""
    return "" if party is None or host == visit.request.host else party.origin


def available(visit: Visit) -> bool:
    """Return whether this installation can have passkeys."""
    return relying_party_of(visit.settings.url) is not None


def posted_credential(visit: Visit) -> Any:
    """Return the authenticator's response, as the script wrote it; {} for anything else."""
    try:
        return json.loads(visit.form.get("credential", ""))
    except (ValueError, RecursionError):
        return {}


def in_words(visit: Visit, errors: FormErrors) -> FormErrors:
    """Return why a passkey was refused: no field of the page is wrong, whatever was signed."""
    if errors.code != "invalid_request":
        return errors
    return replace(errors, code=REFUSED, text=visit.message(REFUSED), fields={})


def second_step_page(
    visit: Visit, challenge_id: str, *, next_: str, kept: str = "", errors: Any = None
) -> Response:
    """Return the page of the second step of a log-in.

    Raises Conflict ``challenge_expired``.
    """
    step = visit.api(SecondStepRoutes.second_step, path={"challenge_id": challenge_id})
    return step_page(visit, "log_in_second.html", step, next_, kept, errors)


def step_page(
    visit: Visit, template: str, step: Mapping[str, Any], next_: str, kept: str, errors: Any
) -> Response:
    """Return a page that asks for a passkey or a code."""
    return visit.render(
        template,
        step=step,
        options=step["passkey"] and json.dumps(step["passkey"]),
        elsewhere=elsewhere(visit),
        next=next_,
        kept=kept,
        errors=errors,
    )
