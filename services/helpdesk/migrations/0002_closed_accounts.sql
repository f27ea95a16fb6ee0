-- Accounts (keys) whose holder's time has ended: staff get a name of the account that says so.
CREATE TABLE closed_accounts (
    account text PRIMARY KEY
);
