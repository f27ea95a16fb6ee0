CREATE TABLE bank_registers (
    register_id uuid        PRIMARY KEY,
    file        text        NOT NULL,
    digest      text        NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    kind        text        NOT NULL CHECK (kind IN ('register', '1c')),
    bank        text        NOT NULL,
    rows        integer     NOT NULL CHECK (rows >= 0),
    refused     integer     NOT NULL CHECK (refused >= 0),
    total       bigint      NOT NULL,
    fee         bigint      NOT NULL CHECK (fee >= 0),
    last_day    date,
    taken_by    text        NOT NULL,
    taken_at    timestamptz NOT NULL,
    imported_at timestamptz,
    received    integer,
    repeated    integer,
    differing   integer,
    position    bigint      NOT NULL
);
CREATE INDEX bank_registers_by_position ON bank_registers (position DESC);
COMMENT ON TABLE bank_registers IS 'One row per file of a bank, projected from the log. No imported_at: the import was interrupted; it is repeated.';

CREATE TABLE bank_payments (
    payment_id      uuid    PRIMARY KEY,
    register_id     uuid    NOT NULL REFERENCES bank_registers,
    row             integer NOT NULL,
    bank            text    NOT NULL,
    document        text    NOT NULL,
    paid_on         date    NOT NULL,
    amount          bigint  NOT NULL CHECK (amount > 0),
    fee             bigint  NOT NULL CHECK (fee >= 0),
    account         text,
    named           text    NOT NULL,
    state           text    NOT NULL CHECK (state IN ('received', 'suspended', 'accepted',
                                'posted', 'returned', 'covered')),
    reason          text,
    covered_by      uuid    REFERENCES bank_registers,
    ledger_position bigint,
    position        bigint  NOT NULL
);
CREATE INDEX bank_payments_to_decide ON bank_payments (state, position)
    WHERE state IN ('received', 'suspended');
CREATE INDEX bank_payments_by_day ON bank_payments (paid_on);
CREATE INDEX bank_payments_of_register ON bank_payments (register_id, state);
CREATE UNIQUE INDEX bank_payments_covered ON bank_payments (covered_by)
    WHERE covered_by IS NOT NULL;
COMMENT ON TABLE bank_payments IS 'One row per payment of a bank''s file, projected from the log. named is the account of the file, account the one that it is posted to; reason is why it is in suspense.';

CREATE TABLE register_differences (
    register_id uuid    NOT NULL REFERENCES bank_registers,
    row         integer NOT NULL,
    payment_id  uuid    NOT NULL REFERENCES bank_payments,
    amount      bigint  NOT NULL,
    account     text    NOT NULL,
    PRIMARY KEY (register_id, row)
);
CREATE INDEX register_differences_of_payment ON register_differences (payment_id);
COMMENT ON TABLE register_differences IS 'Rows that were refused because their document is known with another sum or account.';
