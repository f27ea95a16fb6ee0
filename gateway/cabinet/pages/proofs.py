"""Checking a receipt: open to everybody, and possible without us."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet.forms import FormErrors
from gateway.cabinet.page import page
from gateway.cabinet.visit import Refused, Visit
from gateway.operations import Access
from gateway.routes.proofs import ProofRoutes

MOST_PROOFS = 10
"""A receipt has a proof for each account, and a payment has at most ten."""


class ProofPages:
    """Checks that a record is in the sealed ledger."""

    @page("GET", "/verify", access=Access.PUBLIC, greets=True)
    def proof_form(self, visit: Visit) -> Response:
        """Ask for the proof of a receipt, and say how it is checked without us."""
        return _proof_page(visit)

    @page("POST", "/verify", access=Access.PUBLIC, greets=True, takes_file=True)
    def submit_proof(self, visit: Visit) -> Response:
        """Say since when the record is in the ledger; a proof with another digit is refused.

        The proof is pasted, or comes as a file.
        """
        field = "file" if visit.form.get("file") else "receipt"
        proofs = proofs_in(visit.form.get(field, ""))
        if not proofs:
            return _proof_page(visit, errors=_wrong(visit.message("proof_unreadable"), field))
        found = visit.together(
            *(partial(visit.attempt, ProofRoutes.verify_proof, body=proof) for proof in proofs)
        )
        refused = next((one for one in found if isinstance(one, Refused)), None)
        if refused is None:
            return _proof_page(visit, proven=found)
        code = refused.errors.code
        # Every member that the API's shape refuses means the same to a person.
        unreadable = code == "invalid_request"
        text = visit.message("proof_unreadable") if unreadable else refused.errors.text
        return _proof_page(visit, errors=_wrong(text, field))


def proofs_in(text: str) -> list[dict[str, Any]]:
    """Return the proofs of a text: one alone, or those of a receipt as the API returns it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if isinstance(found, dict) and isinstance(found.get("proofs"), list):
        found = found["proofs"]
    candidates = found if isinstance(found, list) else [found]
    proofs = []
    for candidate in candidates:
        inner = candidate.get("proof", candidate) if isinstance(candidate, dict) else None
        if not isinstance(inner, dict):
            return []
        proofs.append(inner)
    return proofs if len(proofs) <= MOST_PROOFS else []


def _wrong(text: str, field: str) -> FormErrors:
    return FormErrors(code="proof_does_not_hold", text=text, fields={field: text})


def _proof_page(
    visit: Visit, *, proven: list[dict[str, Any]] | None = None, errors: FormErrors | None = None
) -> Response:
    keys = visit.aside(lambda: visit.api(ProofRoutes.verifier_keys)["keys"])()
    return visit.render("verify.html", proven=proven or [], keys=keys or [], errors=errors)
