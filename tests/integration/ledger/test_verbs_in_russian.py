"""``saldo ledger``: what a verb prints is in one language."""

from __future__ import annotations

import re

import pytest

from tests.integration.ledger.small_company import CLERK, NUMBERS, SmallCompany

pytestmark = pytest.mark.nodes

NUMBER = NUMBERS[0]
LATIN = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}")
CYRILLIC = re.compile("[А-Яа-яЁё]")
DATA = re.compile(
    r"saldo ledger [a-z-]+|--[a-z-]+|an act|to be decided|service test|"
    r"(clearing|advances|receivable|revenue|opening)(:\w+)?"
)
"""The same in both languages: commands, reasons that somebody gave, accounts of the books."""
VERBS: list[tuple[str, ...]] = [
    ("balance", NUMBER),
    ("balance", NUMBER, "--as-of", "2026-03-01"),
    ("statement", NUMBER),
    ("replay", NUMBER),
    ("overdue",),
    ("advances",),
    ("turnover", "--period", "2026-03"),
    ("trial-balance",),
    ("audit",),
    ("replay", "--all", "--dry-run"),
    ("proposals", "--all"),
    ("accruals",),
    ("certificate", NUMBER),
    ("reconciliation", NUMBER, "--from", "2026-01-01", "--to", "2026-12-31"),
    ("find-payment", "--account", NUMBERS[3]),
    ("find-payment", "--amount", "0,99"),
    ("accrue", "--on", "2026-06-30", "--reason", "r", "--dry-run"),
    ("close", "2026-01", "--reason", "r", "--dry-run"),
    ("pay", NUMBER, "--amount", "1,00", "--reason", "r", "--dry-run"),
    (
        *("adjust", NUMBER, "--period", "2026-02", "--service", "heating=1,00"),
        *("--reason", "r", "--dry-run"),
    ),
]
REFUSED: list[tuple[str, ...]] = [
    ("balance", "999"),
    ("balance", NUMBER, "--as-of", "soon"),
    ("statement", NUMBER, "--from", "2026-03-01", "--to", "2026-02-01"),
    ("turnover",),
    ("find-payment",),
    ("pay", NUMBER, "--amount", "1", "--on", "2099-01-01", "--reason", "r"),
    ("pay", NUMBER, "--amount", "five", "--reason", "r"),
    ("adjust", NUMBER, "--period", "2026-02", "--service", "heatng=-1", "--reason", "r"),
    ("adjust", NUMBER, "--period", "2026-02", "--service", "heating", "--reason", "r"),
    ("reverse", "11111111-2222-4333-8444-555555555555", "--reason", "r"),
    (
        *("move-payment", "11111111-2222-4333-8444-555555555555"),
        *("--from", NUMBER, "--to", NUMBERS[1], "--reason", "r"),
    ),
    (
        *("move-payment", "11111111-2222-4333-8444-555555555555"),
        *("--from", NUMBER, "--to", NUMBER, "--reason", "r"),
    ),
    ("approve", "11111111-2222-4333-8444-555555555555"),
    ("close", "2026-01", "--reason", "r"),
]


@pytest.fixture(scope="module")
def staffed(shared_company: SmallCompany) -> SmallCompany:
    for permission in ("post-payment", "close"):
        shared_company.may(CLERK, permission)
    return shared_company


def data_aside(printed: str) -> str:
    """Return the words of an output, without frames of tables."""
    return DATA.sub("", re.sub(r"[│┃─━┏┓┗┛┡┩┬┴├┤┳╇┼└┘]+", " | ", printed))


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_a_verb_prints_one_language(staffed: SmallCompany, words: tuple[str, ...]) -> None:
    outputs = {}
    for lang in ("ru", "en"):
        result = staffed.run(*words, "--lang", lang)
        assert result.exit_code in (0, 1), result.output
        outputs[lang] = data_aside(result.stdout)
    assert not LATIN.search(outputs["ru"]), LATIN.findall(outputs["ru"])
    assert CYRILLIC.search(outputs["ru"])
    assert not CYRILLIC.search(outputs["en"])
    assert "0001-01" not in outputs["ru"] + outputs["en"]


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_a_refusal_is_in_one_language(staffed: SmallCompany, words: tuple[str, ...]) -> None:
    staffed.may_not(CLERK, "close")
    russian = data_aside(staffed.run(*words, "--lang", "ru").stderr)
    english = data_aside(staffed.run(*words, "--lang", "en").stderr)
    staffed.may(CLERK, "close")
    assert CYRILLIC.search(russian)
    assert not LATIN.search(re.sub("`[^`]*`", "", russian)), russian
    assert english.strip()
    assert not CYRILLIC.search(english)
