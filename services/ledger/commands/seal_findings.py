"""What the seal has found, as staff read it."""

from __future__ import annotations

from services.language import Language, language, text
from services.ledger.seal.checkpoint_checks import Finding


def described(finding: Finding) -> str:
    """Return the finding's own sentence, in English; in Russian its kind and its positions."""
    if language() is Language.EN:
        return finding.text
    name = _names().get(finding.kind, finding.kind)
    if finding.first is None and finding.last is None:
        return name
    first = finding.last if finding.first is None else finding.first
    last = finding.first if finding.last is None else finding.last
    return text("{what}: positions {first} - {last}", what=name, first=first, last=last)


def _names() -> dict[str, str]:
    return {
        "edited": text("events are not those that were sealed"),
        "deleted": text("events are missing from the log"),
        "inserted": text("events were inserted"),
        "moved": text("events are elsewhere in the log"),
        "truncated": text("the log is shorter than it was when it was sealed"),
        "repeated": text("positions occur twice"),
        "rewritten": text("the log was rewritten"),
        "stored_hashes": text("stored hashes were changed or are gone"),
        "checkpoint_missing": text("a checkpoint is missing"),
        "checkpoint_forged": text("a checkpoint was not signed as it stands"),
        "checkpoint_mismatch": text("a signed root is not the log's"),
        "outside": text("a checkpoint that was kept elsewhere is not the log's"),
        "fork": text("two logs of one size were signed"),
        "not_recovered": text("the database was restored; call `saldo ledger recover`"),
        "witness_missing": text("a witness lacks a checkpoint that it was given"),
        "nothing_kept": text("the witness that was named keeps no checkpoint of the log"),
    }
