-- Where recorded_at steps back along the log, because the time before was wrong: what `verify`
-- accepts, and what tells known_at apart from the positions. Written with the batch that steps.
CREATE TABLE raphus.clock_corrections (
    -- Of the first event with the true time.
    position bigint PRIMARY KEY,
    -- Of the event before it.
    wrong_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL CHECK (recorded_at < wrong_at)
);

COMMENT ON TABLE raphus.clock_corrections IS
    'Where recorded_at steps back along the log, because a clock had been wrong before.';

-- Every batch asks which of its webhook-ids are there. Not unique: one may have several bodies,
-- and tell of several things.
CREATE INDEX ledger_events_webhook_idx ON raphus.ledger_events (webhook_id);

-- The log only grows. To cut empty pages from its end, VACUUM would lock all readers out.
ALTER TABLE raphus.ledger_events SET (vacuum_truncate = false, toast.vacuum_truncate = false);
