-- The read model of the ledger: one compact row per account, and the postings of payments.

CREATE TABLE balances (
    account_id      uuid    PRIMARY KEY,
    number          text    NOT NULL UNIQUE,
    payer_kind      text    NOT NULL,
    version         bigint  NOT NULL,
    principal       bigint  NOT NULL,
    penalty         bigint  NOT NULL,
    advance         bigint  NOT NULL,
    open_items      jsonb   NOT NULL,
    charged_periods text[]  NOT NULL
);
COMMENT ON TABLE balances IS 'The state of each account after its last event, in kopecks; audit compares it with a replay.';
COMMENT ON COLUMN balances.open_items IS 'period -> service -> kopecks still owed';

CREATE TABLE payment_postings (
    payment_id uuid   NOT NULL,
    account    text   NOT NULL,
    position   bigint NOT NULL,
    amount     bigint NOT NULL,
    penalty    bigint NOT NULL,
    allocation jsonb  NOT NULL,
    PRIMARY KEY (payment_id, account)
);
COMMENT ON TABLE payment_postings IS 'Where each payment stands in the log.';
