-- Grace: a subscription that is past due gives access until its grace ends, as an active one does.
-- The views keep their columns and grants. Which instant counts is told where it is asked: now in
-- a view. The periods have the end of the grace beside the status, for any other instant; rows
-- that were written before lack it until a rebuild.

ALTER TABLE raphus.periods ADD COLUMN past_due_ends_at timestamptz;

CREATE OR REPLACE VIEW raphus.customer_objects AS
SELECT
    'subscription' AS kind, subscription_id AS id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at,
    NULL::text AS currency, 0::bigint AS paid, 0::bigint AS refunded,
    coalesce(
        status = 'active'
        OR status = 'past_due' AND coalesce(past_due_ends_at > now(), true),
        false
    ) AS gives_access
FROM raphus.subscriptions
WHERE customer_id IS NOT NULL
UNION ALL
SELECT
    'payment', payment_id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at,
    CASE WHEN status = 'succeeded' THEN currency END,
    CASE WHEN status = 'succeeded' THEN coalesce(total_amount, 0) ELSE 0 END, 0::bigint,
    false
FROM raphus.payments
WHERE customer_id IS NOT NULL
-- Each of the two that may lack a customer stands here twice, so that the planner can search
-- the indexes for a customer of its own and for its payment's.
UNION ALL
SELECT
    'refund', r.refund_id, r.stream_id, r.first_position, r.business_id,
    r.customer_id, r.status, r.refused, r.created_at, r.occurred_at,
    CASE WHEN r.status = 'succeeded' THEN coalesce(r.currency, p.currency) END,
    0::bigint, CASE WHEN r.status = 'succeeded' THEN coalesce(r.amount, 0) ELSE 0 END,
    false
FROM raphus.refunds AS r
LEFT JOIN raphus.payments AS p
    ON p.payment_id = r.payment_id AND p.business_id = r.business_id
WHERE r.customer_id IS NOT NULL
UNION ALL
SELECT
    'refund', r.refund_id, r.stream_id, r.first_position, r.business_id,
    p.customer_id, r.status, r.refused, r.created_at, r.occurred_at,
    CASE WHEN r.status = 'succeeded' THEN coalesce(r.currency, p.currency) END,
    0::bigint, CASE WHEN r.status = 'succeeded' THEN coalesce(r.amount, 0) ELSE 0 END,
    false
FROM raphus.refunds AS r
JOIN raphus.payments AS p ON p.stream_id = r.stream_id
WHERE r.customer_id IS NULL AND p.customer_id IS NOT NULL
UNION ALL
SELECT
    'dispute', dispute_id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at, NULL::text, 0::bigint, 0::bigint,
    false
FROM raphus.disputes
WHERE customer_id IS NOT NULL
UNION ALL
SELECT
    'dispute', d.dispute_id, d.stream_id, d.first_position, d.business_id,
    p.customer_id, d.status, d.refused, d.created_at, d.occurred_at, NULL::text, 0::bigint, 0::bigint,
    false
FROM raphus.disputes AS d
JOIN raphus.payments AS p
    ON p.payment_id = d.payment_id AND p.business_id = d.business_id
WHERE d.customer_id IS NULL AND p.customer_id IS NOT NULL
UNION ALL
SELECT
    'license_key', id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at, NULL::text, 0::bigint, 0::bigint,
    false
FROM raphus.license_keys
WHERE customer_id IS NOT NULL;

CREATE OR REPLACE VIEW raphus.customers AS
SELECT
    business_id,
    customer_id,
    sum(subscriptions)::bigint AS subscriptions,
    sum(active_subscriptions)::bigint AS active_subscriptions,
    sum(payments)::bigint AS payments,
    sum(succeeded_payments)::bigint AS succeeded_payments,
    sum(failed_payments)::bigint AS failed_payments,
    sum(refunds)::bigint AS refunds,
    sum(disputes)::bigint AS disputes,
    sum(open_disputes)::bigint AS open_disputes,
    sum(license_keys)::bigint AS license_keys,
    sum(refused)::bigint AS refused,
    min(first_seen_at) AS first_seen_at,
    max(last_seen_at) AS last_seen_at,
    coalesce(
        jsonb_object_agg(currency, jsonb_build_object('paid', paid, 'refunded', refunded))
            FILTER (WHERE currency IS NOT NULL),
        '{}'
    ) AS totals
FROM (
    SELECT
        business_id,
        customer_id,
        currency,
        count(*) FILTER (WHERE kind = 'subscription') AS subscriptions,
        count(*) FILTER (WHERE gives_access) AS active_subscriptions,
        count(*) FILTER (WHERE kind = 'payment') AS payments,
        count(*) FILTER (WHERE kind = 'payment' AND status = 'succeeded') AS succeeded_payments,
        count(*) FILTER (WHERE kind = 'payment' AND status = 'failed') AS failed_payments,
        count(*) FILTER (WHERE kind = 'refund') AS refunds,
        count(*) FILTER (WHERE kind = 'dispute') AS disputes,
        count(*) FILTER (WHERE kind = 'dispute' AND status IN ('opened', 'challenged'))
            AS open_disputes,
        count(*) FILTER (WHERE kind = 'license_key') AS license_keys,
        sum(refused) AS refused,
        min(created_at) AS first_seen_at,
        max(occurred_at) AS last_seen_at,
        sum(paid) AS paid,
        sum(refunded) AS refunded
    FROM raphus.customer_objects
    GROUP BY business_id, customer_id, currency
) AS by_currency
GROUP BY business_id, customer_id;

CREATE OR REPLACE VIEW raphus.active_subscriptions AS
SELECT
    business_id, status, folded_status, observed_status, drift, history, refused, occurred_at,
    created_at, customer_id, subscription_id, product_id, quantity, currency,
    recurring_pre_tax_amount, tax_inclusive, payment_frequency_count, payment_frequency_interval,
    subscription_period_count, subscription_period_interval, trial_period_days, on_demand,
    discount_id, previous_billing_date, next_billing_date, past_due_ends_at,
    cancel_at_next_billing_date, cancelled_at, expires_at
FROM raphus.subscriptions
WHERE status = 'active'
    OR status = 'past_due' AND coalesce(past_due_ends_at > now(), true);

COMMENT ON VIEW raphus.active_subscriptions IS
    'The subscriptions that give access now: active, or past due within the grace.';
