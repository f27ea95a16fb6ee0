-- The optional letters that a person has switched on or off: derived from the events. Without a row
-- a letter is wanted.
CREATE TABLE choices (
    person_id uuid NOT NULL,
    kind text NOT NULL,
    wanted boolean NOT NULL,
    chosen_at timestamptz NOT NULL,
    PRIMARY KEY (person_id, kind)
);
