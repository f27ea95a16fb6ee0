"""The form of «Платежи-Оплатить»: the sums of each account as they were typed, beside the debt.

Field names carry the account: ``amount-0100000001``, ``penalty-…``, and hidden ``was-…`` with the
debt that the page showed, so that a change in between can be put before the payer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.cabinet.forms import FormErrors
from gateway.cabinet.spellings import sum_of_money
from gateway.cabinet.visit import Refused, Visit
from gateway.problems import Refusal
from gateway.reading import loaded
from gateway.schemas.payments import StartPayment
from shared.formats import typed_roubles
from shared.money import MAX_AMOUNT, Kopecks

ACQUIRER = "acquirer"
"""The field with the way to pay, where there are several."""

_AMOUNT = re.compile(r"amount-([0-9]{1,20})")
_WAS = re.compile(r"([0-9]{1,15})\.([0-9]{1,15})")


@dataclass(frozen=True, kw_only=True)
class TypedLine:
    """One account as it was posted: kopecks, or the text where it is no sum."""

    account: str
    amount: Kopecks | str
    penalty: Kopecks | str
    was: tuple[Kopecks, Kopecks] | None
    """The debt and the penalty that the page showed."""

    @property
    def is_left_out(self) -> bool:
        """Whether nothing is paid on the account (S22)."""
        return self.amount == 0 and self.penalty == 0

    @property
    def total(self) -> Kopecks | None:
        """Both sums; None while one of them cannot be read."""
        if isinstance(self.amount, int) and isinstance(self.penalty, int):
            return self.amount + self.penalty
        return None


@dataclass(frozen=True, kw_only=True)
class CheckedLine:
    """One account of a payment beside its debt now; the sums are right by the API's shape."""

    account: str
    amount: Kopecks
    penalty: Kopecks
    due_amount: Kopecks
    due_penalty: Kopecks
    was: tuple[Kopecks, Kopecks]

    @property
    def changed(self) -> bool:
        """Whether the debt is another than the page showed, and not the one that is paid."""
        now = (self.due_amount, self.due_penalty)
        return now not in (self.was, (self.amount, self.penalty))

    @property
    def over(self) -> Kopecks:
        """What is paid above the debt."""
        return max(self.amount - self.due_amount, 0) + max(self.penalty - self.due_penalty, 0)


def typed_lines(form: Mapping[str, str]) -> list[TypedLine]:
    """Return the accounts of a posted form, in the order of the page."""
    lines = []
    for name in form:
        found = _AMOUNT.fullmatch(name)
        if found is None:
            continue
        account = found[1]
        was = _WAS.fullmatch(form.get(f"was-{account}", ""))
        lines.append(
            TypedLine(
                account=account,
                amount=sum_of_money(form[name]),
                penalty=sum_of_money(form.get(f"penalty-{account}", "")),
                was=(int(was[1]), int(was[2])) if was else None,
            )
        )
    return lines


def order_body(lines: Sequence[TypedLine], acquirer: str | None = None) -> dict[str, Any]:
    """Return the order as the API takes it, without the accounts that are left out."""
    chosen = {} if acquirer is None else {ACQUIRER: acquirer}
    return {
        "lines": [
            {"account": line.account, "amount": line.amount, "penalty": line.penalty}
            for line in lines
            if not line.is_left_out
        ],
        **chosen,
    }


def ways_to_pay(visit: Visit) -> list[tuple[str, str]]:
    """Return the acquirers to choose from, each with its words; none where there is one alone."""
    acquirers = visit.settings.acquirers
    if len(acquirers) == 1:
        return []
    words = visit.text("Карта, %s")
    return [(one.name, words % (one.title or one.name)) for one in acquirers]


def chosen_acquirer(visit: Visit) -> str | None:
    """Return the acquirer that was chosen; the first of several, None where there is one alone."""
    names = [name for name, _ in ways_to_pay(visit)]
    chosen = visit.form.get(ACQUIRER, "")
    return chosen if chosen in names else next(iter(names), None)


def wrong_sums(visit: Visit, lines: Sequence[TypedLine]) -> FormErrors | None:
    """Return what is wrong with the sums, each beside its field; None where they are right."""
    paid = [line for line in lines if not line.is_left_out]
    if not paid:
        text = visit.message("nothing_to_pay")
        fields = {f"amount-{lines[0].account}": text} if lines else {}
        return FormErrors(code="nothing_to_pay", text=text, fields=fields)
    try:
        loaded(StartPayment, order_body(lines), "pointer")
    except Refusal as refusal:
        return refused_order(visit, refusal, paid).errors
    largest = visit.settings.payments_largest
    if sum(line.total or 0 for line in paid) > largest:
        text = visit.message("amount_too_large", limit=largest)
        most = max(paid, key=lambda line: line.total or 0)
        fields = {f"amount-{most.account}": text}
        return FormErrors(code="amount_too_large", text=text, fields=fields)
    return None


def refused_order(visit: Visit, refusal: Refusal, paid: Sequence[TypedLine]) -> Refused:
    """Return the refusal of an order with the words and the fields of the page."""

    def field_of_line(pointer: str) -> str:
        _, _, number, member = [*pointer.split("/"), "", "", ""][:4]
        return f"{member}-{paid[int(number)].account}" if number.isdecimal() else ""

    says = {
        f"{member}-{line.account}": _words(visit, value)
        for line in paid
        for member, value in (("amount", line.amount), ("penalty", line.penalty))
    }
    return visit.refused(refusal, field_of_line, says)


def _words(visit: Visit, value: Kopecks | str) -> str:
    if isinstance(value, str):
        return visit.text("Введите сумму цифрами, например 1234,56.")
    if value < 0:
        return visit.text("Сумма со знаком минус не подходит. Введите 0 или больше.")
    if value > MAX_AMOUNT:
        return visit.message("amount_too_large", limit=visit.settings.payments_largest)
    return visit.text("Проверьте эту сумму.")


def checked_lines(
    lines: Sequence[TypedLine], due: Sequence[Mapping[str, Any]]
) -> list[CheckedLine]:
    """Return what is paid beside the debt as it is now.

    Raises Refusal 404 for an account that is not in the cabinet.
    """
    owed = {line["account"]: (line["amount"], line["penalty"]) for line in due}
    checked = []
    for line in lines:
        if line.is_left_out or isinstance(line.amount, str) or isinstance(line.penalty, str):
            continue
        if line.account not in owed:
            raise Refusal(404, "account_not_linked")
        now = owed[line.account]
        checked.append(
            CheckedLine(
                account=line.account,
                amount=line.amount,
                penalty=line.penalty,
                due_amount=now[0],
                due_penalty=now[1],
                was=line.was or now,
            )
        )
    return checked


def confirm_fields(lines: Sequence[CheckedLine], language: str) -> dict[str, str]:
    """Return the hidden fields of the question: the same sums, beside the debt shown there."""
    fields = {}
    for line in lines:
        fields[f"amount-{line.account}"] = typed_roubles(line.amount, language)
        fields[f"penalty-{line.account}"] = typed_roubles(line.penalty, language)
        fields[f"was-{line.account}"] = f"{line.due_amount}.{line.due_penalty}"
    return fields


def shown_lines(
    visit: Visit, due: Sequence[Mapping[str, Any]], blocked: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the accounts of the page: what was typed, else what is due.

    ``?account=`` prefills one account and puts zeros at the others (S22).
    """
    only = visit.query.get("account")
    typed = {line.account: line for line in typed_lines(visit.form)}
    shown = []
    for line in due:
        account = line["account"]
        prefilled = only in (None, account)
        amount, penalty = (line["amount"], line["penalty"]) if prefilled else (0, 0)
        total: Kopecks | None = amount + penalty
        if account in typed:
            total = typed[account].total
        shown.append(
            {
                **line,
                "blocked": blocked.get(account),
                "was": f"{line['amount']}.{line['penalty']}",
                "amount_text": visit.form.get(
                    f"amount-{account}", typed_roubles(amount, visit.language)
                ),
                "penalty_text": visit.form.get(
                    f"penalty-{account}", typed_roubles(penalty, visit.language)
                ),
                "paid": total,
            }
        )
    return shown
