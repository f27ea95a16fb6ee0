-- What staff need: when an open period was due, corrections that wait for a second person, and
-- the place where a rebuilt read model stands until it is right to the last event.

ALTER TABLE balances ADD COLUMN due_dates jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN balances.due_dates IS 'period -> the day until which it was to be paid, for the open periods';

UPDATE balances AS b
   SET due_dates = d.due_dates
  FROM (
        SELECT e.originator_id, jsonb_object_agg(e.period, e.due_on) AS due_dates
          FROM (
                SELECT originator_id,
                       coalesce(state ->> 'period', '0001-01') AS period,
                       coalesce(state ->> 'due_on', state ->> 'effective_on') AS due_on
                  FROM (
                        SELECT originator_id, convert_from(state, 'UTF8')::jsonb AS state
                          FROM events
                         WHERE topic IN ('ledger.account_opened.v1', 'ledger.charges_posted.v1')
                       ) AS decoded
               ) AS e
          JOIN balances AS open ON open.account_id = e.originator_id AND open.open_items ? e.period
         GROUP BY e.originator_id
       ) AS d
 WHERE b.account_id = d.originator_id;

CREATE TABLE proposals (
    proposal_id uuid   PRIMARY KEY,
    version     bigint NOT NULL,
    state       text   NOT NULL,
    correction  jsonb  NOT NULL,
    accounts    text[] NOT NULL,
    amount      bigint NOT NULL,
    reason      text   NOT NULL,
    proposed_by text   NOT NULL,
    decided_by  text   NOT NULL
);
CREATE INDEX proposals_open ON proposals (proposal_id) WHERE state = 'open';
COMMENT ON TABLE proposals IS 'Corrections that take two people: open, approved or rejected. When is in the log.';
COMMENT ON COLUMN proposals.amount IS 'The money that the correction moves, in kopecks.';

-- A rebuild leaves here only the rows that are not as the log says; one transaction then puts them
-- in the place of the live ones. A version (or position) of 0 means that the log knows no such row.
CREATE TABLE rebuilt_balances (LIKE balances, PRIMARY KEY (account_id));
CREATE TABLE rebuilt_proposals (LIKE proposals, PRIMARY KEY (proposal_id));
CREATE TABLE rebuilt_payment_postings (
    LIKE payment_postings, PRIMARY KEY (payment_id, account)
);
COMMENT ON TABLE rebuilt_balances IS 'Rows of balances that a rebuild will replace; empty when none is under way.';
COMMENT ON TABLE rebuilt_proposals IS 'Rows of proposals that a rebuild will replace.';
COMMENT ON TABLE rebuilt_payment_postings IS 'Rows of payment_postings that a rebuild will replace.';
