"""What notifications stores under its key ring, beside data keys: the letters of the outbox."""

from __future__ import annotations

from shared.eventstore.sealed_columns import sealed_texts

SEALED = (sealed_texts("outbox", "letter_id", "sealed", "outbox", "letter"),)
