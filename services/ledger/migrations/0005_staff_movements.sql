-- What staff moved each day: the limit of a person is for a day, not for a command, so that a large
-- correction cannot be divided into small ones.

CREATE TABLE staff_movements (
    correction_id uuid   PRIMARY KEY,
    name          text   NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,31}$'),
    permission    text   NOT NULL CHECK (permission <> ''),
    day           date   NOT NULL,
    amount        bigint NOT NULL CHECK (amount >= 0)
);
CREATE INDEX staff_movements_of_a_day ON staff_movements (name, day);
COMMENT ON TABLE staff_movements IS 'The money that each of the staff moved by a day: alone, or by approving a proposal.';
COMMENT ON COLUMN staff_movements.permission IS 'approve: somebody else proposed it; any other: made by one person alone.';
COMMENT ON COLUMN staff_movements.amount IS 'The money that the correction moves whatever its sign, in kopecks.';
CREATE TRIGGER staff_movements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_movements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
