"""The law on penalties as dated data: its shape, its checks, and look-ups by day.

Rates are exact decimals in per cent a year, never floats. The file is accepted or refused whole: a
gap in the rules must not be found only on the day that falls into it.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from shared.config import ConfigurationError
from shared.errors import ValidationFailed
from shared.payer_kinds import PayerKind
from shared.working_days import WorkingDays, check_rising, load_working_days

PATH_VARIABLE = "SALDO_LEDGER_PENALTY_RULES"
"""The environment variable that names a file to use instead of the one shipped."""

_SHIPPED = Path(__file__).with_name("rules.yaml")
_A_DAY = timedelta(days=1)

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Version = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,59}$")]
_DayOfDelay = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
_Divisor = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
_Period = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
_DayOfMonth = Annotated[int, msgspec.Meta(ge=1, le=31)]


class _Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the rules; an unknown field is refused."""


class Band(_Shape, frozen=True, kw_only=True):
    """Days of delay (both included, open at the end when None) and the part of the rate a day."""

    from_day: _DayOfDelay
    to_day: _DayOfDelay | None = None
    divisor: _Divisor | None

    def __post_init__(self) -> None:
        if self.to_day is not None and self.to_day < self.from_day:
            raise ValueError(f"a band ends on day {self.to_day}, before its day {self.from_day}")


class PayerRule(_Shape, frozen=True, kw_only=True):
    """The bands of one kind of payer, for days of delay from a date on."""

    first_day: date = msgspec.field(name="from")
    bands: tuple[Band, ...]
    source: _Text

    def __post_init__(self) -> None:
        if not self.bands or self.bands[0].from_day != 1:
            raise ValueError("the first band must begin with day 1 of delay")
        for band, after in pairwise(self.bands):
            if band.to_day is None or after.from_day <= band.to_day:
                raise ValueError(f"the bands overlap on day {after.from_day} of delay")
            if after.from_day > band.to_day + 1:
                raise ValueError(f"no band covers day {band.to_day + 1} of delay")
        if self.bands[-1].to_day is not None:
            raise ValueError(f"no band covers day {self.bands[-1].to_day + 1} of delay")


class _DateRange(_Shape, frozen=True, kw_only=True):
    """Days between two dates, both included."""

    first_day: date = msgspec.field(name="from")
    last_day: date = msgspec.field(name="to")
    source: _Text
    unconfirmed: bool = False

    def __post_init__(self) -> None:
        if self.last_day < self.first_day:
            raise ValueError(f"`to` {self.last_day} is before `from` {self.first_day}")


class Cap(_DateRange, frozen=True, kw_only=True):
    """The highest rate while it holds, % a year."""

    percent: Decimal

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_percent(self.percent)


class Moratorium(_DateRange, frozen=True, kw_only=True):
    """Days that count as days of delay, and bear no penalty."""

    payers: tuple[PayerKind, ...] = tuple(PayerKind)


class DueDay(_Shape, frozen=True, kw_only=True):
    """The day of the next month by which charges of months from ``from_period`` on are due."""

    from_period: _Period
    day: _DayOfMonth
    source: _Text
    unconfirmed: bool = False


class RecalculationDue(StrEnum):
    """When what a recalculation adds to a bill falls due; the law does not say."""

    MONTH_POSTED = "month_posted"
    """With the bill of the month in which it takes effect."""
    OWN_BILL = "own_bill"
    """With the bill that it corrects: it is late from the day after it takes effect."""


class RuleFile(_Shape, frozen=True, kw_only=True):
    """The whole file of rules."""

    version: _Version
    payers: dict[PayerKind, tuple[PayerRule, ...]]
    key_rates: dict[date, Decimal]
    key_rates_confirmed_to: date
    caps: tuple[Cap, ...] = ()
    moratoria: tuple[Moratorium, ...] = ()
    due_days: tuple[DueDay, ...]
    recalculation_due: RecalculationDue = RecalculationDue.MONTH_POSTED
    holidays: WorkingDays | None = None
    """The production calendar for penalties; None: the one of the installation."""

    def __post_init__(self) -> None:
        for kind in PayerKind:
            rules = self.payers.get(kind)
            if not rules:
                raise ValueError(f"payers: there is no rule for {kind}")
            check_rising(f"payers: {kind}: from", [rule.first_day for rule in rules])
        check_rising("key_rates", list(self.key_rates))
        for percent in self.key_rates.values():
            _check_percent(percent)
        _check_apart("caps", self.caps)
        for kind in PayerKind:
            _check_apart(
                "moratoria", [period for period in self.moratoria if kind in period.payers]
            )
        if not self.key_rates or not self.due_days:
            raise ValueError("there must be at least one key rate and one due day")
        check_rising("due_days: from_period", [rule.from_period for rule in self.due_days])


class Rate(msgspec.Struct, frozen=True):
    """A rate of penalty: % a year, and the same as ``numerator / denominator`` of the debt.

    ``basis`` names the cap, where the cap decides.
    """

    percent: Decimal
    numerator: int
    denominator: int
    unconfirmed: bool
    basis: tuple[str, ...] = ()


class PenaltyRules:
    """The law by day. Equal only to itself, so that look-ups can be cached by it."""

    def __init__(self, file: RuleFile, calendar: WorkingDays) -> None:
        self.holidays = file.holidays or calendar
        file = msgspec.structs.replace(file, holidays=self.holidays)
        computed_by = msgspec.to_builtins(file, str_keys=True)
        # It is kept by each recalculation itself, and changes nothing that was accrued.
        del computed_by["recalculation_due"]
        content = msgspec.json.encode(computed_by, order="sorted")
        digest = hashlib.sha256(content).hexdigest()
        self.version = f"{file.version}+{digest[:12]}"
        """The version to keep with every accrual: that of the file, and a digest of its content, so
        that a file changed under the same version is another one."""
        self.due_days = file.due_days
        self.recalculation_due = file.recalculation_due
        self._payers = file.payers
        self._moratoria = file.moratoria
        self._rate_days, self._rates = _rates_by_day(file)

    def rate_on(self, day: date) -> Rate:
        """Return the rate of what is paid on a day: the key rate, capped while the cap holds.

        Raises ValidationFailed ``no_key_rate`` for a day before the first rate listed.
        """
        index = bisect_right(self._rate_days, day) - 1
        if index < 0:
            raise ValidationFailed(
                "no_key_rate",
                f"The penalty rules list no key rate for {day}: add it to key_rates.",
                day=day.isoformat(),
            )
        return self._rates[index]

    def spared_days(self) -> dict[str, int]:
        """Return the kinds of payers, each with the days of delay that never bear a penalty.

        Any of them may owe for capital repair, too.
        """
        spared = {kind: min(map(_spared, self._payers[kind])) for kind in PayerKind}
        return {
            kind.value: min(days, spared[PayerKind.CAPITAL_REPAIR]) for kind, days in spared.items()
        }

    def falling_days(self) -> list[date]:
        """Return the days from which a lower rate holds than on the day before."""
        rates = zip(self._rate_days[1:], pairwise(self._rates), strict=True)
        return [day for day, (before, after) in rates if after.percent < before.percent]

    def rules_of(self, payer: PayerKind) -> tuple[PayerRule, ...]:
        """Return the rules of one kind of payer, oldest first, each until the next begins."""
        return self._payers[payer]

    def moratoria_of(self, payer: PayerKind) -> list[Moratorium]:
        """Return the moratoria that spare one kind of payer, oldest first."""
        return [period for period in self._moratoria if payer in period.payers]


def load_rules(path: Path | None = None, environ: Mapping[str, str] | None = None) -> PenaltyRules:
    """Read the rules: the path given, or the operator's file, or the one shipped.

    Raises ConfigurationError that names the file and what is wrong in it.
    """
    env = os.environ if environ is None else environ
    chosen = path or Path(env.get(PATH_VARIABLE) or _SHIPPED)
    try:
        data = _PlainLoader(chosen.read_text("utf-8")).get_single_data()
        # Not strict: the loader leaves every scalar a text, so that no float is made.
        file = msgspec.convert(data, RuleFile, strict=False)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"the penalty rules {chosen} cannot be used: {error}") from error
    return PenaltyRules(file, load_working_days(env))


class _PlainLoader(yaml.SafeLoader):
    """Reads every scalar as text, and refuses a repeated key."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the base class has it so

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        for key in keys:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"{key.value} is repeated", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _rates_by_day(file: RuleFile) -> tuple[list[date], list[Rate]]:
    """Return the days from which a rate applies, and the rates, caps taken into account."""
    starts = set(file.key_rates) | {file.key_rates_confirmed_to + _A_DAY}
    for period in file.caps:
        starts |= {period.first_day, period.last_day + _A_DAY}
    first = next(iter(file.key_rates))
    days = sorted(day for day in starts if day >= first)
    rates, key_rate = [], file.key_rates[first]
    for day in days:
        key_rate = file.key_rates.get(day, key_rate)
        cap = next((cap for cap in file.caps if cap.first_day <= day <= cap.last_day), None)
        if cap and cap.percent <= key_rate:
            # The cap decides: a later key rate makes no difference.
            rates.append(_rate(cap.percent, cap.unconfirmed, (cap.source,)))
        else:
            rates.append(_rate(key_rate, day > file.key_rates_confirmed_to))
    return days, rates


def _rate(percent: Decimal, unconfirmed: bool, basis: tuple[str, ...] = ()) -> Rate:
    numerator, denominator = (percent / 100).as_integer_ratio()
    return Rate(Decimal(f"{percent.normalize():f}"), numerator, denominator, unconfirmed, basis)


def _spared(rule: PayerRule) -> int:
    """Return the days of delay before the first that bears a penalty."""
    return next((band.from_day - 1 for band in rule.bands if band.divisor), 36_500)


def _check_percent(percent: Decimal) -> None:
    if not (percent.is_finite() and 0 <= percent <= 1000) or percent != round(percent, 6):
        raise ValueError(f"{percent} is not a rate in % a year with up to 6 decimals")


def _check_apart(what: str, ranges: Iterable[_DateRange]) -> None:
    for period, after in pairwise(ranges):
        if after.first_day <= period.last_day:
            raise ValueError(
                f"{what}: the one from {after.first_day} overlaps the one until "
                f"{period.last_day}; list them apart, oldest first"
            )
