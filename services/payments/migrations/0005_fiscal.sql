CREATE TABLE fiscal_receipts (
    receipt_id   uuid        PRIMARY KEY,
    payment_id   uuid        NOT NULL REFERENCES payments,
    refund_id    uuid,
    kind         text        NOT NULL CHECK (kind IN ('income', 'income_return')),
    state        text        NOT NULL CHECK (state IN ('requested', 'registered', 'refused')),
    items        jsonb       NOT NULL,
    total        bigint      NOT NULL CHECK (total > 0),
    seller       text        NOT NULL,
    inn          text        NOT NULL,
    place        text        NOT NULL,
    taxation     text        NOT NULL,
    vat          text        NOT NULL,
    method       text        NOT NULL,
    attempt      integer     NOT NULL,
    requested_at timestamptz NOT NULL,
    position     bigint      NOT NULL,
    drive        text,
    document     text,
    sign         text,
    register     text,
    issued_at    timestamptz,
    url          text,
    reason       text,
    reference    text,
    tries        integer     NOT NULL DEFAULT 0,
    due_at       timestamptz,
    UNIQUE (drive, document)
);
CREATE INDEX fiscal_receipts_of_payment ON fiscal_receipts (payment_id, position);
CREATE INDEX fiscal_receipts_due ON fiscal_receipts (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX fiscal_receipts_refused ON fiscal_receipts (position) WHERE state = 'refused';
COMMENT ON TABLE fiscal_receipts IS 'One row per fiscal receipt, projected from the log. reference, tries and due_at are when and how the registrar is asked, not part of the log.';

CREATE TABLE fiscal_position (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint  NOT NULL
);
COMMENT ON TABLE fiscal_position IS 'Up to where the log was read for money that needs a fiscal receipt; no row before a registrar is configured.';
