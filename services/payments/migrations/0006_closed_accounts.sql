-- Accounts whose holder has gone: what is open of their payments is closed at the bank, while they
-- stand here, so that nobody pays for another's months.

CREATE TABLE closed_accounts (
    account text PRIMARY KEY,
    closed_at timestamptz NOT NULL
);
CREATE INDEX closed_accounts_by_time ON closed_accounts (closed_at);
COMMENT ON TABLE closed_accounts IS 'Accounts that were closed lately, by their keys; a job closes their open payments.';
