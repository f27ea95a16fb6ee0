-- Who holds a number may change: each holder's time is a tenure, with an account (a stream) of its
-- own, whose key is the number and, from the second on, its ordinal ("0100000001-2"). The log
-- decides; this table shows it: a row for each tenure but a number's first, which has one when it
-- is closed.

CREATE TABLE tenures (
    account_id uuid PRIMARY KEY,
    number text NOT NULL,
    tenure bigint NOT NULL,
    since date,
    until date,
    version bigint NOT NULL
);
CREATE UNIQUE INDEX tenures_by_number ON tenures (number, tenure);
CREATE TABLE rebuilt_tenures (LIKE tenures, PRIMARY KEY (account_id));
COMMENT ON TABLE tenures IS 'Whose time of a number begins and ends when; a number without a row has had one holder, and has him still.';
COMMENT ON COLUMN tenures.since IS 'The first day; empty for the first tenure, which has the number from the beginning.';
COMMENT ON COLUMN tenures.until IS 'The last day; empty while the account is open.';
COMMENT ON COLUMN tenures.version IS 'The version of the last event of the account that opened or closed it.';
COMMENT ON TABLE rebuilt_tenures IS 'Rows of tenures that a rebuild will replace; empty when none is running.';
