"""A receipt: what was paid for what, and the proof that the ledger has it; as PDF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from gateway.documents.engine import pdf
from gateway.documents.payment_code import qr_svg
from gateway.translation import translations
from shared import formats


def receipt_pdf(
    receipt: Mapping[str, Any],
    *,
    words: str,
    names: Mapping[str, str],
    verify_url: str,
    timezone: str,
    language: str,
) -> bytes:
    """Return the PDF of a receipt as the API answers it; its proofs are attached as JSON.

    ``words`` is the sum in words, ``names`` the services by their codes, ``verify_url`` the page
    that checks a proof: the QR leads there.
    """
    data = receipt_data(receipt, words, names, timezone, language)
    code = {"verify_url": verify_url, "qr": qr_svg(verify_url)}
    return pdf("receipt", {**data, **code}, language)


def receipt_data(
    receipt: Mapping[str, Any], words: str, names: Mapping[str, str], zone: str, language: str
) -> dict[str, Any]:
    """Return what the template of a receipt prints."""
    money = partial(formats.roubles, language=language)
    text = translations(language).gettext
    payment = receipt["payment"]
    paid_at = payment["captured_at"] or payment["created_at"]
    postings = {posting["account"]: posting for posting in receipt["postings"]}
    proofs = {proof["account"]: proof["proof"] for proof in receipt["proofs"]}
    return {
        "title": f"{text('Квитанция')}, {money(payment['total'])}",
        "date": datetime.fromisoformat(paid_at).astimezone(ZoneInfo(zone)).date().isoformat(),
        "payment_id": payment["payment_id"],
        "paid_at": formats.moment(paid_at, zone, language),
        "card": payment["masked_card"] or "",
        "total": money(payment["total"]),
        "fee": money(0),
        "in_words": words,
        "accounts": [
            {
                "number": line["account"],
                "total": money(line["amount"] + line["penalty"]),
                "parts": _parts(line, postings.get(line["account"]), names, language),
                "proof": _proof(proofs.get(line["account"])),
            }
            for line in payment["lines"]
        ],
        "refunds": [
            {
                "at": formats.moment(refund["returned_at"], zone, language),
                "total": money(refund["total"]),
                "parts": [[line["account"], money(line["amount"])] for line in refund["lines"]],
            }
            for refund in payment["refunds"]
            if refund["state"] == "made"
        ],
        "attached": json.dumps(
            {"proofs": receipt["proofs"]}, ensure_ascii=False, sort_keys=True, indent=1
        ),
    }


def _parts(
    line: Mapping[str, Any],
    posting: Mapping[str, Any] | None,
    names: Mapping[str, str],
    language: str,
) -> list[list[str]]:
    """Return what a line has paid, part by part, adding up to it; what is left was paid ahead."""
    money = partial(formats.roubles, language=language)
    text = translations(language).gettext
    settled = posting["allocation"] if posting else []
    parts = []
    for part in settled:
        name = names.get(part["service"], part["service"])
        month = formats.month(part["period"], language)
        parts.append([f"{name}, {month}", money(part["amount"])])
    rest = line["amount"] - sum(part["amount"] for part in settled)
    if rest > 0:
        parts.append([text("Вперёд") if posting else text("Услуги"), money(rest)])
    if line["penalty"]:
        parts.append([text("Пени"), money(line["penalty"])])
    return parts


def _proof(proof: Mapping[str, Any] | None) -> dict[str, Any]:
    if proof is None:
        return {"position": "", "checkpoint": ""}
    return {"position": str(proof["position"]), "checkpoint": proof["checkpoint"].strip()}
