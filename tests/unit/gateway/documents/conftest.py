"""Documents made of samples, each once."""

from __future__ import annotations

from collections.abc import Mapping

import document_samples as samples
import pytest

from gateway.documents.bill import bill_pdf
from gateway.documents.statement import statement_pdf
from gateway.documents.text import document_pdf


@pytest.fixture(scope="session")
def documents() -> Mapping[str, bytes]:
    """Return a PDF of each kind."""
    return {
        "bill": bill_pdf(samples.bill(), "ru"),
        "statement": statement_pdf(samples.statements(), "ru"),
        "receipt": samples.make_receipt(),
        "text": document_pdf(samples.RULES),
    }
