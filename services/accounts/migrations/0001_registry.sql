-- The registry of contracts, as its events left it. holder and address are sealed: readable only
-- with the contract's data key. numeric without a scale keeps the digits that were written.
CREATE TABLE contracts (
    number      text PRIMARY KEY CHECK (number ~ '^[0-9]{1,20}$'),
    payer_kind  text NOT NULL
                CHECK (payer_kind IN ('household', 'organisation', 'managing_company',
                                      'capital_repair')),
    holder      text NOT NULL,
    address     text NOT NULL,
    residents   integer CHECK (residents >= 0),
    total_area  numeric CHECK (total_area > 0),
    living_area numeric CHECK (living_area > 0),
    heated_area numeric CHECK (heated_area > 0),
    els         text
);

-- Who has which account in the cabinet; position is that of the event, and orders them.
CREATE TABLE links (
    person_id uuid NOT NULL,
    number    text NOT NULL REFERENCES contracts,
    proven_by text NOT NULL CHECK (proven_by IN ('bill', 'number')),
    linked_at timestamptz NOT NULL,
    position  bigint NOT NULL,
    PRIMARY KEY (person_id, number)
);
CREATE INDEX links_by_number ON links (number, position);

-- Facts of the last paper bill, as HMACs under a key that the database does not hold. No event
-- has them: they change every month, and the former ones are forgotten.
CREATE TABLE bills (
    number      text PRIMARY KEY REFERENCES contracts,
    bill_number text CHECK (length(bill_number) = 64),
    bill_total  text CHECK (length(bill_total) = 64),
    kept_at     timestamptz NOT NULL
);

-- Attempts to look up and to link, counted although refused.
CREATE TABLE attempts (
    kind      text NOT NULL,
    subject   uuid NOT NULL,
    opened_at timestamptz NOT NULL,
    made      integer NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX attempts_by_age ON attempts (opened_at);

-- The journal of registry imports. import_id is the correlation id of the events they caused.
CREATE TABLE imports (
    import_id   uuid PRIMARY KEY,
    file_name   text NOT NULL,
    sha256      text NOT NULL,
    actor       text NOT NULL,
    reason      text NOT NULL,
    begun_at    timestamptz NOT NULL,
    finished_at timestamptz,
    rows        integer,
    registered  integer,
    amended     integer,
    unchanged   integer,
    bills       integer,
    refused     integer
);
