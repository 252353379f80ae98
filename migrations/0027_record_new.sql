-- The short way into the log, in one statement and so in one round trip: a batch of deliveries
-- none of which the log has. What it records is what `ledger.recorder` records by several
-- statements, to the byte: dense positions under the lock that all writers take, the versions of
-- the streams, a time that does not go back, and the chain.
--
-- It returns the position of the first, and the others follow it. It records nothing and returns
-- null where the long way has to look closer: the log has one of the webhook-ids, or its newest
-- event or the database's clock is outside of the times that the caller takes for the truth.
--
-- `chained` is what the chain covers of each row behind its three numbers (`hash_chain.told`).

CREATE FUNCTION raphus.record_new(
    streams text[],
    topics text[],
    states bytea[],
    webhook_ids text[],
    chained bytea[],
    clock_from timestamptz,
    clock_until timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    head_at timestamptz;
    head_hash bytea;
    head_position bigint;
    is_known boolean;
    new_at timestamptz;
    new_us bytea;
    new_version bigint;
    one record;
BEGIN
    -- By itself: what the next statement sees is what was committed before the lock was had.
    PERFORM pg_advisory_xact_lock(727048053, 'raphus.ledger_events'::regclass::oid::int4);
    SELECT e.notification_id, e.hash, e.recorded_at, clock_timestamp(), EXISTS (
        SELECT FROM raphus.ledger_events AS k WHERE k.webhook_id = ANY (webhook_ids)
    )
    INTO head_position, head_hash, head_at, new_at, is_known
    FROM (SELECT 1) AS always LEFT JOIN LATERAL (
        SELECT * FROM raphus.ledger_events ORDER BY notification_id DESC LIMIT 1
    ) AS e ON true;
    IF is_known OR new_at < clock_from OR greatest(new_at, head_at) > clock_until THEN
        RETURN NULL;
    END IF;
    IF head_position IS NULL THEN
        head_position := 0;
        head_hash := decode(repeat('00', 32), 'hex');
    END IF;
    new_at := greatest(new_at, head_at);
    new_us := int8send((extract(epoch FROM new_at) * 1000000)::bigint);
    FOR one IN
        SELECT * FROM unnest(streams, topics, states, webhook_ids, chained) WITH ORDINALITY
        AS t (stream, topic, state, webhook_id, chained, n)
    LOOP
        SELECT coalesce(max(originator_version), 0) + 1 INTO new_version FROM (
            SELECT originator_version FROM raphus.ledger_events
            WHERE originator_id = one.stream ORDER BY originator_version DESC LIMIT 1
        ) AS newest;
        head_hash := sha256(
            head_hash || int8send(head_position + one.n) || new_us || int8send(new_version)
            || one.chained
        );
        INSERT INTO raphus.ledger_events (
            originator_id, originator_version, topic, state, notification_id, webhook_id,
            recorded_at, hash
        ) VALUES (
            one.stream, new_version, one.topic, one.state, head_position + one.n, one.webhook_id,
            new_at, head_hash
        );
    END LOOP;
    PERFORM pg_notify('ledger_events', '');
    RETURN head_position + 1;
END
$$;
