-- What became of each trial, kept up by whatever statement writes recurring changes, in its
-- transaction: a report of a year reads a row of each trial instead of all that tells of them.
CREATE TABLE raphus.trials (
    stream_id text PRIMARY KEY,
    plain boolean NOT NULL,
    business_id text NOT NULL,
    currency text,
    product_id text,
    started_at timestamptz,
    converted_at timestamptz,
    ended_at timestamptz
) WITH (fillfactor = 85);

CREATE INDEX trials_started_idx ON raphus.trials (started_at);
CREATE INDEX trials_not_plain_idx ON raphus.trials (stream_id) WHERE NOT plain;

COMMENT ON TABLE raphus.trials IS
    'The trial of each subscription, as it began, and when it first converted and ended; one that is not "plain" has run more than once, or in several currencies.';

-- Where one leaves a product for another at one instant, what it enters stands before what it leaves.
CREATE FUNCTION raphus.trials_of(streams text[]) RETURNS SETOF raphus.trials
LANGUAGE plpgsql STABLE AS $$
DECLARE
    trial raphus.trials;
    change record;
    stands bigint;
BEGIN
    FOR change IN
        SELECT r.* FROM unnest(streams) AS s (stream_id) CROSS JOIN LATERAL (
            SELECT r.stream_id, at, leaves, trial_change, converted, business_id, currency,
                product_id
            FROM raphus.recurring AS r
            WHERE r.stream_id = s.stream_id AND (trial_change <> 0 OR converted) OFFSET 0
        ) AS r
        ORDER BY r.stream_id, r.at, r.trial_change DESC, r.leaves
    LOOP
        IF trial.stream_id IS DISTINCT FROM change.stream_id THEN
            IF trial.stream_id IS NOT NULL THEN
                RETURN NEXT trial;
            END IF;
            trial := ROW (change.stream_id, true, change.business_id,
                change.currency, change.product_id, NULL, NULL, NULL);
            stands := 0;
        END IF;
        stands := stands + change.trial_change;
        trial.plain := trial.plain AND NOT (stands > 0 AND trial.ended_at IS NOT NULL)
            AND trial.business_id = change.business_id
            AND trial.currency IS NOT DISTINCT FROM change.currency;
        IF change.trial_change = 1 AND trial.started_at IS NULL THEN
            trial.started_at := change.at;
        END IF;
        IF change.converted AND trial.converted_at IS NULL THEN
            trial.converted_at := change.at;
        END IF;
        IF stands <= 0 AND trial.ended_at IS NULL THEN
            trial.ended_at := change.at;
        END IF;
    END LOOP;
    IF trial.stream_id IS NOT NULL THEN
        RETURN NEXT trial;
    END IF;
END
$$;

CREATE FUNCTION raphus.sum_up_trials() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    streams text[];
    are raphus.trials[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM raphus.trials;
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        streams := array(
            SELECT DISTINCT stream_id FROM written WHERE trial_change <> 0 OR converted
        );
    ELSIF TG_OP = 'DELETE' THEN
        streams := array(
            SELECT DISTINCT stream_id FROM gone WHERE trial_change <> 0 OR converted
        );
    ELSE  -- of most, only the end has become known
        streams := array(
            SELECT DISTINCT stream_id FROM (
                (SELECT stream_id, at, trial_change, converted, business_id, currency, product_id
                FROM written WHERE trial_change <> 0 OR converted
                EXCEPT ALL
                SELECT stream_id, at, trial_change, converted, business_id, currency, product_id
                FROM gone)
                UNION ALL
                (SELECT stream_id, at, trial_change, converted, business_id, currency, product_id
                FROM gone WHERE trial_change <> 0 OR converted
                EXCEPT ALL
                SELECT stream_id, at, trial_change, converted, business_id, currency, product_id
                FROM written)
            ) AS changed
        );
    END IF;
    IF streams = '{}' THEN
        RETURN NULL;
    END IF;
    are := array(SELECT t FROM raphus.trials_of(streams) AS t);
    IF cardinality(are) < cardinality(streams) THEN
        DELETE FROM raphus.trials AS t WHERE stream_id = ANY (streams)
            AND stream_id NOT IN (SELECT stream_id FROM unnest(are));
    END IF;
    INSERT INTO raphus.trials AS t SELECT * FROM unnest(are) ORDER BY stream_id
    ON CONFLICT (stream_id) DO UPDATE SET
        (plain, business_id, currency, product_id, started_at, converted_at, ended_at) = ROW (
        excluded.plain, excluded.business_id, excluded.currency, excluded.product_id,
        excluded.started_at, excluded.converted_at, excluded.ended_at)
    WHERE t IS DISTINCT FROM excluded;
    RETURN NULL;
END
$$;

CREATE TRIGGER trials_summed_up_as_inserted AFTER INSERT ON raphus.recurring
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_trials();
CREATE TRIGGER trials_summed_up_as_updated AFTER UPDATE ON raphus.recurring
    REFERENCING NEW TABLE AS written OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_trials();
CREATE TRIGGER trials_summed_up_as_deleted AFTER DELETE ON raphus.recurring
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_trials();
CREATE TRIGGER trials_summed_up_as_emptied AFTER TRUNCATE ON raphus.recurring
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_trials();

CREATE VIEW raphus.trials_told AS
SELECT t.* FROM raphus.trials_of(array(
    SELECT DISTINCT stream_id FROM raphus.recurring WHERE trial_change <> 0 OR converted
)) AS t;

INSERT INTO raphus.trials SELECT * FROM raphus.trials_told;

-- What was open, in its grace, or had failed at an instant: found by the range in which it was so, and
-- counted from the index alone, not from all that had ever been so by then.
DROP INDEX raphus.subscription_periods_past_due_idx;
DROP INDEX raphus.dispute_periods_open_idx;
DROP INDEX raphus.payment_periods_failed_idx;
CREATE INDEX subscription_periods_past_due_idx ON raphus.subscription_periods USING gist (valid)
    INCLUDE (past_due_ends_at, business_id, kind) WHERE status = 'past_due';
CREATE INDEX dispute_periods_open_idx ON raphus.dispute_periods USING gist (valid)
    INCLUDE (business_id, kind, currency, amount) WHERE status IN ('opened', 'challenged');
CREATE INDEX payment_periods_failed_idx ON raphus.payment_periods (created_at)
    INCLUDE (valid_from, valid_to, business_id, kind, currency, amount) WHERE status = 'failed';
