-- Sums that are kept beside tables, at less cost: each statement that writes rows of these has a
-- trigger run that often finds nothing to do, or no more than the sum of one day.

-- One upsert fires two triggers, of which one mostly has no rows.
CREATE OR REPLACE FUNCTION raphus.count_subscriptions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM raphus.subscription_counts;
    ELSIF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT FROM written) THEN
            INSERT INTO raphus.subscription_counts AS c
            SELECT business_id, coalesce(status, ''), count(*) FROM written GROUP BY 1, 2
            ON CONFLICT (business_id, status) DO UPDATE SET number = c.number + excluded.number;
        END IF;
    ELSIF NOT EXISTS (SELECT FROM gone) THEN
        RETURN NULL;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO raphus.subscription_counts AS c
        SELECT business_id, coalesce(status, ''), -count(*) FROM gone GROUP BY 1, 2
        ON CONFLICT (business_id, status) DO UPDATE SET number = c.number + excluded.number;
    ELSE
        INSERT INTO raphus.subscription_counts AS c
        SELECT business_id, coalesce(status, ''), sum(change) FROM (
            SELECT business_id, status, 1 AS change FROM written
            UNION ALL SELECT business_id, status, -1 FROM gone
        ) AS changed
        GROUP BY 1, 2 HAVING sum(change) <> 0
        ON CONFLICT (business_id, status) DO UPDATE SET number = c.number + excluded.number;
    END IF;
    RETURN NULL;
END
$$;

-- What is new is added as it is, without an array of it.
CREATE OR REPLACE FUNCTION raphus.sum_up_takings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rows raphus.taking_days[];
    touched raphus.taking_key[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM raphus.taking_days;
        DELETE FROM raphus.following_takings;
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        IF NOT EXISTS (SELECT FROM written) THEN
            RETURN NULL;
        END IF;
        INSERT INTO raphus.taking_days AS d
        SELECT (at AT TIME ZONE 'UTC')::date, business_id, kind, net_sign, settlement_currency,
            count(*), count(gross), coalesce(sum(gross), 0), coalesce(sum(tax), 0), 0, 0
        FROM written WHERE kind IN ('payment', 'refund')
        GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (day, business_id, kind, net_sign, currency) DO UPDATE SET
            number = d.number + excluded.number, settled = d.settled + excluded.settled,
            gross = d.gross + excluded.gross, tax = d.tax + excluded.tax;
    ELSIF NOT EXISTS (SELECT FROM gone) THEN
        RETURN NULL;
    ELSIF TG_OP = 'UPDATE' THEN
        rows := array(
            SELECT ROW (
                (at AT TIME ZONE 'UTC')::date, business_id, kind, net_sign, settlement_currency,
                count(*), count(gross), coalesce(sum(gross), 0), coalesce(sum(tax), 0), 0, 0
            )::raphus.taking_days FROM written WHERE kind IN ('payment', 'refund')
            GROUP BY (at AT TIME ZONE 'UTC')::date, business_id, kind, net_sign,
                settlement_currency
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        touched := array(
            SELECT (stream_id, kind, id, ordinal)::raphus.taking_key FROM written
            WHERE kind NOT IN ('payment', 'refund')
            UNION ALL
            SELECT (f.stream_id, f.kind, f.id, f.ordinal)::raphus.taking_key
            FROM written AS w CROSS JOIN LATERAL (
                SELECT * FROM raphus.following_takings AS f
                WHERE f.payment_id = w.payment_id AND f.business_id = w.business_id OFFSET 0
            ) AS f
            WHERE w.kind = 'payment'
            UNION ALL
            SELECT (f.stream_id, f.kind, f.id, f.ordinal)::raphus.taking_key
            FROM written AS w CROSS JOIN LATERAL (
                SELECT * FROM raphus.following_takings AS f
                WHERE f.subscription_id = w.subscription_id AND f.business_id = w.business_id
                    AND f.kind = 'failed_payment' AND f.at <= w.at
                    AND (f.recovered_at >= w.at OR f.recovered_at IS NULL)
                OFFSET 0
            ) AS f
            WHERE w.kind = 'payment'
        );
    END IF;
    IF TG_OP <> 'INSERT' THEN
        rows := rows || array(
            SELECT ROW (
                (at AT TIME ZONE 'UTC')::date, business_id, kind, net_sign, settlement_currency,
                -count(*), -count(gross), -coalesce(sum(gross), 0), -coalesce(sum(tax), 0), 0, 0
            )::raphus.taking_days FROM gone WHERE kind IN ('payment', 'refund')
            GROUP BY (at AT TIME ZONE 'UTC')::date, business_id, kind, net_sign,
                settlement_currency
        );
        touched := touched || array(
            SELECT (stream_id, kind, id, ordinal)::raphus.taking_key FROM gone
            WHERE kind NOT IN ('payment', 'refund')
            UNION ALL
            SELECT (f.stream_id, f.kind, f.id, f.ordinal)::raphus.taking_key
            FROM gone AS g CROSS JOIN LATERAL (
                SELECT * FROM raphus.following_takings AS f
                WHERE f.payment_id = g.payment_id AND f.business_id = g.business_id OFFSET 0
            ) AS f
            WHERE g.kind = 'payment'
            UNION ALL
            SELECT (f.stream_id, f.kind, f.id, f.ordinal)::raphus.taking_key
            FROM gone AS g CROSS JOIN LATERAL (
                SELECT * FROM raphus.following_takings AS f
                WHERE f.subscription_id = g.subscription_id AND f.business_id = g.business_id
                    AND f.kind = 'failed_payment' AND f.recovered_at = g.at
                OFFSET 0
            ) AS f
            WHERE g.kind = 'payment'
        );
    END IF;
    IF touched <> '{}' THEN
        rows := rows || raphus.follow_takings(touched);
    END IF;
    IF rows <> '{}' THEN
        PERFORM raphus.add_taking_days(rows);
    END IF;
    RETURN NULL;
END
$$;

-- Of recurring changes one trigger tells all that is kept beside them, where three did.
DROP TRIGGER cohorts_summed_up_as_inserted ON raphus.recurring;
DROP TRIGGER cohorts_summed_up_as_updated ON raphus.recurring;
DROP TRIGGER cohorts_summed_up_as_deleted ON raphus.recurring;
DROP TRIGGER cohorts_summed_up_as_emptied ON raphus.recurring;
DROP TRIGGER trials_summed_up_as_inserted ON raphus.recurring;
DROP TRIGGER trials_summed_up_as_updated ON raphus.recurring;
DROP TRIGGER trials_summed_up_as_deleted ON raphus.recurring;
DROP TRIGGER trials_summed_up_as_emptied ON raphus.recurring;
DROP FUNCTION raphus.sum_up_cohorts;
DROP FUNCTION raphus.sum_up_trials;

-- Has the trials of streams as they are now.
CREATE FUNCTION raphus.follow_trials(streams text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    are raphus.trials[] := array(SELECT t FROM raphus.trials_of(streams) AS t);
BEGIN
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
END
$$;

-- Of a recurring change, all that anything kept beside it follows from.
CREATE TYPE raphus.told_change AS (
    stream_id text,
    book uuid,
    at timestamptz,
    leaves boolean,
    total_change bigint,
    monthly_change bigint,
    yearly_change bigint,
    active_change smallint,
    paying_change smallint,
    trial_change smallint,
    converted boolean,
    kind text,
    currency text,
    product_id text,
    business_id text,
    customer_id text,
    subscription_id text,
    began timestamptz
);

CREATE FUNCTION raphus.told(change raphus.recurring) RETURNS raphus.told_change
LANGUAGE sql IMMUTABLE AS $$
    SELECT ROW (
        change.stream_id, change.book, change.at, change.leaves, change.total_change,
        change.monthly_change, change.yearly_change, change.active_change, change.paying_change,
        change.trial_change, change.converted, change.kind, change.currency, change.product_id,
        change.business_id, change.customer_id, change.subscription_id, change.began
    )::raphus.told_change
$$;

CREATE OR REPLACE FUNCTION raphus.sum_up_recurring() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    are raphus.told_change[] := '{}';
    were raphus.told_change[] := '{}';
    rows raphus.recurring_days[];
    streams text[];
    begun uuid[];
    shared uuid[];
    books uuid[];
    starts timestamptz[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM raphus.recurring_days;
        DELETE FROM raphus.cohort_days;
        DELETE FROM raphus.book_moves;
        DELETE FROM raphus.shared_books;
        DELETE FROM raphus.trials;
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        are := array(SELECT raphus.told(w) FROM written AS w);
    ELSIF TG_OP = 'DELETE' THEN
        were := array(SELECT raphus.told(g) FROM gone AS g);
    ELSIF EXISTS (SELECT FROM gone) THEN  -- of most, only the end has become known
        are := array(
            SELECT raphus.told(w) FROM written AS w EXCEPT ALL SELECT raphus.told(g) FROM gone AS g
        );
        IF are <> '{}' THEN
            were := array(
                SELECT raphus.told(g) FROM gone AS g
                EXCEPT ALL SELECT raphus.told(w) FROM written AS w
            );
        END IF;
    END IF;
    IF are = '{}' AND were = '{}' THEN
        RETURN NULL;
    END IF;
    -- Looked up by their keys, whatever the planner believes.
    SELECT array_agg(DISTINCT c.stream_id) FILTER (WHERE c.trial_change <> 0 OR c.converted),
        array_agg(DISTINCT c.book) FILTER (WHERE c.kind = 'new' AND c.times = 1 AND (
            SELECT true FROM raphus.recurring AS r
            WHERE r.book = c.book AND r.kind = 'new' AND (r.stream_id, r.at) <> (c.stream_id, c.at)
            LIMIT 1
        )),
        array_agg(DISTINCT c.book) FILTER (WHERE (
            SELECT true FROM raphus.shared_books AS b WHERE b.book = c.book
        )),
        array_agg(ROW (
            (c.at AT TIME ZONE 'UTC')::date, c.business_id, c.currency, c.product_id, c.kind,
            sign(c.monthly_change), c.times, c.times * c.total_change::numeric,
            c.times * (c.total_change <> 0)::int, c.times * c.paying_change,
            c.times * c.monthly_change::numeric, c.times * (c.monthly_change <> 0)::int,
            c.times * c.paying_change, c.times * c.yearly_change::numeric,
            c.times * c.paying_change, c.times * c.active_change, c.times * c.trial_change
        )::raphus.recurring_days)
    INTO streams, begun, shared, rows
    FROM (
        SELECT *, 1 AS times FROM unnest(are) UNION ALL SELECT *, -1 FROM unnest(were)
    ) AS c;
    IF begun IS NOT NULL THEN
        WITH new AS (
            INSERT INTO raphus.shared_books SELECT * FROM unnest(begun) ORDER BY 1
            ON CONFLICT DO NOTHING RETURNING book
        )
        SELECT array_agg(book) INTO begun FROM new;
    END IF;
    IF begun IS NOT NULL OR shared IS NOT NULL THEN  -- of what has begun, nothing has been kept
        SELECT array_agg(book), array_agg(since) INTO books, starts FROM (
            SELECT book, min(since) AS since FROM (
                SELECT book, at AS since FROM unnest(are || were) WHERE book = ANY (shared)
                UNION ALL SELECT unnest(begun), '-infinity'
            ) AS of_both GROUP BY book
        ) AS of_each;
        rows := rows || raphus.follow_books(books, starts);
    END IF;
    PERFORM raphus.add_recurring_days(rows);
    PERFORM raphus.add_cohort_days(array(
        SELECT raphus.cohort_day(began, at, business_id, currency, kind, total_change, 1)
        FROM unnest(are) WHERE total_change <> 0 AND began IS NOT NULL
        UNION ALL
        SELECT raphus.cohort_day(began, at, business_id, currency, kind, -total_change, -1)
        FROM unnest(were) WHERE total_change <> 0 AND began IS NOT NULL
    ));
    IF streams IS NOT NULL THEN
        PERFORM raphus.follow_trials(streams);
    END IF;
    RETURN NULL;
END
$$;
