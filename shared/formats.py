"""Sums, days and counts as people read them, in Russian and English."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from shared.money import Kopecks

NBSP, MINUS = "\u00a0", "\u2212"
OPENING_PERIOD = "0001-01"
"""The month of what was owed when an account was taken over: no bill has it."""

_MONTHS = {
    "ru": (
        "январь", "февраль", "март", "апрель", "май", "июнь",
        "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip
_OF_MONTH = (
    "января", "февраля", "марта", "апреля", "мая", "июня",
    "июля", "августа", "сентября", "октября", "ноября", "декабря",
)  # fmt: skip
_UNITS = {
    "м³": "m³", "м²": "m²", "Гкал": "Gcal", "кВт·ч": "kWh", "кВт*ч": "kWh", "чел.": "persons",
}  # fmt: skip
_OPENING = {"ru": "долг на начало", "en": "opening debt"}


def roubles(amount: Kopecks, language: str = "ru", *, sign: bool = False) -> str:
    """Write an amount: ``4 812,30 ₽``, in English ``₽4,812.30``; a plus only where asked for."""
    before = MINUS if amount < 0 else "+" if sign and amount > 0 else ""
    whole, part = divmod(abs(amount), 100)
    if language == "en":
        return f"{before}₽{whole:,}.{part:02d}"
    return f"{before}{_grouped(whole)},{part:02d}{NBSP}₽"


def typed_roubles(amount: Kopecks, language: str = "ru") -> str:
    """Write an amount as a person would type it into a field: ``4812,30``."""
    whole, part = divmod(amount, 100)
    return f"{whole}{'.' if language == 'en' else ','}{part:02d}"


def decimal(text: str | None, language: str = "ru") -> str:
    """Write an exact decimal (a tariff, a volume) with the comma of the language."""
    if text is None:
        return ""
    digits = text.removeprefix("-")
    whole, _, part = digits.partition(".")
    part = part.rstrip("0")
    # Before the whole part alone it would be lost: -0.5 is no whole number below zero.
    sign = MINUS if digits != text and (int(whole) or part) else ""
    if language == "en":
        return f"{sign}{int(whole):,}" + (f".{part}" if part else "")
    return sign + _grouped(int(whole)) + (f",{part}" if part else "")


def day(value: str | date, language: str = "ru", *, year: bool = True) -> str:
    """Write a day: ``15 апреля 2026``, in English ``15 April 2026``."""
    found = date.fromisoformat(value) if isinstance(value, str) else value
    month = _OF_MONTH[found.month - 1] if language == "ru" else _MONTHS["en"][found.month - 1]
    # A line may end before the year: with large text on a phone all three do not fit in one.
    return f"{found.day}{NBSP}{month}" + (f" {found.year}" if year else "")


def typed_day(value: str) -> str:
    """Write a day as it stands in a field: ``15.04.2026``."""
    return f"{date.fromisoformat(value):%d.%m.%Y}"


def moment(value: str, zone: str, language: str = "ru", *, year: bool = True) -> str:
    """Write an instant in the zone of the billing office: ``10 августа 2026, 14:03``."""
    found = datetime.fromisoformat(value).astimezone(ZoneInfo(zone))
    return f"{day(found.date(), language, year=year)}, {found:%H:%M}"


def day_of(value: str, zone: str, language: str = "ru") -> str:
    """Write the day of an instant in the zone of the billing office: ``10 августа 2026``."""
    return day(datetime.fromisoformat(value).astimezone(ZoneInfo(zone)).date(), language)


def clock(value: datetime, zone: str) -> str:
    """Write the time of an instant: ``14:08``."""
    return f"{value.astimezone(ZoneInfo(zone)):%H:%M}"


def size(count: int, language: str = "ru") -> str:
    """Write the size of a file: ``52 КБ``, in English ``52 KB``; never less than one."""
    return f"{max(1, round(count / 1024))}{NBSP}{'КБ' if language == 'ru' else 'KB'}"


def month(period: str, language: str = "ru", *, capital: bool = False) -> str:
    """Write a billing month (``2026-03``): ``март 2026``; the opening debt by its name."""
    if period == OPENING_PERIOD:
        name = _OPENING[language]
    else:
        name = f"{_MONTHS[language][int(period[5:7]) - 1]}{NBSP}{period[:4]}"
    return name[0].upper() + name[1:] if capital else name


def unit(name: str | None, language: str = "ru") -> str:
    """Return a unit of measurement as a bill names it; in English a known one by its own sign."""
    return _UNITS.get(name or "", name or "") if language == "en" else name or ""


def plural(number: int, forms: Sequence[str], language: str = "ru") -> str:
    """Write a number with its noun: ``21 день``; Russian has three forms, English two."""
    if language == "en":
        form = forms[0] if number == 1 else forms[1]
    elif number % 10 == 1 and number % 100 != 11:
        form = forms[0]
    elif number % 10 in (2, 3, 4) and number % 100 not in (12, 13, 14):
        form = forms[1]
    else:
        form = forms[2]
    return f"{number}{NBSP}{form}"


def _grouped(whole: int) -> str:
    return f"{whole:,}".replace(",", NBSP)
