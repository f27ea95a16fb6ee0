CREATE TABLE payments (
    payment_id        uuid        PRIMARY KEY,
    person_id         uuid        NOT NULL,
    order_number      text        NOT NULL UNIQUE,
    acquirer_order_id text,
    form_url          text,
    state             text        NOT NULL CHECK (state IN ('created', 'awaiting_payment',
                                      'captured', 'completed', 'failed', 'expired')),
    total             bigint      NOT NULL CHECK (total > 0),
    created_at        timestamptz NOT NULL,
    captured_at       timestamptz,
    paid_on           date,
    masked_card       text        CHECK (masked_card ~ '^[0-9]{4,6}[*]+[0-9]{4}$'),
    failure           text,
    position          bigint      NOT NULL
);
CREATE INDEX payments_of_person ON payments (person_id, position DESC);
COMMENT ON TABLE payments IS 'One row per payment order, projected from the log. Amounts are kopecks; position is that of the first event.';

CREATE TABLE payment_lines (
    payment_id      uuid     NOT NULL REFERENCES payments,
    line            smallint NOT NULL,
    account         text     NOT NULL,
    amount          bigint   NOT NULL CHECK (amount >= 0),
    penalty         bigint   NOT NULL CHECK (penalty >= 0),
    ledger_position bigint,
    PRIMARY KEY (payment_id, line),
    UNIQUE (payment_id, account)
);
COMMENT ON TABLE payment_lines IS 'The frozen split of a payment; ledger_position is set once the ledger has posted the line.';

CREATE TABLE polls (
    payment_id uuid        PRIMARY KEY REFERENCES payments,
    since      timestamptz NOT NULL,
    attempts   integer     NOT NULL,
    due_at     timestamptz,
    outcome    text        NOT NULL
);
CREATE INDEX polls_due ON polls (due_at) WHERE due_at IS NOT NULL;
COMMENT ON TABLE polls IS 'When the acquirer is asked about payments it has not decided; no due_at: staff must look.';
