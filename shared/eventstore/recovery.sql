-- What a restore or a failover took from the log, as the broker's stream still has it. Run by the
-- migrator as the owner.

CREATE TABLE recoveries (
    epoch    text        PRIMARY KEY,
    lost     bigint,
    found_at timestamptz,
    asked_at timestamptz,
    asked_by text        NOT NULL DEFAULT '',
    reason   text        NOT NULL DEFAULT '',
    failure  text        NOT NULL DEFAULT '',
    done_at  timestamptz
);
COMMENT ON TABLE recoveries IS 'One row for each epoch but the first. found_at: the stream was read for what was lost before it; lost is how many published events that were, NULL where the stream does not reach back. asked_at: the operator has asked for it to be brought back; done_at: it is, or nothing was lost.';

CREATE TABLE lost_events (
    epoch          text        NOT NULL,
    position       bigint      NOT NULL,
    version        integer     NOT NULL,
    type           text        NOT NULL,
    subject        text        NOT NULL,
    occurred_at    timestamptz NOT NULL,
    correlation_id text        NOT NULL,
    data           jsonb       NOT NULL,
    recovery       text        NOT NULL REFERENCES recoveries,
    fate           text        NOT NULL DEFAULT '',
    advice         text        NOT NULL DEFAULT '',
    PRIMARY KEY (epoch, position, version)
);
CREATE INDEX lost_events_of_subject ON lost_events (subject);
COMMENT ON TABLE lost_events IS 'Published events that this log does not have any more, by the epoch and the position that they had in it. fate is what has become of each once its recovery is done, advice what staff must do about it.';
