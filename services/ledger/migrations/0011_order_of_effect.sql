-- What a payment must know to be decided on by a row alone: which fact came last in the order of
-- effect, since when that order does not matter for a bill, and whether a penalty may be owed that
-- is not accrued. A row from before says "unknown" (its history decides) until its account changes,
-- or `saldo ledger replay --all` writes it.

ALTER TABLE balances
    ADD COLUMN late_days bigint NOT NULL DEFAULT 0,
    ADD COLUMN last_fact text NOT NULL DEFAULT '~',
    ADD COLUMN order_matters_on text NOT NULL DEFAULT '~';
ALTER TABLE balances
    ALTER COLUMN late_days DROP DEFAULT,
    ALTER COLUMN last_fact DROP DEFAULT,
    ALTER COLUMN order_matters_on DROP DEFAULT;
ALTER TABLE rebuilt_balances
    ADD COLUMN late_days bigint NOT NULL,
    ADD COLUMN last_fact text NOT NULL,
    ADD COLUMN order_matters_on text NOT NULL;
COMMENT ON COLUMN balances.late_days IS 'The longest delay, in days, of what was paid late since the last accrual; 0: none.';
COMMENT ON COLUMN balances.last_fact IS 'The place of the last fact in the order of effect: day/rank/name.';
COMMENT ON COLUMN balances.order_matters_on IS 'The last day on which one more debt would have taken money; empty: none.';
