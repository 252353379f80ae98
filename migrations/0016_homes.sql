-- Homes: what was stored as a notice while its type was unknown belongs to an aggregate once the type is
-- understood. The log stays as it is; this says to which stream a row of it belongs now.

CREATE TABLE raphus.homes (
    position bigint PRIMARY KEY,
    stream_id text NOT NULL
);

CREATE INDEX homes_stream_idx ON raphus.homes (stream_id);

COMMENT ON TABLE raphus.homes IS
    'Events that were stored as notices, each with the stream of the aggregate that takes them now.';

-- Finds the notices, which are few.
CREATE INDEX ledger_events_notices_idx ON raphus.ledger_events (notification_id)
    WHERE originator_id LIKE 'notice/%';

-- The log as it is understood: originator_id is the stream to which an event belongs now, and
-- recorded_stream the one under which it stands. The condition asks of notices alone whether they
-- have a home.
CREATE VIEW raphus.housed_events AS
SELECT
    originator_id, originator_version, topic, state, notification_id, webhook_id, recorded_at, hash,
    content_hash, originator_id AS recorded_stream
FROM raphus.ledger_events AS e
WHERE originator_id NOT LIKE 'notice/%'
    OR NOT EXISTS (SELECT FROM raphus.homes AS h WHERE h.position = e.notification_id)
UNION ALL
SELECT
    h.stream_id, e.originator_version, e.topic, e.state, e.notification_id, e.webhook_id,
    e.recorded_at, e.hash, e.content_hash, e.originator_id
FROM raphus.homes AS h JOIN raphus.ledger_events AS e ON e.notification_id = h.position;

COMMENT ON VIEW raphus.housed_events IS
    'The log, each event under the stream to which it belongs by what is understood now.';
