-- The support codes of error pages, and who met them. One who calls says the code, nothing else.

CREATE TABLE support_codes (
    code      text        NOT NULL CHECK (length(code) BETWEEN 8 AND 128),
    person_id uuid        NOT NULL,
    noted_at  timestamptz NOT NULL,
    PRIMARY KEY (code, person_id)
);
CREATE INDEX support_codes_of_person ON support_codes (person_id, noted_at);
CREATE INDEX support_codes_by_age ON support_codes (noted_at);
