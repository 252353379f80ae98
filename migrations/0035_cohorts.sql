-- When a book began stands beside each change in it, and what books of one month come to is kept by
-- day, as the other days are: a report of cohorts by months reads that instead of all changes.
ALTER TABLE raphus.recurring ADD COLUMN began timestamptz;

COMMENT ON COLUMN raphus.recurring.began IS
    'When the book was new, by this subscription alone; null before that.';

ALTER TABLE raphus.recurring DISABLE TRIGGER USER;

UPDATE raphus.recurring AS r SET began = n.at
FROM (
    SELECT stream_id, book, min(at) AS at FROM raphus.recurring WHERE kind = 'new'
    GROUP BY stream_id, book
) AS n
WHERE n.stream_id = r.stream_id AND n.book = r.book AND n.at <= r.at;

ALTER TABLE raphus.recurring ENABLE TRIGGER USER;

-- By day, of whatever began lately: for cohorts by days and weeks, and the day that is not over.
CREATE INDEX recurring_began_idx ON raphus.recurring (began)
    INCLUDE (at, currency, business_id, kind, total_change, book) WHERE total_change <> 0;

-- So many "customers" more of those whose books began in the month, of which so many "began" that day.
CREATE TABLE raphus.cohort_days (
    month date NOT NULL,
    day date NOT NULL,
    business_id text NOT NULL,
    currency text,
    change numeric NOT NULL,
    customers bigint NOT NULL,
    began bigint NOT NULL,
    began_change numeric NOT NULL
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX cohort_days_key ON raphus.cohort_days (month, day, business_id, currency)
    NULLS NOT DISTINCT;

COMMENT ON TABLE raphus.cohort_days IS
    'What books that began in one month (by its first day) came to by day (in UTC) and currency.';

-- What a movement adds to its day, or takes from it.
CREATE FUNCTION raphus.cohort_day(
    began timestamptz, at timestamptz, business_id text, currency text, kind text, change numeric,
    moved bigint
) RETURNS raphus.cohort_days LANGUAGE sql IMMUTABLE AS $$
    SELECT ROW (
        date_trunc('month', began AT TIME ZONE 'UTC')::date, (at AT TIME ZONE 'UTC')::date,
        business_id, currency, change,
        CASE WHEN kind IN ('new', 'reactivation') THEN moved WHEN kind = 'churn' THEN -moved ELSE 0
            END,
        CASE WHEN kind = 'new' THEN moved ELSE 0 END, CASE WHEN kind = 'new' THEN change ELSE 0 END
    )::raphus.cohort_days
$$;

-- Adds to the sums of days, in the order of their key: what comes to nothing is not written.
CREATE FUNCTION raphus.add_cohort_days(rows raphus.cohort_days[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO raphus.cohort_days AS d
    SELECT month, day, business_id, currency, sum(change), sum(customers), sum(began),
        sum(began_change)
    FROM unnest(rows) GROUP BY 1, 2, 3, 4
    HAVING (sum(change), sum(customers), sum(began), sum(began_change)) <> (0, 0, 0, 0)
    ORDER BY 1, 2, 3, 4
    ON CONFLICT (month, day, business_id, currency) DO UPDATE SET
        change = d.change + excluded.change, customers = d.customers + excluded.customers,
        began = d.began + excluded.began, began_change = d.began_change + excluded.began_change;
END
$$;

CREATE FUNCTION raphus.sum_up_cohorts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rows raphus.cohort_days[];
    books uuid[];
    starts timestamptz[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM raphus.cohort_days;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        rows := array(
            SELECT raphus.cohort_day(began, at, business_id, currency, kind, total_change, 1)
            FROM written WHERE total_change <> 0 AND began IS NOT NULL
        );
    END IF;
    IF TG_OP <> 'INSERT' THEN
        rows := rows || array(
            SELECT raphus.cohort_day(began, at, business_id, currency, kind, -total_change, -1)
            FROM gone WHERE total_change <> 0 AND began IS NOT NULL
        );
    END IF;
    IF rows <> '{}' THEN
        PERFORM raphus.add_cohort_days(rows);
    END IF;
    IF TG_OP = 'UPDATE' THEN  -- what is taken back of shared books says when each began
        SELECT array_agg(t.book), array_agg(t.since) INTO books, starts FROM (
            SELECT book, min(at) AS since FROM (
                SELECT book, at, began FROM written EXCEPT ALL SELECT book, at, began FROM gone
            ) AS changed GROUP BY book
        ) AS t CROSS JOIN LATERAL (
            SELECT FROM raphus.shared_books AS b WHERE b.book = t.book OFFSET 0
        ) AS b;
        IF books IS NOT NULL THEN
            PERFORM raphus.add_recurring_days(raphus.follow_books(books, starts));
        END IF;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER cohorts_summed_up_as_inserted AFTER INSERT ON raphus.recurring
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_cohorts();
CREATE TRIGGER cohorts_summed_up_as_updated AFTER UPDATE ON raphus.recurring
    REFERENCING NEW TABLE AS written OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_cohorts();
CREATE TRIGGER cohorts_summed_up_as_deleted AFTER DELETE ON raphus.recurring
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_cohorts();
CREATE TRIGGER cohorts_summed_up_as_emptied AFTER TRUNCATE ON raphus.recurring
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.sum_up_cohorts();

-- Moves of shared books say when these began, too; what is taken back, when by itself.
ALTER TABLE raphus.book_moves ADD COLUMN began timestamptz;

CREATE INDEX book_moves_began_idx ON raphus.book_moves (began)
    WHERE NOT by_product AND NOT taken_back;

CREATE OR REPLACE FUNCTION raphus.moves_of(books uuid[]) RETURNS SETOF raphus.book_moves
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
        ((part > 0)::int - (part - change > 0)::int)::bigint, first_at
    FROM stood
    UNION ALL
    SELECT book, at, by_product, true, kind, sign(monthly_change)::smallint, currency, product_id,
        business_id, NULL, NULL, -change, -(change <> 0)::int::bigint, -paying_change::bigint, began
    FROM told
$$;

-- What moves add to the sums of their days, so many times.
CREATE FUNCTION raphus.cohorts_of_moves(moves raphus.book_moves[], times integer)
RETURNS SETOF raphus.cohort_days LANGUAGE sql IMMUTABLE AS $$
    SELECT raphus.cohort_day(began, at, business_id, currency, kind, times * change, times * moved)
    FROM unnest(moves) WHERE NOT by_product AND change <> 0 AND began IS NOT NULL
$$;

-- As it was, and with what it adds to the days of cohorts.
CREATE OR REPLACE FUNCTION raphus.follow_books(books uuid[], starts timestamptz[])
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
    PERFORM raphus.add_cohort_days(array(
        SELECT d FROM raphus.cohorts_of_moves(were, -1) AS d
        UNION ALL SELECT d FROM raphus.cohorts_of_moves(are, 1) AS d
    ));
    RETURN raphus.days_of_moves(were, -1) || raphus.days_of_moves(are, 1);
END
$$;

CREATE OR REPLACE VIEW raphus.book_moves_told AS
SELECT m.* FROM raphus.moves_of(array(SELECT book FROM raphus.shared_books_told)) AS m;

CREATE VIEW raphus.cohort_days_told AS
SELECT month, day, business_id, currency, sum(change) AS change,
    sum(customers)::bigint AS customers, sum(began)::bigint AS began,
    sum(began_change) AS began_change
FROM (
    SELECT d.* FROM raphus.recurring AS r CROSS JOIN LATERAL raphus.cohort_day(
        r.began, r.at, r.business_id, r.currency, r.kind, r.total_change, 1
    ) AS d
    WHERE r.total_change <> 0 AND r.began IS NOT NULL
    UNION ALL
    SELECT d.* FROM raphus.cohorts_of_moves(array(
        SELECT m FROM raphus.moves_of(array(SELECT book FROM raphus.shared_books_told)) AS m
    ), 1) AS d
) AS d
GROUP BY 1, 2, 3, 4;

DELETE FROM raphus.book_moves;
INSERT INTO raphus.book_moves SELECT * FROM raphus.book_moves_told;
INSERT INTO raphus.cohort_days SELECT * FROM raphus.cohort_days_told;
