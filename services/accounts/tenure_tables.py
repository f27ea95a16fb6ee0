"""The tables of tenures and of the proofs of the newest ones, written many rows at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, TypeAlias

import psycopg
from psycopg.rows import tuple_row

from services.accounts.domain import ContractDetails
from services.accounts.proof import ProofDigests
from services.accounts.tenures import KeptProof, Tenure

_DETAILS = ContractDetails.__struct_fields__
_COLUMNS = ", ".join(("number", "tenure", "since", "until", "version", *_DETAILS))
# numeric keeps the digits that were written: as text, 54.2 comes back as 54.2.
_AS_TEXT = {name: f"{name}::text" for name in ("total_area", "living_area", "heated_area")}
_READ = ", ".join(
    ("number", "tenure", "since", "until", "version", *(_AS_TEXT.get(n, n) for n in _DETAILS))
)
_CURRENT = (
    f"SELECT DISTINCT ON (number) {_READ} FROM tenures "
    "WHERE number = ANY(string_to_array(%s, E'\\n')) ORDER BY number, tenure DESC"
)
_HISTORY = f"SELECT {_READ} FROM tenures WHERE number = %s ORDER BY tenure"
_OF = (
    f"SELECT {_READ} FROM tenures WHERE (number, tenure) IN "
    "(SELECT * FROM unnest(%s::text[], %s::integer[]))"
)
_CHANGES = ", ".join(f"{name} = n.{name}" for name in _DETAILS)
_AMEND = (
    f"UPDATE tenures AS t SET version = greatest(t.version, n.version), {_CHANGES} "
    "FROM new_tenures AS n WHERE t.number = n.number AND t.tenure = n.tenure"
)
_END = (
    "UPDATE tenures AS t SET until = e.until, version = greatest(t.version, e.version) "
    "FROM unnest(%s::text[], %s::integer[], %s::date[], %s::bigint[]) "
    "AS e(number, tenure, until, version) WHERE t.number = e.number AND t.tenure = e.tenure"
)
_SPEND = (
    "WITH gone AS (DELETE FROM proofs"
    " USING unnest(%s::text[], %s::integer[]) AS r(number, tenure)"
    " WHERE proofs.number = r.number AND proofs.tenure = r.tenure RETURNING proofs.*) "
    "INSERT INTO spent_proofs SELECT number, tenure, decode(digest, 'hex') FROM gone,"
    " LATERAL (VALUES (control_code), (total_and_period)) AS d(digest) WHERE digest IS NOT NULL "
    "ON CONFLICT DO NOTHING"
)
# The temporary table has no statistics: left alone, the planner reads all tenures for it.
_PLANS = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan")
_BY_INDEX = "; ".join(f"SET LOCAL {plan} = off" for plan in _PLANS)
_AS_BEFORE = "; ".join(f"RESET {plan}" for plan in _PLANS)
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NULL = "\\N"


TenureKey: TypeAlias = tuple[str, int]
"""A number and the ordinal of its tenure."""


class Tenures:
    """Who holds which number, and when."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def current(self, numbers: Sequence[str]) -> dict[str, Tenure]:
        """Return the newest tenure of each of these numbers, open or closed."""
        found = self._read(_CURRENT, ("\n".join(numbers),))
        return {tenure.number: tenure for tenure in found}

    def of(self, keys: Sequence[TenureKey]) -> dict[TenureKey, Tenure]:
        """Return these tenures by number and ordinal, without those that there are not."""
        numbers, ordinals = [number for number, _ in keys], [tenure for _, tenure in keys]
        found = self._read(_OF, (numbers, ordinals))
        return {(tenure.number, tenure.tenure): tenure for tenure in found}

    def history(self, number: str) -> list[Tenure]:
        """Return all tenures of a number, the first one first."""
        return list(self._read(_HISTORY, (number,)))

    def number_of_els(self, els: str) -> str | None:
        """Return the number of the open tenure that has an ЕЛС; None for none, or several."""
        found = self.numbers_of_els([els]).get(els, [])
        return found[0] if len(found) == 1 else None

    def numbers_of_els(self, els: Sequence[str]) -> dict[str, list[str]]:
        """Return the numbers of the open tenures that have these ЕЛС."""
        numbers: dict[str, list[str]] = {}
        self._cursor.execute(
            "SELECT els, number FROM tenures WHERE els = ANY(string_to_array(%s, E'\\n'))"
            " AND until IS NULL ORDER BY els, number",
            ("\n".join(els),),
        )
        for row in self._cursor:
            numbers.setdefault(row["els"], []).append(row["number"])
        return numbers

    def end(self, ended: Mapping[TenureKey, tuple[date, int]]) -> None:
        """Store the last day of tenures, with the version of their streams."""
        if ended:
            days, versions = zip(*ended.values(), strict=True)
            numbers, tenures = [key[0] for key in ended], [key[1] for key in ended]
            self._cursor.execute(_END, (numbers, tenures, list(days), list(versions)))

    def amend(self, amended: Iterable[Tenure]) -> None:
        """Store new details of tenures that are there; since and until are not looked at."""
        rows = list(amended)
        if rows:
            self._cursor.execute(
                "CREATE TEMP TABLE IF NOT EXISTS new_tenures (LIKE tenures) ON COMMIT DROP"
            )
            self._cursor.execute("TRUNCATE new_tenures")
            self._copy("new_tenures", rows)
            self._cursor.execute(_BY_INDEX)
            self._cursor.execute(_AMEND)
            self._cursor.execute(_AS_BEFORE)

    def add(self, tenures: Iterable[Tenure]) -> None:
        """Store tenures that are not there yet."""
        if rows := list(tenures):
            self._copy("tenures", rows)

    def _copy(self, table: str, rows: Sequence[Tenure]) -> None:
        with self._cursor.copy(f"COPY {table} ({_COLUMNS}) FROM STDIN") as copy:
            copy.write("".join(map(_line, rows)))

    def _read(self, query: str, parameters: tuple[Any, ...]) -> Iterable[Tenure]:
        with self._cursor.connection.cursor(binary=True, row_factory=tuple_row) as reading:
            reading.execute(query, parameters)
            for number, tenure, since, until, version, *details in reading:
                yield Tenure(
                    number=number,
                    tenure=tenure,
                    since=since,
                    until=until,
                    version=version,
                    details=_details(*details),
                )


class Proofs:
    """The facts of each tenure's last bill, as keyed digests; those of an open one prove it."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def of(self, numbers: Sequence[str]) -> dict[str, ProofDigests]:
        """Return the digests that prove the open tenures of these accounts."""
        self._cursor.execute(
            "SELECT number, control_code, total_and_period FROM proofs"
            " JOIN tenures USING (number, tenure) WHERE number = ANY(%s) AND until IS NULL",
            (list(numbers),),
        )
        return {row["number"]: _digests(row) for row in self._cursor}

    def kept(self, numbers: Sequence[str]) -> dict[str, dict[int, ProofDigests]]:
        """Return the digests of these accounts by tenure, open or closed."""
        kept: dict[str, dict[int, ProofDigests]] = {}
        self._cursor.execute(
            "SELECT number, tenure, control_code, total_and_period FROM proofs"
            " WHERE number = ANY(string_to_array(%s, E'\\n'))",
            ("\n".join(numbers),),
        )
        for row in self._cursor:
            kept.setdefault(row["number"], {})[row["tenure"]] = _digests(row)
        return kept

    def spent(self, numbers: Sequence[str]) -> dict[str, set[tuple[int, str]]]:
        """Return the spent digests of these accounts, each with its tenure."""
        found: dict[str, set[tuple[int, str]]] = {}
        self._cursor.execute(
            "SELECT number, tenure, encode(digest, 'hex') AS digest FROM spent_proofs"
            " WHERE number = ANY(string_to_array(%s, E'\\n'))",
            ("\n".join(numbers),),
        )
        for row in self._cursor:
            found.setdefault(row["number"], set()).add((row["tenure"], row["digest"]))
        return found

    def sealed_code(self, number: str) -> tuple[int, str] | None:
        """Return the open tenure that an account's control code proves, and the sealed code."""
        self._cursor.execute(
            "SELECT tenure, sealed_code FROM proofs JOIN tenures USING (number, tenure)"
            " WHERE number = %s AND until IS NULL AND sealed_code IS NOT NULL",
            (number,),
        )
        row = self._cursor.fetchone()
        return None if row is None else (row["tenure"], row["sealed_code"])

    def keep(
        self, proofs: Sequence[KeptProof], replaced: Sequence[TenureKey], now: datetime
    ) -> None:
        """Store new proofs, after moving those that they replace to the spent ones."""
        if replaced:
            numbers, tenures = zip(*replaced, strict=True)
            self._cursor.execute(_SPEND, (list(numbers), list(tenures)))
        if proofs:
            columns = "number, tenure, control_code, total_and_period, sealed_code, kept_at"
            kept_at = now.isoformat()
            with self._cursor.copy(f"COPY proofs ({columns}) FROM STDIN") as copy:
                copy.write("".join(_proof_line(proof, kept_at) for proof in proofs))


def _digests(row: Mapping[str, Any]) -> ProofDigests:
    return ProofDigests(control_code=row["control_code"], total_and_period=row["total_and_period"])


def _details(*values: Any) -> ContractDetails:
    named = dict(zip(_DETAILS, values, strict=True))
    return ContractDetails(**{**named, "services": tuple(named["services"])})


def _line(tenure: Tenure) -> str:
    """Return a row in the text format of COPY; only texts of the registry need escapes."""
    details = tenure.details
    values = (
        tenure.number,
        str(tenure.tenure),
        _text(tenure.since),
        _text(tenure.until),
        str(tenure.version),
        details.payer_kind,
        details.holder,
        details.address,
        _text(details.residents),
        _text(details.total_area),
        _text(details.living_area),
        _text(details.heated_area),
        _text(details.els),
        _array(details.services),
        _text(details.payee and details.payee.translate(_ESCAPED)),
    )
    return "\t".join(values) + "\n"


def _text(value: object) -> str:
    return _NULL if value is None else str(value)


@lru_cache(maxsize=1_024)
def _array(texts: tuple[str, ...]) -> str:
    # Nearly all contracts have one of few sets of services.
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    array = ",".join(f'"{text}"' for text in quoted)
    return f"{{{array}}}".translate(_ESCAPED)


def _proof_line(proof: KeptProof, kept_at: str) -> str:
    digests = proof.digests
    code, total = _text(digests.control_code), _text(digests.total_and_period)
    sealed = _text(proof.sealed_code)
    return f"{proof.number}\t{proof.tenure}\t{code}\t{total}\t{sealed}\t{kept_at}\n"
