-- Where the last letter to an erased person goes: sealed under a key of its own, for a day.
CREATE TABLE farewells (
    person_id uuid        PRIMARY KEY,
    email     text        NOT NULL,
    until     timestamptz NOT NULL
);
CREATE INDEX farewells_by_end ON farewells (until);
