-- Files that go with messages. The content is in the folder of uploads, sealed under file_key, which
-- is sealed under the data key of the attachment, like name and digest. owner is who sent the file,
-- as the actor of events. A row without its content ('gone') counts for the limit of its day.
CREATE TABLE attachments (
    attachment_id uuid PRIMARY KEY,
    owner         text NOT NULL,
    state         text NOT NULL CHECK (state IN ('arriving', 'ready', 'taken', 'gone')),
    name          text,
    file_key      text,
    digest        text,
    media_type    text,
    parts         integer NOT NULL DEFAULT 0,
    size          bigint NOT NULL DEFAULT 0,
    begun_at      timestamptz NOT NULL,
    question_id   uuid REFERENCES questions,
    position      bigint,
    place         smallint,
    removed_at    timestamptz,
    CHECK ((state = 'taken') <= (question_id IS NOT NULL AND position IS NOT NULL)),
    CHECK ((state = 'gone') = (file_key IS NULL))
);
CREATE INDEX attachments_by_owner ON attachments (owner, begun_at);
CREATE INDEX attachments_by_question ON attachments (question_id, position, place);
CREATE INDEX attachments_unused ON attachments (begun_at) WHERE state <> 'taken';
