"""Passwords that are guessed first: the words of maintained lists, and what people do to them.

The lists are those of ``zxcvbn`` (leaked passwords, names, English words by frequency) and our own
of Russian ones, beside this module. A word counts in either keyboard layout, in Latin letters, with
digits for letters (``p4ssw0rd``), twice, and with what people append: a few digits, a year, a date,
signs. So do runs along the alphabet or the keyboard. A phrase of several words is none of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path

_RUSSIAN = Path(__file__).with_name("common_passwords_ru.txt")

_LATIN_KEYS = "`qwertyuiop[]asdfghjkl;'zxcvbnm,."
_CYRILLIC_KEYS = "ёйцукенгшщзхъфывапролджэячсмитьбю"
_TO_LATIN_KEYS = str.maketrans(_CYRILLIC_KEYS, _LATIN_KEYS)
_TO_CYRILLIC_KEYS = str.maketrans(_LATIN_KEYS, _CYRILLIC_KEYS)
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
_LATIN = "a b v g d e zh z i y k l m n o p r s t u f h c ch sh sch - y - e yu ya"
_TRANSLITERATION = str.maketrans(
    {letter: latin.strip("-") for letter, latin in zip(_CYRILLIC, _LATIN.split(" "), strict=True)}
)
_DIGITS_FOR_LETTERS = (
    str.maketrans("013457@$!", "oieastasi"),
    str.maketrans("013457@$!", "oleastasl"),
)

_RUNS = (
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    _CYRILLIC,
    "1234567890-=",
    *("qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"),
    *("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik,", "9ol.", "0p;/"),
    *("147", "258", "369"),
)
_STEPS = frozenset(pair for run in _RUNS for way in (run, run[::-1]) for pair in pairwise(way))

_SEPARATORS = re.compile(r"[\s\-_.,]+")
_AROUND = re.compile(r"(?P<before>[\W\d_]*)(?P<core>.*?)(?P<after>[\W\d_]*)", re.DOTALL)
_YEAR = r"(?:19|20)\d\d"
_DAY, _MONTH = r"(?:0[1-9]|[12]\d|3[01])", r"(?:0[1-9]|1[0-2])"
_DATES = re.compile(
    f"{_YEAR}{_YEAR}|{_DAY}{_MONTH}(?:{_YEAR}|\\d\\d)|{_MONTH}{_DAY}{_YEAR}|{_YEAR}{_MONTH}{_DAY}"
)
_FEW_DIGITS = 4
_FEW_SIGNS = 4


def folded(password: str) -> str:
    """Return a password as it is compared: one case, one form of each letter, «ё» as «е»."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", password).casefold())
    return plain.strip().replace("ё", "е")


def in_either_layout(text: str) -> tuple[str, str, str]:
    """Return a folded text, and what the same keys give in the other layout."""
    return (
        text,
        text.translate(_TO_LATIN_KEYS),
        text.translate(_TO_CYRILLIC_KEYS).replace("ё", "е"),
    )


def in_latin_letters(text: str) -> str:
    """Return a folded Russian text transliterated: «пароль» is ``parol``."""
    return text.translate(_TRANSLITERATION)


def is_common(password: str) -> bool:
    """Return whether a password is among the first to be guessed."""
    text = folded(password)
    if len(set(text)) < 4:
        return True
    squeezed = _SEPARATORS.sub("", text)
    return any(
        _is_run(form) or _is_word(form) or _is_decorated_word(form) or _is_guessable_number(form)
        for each in {text, squeezed, _unit(squeezed)}
        for form in in_either_layout(each)
    )


class _Words:
    """A set of words that takes a byte for each of their bytes: sorted lines."""

    def __init__(self, words: Iterable[str]) -> None:
        self._lines = b"\n".join(sorted({word.encode() for word in words}))

    def __contains__(self, text: str) -> bool:
        word = text.encode(errors="surrogatepass")
        low, high = 0, len(self._lines)  # it can begin from here to there
        while low < high:
            middle = (low + high) // 2
            begin = self._lines.rfind(b"\n", low, middle) + 1 or low
            end = self._lines.find(b"\n", begin)
            end = end if end >= 0 else len(self._lines)
            line = self._lines[begin:end]
            if line == word:
                return True
            low, high = (end + 1, high) if line < word else (low, begin)
        return False


@lru_cache(maxsize=1)
def _words() -> _Words:
    return _Words(_listed())


def _listed() -> Iterator[str]:
    for words in _frequency_lists().values():
        yield from words
    for line in _RUSSIAN.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            russian = line.split()
            yield from russian
            yield from map(in_latin_letters, russian)


def _frequency_lists() -> dict[str, list[str]]:
    """Return the lists of zxcvbn, without its other modules, which keep them as dictionaries."""
    package = find_spec("zxcvbn")
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise ModuleNotFoundError("zxcvbn is not installed")
    spec = spec_from_file_location("frequency_lists", Path(folders[0]) / "frequency_lists.py")
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("zxcvbn has no frequency lists")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    lists: dict[str, list[str]] = module.FREQUENCY_LISTS
    return lists


def _is_word(text: str) -> bool:
    return any(each in _words() for each in _spellings(text))


def _spellings(text: str) -> Iterator[str]:
    yield text
    for table in _DIGITS_FOR_LETTERS:
        yield text.translate(table)


def _is_decorated_word(text: str) -> bool:
    found = _AROUND.fullmatch(text)
    if (
        found is None
        or not found["core"]
        or not (_is_word(found["core"]) or _is_run(found["core"]))
    ):
        return False
    around = found["before"] + found["after"]
    digits = "".join(filter(str.isdecimal, around))
    few_signs = len(around) - len(digits) <= _FEW_SIGNS
    return few_signs and (len(digits) <= _FEW_DIGITS or _is_guessable_number(digits))


def _is_guessable_number(text: str) -> bool:
    if not text.isdecimal():
        return False
    return _is_run(text) or _is_word(text) or _DATES.fullmatch(text) is not None


def _is_run(text: str) -> bool:
    """Return whether a text is nothing but runs of three or more, such as ``qweasd123``."""
    lengths = [1]
    for pair in pairwise(text):
        if pair in _STEPS or pair[0] == pair[1]:
            lengths[-1] += 1
        else:
            lengths.append(1)
    return min(lengths) >= 3


def _unit(text: str) -> str:
    """Return what a text repeats, or the text."""
    found = re.fullmatch(r"(.+?)\1+", text)
    return found[1] if found else text
