"""The sums on a page, and which of them the page itself adds up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(frozen=True)
class Number:
    """A sum of money in kopecks, and where on the page it stands."""

    value: int
    table: int
    """0: in no table."""
    section: str
    row: int
    cell: int
    subtracted: bool
    is_answer: bool
    """Whether it stands in the answer of the page, or in its heading."""


@dataclass(frozen=True)
class Addition:
    """A total and its addends, as one page shows both."""

    total: Number
    addends: Sequence[int]

    @property
    def is_right(self) -> bool:
        return self.total.value == sum(self.addends)


@dataclass
class Sums:
    """The sums of a page and its links."""

    numbers: list[Number] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    across: set[int] = field(default_factory=set)
    """Tables of which each row adds up to its last cell."""

    def additions(self) -> Iterator[Addition]:
        """Yield what the page adds up: tables with a foot, rows, and groups by name."""
        rows: dict[tuple[int, str, int], list[Number]] = defaultdict(list)
        for number in self.numbers:
            if number.table:
                rows[number.table, number.section, number.row].append(number)
        ends = {place: _last_cell(row) for place, row in rows.items()}
        for (table, section, _), end in ends.items():
            if section == "tfoot":
                of_body = [cell for place, cell in ends.items() if place[:2] == (table, "tbody")]
                yield Addition(end, [_signed(cell) for cell in of_body])
        for place, row in rows.items():
            if place[0] in self.across and len(row) > 1:
                yield Addition(
                    ends[place], [one.value for one in row if one.cell != ends[place].cell]
                )
        headings = [number for number in self.numbers if number.is_answer]
        feet = [end.value for place, end in ends.items() if place[1] == "tfoot"]
        for heading in headings:
            # The tables of a payment, one for each account.
            if len(feet) > 1 and heading.value == sum(feet):
                yield Addition(heading, feet)


def read_sums(html: str) -> Sums:
    """Return the sums in the main part of a page."""
    reader = _Reader()
    reader.feed(html)
    return reader.sums


def _last_cell(row: Sequence[Number]) -> Number:
    return max(row, key=lambda number: number.cell)


def _signed(number: Number) -> int:
    return -number.value if number.subtracted else number.value


def _section_of(figure: Mapping[str, str]) -> str:
    """Return where a row of a list of figures would stand in a table."""
    if "data-aside" in figure:
        return "aside"
    return "tfoot" if "total" in figure.get("class", "").split() else "tbody"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sums = Sums()
        self._main = False
        self._tables = self._table = self._row = self._cell = 0
        self._section = self._answer = ""
        self._subtracted = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "main":
            self._main = True
        if not self._main:
            return
        classes = found.get("class", "").split()
        match tag:
            case "table":
                self._tables += 1
                self._table, self._row = self._tables, 0
                if "data-across" in found:
                    self.sums.across.add(self._table)
            case "dl" if "figures" in classes:
                self._tables += 1
                self._table, self._row = self._tables, 0
            case "div" if self._table:
                self._row, self._cell, self._subtracted = self._row + 1, 1, False
                self._section = _section_of(found)
            case "thead" | "tbody" | "tfoot":
                self._section = tag
            case "tr":
                self._row, self._cell = self._row + 1, 0
                self._subtracted = "data-subtracted" in found
            case "td" | "th":
                self._cell += 1
            case "h1" | "p" if tag == "h1" or "answer" in classes:
                self._answer = tag
            case "data":
                self._add(found)
            case "a":
                self.sums.links.append(found.get("href", ""))

    def _add(self, found: dict[str, str]) -> None:
        inside = bool(self._table)
        self.sums.numbers.append(
            Number(
                value=int(found["value"]),
                table=self._table,
                section=self._section if inside else "",
                row=self._row if inside else 0,
                cell=self._cell if inside else 0,
                subtracted=inside and self._subtracted,
                is_answer=self._answer != "",
            )
        )

    def handle_endtag(self, tag: str) -> None:
        if tag == "main":
            self._main = False
        elif tag in {"table", "dl"}:
            self._table = 0
        elif tag == self._answer:
            self._answer = ""
