"""The parts of an address and a name that anybody may see."""

from __future__ import annotations

import pytest

from services.accounts.preview import mask_address, mask_holder


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("г. Примерск, ул. Образцовая, д. 4, кв. 1", "г. Примерск, ул. Образцовая"),
        ("123456, г. Примерск, ул. 8 Марта, д.5, корп.1, кв.12", "г. Примерск, ул. 8 Марта"),
        ("г. Примерск, ул. 8 Марта 5-12", "г. Примерск, ул. 8 Марта"),
        ("г. Примерск, ул. Образцовая, 4, 1", "г. Примерск, ул. Образцовая"),
        ("г. Примерск, ул. Образцовая, 4а/2", "г. Примерск, ул. Образцовая"),
        ("Примерск Образцовая 4-1", "Примерск Образцовая"),
        ("обл. Вымышленная, д. Сказкино, дом № 7", "обл. Вымышленная, д. Сказкино"),
        ("г. Примерск, 1-я Тестовая ул., влд. 2, стр. 1", "г. Примерск, 1-я Тестовая ул."),
        ("Г. ПРИМЕРСК, УЛ. ОБРАЗЦОВАЯ, Д. 4, КВ. 1", "Г. ПРИМЕРСК, УЛ. ОБРАЗЦОВАЯ"),
        ("д. 4, кв. 1", "***"),
        ("", "***"),
    ],
)
def test_an_address_ends_before_the_house(address: str, shown: str) -> None:
    assert mask_address(address) == shown


@pytest.mark.parametrize(
    ("holder", "kind", "shown"),
    [
        ("Примерова Полина Образцовна", "household", "П. П. О."),
        ("салтыков-щедрин м.", "capital_repair", "С. М."),
        ("ООО «Вымышленная пекарня»", "organisation", "ООО «В… п…»"),
        ("ИП Тестов Тимофей", "organisation", "ИП Т… Т…"),
        ("—", "household", "***"),
    ],
)
def test_a_name_is_reduced_to_initials(holder: str, kind: str, shown: str) -> None:
    assert mask_holder(holder, kind) == shown
