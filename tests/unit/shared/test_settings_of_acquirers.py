"""The settings of acquirers: one by its old names, or several, each by its own."""

from __future__ import annotations

import pytest

from shared.acquirer_settings import FOR_PAGES, acquirer_variables, acquirers_of

DEFAULT = "http://127.0.0.1:18090"
TWO = {
    "SALDO_ACQUIRERS": "main=rbs, kassa=yookassa",
    "SALDO_ACQUIRER_PASSWORD": "first",
    "SALDO_ACQUIRER_KASSA_URL": "https://api.kassa.example/",
    "SALDO_ACQUIRER_KASSA_USER": "506751",
    "SALDO_ACQUIRER_KASSA_PASSWORD": "second",
}


def test_one_acquirer_needs_no_name() -> None:
    (only,) = acquirers_of({"SALDO_ACQUIRER": "rbs"}, DEFAULT)
    assert (only.name, only.protocol, only.url, only.sites) == ("main", "rbs", DEFAULT, (DEFAULT,))


def test_each_acquirer_has_settings_of_its_own() -> None:
    main, kassa = acquirers_of(TWO, DEFAULT)
    assert (main.name, main.protocol, main.url, main.password) == ("main", "rbs", DEFAULT, "first")
    assert (kassa.name, kassa.protocol) == ("kassa", "yookassa")
    assert (kassa.url, kassa.user, kassa.password) == (
        "https://api.kassa.example",
        "506751",
        "second",
    )
    assert "second" not in repr(kassa)


def test_pages_may_be_on_other_sites() -> None:
    pages = "https://kassa.example, https://3ds.example:8443"
    _, kassa = acquirers_of({**TWO, "SALDO_ACQUIRER_KASSA_PAGES": pages}, DEFAULT)
    assert kassa.sites == ("https://kassa.example", "https://3ds.example:8443")


@pytest.mark.parametrize(
    "pages", ["kassa.example", "https://kassa.example/page", "https://a.example; script-src *"]
)
def test_page_that_is_no_site_is_refused(pages: str) -> None:
    """It becomes a part of a header."""
    with pytest.raises(ValueError, match="SALDO_ACQUIRER_KASSA_PAGES must be sites"):
        acquirers_of({**TWO, "SALDO_ACQUIRER_KASSA_PAGES": pages}, DEFAULT)


@pytest.mark.parametrize(
    "named",
    [
        "main",
        "main=rbs,main=rbs",
        "Main=rbs",
        "main=rbs,url=rbs",
        "main=rbs,pages=rbs",
        "=rbs",
        ",",
    ],
)
def test_name_that_cannot_be_used_is_refused(named: str) -> None:
    with pytest.raises(ValueError, match="SALDO_ACQUIRERS names"):
        acquirers_of({"SALDO_ACQUIRERS": named}, DEFAULT)


def test_second_acquirer_needs_an_address() -> None:
    with pytest.raises(ValueError, match="set SALDO_ACQUIRER_KASSA_URL"):
        acquirers_of({"SALDO_ACQUIRERS": "main=rbs,kassa=yookassa"}, DEFAULT)


def test_variables_are_named_for_their_acquirers() -> None:
    assert acquirer_variables(TWO, FOR_PAGES) == (
        "SALDO_ACQUIRER_URL",
        "SALDO_ACQUIRER_PAGES",
        "SALDO_ACQUIRER_TITLE",
        "SALDO_ACQUIRER_KASSA_URL",
        "SALDO_ACQUIRER_KASSA_PAGES",
        "SALDO_ACQUIRER_KASSA_TITLE",
    )
    assert "SALDO_ACQUIRER_KASSA_PASSWORD" in acquirer_variables(TWO)
