-- The chain commits to a state by its hash, so that a state can be emptied of what identifies a
-- person and the log still be proved. Where that was done, content_hash keeps the SHA-256 of the
-- state as it was recorded; null means that the state is what was recorded.
--
-- What is in the log is chained anew. The chain as it was is proved on the way, row by row: a log
-- that was tampered with must not get hashes that hide it.

ALTER TABLE raphus.ledger_events ADD COLUMN content_hash bytea;

CREATE TEMPORARY TABLE followed ON COMMIT DROP AS
SELECT t.application_name, e.notification_id
FROM raphus.projections_tracking AS t
JOIN raphus.ledger_events AS e
    ON e.notification_id IN (t.notification_id, t.events) AND e.hash = t.hash;

CREATE TEMPORARY TABLE chained (position bigint NOT NULL, hash bytea NOT NULL) ON COMMIT DROP;

DO $$
DECLARE
    one record;
    expected bigint := 0;
    texts bytea;
    lengths bytea;
    numbers bytea;
    old_hash bytea := decode(repeat('00', 32), 'hex');
    new_hash bytea := old_hash;
BEGIN
    FOR one IN SELECT * FROM raphus.ledger_events ORDER BY notification_id LOOP
        expected := expected + 1;
        texts := convert_to(one.originator_id, 'UTF8') || convert_to(one.topic, 'UTF8')
            || convert_to(one.webhook_id, 'UTF8');
        numbers := int8send(one.notification_id)
            || int8send((extract(epoch FROM one.recorded_at) * 1000000)::bigint)
            || int8send(one.originator_version);
        lengths := substr(int4send(octet_length(convert_to(one.originator_id, 'UTF8'))), 3)
            || substr(int4send(octet_length(convert_to(one.topic, 'UTF8'))), 3)
            || substr(int4send(octet_length(convert_to(one.webhook_id, 'UTF8'))), 3);
        old_hash := sha256(
            old_hash || numbers || lengths || int4send(octet_length(one.state)) || texts
            || one.state
        );
        IF one.notification_id <> expected OR old_hash IS DISTINCT FROM one.hash THEN
            RAISE EXCEPTION 'the log is not what was recorded, from position % on: nothing is'
                ' migrated. Run raphus verify with the release before this one, which tells what'
                ' was changed', expected;
        END IF;
        new_hash := sha256(new_hash || numbers || lengths || texts || sha256(one.state));
        INSERT INTO chained VALUES (one.notification_id, new_hash);
    END LOOP;
END
$$;

UPDATE raphus.ledger_events AS e SET hash = chained.hash
FROM chained WHERE chained.position = e.notification_id;

UPDATE raphus.projections_tracking AS t SET hash = e.hash
FROM followed JOIN raphus.ledger_events AS e USING (notification_id)
WHERE followed.application_name = t.application_name;
