-- Questions without their texts. number is the short one that people quote.
CREATE TABLE questions (
    question_id     uuid PRIMARY KEY,
    number          bigint NOT NULL UNIQUE,
    person_id       uuid NOT NULL,
    topic           text NOT NULL,
    department      text NOT NULL,
    account         text,
    state           text NOT NULL CHECK (state IN ('open', 'answered', 'closed')),
    asked_at        timestamptz NOT NULL,
    last_message_at timestamptz NOT NULL
);
CREATE INDEX questions_by_person ON questions (person_id, last_message_at);
CREATE INDEX questions_by_state ON questions (state, last_message_at);

-- Messages of both sides; text is sealed under the question's data key, position is the event's.
CREATE TABLE messages (
    question_id uuid NOT NULL REFERENCES questions,
    position    bigint NOT NULL,
    author      text NOT NULL CHECK (author IN ('person', 'staff')),
    actor       text NOT NULL,
    text        text NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (question_id, position)
);

-- The last short number given: one row, so that the numbers have no gaps.
CREATE TABLE question_counter (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last     bigint NOT NULL DEFAULT 0
);
INSERT INTO question_counter DEFAULT VALUES;
