-- The read model of the ledger: one compact row per account, the postings of payments, and
-- corrections that wait for a second person.

-- A billing run reads and writes a million of these rows whole: json costs a tenth of jsonb then.
-- A row that owes nothing is a third of one that owes a bill of eight services. With three quarters
-- of each page free, a first bill finds a place beside the old version of its row, and no index is
-- written; the table, which was going to grow by those bills anyway, ends hardly larger.
CREATE TABLE balances (
    account_id      uuid   PRIMARY KEY,
    number          text   NOT NULL UNIQUE,
    payer_kind      text   NOT NULL,
    version         bigint NOT NULL,
    last_bill       bigint NOT NULL,
    principal       bigint NOT NULL,
    penalty         bigint NOT NULL,
    advance         bigint NOT NULL,
    open_items      json   NOT NULL,
    due_dates       json   NOT NULL,
    charged_periods text[] NOT NULL
) WITH (fillfactor = 25);
COMMENT ON TABLE balances IS 'The state of each account after its last event, in kopecks; audit compares it with a replay.';
COMMENT ON COLUMN balances.last_bill IS 'The version of the account''s last bill in its stream; 0: it has none. The names of its services are there.';
COMMENT ON COLUMN balances.open_items IS 'period -> service -> kopecks still owed';
COMMENT ON COLUMN balances.due_dates IS 'period -> the day until which it was to be paid, for the open periods';

CREATE TABLE payment_postings (
    payment_id uuid   NOT NULL,
    account    text   NOT NULL,
    position   bigint NOT NULL,
    amount     bigint NOT NULL,
    penalty    bigint NOT NULL,
    allocation jsonb  NOT NULL,
    PRIMARY KEY (payment_id, account)
);
COMMENT ON TABLE payment_postings IS 'The position of each payment in the log.';

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

-- A rebuild writes here only the rows that differ from the log; one transaction then puts them in
-- the place of the live ones. A version (or position) of 0 means that the log has no such row.
CREATE TABLE rebuilt_balances (LIKE balances, PRIMARY KEY (account_id));
CREATE TABLE rebuilt_proposals (LIKE proposals, PRIMARY KEY (proposal_id));
CREATE TABLE rebuilt_payment_postings (
    LIKE payment_postings, PRIMARY KEY (payment_id, account)
);
COMMENT ON TABLE rebuilt_balances IS 'Rows of balances that a rebuild will replace; empty when none is running.';
COMMENT ON TABLE rebuilt_proposals IS 'Rows of proposals that a rebuild will replace.';
COMMENT ON TABLE rebuilt_payment_postings IS 'Rows of payment_postings that a rebuild will replace.';
