"""The texts of letters: every kind, each way that it can go, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError
from letter_doubles import SETTINGS
from letter_pages import LetterPage, one_line, urls_in, without

from gateway.cabinet.page import page_at
from gateway.service import Gateway
from services.notifications import letters
from services.notifications.letters import LANGUAGES, MAX_SUBJECT, Rendered, render
from services.notifications.letters.blocks import MARK, Blocks
from services.notifications.letters.plain_text import WIDTH
from services.notifications.letters.preview import Shown, shown
from services.notifications.letters.samples import ACCOUNT, SAMPLES, TOKEN, samples
from shared import formats
from shared.contracts.notifications import LetterKind
from shared.visible_text import SHAPELESS
from tests.hostile_texts import HOSTILE

LETTERS = shown(SETTINGS)
FLAGS = {
    "answered", "approved", "by_bank", "by_staff", "change", "failure", "low", "owed", "returns",
    "role", "waits", "way", "whole",
}  # fmt: skip
"""Facts that choose words, and are not shown themselves."""
SUMS = {"amount", "charged", "ordered", "paid", "penalty", "total"}
FREE_TEXTS = ("address", "department_title", "device", "masked_card", "topic_title")
STAFF_COMMANDS = ("saldo helpdesk show", "saldo helpdesk answer", "--text", "saldo helpdesk route")
SUBJECT_OF_PEOPLE = 78
"""Characters: longer ones are cut by mail programs; only a department's has a title in it."""
WORDS = {
    LetterKind.REGISTRATION_CODE: ("Никому не сообщайте этот код", "Do not tell anyone this code"),
    LetterKind.TEMPORARY_PASSWORD: (
        "Никому не сообщайте Ваш личный пароль",
        "Do not tell anyone your password",
    ),
    LetterKind.PASSWORD_RESET_LINK: (
        "Никому не пересылайте это письмо",
        "Do not forward this email",
    ),
    LetterKind.SIGN_IN_LINK: ("Никому не пересылайте это письмо", "Do not forward this email"),
    LetterKind.PASSWORD_CHANGED: ("Если это были не Вы", "If it was not you"),
    LetterKind.NEW_DEVICE: ("Если это были не Вы", "If it was not you"),
    LetterKind.EMAIL_CHANGED: ("позвоните нам", "Call us"),
    LetterKind.PAYMENT_MISMATCHED: ("Не платите второй раз", "do not pay a second time"),
    LetterKind.OVERDUE: ("начнут начисляться пени", "penalties start"),
    LetterKind.QUESTION_TO_DEPARTMENT: ('--text "ОТВЕТ"', '--text "ANSWER"'),
    LetterKind.PERSON_ERASED: ("закон о бухгалтерском учёте", "accounting law"),
}
"""What a letter must say, whatever else is changed in it."""
of_each_letter = pytest.mark.parametrize("one", LETTERS, ids=lambda one: one.sample.name)


def leaves(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the facts with their names, those of rows as well."""
    for name, value in facts.items():
        if isinstance(value, list):
            for row in value:
                yield from leaves(row)
        elif name not in FLAGS and value not in (None, ""):
            yield name, value


def as_written(name: str, value: Any, language: str) -> list[str]:
    """Return the ways in which a fact may stand in a letter."""
    if name in SUMS:
        return [formats.roubles(value, language)]
    if name == "period":
        return [formats.month(value, language)]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return [formats.day(value, language), formats.day(value, language, year=False)]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*", value):
        return ["21:00", "21:15"]
    if name == "valid_minutes" and value == 60:
        return ["1"]
    return [str(value)]


def is_left_out(one: Shown, name: str, value: Any) -> bool:
    """Return whether a letter does not show a fact for a reason."""
    kind, case, *_ = one.sample
    return (
        (name == "penalty" and value == 0)
        or (name == "amount" and "lines" in one.sample.facts)  # shown with its penalty
        or (name == "left" and value == 0)
        or (kind is LetterKind.EMAIL_TO_LEAVE and name == "expires_at" and case != "")
        or (kind is LetterKind.BILL_READY and name == "total" and value <= 0)
    )


def test_every_kind_has_its_templates_and_samples() -> None:
    parts = {"footer", "payment_lines"}  # of other templates
    for language in LANGUAGES:
        folder = Path(letters.__file__).parent / language
        templates = {path.name.removesuffix(".txt.j2") for path in folder.iterdir()}
        assert templates - parts == set(LetterKind)
    assert set(SAMPLES) == set(LetterKind)


@of_each_letter
def test_a_letter_shows_its_facts_and_nothing_is_left_over(one: Shown) -> None:
    sample, letter = one
    whole = f"{letter.subject}\n{letter.text}"
    for name, value in leaves(sample.facts):
        if not is_left_out(one, name, value):
            assert any(form in whole for form in as_written(name, value, sample.language)), name
    for left in ("{{", "{%", "{#", "None", "Undefined", MARK, "## ", "\n\n\n"):
        assert left not in whole
        assert left == "\n\n\n" or left not in letter.html


@of_each_letter
def test_a_letter_has_a_short_subject_and_short_lines(one: Shown) -> None:
    assert "\n" not in one.letter.subject
    staff = one.sample.kind is LetterKind.QUESTION_TO_DEPARTMENT
    assert 0 < len(one.letter.subject) <= (MAX_SUBJECT if staff else SUBJECT_OF_PEOPLE)
    lines = [line for line in one.letter.text.splitlines() if not line.startswith("http")]
    assert max(map(len, lines)) <= WIDTH


@of_each_letter
def test_a_letter_is_in_one_language(one: Shown) -> None:
    sample, letter = one
    data = [str(value) for _, value in leaves(sample.facts)]
    words = without(f"{letter.subject}\n{letter.text}", [*urls_in(letter.text), *data])
    foreign = "[A-Za-z]" if sample.language == "ru" else "[А-Яа-яЁё№]"
    assert not re.findall(f".*{foreign}.*", without(words, STAFF_COMMANDS))
    assert LetterPage(letter.html).attributes["lang"] == sample.language


@of_each_letter
def test_html_and_text_say_the_same(one: Shown) -> None:
    page = LetterPage(one.letter.html)
    text = one_line(f"{one.letter.subject} {one.letter.text}")
    assert [piece for piece in page.pieces if piece not in text] == []
    assert [head for head in page.heads[::2] if head not in text] == []
    assert page.links == urls_in(one.letter.text)
    assert page.tags.count("h1") == page.tags.count("main") == 1
    assert not {"img", "script", "form", "link", "iframe"} & set(page.tags)


@of_each_letter
def test_every_link_leads_to_a_page_of_the_cabinet(one: Shown) -> None:
    for url in urls_in(one.letter.text):
        assert url.startswith(SETTINGS.url + "/")
        path = url.removeprefix(SETTINGS.url)
        assert page_at(Gateway(), path) is not None, path


@pytest.mark.parametrize("kind", LetterKind)
def test_both_languages_have_the_same_links(kind: LetterKind) -> None:
    ru, en = ([urls_in(one.letter.text) for one in shown(SETTINGS, [kind], [language])]
              for language in ("ru", "en"))  # fmt: skip
    assert ru == en


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", LetterKind)
def test_each_case_of_a_kind_has_words_of_its_own(kind: LetterKind, language: str) -> None:
    found = [(one.letter.subject, one.letter.text) for one in shown(SETTINGS, [kind], [language])]
    assert len(set(found)) == len(found)


@of_each_letter
def test_a_missing_fact_is_an_error(one: Shown) -> None:
    facts = one.sample.facts
    needed = {name for name, value in facts.items() if name in dict(leaves(facts)) or value == []}
    for name in needed:
        if is_left_out(one, name, facts[name]):
            continue
        rest = {other: value for other, value in facts.items() if other != name}
        with pytest.raises(UndefinedError, match=name):
            render(one.sample.kind, one.sample.language, SETTINGS, rest)


@pytest.mark.parametrize("kind", WORDS)
def test_a_letter_says_what_it_must(kind: LetterKind) -> None:
    for words, language in zip(WORDS[kind], LANGUAGES, strict=True):
        for one in shown(SETTINGS, [kind], [language]):
            assert words in one_line(one.letter.text)


@of_each_letter
def test_a_secret_is_not_in_the_subject(one: Shown) -> None:
    # Subjects show on locked screens.
    secrets = (one.sample.facts.get(name) for name in ("code", "password", "token"))
    assert not any(secret in one.letter.subject for secret in secrets if secret)
    assert TOKEN not in repr(one.letter)


@pytest.mark.parametrize(
    ("kind", "case", "ru", "en"),
    [
        ("bill_ready", "", "К оплате: 4 812,30 ₽", "To pay: ₽4,812.30"),
        ("bill_ready", "", "до: 10 апреля 2026", "by: 10 April 2026"),
        ("bill_ready", "nothing to pay", "Платить не нужно.", "There is nothing to pay."),
        (
            "bill_ready",
            "one of two paid",
            "0012345678: 0,00 ₽, платить не нужно",
            "0012345678: ₽0.00, nothing to pay",
        ),
        ("overdue", "", "с 11 мая 2026 года", "on 11 May 2026"),
        ("password_changed", "", "31 марта 2026 года в 21:00", "on 31 March 2026 at 21:00"),
        ("password_reset_link", "", "действует 1 час, до", "valid for 1 hour, until"),
        ("invitation", "payer", "7 дней, до 14 апреля", "7 days, until 14 April"),
        ("proofs_guessed", "once", "не подошли 1 раз.", "wrong 1 time."),
        ("proofs_guessed", "twenty-two", "не подошли 22 раза.", "wrong 22 times."),
        ("payment_receipt", "", "1 120,13 ₽, в том числе пени 119,63 ₽", "penalty of ₽119.63"),
        ("email_to_leave", "by staff", "Кто-то выдал себя за Вас.", "pretending to be you"),
        ("email_to_leave", "by a bill", "Кто-то знает Ваш пароль.", "knows your password"),
        ("recovery_code_used", "the last", "последний код. Получите", "last code. Get"),
    ],
)
def test_words_follow_the_facts(kind: str, case: str, ru: str, en: str) -> None:
    for words, language in ((ru, "ru"), (en, "en")):
        facts = next(
            sample.facts
            for sample in samples([LetterKind(kind)], [language])
            if sample.case == case
        )
        letter = render(LetterKind(kind), language, SETTINGS, facts)
        assert one_line(words) in one_line(letter.text)


def test_only_an_optional_letter_says_how_to_stop_it() -> None:
    facts = SAMPLES[LetterKind.PASSWORD_CHANGED][""]
    for stop, sort, language in (
        ("Больше не присылать", "Настроить письма", "ru"),
        ("Stop these emails", "Choose which emails", "en"),
    ):
        plain = render(LetterKind.PASSWORD_CHANGED, language, SETTINGS, facts).text
        assert stop not in plain
        url = f"{SETTINGS.url}/letters/unsubscribe/abc"
        text = render(
            LetterKind.PASSWORD_CHANGED, language, SETTINGS, facts, unsubscribe_url=url
        ).text
        assert stop in text
        assert sort in text
        assert url in urls_in(text)


def hostile_letters(hostile: str) -> Iterator[tuple[Rendered, Rendered]]:
    """Yield letters, and the same with a hostile text in the place of each text that is free."""
    for sample in samples():
        turned = {
            name: hostile if name in FREE_TEXTS else value for name, value in sample.facts.items()
        }
        if turned != sample.facts and all(sample.facts[name] for name in turned):
            yield tuple(  # type: ignore[misc]
                render(sample.kind, sample.language, SETTINGS, facts)
                for facts in (sample.facts, turned)
            )


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_facts_stay_text(hostile: str) -> None:
    pairs = list(hostile_letters(hostile * 20))
    assert pairs
    for plain, turned in pairs:
        assert not SHAPELESS.search(turned.subject + turned.text)
        assert "\n" not in turned.subject
        assert len(turned.subject) <= MAX_SUBJECT
        there, here = LetterPage(plain.html), LetterPage(turned.html)
        assert here.tags == there.tags
        assert here.links == there.links == urls_in(turned.text)


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example/", "evil", ""])
def test_a_letter_links_to_no_other_site(path: str) -> None:
    with pytest.raises(ValueError, match="pages of the cabinet alone"):
        Blocks(SETTINGS.url).button("Открыть", path)


def test_an_address_holds_no_markup() -> None:
    facts = {"attempts": 1, "number": '1"><b>?next=//evil.example#'}
    letter = render(LetterKind.PROOFS_GUESSED, "ru", SETTINGS, facts)
    assert "<b>" not in letter.html
    assert f"{SETTINGS.url}/accounts/{ACCOUNT}/access" not in letter.text
    assert urls_in(letter.text) == LetterPage(letter.html).links
