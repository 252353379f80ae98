-- The log of events and the follower's checkpoint: what eventsourcing's recorders would create
-- (a test compares them), but for the function es_insert_events_text, which loses events for
-- readers and is never used; and three columns of our own.

CREATE TYPE raphus.stored_event_text AS (
    originator_id text,
    originator_version bigint,
    topic text,
    state bytea
);

CREATE TABLE raphus.ledger_events (
    originator_id text NOT NULL,
    originator_version bigint NOT NULL,
    topic text,
    state bytea,
    notification_id bigserial,
    -- Ours: the delivery's identity, the time of its commit, and the hash that chains the event
    -- to all events before it.
    webhook_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    autovacuum_enabled = true,
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_vacuum_scale_factor = 0.5,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);

CREATE UNIQUE INDEX ledger_events_notification_id_idx
    ON raphus.ledger_events (notification_id ASC);

-- For GET /v1/events?type=: the rare type must not read the whole log.
CREATE INDEX ledger_events_topic_idx ON raphus.ledger_events (topic, notification_id);

CREATE TABLE raphus.projections_tracking (
    application_name text,
    notification_id bigint,
    PRIMARY KEY (application_name)
) WITH (
    autovacuum_enabled = true,
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_vacuum_scale_factor = 0.5,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);

-- The library's own mark that the table tracks one row an application.
INSERT INTO raphus.projections_tracking VALUES ('__migration__', 1);
-- The checkpoint of the read models: a row from the start, so that it can be locked.
INSERT INTO raphus.projections_tracking VALUES ('ledger', 0);
