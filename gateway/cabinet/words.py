"""Sums in words, as receipts and certificates have them («сумма прописью»).

Roubles in words, kopecks in digits: ``Четыре тысячи восемьсот двенадцать рублей 30 копеек``.
"""

from __future__ import annotations

from shared import formats
from shared.money import Kopecks

_ONES = {
    "ru": (
        "", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять",
        "одиннадцать", "двенадцать", "тринадцать", "четырнадцать", "пятнадцать", "шестнадцать",
        "семнадцать", "восемнадцать", "девятнадцать",
    ),
    "en": (
        "", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
        "nineteen",
    ),
}  # fmt: skip
_TENS = {
    "ru": (
        "", "", "двадцать", "тридцать", "сорок", "пятьдесят", "шестьдесят", "семьдесят",
        "восемьдесят", "девяносто",
    ),
    "en": ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
}  # fmt: skip
_HUNDREDS = (
    "", "сто", "двести", "триста", "четыреста", "пятьсот", "шестьсот", "семьсот", "восемьсот",
    "девятьсот",
)  # fmt: skip
_THOUSANDS = (
    (("тысяча", "тысячи", "тысяч"), "thousand"),
    (("миллион", "миллиона", "миллионов"), "million"),
    (("миллиард", "миллиарда", "миллиардов"), "billion"),
    (("триллион", "триллиона", "триллионов"), "trillion"),
)
_ROUBLES = {"ru": ("рубль", "рубля", "рублей"), "en": ("rouble", "roubles")}
_KOPECKS = {"ru": ("копейка", "копейки", "копеек"), "en": ("kopeck", "kopecks")}


def sum_in_words(amount: Kopecks, language: str = "ru") -> str:
    """Return a sum in words; raises ValueError for a negative one."""
    if amount < 0:
        raise ValueError("a receipt has no negative sum")
    roubles, kopecks = divmod(amount, 100)
    words = f"{number_in_words(roubles, language)} {_noun(roubles, _ROUBLES[language], language)}"
    noun = _noun(kopecks, _KOPECKS[language], language)
    return f"{words[0].upper()}{words[1:]} {kopecks:02d}{formats.NBSP}{noun}"


def number_in_words(number: int, language: str = "ru") -> str:
    """Return a whole number in words, masculine: ``двадцать одна тысяча два``."""
    if number == 0:
        return "ноль" if language == "ru" else "zero"
    rest, last = divmod(number, 1000)
    groups = [_below_thousand(last, language)] if last else []
    for russian, english in _THOUSANDS:
        rest, group = divmod(rest, 1000)
        if not group:
            continue
        if language == "ru":
            feminine = russian[0] == "тысяча"
            words = _below_thousand(group, "ru", feminine=feminine)
            groups.append(f"{words} {_noun(group, russian, 'ru')}")
        else:
            groups.append(f"{_below_thousand(group, 'en')} {english}")
    if rest:
        raise ValueError(f"{number} is more than can be written in words")
    return " ".join(reversed(groups))


def _below_thousand(number: int, language: str, *, feminine: bool = False) -> str:
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10) if rest >= 20 else (0, rest)
    word = _ONES[language][ones]
    if feminine:
        word = {"один": "одна", "два": "две"}.get(word, word)
    if language == "en":
        small = "-".join(filter(None, (_TENS["en"][tens], word)))
        hundred = f"{_ONES['en'][hundreds]} hundred" if hundreds else ""
        return " and ".join(filter(None, (hundred, small)))
    return " ".join(filter(None, (_HUNDREDS[hundreds], _TENS["ru"][tens], word)))


def _noun(number: int, forms: tuple[str, ...], language: str) -> str:
    return formats.plural(number, forms, language).partition(formats.NBSP)[2]
