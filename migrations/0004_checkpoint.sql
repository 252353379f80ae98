-- The checkpoint says more than a position: how many events the read models have really taken,
-- and the log's hash at the last of them. So an event that was skipped shows, and so does a log
-- that was shortened or rewritten behind the follower's back.
--
-- The defaults are where every log begins. They let the library's own statements, which know of
-- two columns, work on the table as before.

ALTER TABLE raphus.projections_tracking
    ADD COLUMN events bigint NOT NULL DEFAULT 0,
    ADD COLUMN hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex');

-- Up to here every page was refused that had a hole, so the position is the count.
UPDATE raphus.projections_tracking AS tracking SET
    events = notification_id,
    hash = coalesce(
        (
            SELECT log.hash FROM raphus.ledger_events AS log
            WHERE log.notification_id = tracking.notification_id
        ),
        hash
    )
WHERE application_name = 'ledger';
