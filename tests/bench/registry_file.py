"""A registry of a city's contracts, written to a file: ``python -m tests.bench.registry_file``."""

from __future__ import annotations

import sys
from pathlib import Path

HEADER = (
    "number;holder;address;payer_kind;residents;total_area;living_area;heated_area;els;services;"
    "payee;state;since;bill_number;bill_total;period;control_code\n"
)
_SURNAMES = ("Примерова", "Образцова", "Тестова", "Шаблонова", "Черновикова", "Эскизова")
_NAMES = ("Полина", "Ольга", "Таисия", "Софья", "Чулпан", "Элина", "Марина")
_STREETS = ("Образцовая", "Примерная", "Выдуманная", "Сказочная", "Черновая")
_SERVICES = "Отопление|Горячее водоснабжение|Водоотведение|Содержание жилого помещения"
_CODE = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SPREAD = 0x9E37_79B9_7F4A_7C15
"""An odd factor, so that the codes of neighbours have nothing in common."""


def write_registry(path: Path, contracts: int, *, residents: int = 2) -> Path:
    """Write a registry; ``residents`` is added to those of each row, so that all rows differ."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for index in range(contracts):
            file.write(_row(index, residents))
    return path


def _row(index: int, residents: int) -> str:
    house, flat = divmod(index, 120)
    name = f"{_SURNAMES[index % 6]} {_NAMES[index % 7]} Примеровна"
    area = 30 + index % 60
    total = 150_000 + index % 900_000
    return (
        f"{index:010};{name};г. Примерск, ул. {_STREETS[index % 5]}, д. {house}, кв. {flat + 1};"
        f"household;{residents + index % 4};{area},{index % 9 + 1};{area - 12};{area};"
        f"5{index % 10}АД{index // 10 % 1_000_000:06};{_SERVICES};main;open;2020-01-01;"
        f"2026-10/{index};{total // 100},{total % 100:02};2026-10;{_code(index)}\n"
    )


def _code(index: int) -> str:
    spread = (index + 1) * _SPREAD & 0xFF_FFFF_FFFF
    digits = "".join(_CODE[spread >> shift & 31] for shift in range(0, 40, 5))
    return f"{digits[:4]}-{digits[4:]}"


if __name__ == "__main__":
    write_registry(Path(sys.argv[1]), int(sys.argv[2]))
