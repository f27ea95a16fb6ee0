-- What the services of an account are called stands in its last bill. The row of the account says
-- which event that is: looking for it would read all that was paid since.
ALTER TABLE balances ADD COLUMN last_bill bigint NOT NULL DEFAULT 0;
ALTER TABLE rebuilt_balances ADD COLUMN last_bill bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN balances.last_bill IS 'The version of the account''s last bill in its stream; 0: it has none.';

UPDATE balances AS b
   SET last_bill = bills.last
  FROM (
        SELECT originator_id, max(originator_version) AS last
          FROM events
         WHERE topic = 'ledger.charges_posted.v1'
         GROUP BY originator_id
       ) AS bills
 WHERE b.account_id = bills.originator_id;

-- Whoever writes a row says it: a process of an older version is refused, not believed.
ALTER TABLE balances ALTER COLUMN last_bill DROP DEFAULT;
ALTER TABLE rebuilt_balances ALTER COLUMN last_bill DROP DEFAULT;
