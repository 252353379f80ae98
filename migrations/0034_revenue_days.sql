-- What is earned, by day: kept up by whatever statement writes the rows, in its transaction, so that a
-- report of a year reads days instead of everything that happened in them. Days are those of UTC, by
-- which reports are told.

-- Takings, with what follows from others: of a dispute its payment's share, nothing where the payment
-- was never seen or is of another currency; of a failure, when the payment or its subscription was
-- paid after all. The LIMIT has no payment looked up but for a dispute, and one at the most.
CREATE VIEW raphus.settled_takings AS
SELECT
    t.stream_id, t.kind, t.id, t.ordinal, t.business_id, t.at, t.customer_id, t.payment_id,
    t.subscription_id, t.currency, t.amount, t.net_sign,
    coalesce(t.settlement_currency, p.settlement_currency) AS settlement_currency,
    coalesce(t.gross, round(p.gross::numeric * t.amount / p.amount)) AS gross,
    coalesce(t.tax, round(p.tax::numeric * t.amount / p.amount)) AS tax,
    CASE WHEN t.kind = 'failed_payment' THEN least(
        (
            SELECT min(s.at) FROM raphus.takings AS s WHERE s.kind = 'payment'
            AND s.payment_id = t.payment_id AND s.business_id = t.business_id AND s.at >= t.at
        ), (
            SELECT min(s.at) FROM raphus.takings AS s WHERE s.kind = 'payment'
            AND s.subscription_id = t.subscription_id AND s.business_id = t.business_id
            AND s.at >= t.at
        )
    ) END AS recovered_at
FROM raphus.takings AS t
LEFT JOIN LATERAL (
    SELECT p.* FROM raphus.takings AS p
    WHERE t.kind IN ('dispute_opened', 'dispute_won', 'dispute_lost')
        AND p.kind = 'payment' AND p.payment_id = t.payment_id
        AND p.business_id = t.business_id AND p.at <= t.at
        AND p.currency = coalesce(t.currency, p.currency) AND p.amount > 0
    ORDER BY p.at, p.stream_id LIMIT 1
) AS p ON true;

COMMENT ON VIEW raphus.settled_takings IS
    'Takings with what follows from others: the share of a dispute, and when a failed payment was recovered (null: never so far).';

-- "settled" of the "number" have a gross, which is summed up, as the tax in it is, whatever the sign.
-- "recovered" are those that were recovered at any time.
CREATE TABLE raphus.taking_days (
    day date NOT NULL,
    business_id text NOT NULL,
    kind text NOT NULL,
    net_sign smallint NOT NULL,
    currency text,
    number bigint NOT NULL,
    settled bigint NOT NULL,
    gross numeric NOT NULL,
    tax numeric NOT NULL,
    recovered bigint NOT NULL,
    recovered_gross numeric NOT NULL
) WITH (fillfactor = 50);

CREATE UNIQUE INDEX taking_days_key ON raphus.taking_days (day, business_id, kind, net_sign, currency)
    NULLS NOT DISTINCT;

COMMENT ON TABLE raphus.taking_days IS
    'What takings come to by day (in UTC) and settlement currency; recovered are failures that were paid at any time after.';

-- Disputes and failures as they are in the sums of their days: what they follow from is in other
-- streams, and may change when they do not.
CREATE TABLE raphus.following_takings (
    stream_id text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    ordinal bigint NOT NULL,
    business_id text NOT NULL,
    at timestamptz NOT NULL,
    payment_id text,
    subscription_id text,
    net_sign smallint NOT NULL,
    settlement_currency text,
    gross numeric,
    tax numeric,
    recovered_at timestamptz,
    PRIMARY KEY (stream_id, kind, id, ordinal)
) WITH (fillfactor = 85);

CREATE INDEX following_takings_payment_idx ON raphus.following_takings (payment_id, business_id);
CREATE INDEX following_takings_subscription_idx
    ON raphus.following_takings (subscription_id, business_id, at) WHERE kind = 'failed_payment';
CREATE INDEX following_takings_recovered_idx ON raphus.following_takings (recovered_at)
    WHERE recovered_at IS NOT NULL;

COMMENT ON TABLE raphus.following_takings IS
    'Disputes and failed payments as the sums of their days have them.';

-- Plans are kept, and may be those of empty tables: each OFFSET 0 behind a LATERAL has what is written
-- looked up in the tables, and not the other way round.

-- Adds to the sums of days, in the order of their key: what comes to nothing is not written.
CREATE FUNCTION raphus.add_taking_days(rows raphus.taking_days[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO raphus.taking_days AS d
    SELECT day, business_id, kind, net_sign, currency, sum(number), sum(settled), sum(gross),
        sum(tax), sum(recovered), sum(recovered_gross)
    FROM unnest(rows) GROUP BY 1, 2, 3, 4, 5
    HAVING (sum(number), sum(settled), sum(gross), sum(tax), sum(recovered), sum(recovered_gross))
        <> (0, 0, 0, 0, 0, 0)
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (day, business_id, kind, net_sign, currency) DO UPDATE SET
        number = d.number + excluded.number, settled = d.settled + excluded.settled,
        gross = d.gross + excluded.gross, tax = d.tax + excluded.tax,
        recovered = d.recovered + excluded.recovered,
        recovered_gross = d.recovered_gross + excluded.recovered_gross;
END
$$;

-- Which of those that follow, by the key of their tables.
CREATE TYPE raphus.taking_key AS (stream_id text, kind text, id text, ordinal bigint);

-- Has them as they are now, and returns what that adds to the sums of their days.
CREATE FUNCTION raphus.follow_takings(touched raphus.taking_key[]) RETURNS raphus.taking_days[]
LANGUAGE sql AS $$
    WITH keys AS MATERIALIZED (
        SELECT DISTINCT k.* FROM unnest(touched) AS k
    ), now AS MATERIALIZED (
        SELECT t.* FROM keys AS k CROSS JOIN LATERAL (
            SELECT * FROM raphus.settled_takings AS t
            WHERE (t.stream_id, t.kind, t.id, t.ordinal) = (k.stream_id, k.kind, k.id, k.ordinal)
            OFFSET 0
        ) AS t
    ), were AS MATERIALIZED (
        SELECT f.* FROM keys AS k CROSS JOIN LATERAL (
            SELECT f.ctid, f.* FROM raphus.following_takings AS f
            WHERE (f.stream_id, f.kind, f.id, f.ordinal) = (k.stream_id, k.kind, k.id, k.ordinal)
            OFFSET 0
        ) AS f
    ), gone AS (
        DELETE FROM raphus.following_takings WHERE ctid = ANY (array(
            SELECT ctid FROM were
            WHERE (stream_id, kind, id, ordinal) NOT IN (
                SELECT stream_id, kind, id, ordinal FROM now
            )
        ))
    ), kept AS (
        INSERT INTO raphus.following_takings AS f
        SELECT stream_id, kind, id, ordinal, business_id, at, payment_id, subscription_id, net_sign,
            settlement_currency, gross, tax, recovered_at
        FROM now
        ON CONFLICT (stream_id, kind, id, ordinal) DO UPDATE SET
            (business_id, at, payment_id, subscription_id, net_sign, settlement_currency, gross,
            tax, recovered_at) = ROW (excluded.business_id, excluded.at, excluded.payment_id,
            excluded.subscription_id, excluded.net_sign, excluded.settlement_currency,
            excluded.gross, excluded.tax, excluded.recovered_at)
        WHERE f IS DISTINCT FROM excluded
    ), changed AS (
        SELECT at, business_id, kind, net_sign, settlement_currency, gross, tax, recovered_at,
            1 AS sign FROM now
        UNION ALL
        SELECT at, business_id, kind, net_sign, settlement_currency, gross, tax, recovered_at, -1
        FROM were
    )
    SELECT array_agg(ROW (
        (at AT TIME ZONE 'UTC')::date, business_id, kind, net_sign, settlement_currency, sign,
        sign * (gross IS NOT NULL)::int, sign * coalesce(gross, 0), sign * coalesce(tax, 0),
        sign * (recovered_at IS NOT NULL)::int,
        CASE WHEN recovered_at IS NULL THEN 0 ELSE sign * coalesce(gross, 0) END
    )::raphus.taking_days) FROM changed
$$;

-- Payments and refunds say themselves what they come to. A payment may be what others follow from.
CREATE FUNCTION raphus.sum_up_takings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rows raphus.taking_days[];
    touched raphus.taking_key[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM raphus.taking_days;
        DELETE FROM raphus.following_takings;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        IF EXISTS (SELECT FROM written) THEN
            rows := array(
                SELECT ROW (
                    (at AT TIME ZONE 'UTC')::date, business_id, kind, net_sign, settlement_currency,
                    count(*), count(gross), coalesce(sum(gross), 0), coalesce(sum(tax), 0), 0, 0
                )::raphus.taking_days FROM written WHERE kind IN ('payment', 'refund')
                GROUP BY (at AT TIME ZONE 'UTC')::date, business_id, kind, net_sign,
                    settlement_currency
            );
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
    END IF;
    IF TG_OP <> 'INSERT' THEN
        IF EXISTS (SELECT FROM gone) THEN
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

CREATE TRIGGER summed_up_as_inserted AFTER INSERT ON raphus.takings
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_takings();
CREATE TRIGGER summed_up_as_updated AFTER UPDATE ON raphus.takings
    REFERENCING NEW TABLE AS written OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_takings();
CREATE TRIGGER summed_up_as_deleted AFTER DELETE ON raphus.takings
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_takings();
CREATE TRIGGER summed_up_as_emptied AFTER TRUNCATE ON raphus.takings
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_takings();

-- What the rows add up to: what stands there already, and what is kept is compared with.
CREATE VIEW raphus.following_takings_told AS
SELECT stream_id, kind, id, ordinal, business_id, at, payment_id, subscription_id, net_sign,
    settlement_currency, gross, tax, recovered_at
FROM raphus.settled_takings WHERE kind NOT IN ('payment', 'refund');

CREATE VIEW raphus.taking_days_told AS
SELECT (at AT TIME ZONE 'UTC')::date AS day, business_id, kind, net_sign,
    settlement_currency AS currency, count(*) AS number, count(gross) AS settled,
    coalesce(sum(gross), 0) AS gross, coalesce(sum(tax), 0) AS tax,
    count(recovered_at) AS recovered,
    coalesce(sum(gross) FILTER (WHERE recovered_at IS NOT NULL), 0) AS recovered_gross
FROM (
    SELECT at, business_id, kind, net_sign, settlement_currency, gross, tax,
        NULL::timestamptz AS recovered_at
    FROM raphus.takings WHERE kind IN ('payment', 'refund')
    UNION ALL
    SELECT at, business_id, kind, net_sign, settlement_currency, gross, tax, recovered_at
    FROM raphus.following_takings_told
) AS t
GROUP BY 1, 2, 3, 4, 5;

INSERT INTO raphus.following_takings SELECT * FROM raphus.following_takings_told;
INSERT INTO raphus.taking_days SELECT * FROM raphus.taking_days_told;

-- What so many recurring changes add up to by day, by how they move their book: "moved" of them do,
-- and make so many more "customers". What they change for their product is told beside it, by its sign.
CREATE TABLE raphus.recurring_days (
    day date NOT NULL,
    business_id text NOT NULL,
    currency text,
    product_id text,
    kind text,
    monthly_sign smallint NOT NULL,
    number bigint NOT NULL,
    total_change numeric NOT NULL,
    moved bigint NOT NULL,
    customers bigint NOT NULL,
    monthly_change numeric NOT NULL,
    product_moved bigint NOT NULL,
    product_customers bigint NOT NULL,
    yearly_change numeric NOT NULL,
    paying_change bigint NOT NULL,
    active_change bigint NOT NULL,
    trial_change bigint NOT NULL
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX recurring_days_key ON raphus.recurring_days
    (day, business_id, currency, product_id, kind, monthly_sign) NULLS NOT DISTINCT;

COMMENT ON TABLE raphus.recurring_days IS
    'What recurring changes add up to by day (in UTC), currency, product and kind of movement.';

-- The books in which more than one subscription has begun. One that has been so stays here: of one
-- subscription alone, what is told in the book together says what it says by itself.
CREATE TABLE raphus.shared_books (
    book uuid PRIMARY KEY
);

COMMENT ON TABLE raphus.shared_books IS
    'The books in which more than one subscription is, or was, told.';

-- How shared books move, as a whole and by product; and, taken back, what each change in them says
-- by itself, so that both together are what the sums of their days have to be corrected by.
CREATE TABLE raphus.book_moves (
    book uuid NOT NULL,
    at timestamptz NOT NULL,
    by_product boolean NOT NULL,
    taken_back boolean NOT NULL,
    kind text,
    monthly_sign smallint NOT NULL,
    currency text,
    product_id text,
    business_id text NOT NULL,
    customer_id text,
    subscription_ids text[],
    change numeric NOT NULL,
    moved bigint NOT NULL,
    customers bigint NOT NULL
);

CREATE INDEX book_moves_book_idx ON raphus.book_moves (book);
CREATE INDEX book_moves_at_idx ON raphus.book_moves (at) WHERE NOT taken_back;

COMMENT ON TABLE raphus.book_moves IS
    'How books move in which more than one subscription is told; what is taken back is no movement.';

-- Whoever reads one change after the other tells movements the same way: projections/read_models/mrr.py.
CREATE FUNCTION raphus.moves_of(books uuid[]) RETURNS SETOF raphus.book_moves
LANGUAGE sql STABLE AS $$
    WITH told AS (
        SELECT r.*, v.by_product, CASE WHEN v.by_product THEN r.product_id END AS of_product,
            CASE WHEN v.by_product THEN r.monthly_change ELSE r.total_change END AS change
        FROM raphus.recurring AS r CROSS JOIN (VALUES (false), (true)) AS v (by_product)
        WHERE r.book = ANY (books)
    ), together AS (
        SELECT book, by_product, at, currency, business_id, of_product, sum(change) AS change,
            max(customer_id) AS customer_id, array_agg(DISTINCT subscription_id) AS subscription_ids
        FROM told WHERE change <> 0
        GROUP BY book, by_product, at, currency, business_id, of_product HAVING sum(change) <> 0
    ), stood AS (
        SELECT together.*, sum(change) OVER (PARTITION BY book, by_product, at) AS total_change,
            sum(change) OVER own AS total, first_value(at) OVER own AS first_at,
            sum(change) OVER (PARTITION BY book, by_product, of_product ORDER BY at) AS part
        FROM together WINDOW own AS (PARTITION BY book, by_product ORDER BY at)
    )
    SELECT book, at, by_product, false, CASE
            WHEN total = total_change AND at = first_at THEN 'new'
            WHEN total = total_change THEN 'reactivation'
            WHEN total = 0 THEN 'churn'
            WHEN change > 0 THEN 'expansion'
            ELSE 'contraction' END, sign(change)::smallint, currency, of_product, business_id,
        customer_id, subscription_ids, change, 1::bigint,
        ((part > 0)::int - (part - change > 0)::int)::bigint
    FROM stood
    UNION ALL
    SELECT book, at, by_product, true, kind, sign(monthly_change)::smallint, currency, product_id,
        business_id, NULL, NULL, -change, -(change <> 0)::int::bigint, -paying_change::bigint
    FROM told
$$;

-- Adds to the sums of days, in the order of their key: what comes to nothing is not written.
CREATE FUNCTION raphus.add_recurring_days(rows raphus.recurring_days[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO raphus.recurring_days AS d
    SELECT * FROM (
        SELECT day, business_id, currency, product_id, kind, monthly_sign, sum(number) AS number,
            sum(total_change) AS total, sum(moved) AS moved, sum(customers) AS customers,
            sum(monthly_change) AS monthly, sum(product_moved) AS product_moved,
            sum(product_customers) AS product_customers, sum(yearly_change) AS yearly,
            sum(paying_change) AS paying, sum(active_change) AS active, sum(trial_change) AS trials
        FROM unnest(rows) GROUP BY 1, 2, 3, 4, 5, 6
    ) AS s
    WHERE (number, total, moved, customers, monthly, product_moved, product_customers, yearly,
        paying, active, trials) <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (day, business_id, currency, product_id, kind, monthly_sign) DO UPDATE SET
        number = d.number + excluded.number,
        total_change = d.total_change + excluded.total_change,
        moved = d.moved + excluded.moved, customers = d.customers + excluded.customers,
        monthly_change = d.monthly_change + excluded.monthly_change,
        product_moved = d.product_moved + excluded.product_moved,
        product_customers = d.product_customers + excluded.product_customers,
        yearly_change = d.yearly_change + excluded.yearly_change,
        paying_change = d.paying_change + excluded.paying_change,
        active_change = d.active_change + excluded.active_change,
        trial_change = d.trial_change + excluded.trial_change;
END
$$;

-- What moves add to the sums of their days, so many times.
CREATE FUNCTION raphus.days_of_moves(moves raphus.book_moves[], times integer)
RETURNS raphus.recurring_days[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(ROW (
        (at AT TIME ZONE 'UTC')::date, business_id, currency, product_id, kind, monthly_sign, 0,
        CASE WHEN by_product THEN 0 ELSE times * change END,
        CASE WHEN by_product THEN 0 ELSE times * moved END,
        CASE WHEN by_product THEN 0 ELSE times * customers END,
        CASE WHEN by_product THEN times * change ELSE 0 END,
        CASE WHEN by_product THEN times * moved ELSE 0 END,
        CASE WHEN by_product THEN times * customers ELSE 0 END, 0, 0, 0, 0
    )::raphus.recurring_days) FROM unnest(moves)
$$;

-- Has the moves of shared books as they are now, from an instant of each on: a change moves nothing
-- before it. Returns what that adds to the sums of their days.
CREATE FUNCTION raphus.follow_books(books uuid[], starts timestamptz[])
RETURNS raphus.recurring_days[] LANGUAGE plpgsql AS $$
DECLARE
    were raphus.book_moves[];
    are raphus.book_moves[];
BEGIN
    WITH gone AS (
        DELETE FROM raphus.book_moves AS m WHERE ctid = ANY (array(
            SELECT o.ctid FROM unnest(books, starts) AS t (book, since) CROSS JOIN LATERAL (
                SELECT o.ctid FROM raphus.book_moves AS o
                WHERE o.book = t.book AND o.at >= t.since OFFSET 0
            ) AS o
        ))
        RETURNING m.*
    )
    SELECT array_agg(gone::raphus.book_moves) INTO were FROM gone;
    SELECT array_agg(m) INTO are
    FROM raphus.moves_of(books) AS m JOIN unnest(books, starts) AS t (book, since)
        ON m.book = t.book AND m.at >= t.since;
    INSERT INTO raphus.book_moves SELECT * FROM unnest(are);
    RETURN raphus.days_of_moves(were, -1) || raphus.days_of_moves(are, 1);
END
$$;

CREATE FUNCTION raphus.sum_up_recurring() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rows raphus.recurring_days[];
    begun uuid[];
    books uuid[];
    starts timestamptz[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM raphus.recurring_days;
        DELETE FROM raphus.book_moves;
        DELETE FROM raphus.shared_books;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        IF EXISTS (SELECT FROM written) THEN
            rows := array(
                SELECT ROW (
                    (at AT TIME ZONE 'UTC')::date, business_id, currency, product_id, kind,
                    sign(monthly_change), count(*), sum(total_change),
                    count(*) FILTER (WHERE total_change <> 0), sum(paying_change),
                    sum(monthly_change), count(*) FILTER (WHERE monthly_change <> 0),
                    sum(paying_change), sum(yearly_change), sum(paying_change),
                    sum(active_change), sum(trial_change)
                )::raphus.recurring_days FROM written
                GROUP BY (at AT TIME ZONE 'UTC')::date, business_id, currency, product_id, kind,
                    sign(monthly_change)
            );
            WITH shared AS (
                INSERT INTO raphus.shared_books
                SELECT DISTINCT w.book FROM written AS w CROSS JOIN LATERAL (
                    SELECT stream_id, at FROM raphus.recurring AS r
                    WHERE r.book = w.book AND r.kind = 'new' OFFSET 0
                ) AS r
                WHERE w.kind = 'new' AND (r.stream_id, r.at) <> (w.stream_id, w.at)
                ORDER BY 1 ON CONFLICT DO NOTHING RETURNING book
            )
            SELECT array_agg(book) INTO begun FROM shared;
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        IF EXISTS (SELECT FROM gone) THEN
            rows := rows || array(
                SELECT ROW (
                    (at AT TIME ZONE 'UTC')::date, business_id, currency, product_id, kind,
                    sign(monthly_change), -count(*), -sum(total_change),
                    -count(*) FILTER (WHERE total_change <> 0), -sum(paying_change),
                    -sum(monthly_change), -count(*) FILTER (WHERE monthly_change <> 0),
                    -sum(paying_change), -sum(yearly_change), -sum(paying_change),
                    -sum(active_change), -sum(trial_change)
                )::raphus.recurring_days FROM gone
                GROUP BY (at AT TIME ZONE 'UTC')::date, business_id, currency, product_id, kind,
                    sign(monthly_change)
            );
        END IF;
    END IF;
    IF rows IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(t.book), array_agg(t.since) INTO books, starts FROM (
            SELECT book, min(at) AS since FROM written GROUP BY book
        ) AS t CROSS JOIN LATERAL (
            SELECT FROM raphus.shared_books AS b WHERE b.book = t.book OFFSET 0
        ) AS b;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(t.book), array_agg(t.since) INTO books, starts FROM (
            SELECT book, min(at) AS since FROM gone GROUP BY book
        ) AS t CROSS JOIN LATERAL (
            SELECT FROM raphus.shared_books AS b WHERE b.book = t.book OFFSET 0
        ) AS b;
    ELSE  -- of most, only the end has become known
        SELECT array_agg(t.book), array_agg(t.since) INTO books, starts FROM (
            SELECT book, min(at) AS since FROM (
                (SELECT book, at, total_change, monthly_change, paying_change, kind, currency,
                    product_id, business_id, customer_id, subscription_id FROM written
                EXCEPT ALL
                SELECT book, at, total_change, monthly_change, paying_change, kind, currency,
                    product_id, business_id, customer_id, subscription_id FROM gone)
                UNION ALL
                (SELECT book, at, total_change, monthly_change, paying_change, kind, currency,
                    product_id, business_id, customer_id, subscription_id FROM gone
                EXCEPT ALL
                SELECT book, at, total_change, monthly_change, paying_change, kind, currency,
                    product_id, business_id, customer_id, subscription_id FROM written)
            ) AS changed GROUP BY book
        ) AS t CROSS JOIN LATERAL (
            SELECT FROM raphus.shared_books AS b WHERE b.book = t.book OFFSET 0
        ) AS b;
    END IF;
    IF begun IS NOT NULL THEN  -- of these, nothing has been kept
        SELECT array_agg(t.book), array_agg(t.since) INTO books, starts FROM (
            SELECT book, min(since) AS since FROM (
                SELECT * FROM unnest(books, starts) AS u (book, since)
                UNION ALL SELECT unnest(begun), '-infinity'
            ) AS u GROUP BY book
        ) AS t;
    END IF;
    IF books IS NOT NULL THEN
        rows := rows || raphus.follow_books(books, starts);
    END IF;
    PERFORM raphus.add_recurring_days(rows);
    RETURN NULL;
END
$$;

CREATE TRIGGER summed_up_as_inserted AFTER INSERT ON raphus.recurring
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_recurring();
CREATE TRIGGER summed_up_as_updated AFTER UPDATE ON raphus.recurring
    REFERENCING NEW TABLE AS written OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_recurring();
CREATE TRIGGER summed_up_as_deleted AFTER DELETE ON raphus.recurring
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_recurring();
CREATE TRIGGER summed_up_as_emptied AFTER TRUNCATE ON raphus.recurring
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_recurring();

CREATE VIEW raphus.shared_books_told AS
SELECT book FROM raphus.recurring WHERE kind = 'new'
GROUP BY book HAVING min(stream_id) <> max(stream_id) OR min(at) <> max(at)
UNION SELECT book FROM raphus.shared_books;

CREATE VIEW raphus.book_moves_told AS
SELECT m.* FROM raphus.moves_of(array(SELECT book FROM raphus.shared_books_told)) AS m;

CREATE VIEW raphus.recurring_days_told AS
SELECT day, business_id, currency, product_id, kind, monthly_sign, sum(number)::bigint AS number,
    sum(total_change) AS total_change, sum(moved)::bigint AS moved,
    sum(customers)::bigint AS customers, sum(monthly_change) AS monthly_change,
    sum(product_moved)::bigint AS product_moved,
    sum(product_customers)::bigint AS product_customers, sum(yearly_change) AS yearly_change,
    sum(paying_change)::bigint AS paying_change, sum(active_change)::bigint AS active_change,
    sum(trial_change)::bigint AS trial_change
FROM (
    SELECT (at AT TIME ZONE 'UTC')::date AS day, business_id, currency, product_id, kind,
        sign(monthly_change)::smallint AS monthly_sign, 1 AS number, total_change,
        (total_change <> 0)::int AS moved, paying_change AS customers, monthly_change,
        (monthly_change <> 0)::int AS product_moved, paying_change AS product_customers,
        yearly_change, paying_change, active_change, trial_change
    FROM raphus.recurring
    UNION ALL
    SELECT d.* FROM unnest(raphus.days_of_moves(array(
        SELECT m FROM raphus.moves_of(array(SELECT book FROM raphus.shared_books_told)) AS m
    ), 1)) AS d
) AS r
GROUP BY 1, 2, 3, 4, 5, 6;

INSERT INTO raphus.shared_books SELECT * FROM raphus.shared_books_told;
INSERT INTO raphus.book_moves SELECT * FROM raphus.book_moves_told;
INSERT INTO raphus.recurring_days SELECT * FROM raphus.recurring_days_told;

CREATE VIEW raphus.subscription_counts_told AS
SELECT business_id, coalesce(status, '') AS status, count(*) AS number
FROM raphus.subscriptions GROUP BY 1, 2;

-- Trials that began in a span, and what became of them; what was open, or had failed, at an instant.
CREATE INDEX recurring_trial_idx ON raphus.recurring (at) WHERE trial_change = 1;
CREATE INDEX recurring_trials_idx ON raphus.recurring (stream_id, at)
    INCLUDE (trial_change, converted, currency, product_id, business_id)
    WHERE trial_change <> 0 OR converted;
CREATE INDEX subscription_periods_past_due_idx ON raphus.subscription_periods (valid_from)
    INCLUDE (valid_to, past_due_ends_at, business_id, kind) WHERE status = 'past_due';
CREATE INDEX payment_periods_failed_idx ON raphus.payment_periods (created_at)
    WHERE status = 'failed';
CREATE INDEX dispute_periods_open_idx ON raphus.dispute_periods (valid_from)
    INCLUDE (valid_to, business_id, kind, currency, amount) WHERE status IN ('opened', 'challenged');
