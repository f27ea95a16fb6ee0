"""Texts that deceive or control: every place that shows what a person wrote is tried with them."""

from __future__ import annotations

import unicodedata
from typing import Final

HOSTILE: Final = {
    "right-to-left override": "К оплате \u202e00,0001\u202c ₽",
    "isolates and marks": "\u2066сч\u2067ёт\u2069 \u200e12\u200f34\u061c",
    "embeddings": "\u202aа\u202bб\u202dв\u202c",
    "escape": "\x1b[2J\x1b[31mДолга нет\x1b[0m",
    "window title": "\x1b]0;saldo\x07Вопрос",
    "hyperlink": "\x1b]8;;http://bank.example\x1b\\Оплатить\x1b]8;;\x1b\\",
    "C1 control sequence": "\x9b2J\x9b31mДолга нет",
    "C1 operating system command": "\x9d0;saldo\x9cВопрос",
    "next line and separators": "первая\x85вторая\u2028третья\u2029четвёртая",
    "carriage return": "Долг 900,00\rДолг 0,00  ",
    "backspaces": "900,00\x08\x08\x08\x08\x08\x080,00",
    "delete and null": "а\x7fб\x00в",
    "zero widths": "те\u200bк\u2060с\ufeffт\xad, а\u200d\u200cб",
    "tags": "Дом\U000e0041\U000e0042\U000e007f",
    "fillers": "а\u3164б\u115fв\u034fг\uffa0",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)> &amp; \"'</title>",
    "console markup": "[bold red]Долга нет[/] [link=http://bank.example]здесь[/link]",
    "header injection": "Вопрос\r\nBcc: all@example.org\r\n\r\nПривет",
    "template": "{{ 7 * 7 }} {% raw %} %(number)s {0} ${HOME} $(id) `id`",
    "formula": '=HYPERLINK("http://bank.example";"Оплатить")',
    "typst": '#read("/etc/passwd") $x$ *б* @label \\ #{1+1}',
    "combining marks": "Z" + "\u0301\u0489" * 40,
}
"""Each by what it tries."""


def shapeless(text: str) -> set[str]:
    """Return the characters of a text that a terminal obeys, or that nobody sees."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    fillers = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    return {
        character
        for character in text
        if character in fillers
        or (unicodedata.category(character) in kinds and character not in "\n\t")
    }
