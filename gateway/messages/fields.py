"""Texts for one wrong member of a request; ``{0}``, ``{1}`` are the limits."""

from __future__ import annotations

FIELDS = {
    "field_required": {"ru": "Заполните это поле.", "en": "Fill in this field."},
    "field_unknown": {
        "ru": "Такого поля здесь нет: уберите его.",
        "en": "There is no such field here: leave it out.",
    },
    "field_object": {"ru": "Нужен объект JSON.", "en": "A JSON object is needed."},
    "field_list": {"ru": "Нужен список JSON.", "en": "A JSON list is needed."},
    "field_string": {"ru": "Нужна строка.", "en": "A string is needed."},
    "field_integer": {"ru": "Нужно целое число.", "en": "A whole number is needed."},
    "field_boolean": {"ru": "Нужно true или false.", "en": "True or false is needed."},
    "field_date": {
        "ru": "Укажите дату (2026-05-15) или момент с часовым поясом.",
        "en": "Give a day (2026-05-15) or an instant with its offset.",
    },
    "field_characters": {
        "ru": "Уберите непечатаемые знаки.",
        "en": "Leave out characters that cannot be printed.",
    },
    "field_length": {"ru": "Длина — от {0} до {1}.", "en": "The length is {0} to {1}."},
    "field_range": {"ru": "Число — от {0} до {1}.", "en": "The number is {0} to {1}."},
    "field_choice": {
        "ru": "Выберите одно из допустимых значений.",
        "en": "Choose one of the values allowed.",
    },
    "field_account": {
        "ru": "Укажите номер лицевого счёта так, как он напечатан в квитанции.",
        "en": "Give the number of the personal account as it is printed on the bill.",
    },
    "field_cursor": {
        "ru": "Возьмите значение next из предыдущей страницы без изменений.",
        "en": "Use `next` of the previous page unchanged.",
    },
    "field_repeated": {"ru": "Укажите параметр один раз.", "en": "Give the parameter once."},
    "field_refused": {
        "ru": "Значение не подходит: исправьте его.",
        "en": "The value is not suitable: correct it.",
    },
}
