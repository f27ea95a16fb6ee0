ALTER TABLE payments DROP CONSTRAINT payments_state_check;
ALTER TABLE payments ADD CONSTRAINT payments_state_check CHECK (state IN ('created',
    'awaiting_payment', 'unknown', 'mismatch', 'captured', 'completed', 'partly_refunded',
    'refunded', 'failed', 'expired'));
ALTER TABLE payments
    ADD COLUMN acquirer text   NOT NULL DEFAULT '',
    ADD COLUMN charged  bigint CHECK (charged >= 0),
    ADD COLUMN refunded bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0);
COMMENT ON TABLE payments IS 'One row per payment, projected from the log. Amounts are kopecks; order_number is that of its order today; charged is what the acquirer took, refunded what of it went back; position is that of the first event.';
UPDATE payments SET charged = total WHERE state IN ('captured', 'completed');
CREATE INDEX payments_open ON payments (person_id) WHERE state IN ('created', 'awaiting_payment', 'unknown', 'mismatch');
CREATE INDEX payments_by_day ON payments (paid_on) WHERE paid_on IS NOT NULL;
CREATE INDEX payments_undone ON payments (created_at) WHERE state IN ('created', 'awaiting_payment', 'unknown', 'mismatch', 'captured');

ALTER TABLE payment_lines
    ADD COLUMN refunded bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    ADD COLUMN moved_to text;
COMMENT ON TABLE payment_lines IS 'The frozen split of a payment; ledger_position is set once the ledger has posted the line, moved_to where staff have moved it to another account.';

CREATE TABLE orders (
    order_number text        PRIMARY KEY,
    payment_id   uuid        NOT NULL REFERENCES payments,
    acquirer     text        NOT NULL,
    order_id     text,
    lost         boolean     NOT NULL DEFAULT false,
    asked_at     timestamptz,
    capturing_at timestamptz
);
CREATE INDEX orders_of_payment ON orders (payment_id);
CREATE INDEX orders_by_id ON orders (order_id) WHERE order_id IS NOT NULL;
INSERT INTO orders (order_number, payment_id, acquirer, order_id)
    SELECT order_number, payment_id, acquirer, acquirer_order_id FROM payments;
COMMENT ON TABLE orders IS 'The orders of a payment at acquirers: one whose page was lost has a successor; asked_at is when a callback last had the acquirer asked about it, capturing_at when it was decided to charge what is held for it.';

CREATE TABLE refunds (
    refund_id    uuid        PRIMARY KEY,
    payment_id   uuid        NOT NULL REFERENCES payments,
    state        text        NOT NULL CHECK (state IN ('proposed', 'requested', 'made', 'refused', 'rejected')),
    lines        jsonb       NOT NULL,
    total        bigint      NOT NULL CHECK (total > 0),
    cause        text        NOT NULL,
    reason       text        NOT NULL,
    by           text        NOT NULL,
    decided_by   text        NOT NULL DEFAULT '',
    requested_at timestamptz NOT NULL,
    returned_at  timestamptz,
    refunded_on  date,
    posted       text[]      NOT NULL DEFAULT '{}',
    refusal      text        NOT NULL DEFAULT '',
    due_at       timestamptz,
    sent_at      timestamptz
);
CREATE INDEX refunds_of_payment ON refunds (payment_id);
CREATE INDEX refunds_due ON refunds (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX refunds_by_day ON refunds (refunded_on) WHERE refunded_on IS NOT NULL;
COMMENT ON TABLE refunds IS 'What goes back of payments; lines are [{account, amount}]; posted are the accounts from which the ledger has taken it. due_at and sent_at are the schedule of the calls, not part of the log.';

ALTER TABLE polls ADD COLUMN claimed_until timestamptz;
COMMENT ON TABLE polls IS 'When the acquirer is asked about payments; no due_at: staff must look. claimed_until: one process at a time registers the order.';
