"""Every component of the cabinet with its states: ``python -m gateway.cabinet.styleguide``.

The page is made of the templates, macros and style sheet that the cabinet has, in each look, size
and language, as files that a browser opens without an installation. Its samples are made up.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from gateway.cabinet.charts import year_chart
from gateway.cabinet.cookies import SIZES, THEMES, Look
from gateway.cabinet.forms import FormErrors
from gateway.cabinet.payment_states import Outlook, outlook_of
from gateway.cabinet.rendering import render
from gateway.cabinet.sealing import Sealer
from gateway.cabinet.static import PREFIX, static_files
from gateway.cabinet.visit import Visit
from gateway.operations import Person
from gateway.schemas.base import ID_EXAMPLE
from shared.config import Settings
from shared.distant_clock import ServiceClocks

FOLDER = Path(__file__).resolve().parents[2] / ".saldo" / "styleguide"
LANGUAGES = ("ru", "en")

TEXT, LARGE, ENHANCED = 4.5, 3.0, 7.0
"""Contrast that WCAG 2.2 asks for: of text (1.4.3), of edges and graphics (1.4.11), and of text in
the look «Контрастные» (1.4.6)."""
TEXTS = (
    ("ink", "paper"), ("ink", "panel"), ("ink", "tint"), ("soft", "paper"), ("soft", "panel"),
    ("soft", "tint"), ("link", "paper"), ("link", "panel"), ("link", "tint"),
    ("on-accent", "accent"), ("ink", "bad-tint"), ("bad", "bad-tint"), ("bad", "paper"),
    ("bad", "panel"), ("ink", "warn-tint"), ("warn", "warn-tint"), ("ink", "good-tint"),
    ("good", "good-tint"),
)  # fmt: skip
"""Colours in which text stands on others."""
GRAPHICS = (
    ("edge", "panel"), ("edge", "paper"), ("accent", "panel"), ("accent", "paper"),
    ("focus", "paper"), ("focus", "panel"), *((f"c{n}", "paper") for n in range(1, 7)),
)  # fmt: skip
"""Colours of edges, of the focus, of the columns of the chart."""

_BLOCK = r"{start}\s*{{(.*?)}}"
_STARTS = {
    "light": r":root",
    "dark": r':root\[data-theme="dark"\]',
    "contrast": r':root\[data-theme="contrast"\]',
}
_TOKEN = re.compile(r"--([a-z0-9-]+):\s*([^;]+);")


@lru_cache(maxsize=4)
def tokens(theme: str) -> Mapping[str, str]:
    """Return the custom properties of a look, by name, from the style sheet."""
    sheet = static_files()["cabinet.css"].plain.decode()
    found = re.search(_BLOCK.format(start=_STARTS[theme]), sheet, re.DOTALL)
    if found is None:
        raise LookupError(f"the style sheet has no look {theme}")
    return dict(_TOKEN.findall(found[1]))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (#rgb or #rrggbb), by WCAG 2.2."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    pairs = [digit * 2 for digit in digits] if len(digits) == 3 else re.findall("..", digits)
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(pair, 16) / 255 for pair in pairs)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratios(theme: str) -> Iterator[tuple[str, str, float, float]]:
    """Yield the pairs of colours of a look: front, back, their contrast, the contrast needed."""
    found = tokens(theme)
    for pairs, needed in ((TEXTS, ENHANCED if theme == "contrast" else TEXT), (GRAPHICS, LARGE)):
        for front, back in pairs:
            yield front, back, contrast(found[front], found[back]), needed


def styleguide(look: Look, language: str) -> str:
    """Return the page in one look, size and language."""
    visit = _visit(look, language)
    theme = "light" if look.theme == "auto" else look.theme
    return render(
        "styleguide.html",
        visit,
        {
            "errors": None,
            "active": "/accounts",
            "unread_now": 2,
            "wrong": _errors(visit),
            "whole_form": FormErrors(code="", text=visit.message("link_refused")),
            "colours": [
                (name, value) for name, value in tokens(theme).items() if value.startswith("#")
            ],
            "ratios": list(ratios(theme)),
            "looks": _looks(look, language),
            "chart": year_chart(_MONTHS),
            "month": _MONTHS[0],
            "disputes": _DISPUTES,
            "lines": _LINES,
            "outlooks": _outlooks(visit),
        },
    )


def write(folder: Path) -> Path:
    """Write the page in every look, with its static files; return the file to begin with."""
    static = folder / PREFIX.strip("/")
    static.mkdir(parents=True, exist_ok=True)
    for file in static_files().values():
        (static / file.path.removeprefix(PREFIX)).write_bytes(file.plain)
    for theme in THEMES:
        for size in SIZES:
            for language in LANGUAGES:
                page = styleguide(Look(theme=theme, size=size), language)
                name = _name(theme, size, language)
                # The files stand side by side, wherever the folder is.
                (folder / name).write_text(page.replace(f'="{PREFIX}', f'="{PREFIX[1:]}'), "utf-8")
    return folder / _name(THEMES[0], SIZES[0], LANGUAGES[0])


def _visit(look: Look, language: str) -> Visit:
    settings = Settings(amqp_url="", secret=bytes(32))
    clocks = ServiceClocks(settings.timezone)
    return Visit(
        request=Request(EnvironBuilder(path="/styleguide").get_environ()),
        service=None,
        settings=settings,
        clocks=clocks,
        sealer=Sealer(settings, clocks.of_gateways),
        ip="",
        visitor="styleguide",
        look=look,
        language=language,
        person=Person(person_id="", session_id="", must_change_password=False),
    )


def _name(theme: str, size: str, language: str) -> str:
    return f"{theme}-{size}-{language}.html"


def _looks(look: Look, language: str) -> Sequence[tuple[str, str, bool]]:
    """Return the other looks of the page: words, address, whether it is this one."""
    ways = [(theme, theme, look.size, language) for theme in THEMES]
    ways += [(f"{size} %", look.theme, size, language) for size in SIZES]
    ways += [(other, look.theme, look.size, other) for other in LANGUAGES]
    here = _name(look.theme, look.size, language)
    return [(words, _name(*way), _name(*way) == here) for words, *way in ways]


def _errors(visit: Visit) -> FormErrors:
    return FormErrors(
        code="",
        text="",
        fields={
            "email-wrong": visit.message("email_invalid"),
            "text-wrong": visit.message("invalid_text", max_length=5000),
            "tick-wrong": visit.message("rules_not_accepted"),
            "radios-wrong": visit.message("unknown_topic"),
            "select-wrong": visit.message("unknown_topic"),
        },
    )


def _outlooks(visit: Visit) -> list[Outlook]:
    """Return what the cabinet says of a payment in each of its states."""
    payment: dict[str, Any] = {
        "payment_id": "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b03",
        "created_at": _MOMENT,
        "captured_at": None,
        "total": 4_812_30, "outcome": None, "failure": None, "next_check_at": None,
        "closes_at": _MOMENT, "charged": None, "refunded": 0, "refunds": [],
        "lines": [{"account": "0001234", "posted": True}],
    }  # fmt: skip
    states: list[dict[str, Any]] = [
        {"state": "created"},
        {"state": "awaiting_payment", "outcome": "pending"},
        {"state": "unknown", "next_check_at": _MOMENT},
        {"state": "unknown"},
        {"state": "mismatch", "charged": 48_12},
        {"state": "captured"},
        {"state": "completed"},
        {"state": "completed", "refunds": [_refund("requested", None)]},
        {"state": "partly_refunded", "refunded": 1_000_00, "refunds": [_refund("made", _MOMENT)]},
        {"state": "refunded", "refunded": 4_812_30, "refunds": [_refund("made", _MOMENT)]},
        {"state": "failed", "failure": "declined"},
        {"state": "failed", "failure": "expired"},
        {"state": "failed", "failure": "given_back"},
        {"state": "failed", "failure": "replaced"},
        {"state": "failed", "failure": "account_closed"},
    ]
    return [outlook_of(visit, payment | state) for state in states]


def _refund(state: str, returned_at: str | None) -> dict[str, Any]:
    return {"state": state, "total": 1_000_00, "returned_at": returned_at}


_MOMENT = "2026-08-10T11:08:00+00:00"
_LINES = [
    {
        "account": "0100000001",
        "amount": 4_500_00,
        "penalty": 14_25,
        "refunded": 1_000_00,
        "moved_to": None,
        "allocation": [{"service": "heating", "period": "2026-08", "amount": 4_000_00}],
    }
]


def _month(period: str, heating: int) -> dict[str, Any]:
    lines = [
        _line(
            "heating", "Отопление", heating, "Гкал", "0.018432", "2456.31", recalculation=-120_50
        ),
        _line("water", "Холодная вода", 640_20, "м³", "12", "53.35", concession=64_02),
        _line("waste", "Обращение с ТКО", 310_00, None, None, None),
    ]
    return {
        "period": period,
        "due_on": "2026-09-15",
        "lines": lines,
        "adjustments": [],
        "total": sum(line["payable"] for line in lines),
        "before": {"period": "2026-07"},
        "change": 180_00,
        "why": [
            {
                "kind": "tariff",
                "name": "Отопление",
                "old": "2300",
                "new": "2456.31",
                "amount": 150_00,
            },
            {"kind": "recalculation", "name": "Отопление", "amount": 30_00},
        ],
    }


def _line(
    service: str,
    name: str,
    charged: int,
    unit: str | None,
    volume: str | None,
    tariff: str | None,
    *,
    recalculation: int = 0,
    concession: int = 0,
) -> dict[str, Any]:
    return {
        "service": service,
        "name": name,
        "unit": unit,
        "volume": volume,
        "tariff": tariff,
        "charged": charged,
        "recalculation": recalculation,
        "concession": concession,
        "payable": charged + recalculation - concession,
        "explanation": "",
    }


_MONTHS = [_month(f"2026-{n:02d}", 2_000_00 + 150_00 * abs(8 - n)) for n in range(8, 0, -1)]
_DISPUTES = {
    ("0100000001", _MONTHS[0]["period"], service): {"state": state, "question_id": question_id}
    for service, state, question_id in (
        ("heating", "under_review", ID_EXAMPLE),
        ("water", "corrected", None),
        ("waste", "rejected", None),
    )
}


def main(arguments: Sequence[str]) -> None:
    """Write the page into a folder, and print its address."""
    first = write(Path(arguments[0]) if arguments else FOLDER)
    sys.stdout.write(f"{first.resolve().as_uri()}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
