-- Until when each question is answered, by whom, and what of it either side has not read yet.
ALTER TABLE questions DROP CONSTRAINT questions_state_check;
ALTER TABLE questions ADD CONSTRAINT questions_state_check CHECK (
    state IN ('open', 'in_progress', 'waiting', 'answered', 'reopened', 'closed')
);
ALTER TABLE messages DROP CONSTRAINT messages_author_check;
ALTER TABLE messages ADD CONSTRAINT messages_author_check CHECK (
    author IN ('person', 'staff', 'system')
);
ALTER TABLE questions
    ADD COLUMN due_on      date,
    ADD COLUMN assigned_to text,
    ADD COLUMN unread      int NOT NULL DEFAULT 0, -- messages of staff that the person has not opened
    ADD COLUMN unseen      int NOT NULL DEFAULT 0; -- messages of the person that no staff has opened

-- How long each answer took: a turn begins when a question is asked, or asked again after an answer.
CREATE TABLE turns (
    question_id uuid NOT NULL REFERENCES questions,
    turn        int NOT NULL,
    department  text NOT NULL,
    topic       text NOT NULL,
    started_at  timestamptz NOT NULL,
    due_on      date NOT NULL,
    waited      int NOT NULL DEFAULT 0, -- working days for which the person was waited for
    answered_at timestamptz,
    closed_at   timestamptz,
    PRIMARY KEY (question_id, turn)
);
CREATE INDEX turns_by_start ON turns (started_at);

-- Questions that were asked before had no due day: they get ten working days from the day on which
-- the turn began. The holidays are those that the product shipped with for the years in question.
CREATE FUNCTION pg_temp.ten_working_days_after(asked timestamptz) RETURNS date
LANGUAGE sql AS $$
    SELECT day::date
    FROM generate_series(
        (asked AT TIME ZONE 'Europe/Moscow')::date + 1,
        (asked AT TIME ZONE 'Europe/Moscow')::date + 40,
        interval '1 day'
    ) AS day
    WHERE extract(isodow FROM day) < 6
      AND to_char(day, 'MM-DD') <> ALL (ARRAY[
          '01-01', '01-02', '01-03', '01-04', '01-05', '01-06', '01-07', '01-08',
          '02-23', '03-08', '05-01', '05-09', '06-12', '11-04'])
      AND day::date <> ALL (ARRAY[
          '2026-01-09', '2026-03-09', '2026-05-11', '2026-12-31']::date[])
    ORDER BY day OFFSET 9 LIMIT 1
$$;

WITH placed AS (
    SELECT question_id, position, author, at,
           lag(author) OVER (PARTITION BY question_id ORDER BY position) AS before
    FROM messages
), numbered AS (
    SELECT *, count(*) FILTER (WHERE author = 'person' AND before IS DISTINCT FROM 'person')
        OVER (PARTITION BY question_id ORDER BY position) AS turn
    FROM placed
)
INSERT INTO turns (question_id, turn, department, topic, started_at, due_on, answered_at, closed_at)
SELECT question_id, turn, department, topic, min(at),
       pg_temp.ten_working_days_after(min(at)),
       min(at) FILTER (WHERE author = 'staff'),
       max(last_message_at) FILTER (WHERE state = 'closed')
FROM numbered JOIN questions USING (question_id)
GROUP BY question_id, turn, department, topic;

UPDATE questions SET
    due_on = turns.due_on,
    state = CASE WHEN state = 'open' AND turns.turn > 1 THEN 'reopened' ELSE state END,
    unseen = CASE WHEN state = 'open' THEN 1 ELSE 0 END
FROM (SELECT DISTINCT ON (question_id) * FROM turns ORDER BY question_id, turn DESC) AS turns
WHERE turns.question_id = questions.question_id;

ALTER TABLE questions ALTER COLUMN due_on SET NOT NULL;
CREATE INDEX questions_unread ON questions (person_id) WHERE unread > 0;
CREATE INDEX questions_by_due_day ON questions (due_on, number)
    WHERE state IN ('open', 'in_progress', 'reopened');
