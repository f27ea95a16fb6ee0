CREATE TABLE reconciliations (
    reconciliation_id uuid        PRIMARY KEY,
    day               date        NOT NULL,
    state             text        NOT NULL CHECK (state IN ('requested', 'running', 'done', 'failed')),
    requested_by      text        NOT NULL,
    requested_at      timestamptz NOT NULL,
    attempt           integer     NOT NULL DEFAULT 0,
    finished_at       timestamptz,
    progress          jsonb       NOT NULL DEFAULT '{}',
    summary           jsonb,
    failure           text        NOT NULL DEFAULT ''
);
CREATE INDEX reconciliations_to_make ON reconciliations (requested_at) WHERE state IN ('requested', 'running');
CREATE INDEX reconciliations_of_day ON reconciliations (day, requested_at);
COMMENT ON TABLE reconciliations IS 'The comparisons of orders, acquirers, ledger and registers, by day. attempt tells apart the workers that made it: only the newest writes.';

CREATE TABLE reconciliation_findings (
    reconciliation_id uuid    NOT NULL REFERENCES reconciliations ON DELETE CASCADE,
    number            integer NOT NULL,
    kind              text    NOT NULL CHECK (kind IN ('matched', 'missing_here', 'missing_there', 'differing')),
    finding           jsonb   NOT NULL,
    PRIMARY KEY (reconciliation_id, number)
);
CREATE INDEX reconciliation_differences ON reconciliation_findings (reconciliation_id, number) WHERE kind <> 'matched';
COMMENT ON TABLE reconciliation_findings IS 'What each comparison found, payment by payment; the matched ones are deleted after some weeks.';

CREATE TABLE staff_movements (
    command_id uuid   PRIMARY KEY,
    name       text   NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,31}$'),
    permission text   NOT NULL CHECK (permission <> ''),
    day        date   NOT NULL,
    amount     bigint NOT NULL CHECK (amount >= 0)
);
CREATE INDEX staff_movements_of_a_day ON staff_movements (name, day);
COMMENT ON TABLE staff_movements IS 'The money that each of the staff moved by a day: alone, or by approving a proposed refund.';
COMMENT ON COLUMN staff_movements.permission IS 'approve: somebody else proposed it; any other: made by one person alone.';
CREATE TRIGGER staff_movements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_movements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
