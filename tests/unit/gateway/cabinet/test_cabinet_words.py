"""Sums in words, on receipts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cabinet.words import number_in_words, sum_in_words
from shared.money import MAX_AMOUNT

ONES = (
    "", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять",
    "одиннадцать", "двенадцать", "тринадцать", "четырнадцать", "пятнадцать", "шестнадцать",
    "семнадцать", "восемнадцать", "девятнадцать",
)  # fmt: skip
VALUES = {
    **{word: number for number, word in enumerate(ONES) if word},
    "одна": 1, "две": 2,
    "двадцать": 20, "тридцать": 30, "сорок": 40, "пятьдесят": 50, "шестьдесят": 60,
    "семьдесят": 70, "восемьдесят": 80, "девяносто": 90,
    "сто": 100, "двести": 200, "триста": 300, "четыреста": 400, "пятьсот": 500, "шестьсот": 600,
    "семьсот": 700, "восемьсот": 800, "девятьсот": 900,
}  # fmt: skip
THOUSANDS = {"тысяч": 10**3, "миллион": 10**6, "миллиард": 10**9}


def read(words: str) -> int:
    """Return the number that Russian words say."""
    total = group = 0
    for word in words.split():
        scale = next((THOUSANDS[stem] for stem in sorted(THOUSANDS, key=len, reverse=True)
                      if word.startswith(stem)), None)  # fmt: skip
        if scale:
            total, group = total + group * scale, 0
        else:
            group += VALUES[word]
    return total + group


@given(st.integers(1, MAX_AMOUNT // 100))
def test_words_read_back_as_the_number(number: int) -> None:
    assert read(number_in_words(number)) == number


@given(st.integers(0, MAX_AMOUNT))
def test_the_nouns_agree_with_their_numbers(amount: int) -> None:
    text = sum_in_words(amount)
    roubles, kopecks = divmod(amount, 100)
    assert f" {noun(roubles, 'рубль', 'рубля', 'рублей')} " in text
    assert text.endswith(f"{kopecks:02d}\u00a0{noun(kopecks, 'копейка', 'копейки', 'копеек')}")
    assert text[0].isupper()


def noun(number: int, one: str, few: str, many: str) -> str:
    if number % 100 in range(11, 15):
        return many
    return one if number % 10 == 1 else few if number % 10 in (2, 3, 4) else many


@given(st.integers(1, 999))
def test_thousands_are_feminine_and_millions_masculine(group: int) -> None:
    thousands = number_in_words(group * 1000).split()
    millions = number_in_words(group * 1_000_000).split()
    assert not {"один", "два"} & set(thousands)
    assert not {"одна", "две"} & set(millions)
    assert thousands[-1] == noun(group, "тысяча", "тысячи", "тысяч")
    assert millions[-1] == noun(group, "миллион", "миллиона", "миллионов")


@pytest.mark.parametrize(
    ("amount", "language", "words"),
    [
        (4_812_30, "ru", "Четыре тысячи восемьсот двенадцать рублей 30\u00a0копеек"),
        (1_01, "ru", "Один рубль 01\u00a0копейка"),
        (0, "ru", "Ноль рублей 00\u00a0копеек"),
        (21_002_02, "ru", "Двадцать одна тысяча два рубля 02\u00a0копейки"),
        (4_812_30, "en", "Four thousand eight hundred and twelve roubles 30\u00a0kopecks"),
        (1_01, "en", "One rouble 01\u00a0kopeck"),
        (45_00, "en", "Forty-five roubles 00\u00a0kopecks"),
    ],
)
def test_sums_in_words(amount: int, language: str, words: str) -> None:
    assert sum_in_words(amount, language) == words


def test_a_negative_sum_has_no_words() -> None:
    with pytest.raises(ValueError, match="negative"):
        sum_in_words(-1)
